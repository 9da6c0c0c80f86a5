/** The state in which a guest's boot processor starts, as plain data, and how it gets into a vCPU. */
import {
  CR0_ET,
  CR0_NE,
  CR0_PE,
  CR0_PG,
  CR4_PAE,
  EFER_LMA,
  EFER_LME,
  KVM_REGS_RAX_OFF,
  KVM_REGS_RBP_OFF,
  KVM_REGS_RBX_OFF,
  KVM_REGS_RFLAGS_OFF,
  KVM_REGS_RIP_OFF,
  KVM_REGS_RSI_OFF,
  KVM_REGS_RSP_OFF,
  KVM_SREGS_CR0_OFF,
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
  RFLAGS_ONE,
} from '../../abi/kvm-x86.js';
import { LINUX_BOOT_CS, LINUX_BOOT_DS } from '../../abi/linux-boot.js';
import { readSegment, type Segment, writeSegment, writeTable } from '../../kvm/segments.js';
import type { StateStruct } from '../../kvm/state-struct.js';
import type { Vcpu } from '../../kvm/vcpu.js';
import { BOOT_TASK_SELECTOR, GDT_ADDRESS, GDT_BYTES, PAGE_TABLES } from './boot-tables.js';

/**
 * Start of a boot processor. Registers that are not named are 0, interrupts are off.
 *
 * * `reset`: as after a reset, at the vector below 4 GiB; everything else is ignored.
 * * `real`: all segments are `segment`; `rip` and `rsp` are offsets in it.
 * * `protected`: 32-bit, flat segments, no paging.
 * * `long`: 64-bit, flat segments, the first 4 GiB mapped one to one.
 */
export interface EntryState {
  readonly mode: 'reset' | 'real' | 'protected' | 'long';
  readonly rip: number;
  readonly rsp: number;
  readonly rax: number;
  readonly rbx: number;
  readonly rsi: number;
  /** Real mode: paragraph number of the segments. */
  readonly segment: number;
}

/** An entry of which only some registers matter. */
export function entryState(mode: EntryState['mode'], values: Partial<Omit<EntryState, 'mode'>>): EntryState {
  return { mode, rip: 0, rsp: 0, rax: 0, rbx: 0, rsi: 0, segment: 0, ...values };
}

const DATA_SEGMENTS = [
  KVM_SREGS_DS_OFF,
  KVM_SREGS_ES_OFF,
  KVM_SREGS_FS_OFF,
  KVM_SREGS_GS_OFF,
  KVM_SREGS_SS_OFF,
];

const FLAT_DATA: Segment = {
  base: 0,
  limit: 0xffff_ffff,
  selector: LINUX_BOOT_DS,
  type: 3,
  present: 1,
  dpl: 0,
  db: 1,
  s: 1,
  l: 0,
  g: 1,
  avl: 0,
  unusable: 0,
};
const CODE_32: Segment = { ...FLAT_DATA, selector: LINUX_BOOT_CS, type: 11 };
const CODE_64: Segment = { ...CODE_32, db: 0, l: 1 };
/** Busy task state; nothing uses it, but it has to be valid. */
const TASK: Segment = {
  ...FLAT_DATA,
  selector: BOOT_TASK_SELECTOR,
  limit: 0x67,
  type: 11,
  s: 0,
  g: 0,
  db: 0,
};

/**
 * Puts a new vCPU into the entry state. Once, before its first run, on the boot processor only: the others wait for
 * INIT and SIPI. Errors: SysError.
 */
export function applyEntry(vcpu: Vcpu, entry: EntryState): void {
  if (entry.mode === 'reset') return; // where KVM has put it already
  const sregs = vcpu.sregs.load();
  if (entry.mode === 'real') setRealMode(sregs, entry.segment);
  else setFlatMode(sregs, entry.mode === 'long');
  sregs.store();
  const regs = vcpu.regs.load();
  regs.u8.fill(0);
  regs.setNumber(KVM_REGS_RIP_OFF, entry.rip);
  regs.setNumber(KVM_REGS_RFLAGS_OFF, RFLAGS_ONE);
  regs.setNumber(KVM_REGS_RSP_OFF, entry.rsp);
  if (entry.mode === 'real') regs.setNumber(KVM_REGS_RBP_OFF, entry.rsp);
  regs.setNumber(KVM_REGS_RAX_OFF, entry.rax);
  regs.setNumber(KVM_REGS_RBX_OFF, entry.rbx);
  regs.setNumber(KVM_REGS_RSI_OFF, entry.rsi);
  regs.store();
}

function setRealMode(sregs: StateStruct, selector: number): void {
  for (const offset of [KVM_SREGS_CS_OFF, ...DATA_SEGMENTS]) {
    const segment = readSegment(sregs.view, offset);
    writeSegment(sregs.view, offset, { ...segment, selector, base: selector * 16 });
  }
}

function setFlatMode(sregs: StateStruct, long: boolean): void {
  writeSegment(sregs.view, KVM_SREGS_CS_OFF, long ? CODE_64 : CODE_32);
  for (const offset of DATA_SEGMENTS) writeSegment(sregs.view, offset, FLAT_DATA);
  writeSegment(sregs.view, KVM_SREGS_TR_OFF, TASK);
  writeTable(sregs.view, KVM_SREGS_GDT_OFF, GDT_ADDRESS, GDT_BYTES - 1);
  writeTable(sregs.view, KVM_SREGS_IDT_OFF, 0, 0);
  sregs.setNumber(KVM_SREGS_CR0_OFF, (CR0_PE | CR0_ET | CR0_NE) + (long ? CR0_PG : 0));
  sregs.setNumber(KVM_SREGS_CR3_OFF, long ? PAGE_TABLES : 0);
  sregs.setNumber(KVM_SREGS_CR4_OFF, long ? CR4_PAE : 0);
  sregs.setNumber(KVM_SREGS_EFER_OFF, long ? EFER_LME | EFER_LMA : 0);
}
