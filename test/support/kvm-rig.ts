// A VM with a little memory, and vCPUs in the mode a test wants.
import type { TestContext } from 'node:test';
import {
  CR0_ET,
  CR0_NE,
  CR0_PE,
  CR0_PG,
  CR4_PAE,
  EFER_LMA,
  EFER_LME,
  KVM_REGS_RFLAGS_OFF,
  KVM_REGS_RIP_OFF,
  KVM_REGS_RSP_OFF,
  KVM_SREGS_CR0_OFF,
  KVM_SREGS_CR3_OFF,
  KVM_SREGS_CR4_OFF,
  KVM_SREGS_CS_OFF,
  KVM_SREGS_DS_OFF,
  KVM_SREGS_EFER_OFF,
  KVM_SREGS_ES_OFF,
  KVM_SREGS_GDT_OFF,
  KVM_SREGS_IDT_OFF,
  KVM_SREGS_SS_OFF,
  RFLAGS_ONE,
} from '#lkvm/abi/kvm-x86.js';
import { REQUIRED_CAPABILITIES } from '#lkvm/kvm/capabilities.js';
import { GsiRouting } from '#lkvm/kvm/gsi-routing.js';
import { Kvm } from '#lkvm/kvm/kvm.js';
import { readSegment, type Segment, writeSegment, writeTable } from '#lkvm/kvm/segments.js';
import type { Vcpu } from '#lkvm/kvm/vcpu.js';
import type { Vm } from '#lkvm/kvm/vm.js';
import { GuestMemory } from '#lkvm/memory/guest-memory.js';
import { type Mapping, mapPrivate, unmap } from '#lkvm/sys/map.js';

/** Where programs are loaded, and where their stacks begin. */
export const CODE = 0x1000;
export const STACK = 0x9000;
/** Page tables of {@link longMode}: three pages. */
const TABLES = 0xa000;
const RAM_BYTES = 0x10_0000;
/** Three pages for Intel's real mode, and one behind them; far from the memory. */
const TSS = 0xfffb_d000;

