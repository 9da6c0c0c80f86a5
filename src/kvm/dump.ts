/** A vCPU's state as text: what is printed when a guest cannot go on. Thread: the vCPU's. */
import {
  KVM_DTABLE_BASE_OFF,
  KVM_DTABLE_LIMIT_OFF,
  KVM_REGS_RFLAGS_OFF,
  KVM_REGS_RIP_OFF,
  KVM_SREGS_CR0_OFF,
  KVM_SREGS_CR2_OFF,
  KVM_SREGS_CR3_OFF,
  KVM_SREGS_CR4_OFF,
  KVM_SREGS_CS_OFF,
  KVM_SREGS_DS_OFF,
  KVM_SREGS_EFER_OFF,
  KVM_SREGS_ES_OFF,
  KVM_SREGS_FS_OFF,
  KVM_SREGS_GDT_OFF,
  KVM_SREGS_GS_OFF,
  KVM_SREGS_IDT_OFF,
  KVM_SREGS_SS_OFF,
  KVM_SREGS_TR_OFF,
  RESET_CS_BASE,
  RESET_RIP,
} from '../abi/kvm-x86.js';
import type { GuestMemory } from '../memory/guest-memory.js';
import { getU64 } from '../util/u64.js';
import { readSegment } from './segments.js';
import type { Vcpu } from './vcpu.js';

/** Bytes of code shown: half of them before the instruction pointer. */
export const CODE_BYTES = 64;

// struct kvm_regs is these sixteen, eight bytes each, in this order.
const GENERAL = 'rax rbx rcx rdx rsi rdi rsp rbp r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');

const SEGMENTS: readonly (readonly [string, number])[] = [
  ['cs', KVM_SREGS_CS_OFF],
  ['ds', KVM_SREGS_DS_OFF],
  ['es', KVM_SREGS_ES_OFF],
  ['fs', KVM_SREGS_FS_OFF],
  ['gs', KVM_SREGS_GS_OFF],
  ['ss', KVM_SREGS_SS_OFF],
  ['tr', KVM_SREGS_TR_OFF],
];

function hex(value: number | bigint, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

function generalRegisters(regs: DataView): string[] {
  const cells = GENERAL.map((name, i) => `${name.padStart(3)}: ${hex(regs.getBigUint64(i * 8, true), 16)}`);
  const lines = Array.from({ length: 4 }, (_, i) => ` ${cells.slice(i * 4, i * 4 + 4).join('  ')}`);
  const [rip, rflags] = [
    regs.getBigUint64(KVM_REGS_RIP_OFF, true),
    regs.getBigUint64(KVM_REGS_RFLAGS_OFF, true),
  ];
  return [` rip: ${hex(rip, 16)}  rflags: ${hex(rflags, 16)}`, ...lines];
}

function segmentRegisters(sregs: DataView): string[] {
  return SEGMENTS.map(([name, offset]) => {
    const { selector, base, limit, type, present, dpl, db, s, l, g } = readSegment(sregs, offset);
    const flags = `type ${hex(type, 1)} s ${s} p ${present} dpl ${dpl} db ${db} l ${l} g ${g}`;
    return `  ${name}: ${hex(selector, 4)}  base ${hex(base, 16)}  limit ${hex(limit, 8)}  ${flags}`;
  });
}

function systemRegisters(sregs: DataView): string[] {
  const control = [
    ['cr0', KVM_SREGS_CR0_OFF],
    ['cr2', KVM_SREGS_CR2_OFF],
    ['cr3', KVM_SREGS_CR3_OFF],
    ['cr4', KVM_SREGS_CR4_OFF],
    ['efer', KVM_SREGS_EFER_OFF],
  ] as const;
  const table = (name: string, at: number): string => {
    const base = sregs.getBigUint64(at + KVM_DTABLE_BASE_OFF, true);
    return `${name}: base ${hex(base, 16)} limit ${hex(sregs.getUint16(at + KVM_DTABLE_LIMIT_OFF, true), 4)}`;
  };
  return [
    ` ${control.map(([name, at]) => `${name}: ${hex(sregs.getBigUint64(at, true), 1)}`).join('  ')}`,
    ` ${table('gdt', KVM_SREGS_GDT_OFF)}  ${table('idt', KVM_SREGS_IDT_OFF)}`,
  ];
}

/** The bytes around the instruction pointer; `--` where the guest has no memory. */
function code(vcpu: Vcpu, memory: GuestMemory): string {
  const base = readSegment(vcpu.sregs.view, KVM_SREGS_CS_OFF).base;
  const rip = base + getU64(vcpu.regs.view, KVM_REGS_RIP_OFF);
  const cells: string[] = [];
  for (let i = 0; i < CODE_BYTES; i++) {
    const linear = rip - CODE_BYTES / 2 + i;
    const byte = linear < 0 ? -1 : byteAt(vcpu, memory, linear);
    const text = byte < 0 ? '--' : hex(byte, 2);
    cells.push(i === CODE_BYTES / 2 ? `<${text}>` : text);
  }
  return ` code: ${cells.join(' ')}`;
}

function byteAt(vcpu: Vcpu, memory: GuestMemory, linear: number): number {
  const gpa = vcpu.translate(linear);
  if (gpa < 0 || !memory.translate(gpa, 1)) return -1;
  return memory.chunk.u8[memory.offset] ?? -1;
}

/**
 * Whether a vCPU is as after a reset. KVM on AMD resets a processor that has triple-faulted before it exits, so that
 * what led there cannot be read any more. Errors: SysError.
 */
export function isAtReset(vcpu: Vcpu): boolean {
  const cs = readSegment(vcpu.sregs.load().view, KVM_SREGS_CS_OFF);
  return cs.base === RESET_CS_BASE && vcpu.regs.load().number(KVM_REGS_RIP_OFF) === RESET_RIP;
}

/**
 * Registers and 64 bytes of code around the instruction pointer (which stands in angle brackets), one item a line.
 * Never throws: a part that cannot be read says so.
 */
export function dumpVcpu(vcpu: Vcpu, memory: GuestMemory): string {
  const lines: string[] = [`vCPU ${vcpu.index}:`];
  try {
    lines.push(...generalRegisters(vcpu.regs.load().view));
    const sregs = vcpu.sregs.load().view;
    lines.push(...segmentRegisters(sregs), ...systemRegisters(sregs), code(vcpu, memory));
  } catch (error) {
    lines.push(` (the rest cannot be read: ${error instanceof Error ? error.message : String(error)})`);
  }
  return lines.join('\n');
}