/** For `test({ skip })`: false if KVM works here, else the reason. Asks the API and nothing else. */
export function skipWithoutKvm(): string | false {
  if (process.arch !== 'x64') return `the guests are x86 code, this is ${process.arch}`;
  try {
    const kvm = new Kvm();
    try {
      kvm.require(REQUIRED_CAPABILITIES);
      kvm.createVm().close();
    } finally {
      kvm.close();
    }
    return false;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** A VM with 1 MiB of memory at 0. */
export interface Rig {
  readonly vm: Vm;
  readonly ram: Mapping;
  readonly memory: GuestMemory;
  /** The memory's bytes. */
  readonly u8: Uint8Array;
  /** Copies a program to an address, {@link CODE} unless told otherwise. */
  load(code: Uint8Array, at?: number): void;
  /** What vCPUs have died of. */
  readonly failures: string[];
  /** Something to undo before the VM and its memory go; last added first. */
  onClose(action: () => unknown): void;
  close(): Promise<void>;
}

/** Makes a VM that is closed after the test. @param irqchip with interrupt controllers, timer and a PC's wiring */
export function makeVm(t: TestContext, irqchip = false): Rig {
  const rig = openVm(irqchip);
  t.after(() => rig.close());
  return rig;
}

/** As {@link makeVm}, closed by the caller. */
export function openVm(irqchip = false): Rig {
  const kvm = new Kvm();
  const vm = kvm.createVm();
  kvm.close();
  const ram = mapPrivate(RAM_BYTES);
  vm.setTssAddress(TSS);
  if (irqchip) {
    vm.createIrqchip();
    vm.createPit2();
    const routing = new GsiRouting();
    routing.addPcPins();
    vm.setRouting(routing);
  }
  vm.setMemorySlot({ slot: 0, gpa: 0, bytes: RAM_BYTES, hva: ram.address });
  const memory = new GuestMemory([{ gpa: 0, hva: ram.address, bytes: RAM_BYTES }]);
  const u8 = memory.chunk.u8;
  const actions: (() => unknown)[] = [];
  return {
    vm,
    ram,
    memory,
    u8,
    load: (code, at = CODE) => u8.set(code, at),
    failures: [],
    onClose: (action) => actions.push(action),
    close: async () => {
      for (const action of actions.reverse()) await action();
      vm.close();
      unmap(ram);
    },
  };
}

/** Makes a vCPU that is closed before its VM. */
export function makeVcpu(rig: Rig, index = 0): Vcpu {
  const vcpu = rig.vm.createVcpu(index);
  rig.onClose(() => vcpu.close());
  return vcpu;
}

function start(vcpu: Vcpu, rip: number): void {
  vcpu.regs.load();
  vcpu.regs.setNumber(KVM_REGS_RIP_OFF, rip);
  vcpu.regs.setNumber(KVM_REGS_RSP_OFF, STACK);
  vcpu.regs.setNumber(KVM_REGS_RFLAGS_OFF, RFLAGS_ONE);
  vcpu.regs.store();
}

/** Real mode, all segments at 0. */
export function realMode(vcpu: Vcpu, rip = CODE): void {
  const sregs = vcpu.sregs.load();
  for (const offset of [KVM_SREGS_CS_OFF, KVM_SREGS_DS_OFF, KVM_SREGS_ES_OFF, KVM_SREGS_SS_OFF]) {
    writeSegment(sregs.view, offset, { ...readSegment(sregs.view, offset), base: 0, selector: 0 });
  }
  sregs.store();
  start(vcpu, rip);
}

const FLAT: Segment = {
  base: 0,
  limit: 0xffff_ffff,
  selector: 0x10,
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

function flatSegments(view: DataView, code: Segment): void {
  writeSegment(view, KVM_SREGS_CS_OFF, code);
  for (const offset of [KVM_SREGS_DS_OFF, KVM_SREGS_ES_OFF, KVM_SREGS_SS_OFF])
    writeSegment(view, offset, FLAT);
}

/** 32-bit protected mode without paging, flat segments. */
export function protectedMode(vcpu: Vcpu, rip = CODE): void {
  const sregs = vcpu.sregs.load();
  flatSegments(sregs.view, { ...FLAT, selector: 0x8, type: 11 });
  sregs.setNumber(KVM_SREGS_CR0_OFF, CR0_PE | CR0_ET | CR0_NE);
  sregs.store();
  start(vcpu, rip);
}

/** Long mode; the first 4 GiB are mapped one to one by 1 GiB... 2 MiB pages where the tables reach. */
export function longMode(vcpu: Vcpu, rig: Rig, rip = CODE): void {
  const view = new DataView(rig.u8.buffer);
  const [pml4, pdpt, directory] = [TABLES, TABLES + 0x1000, TABLES + 0x2000];
  view.setUint32(pml4, pdpt | 3, true);
  view.setUint32(pdpt, directory | 3, true);
  // 512 pages of 2 MiB: present, writable, large
  for (let i = 0; i < 512; i++) view.setUint32(directory + i * 8, (i * 0x20_0000) | 0x83, true);
  const sregs = vcpu.sregs.load();
  flatSegments(sregs.view, { ...FLAT, selector: 0x8, type: 11, db: 0, l: 1 });
  sregs.setNumber(KVM_SREGS_CR3_OFF, pml4);
  sregs.setNumber(KVM_SREGS_CR4_OFF, CR4_PAE);
  sregs.setNumber(KVM_SREGS_CR0_OFF, CR0_PG + (CR0_PE | CR0_ET | CR0_NE));
  sregs.setNumber(KVM_SREGS_EFER_OFF, EFER_LME | EFER_LMA);
  sregs.store();
  start(vcpu, rip);
}

const GDT = 0x2800;
const IDT = 0x3000;

/** Tables for interrupts in {@link protectedMode}: a flat GDT, and an IDT with room for 256 gates. Call after it. */
export function interruptTables(vcpu: Vcpu, rig: Rig, handlers: Readonly<Record<number, number>>): void {
  const view = new DataView(rig.u8.buffer);
  // null, flat 32-bit code, flat data
  [0n, 0x00cf_9b00_0000_ffffn, 0x00cf_9300_0000_ffffn].forEach((descriptor, i) => {
    view.setBigUint64(GDT + i * 8, descriptor, true);
  });
  for (const [vector, handler] of Object.entries(handlers)) {
    const gate = IDT + Number(vector) * 8;
    view.setUint32(gate, 0x8_0000 | (handler & 0xffff), true); // selector 8
    view.setUint32(gate + 4, ((handler & 0xffff_0000) | 0x8e00) >>> 0, true); // present, 32-bit interrupt gate
  }
  const sregs = vcpu.sregs.load();
  writeTable(sregs.view, KVM_SREGS_GDT_OFF, GDT, 23);
  writeTable(sregs.view, KVM_SREGS_IDT_OFF, IDT, 0x7ff);
  sregs.store();
}
