// A VM that is booted from files: images are written, loaded as `lkvm run` does it, and run to their end on the host's KVM.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { KVM_EXIT_HLT, KVM_EXIT_IO, KVM_EXIT_IO_IN, KVM_MEM_READONLY } from '#lkvm/abi/kvm.js';
import { applyEntry } from '#lkvm/arch/x86_64/entry.js';
import { loadGuest } from '#lkvm/arch/x86_64/load-guest.js';
import type { LoadedGuest, LoadRequest } from '#lkvm/arch/x86_64/load-request.js';
import { IDENTITY_MAP, ramRegions, TSS } from '#lkvm/arch/x86_64/memory-map.js';
import { setUpVcpus } from '#lkvm/arch/x86_64/vcpu-setup.js';
import { GsiRouting } from '#lkvm/kvm/gsi-routing.js';
import { Kvm } from '#lkvm/kvm/kvm.js';
import type { Vcpu } from '#lkvm/kvm/vcpu.js';
import type { Vm } from '#lkvm/kvm/vm.js';
import { GuestMemory } from '#lkvm/memory/guest-memory.js';
import { mapPrivate, unmap } from '#lkvm/sys/map.js';
import { tempDir } from './temp.js';

export const MIB = 0x10_0000;

/** Memory as a guest has it, without a VM. */
export function makeMemory(t: TestContext, ramBytes: number): GuestMemory {
  const ram = mapPrivate(ramBytes);
  t.after(() => unmap(ram));
  return new GuestMemory(ramRegions(ramBytes, ram.address));
}

/** Writes a file that is gone after the test. @returns its path */
export function imageFile(t: TestContext, name: string, bytes: Uint8Array): string {
  const path = join(tempDir(t), name);
  writeFileSync(path, bytes);
  return path;
}

/** What is loaded; everything but the kernel has a default. */
export interface BootOptions {
  readonly kernel?: string;
  readonly firmware?: string;
  readonly initrd?: string;
  readonly commandLine?: string;
  readonly vxworks?: boolean;
  readonly ramBytes?: number;
  readonly rsdp?: number;
}

export function request(options: BootOptions): LoadRequest {
  return {
    boot: {
      kernel: options.kernel,
      firmware: options.firmware,
      initrd: options.initrd,
      commandLine: options.commandLine ?? '',
      vxworks: options.vxworks ?? false,
    },
    ramBytes: options.ramBytes ?? 32 * MIB,
    rsdp: options.rsdp,
  };
}

/** A machine with a loaded guest. */
export interface BootRig {
  readonly vm: Vm;
  readonly vcpu: Vcpu;
  readonly vcpus: readonly Vcpu[];
  readonly memory: GuestMemory;
  readonly loaded: LoadedGuest;
  /** A view on the guest's RAM below 2 GiB. */
  readonly view: DataView;
}

/** Loads a guest into a new machine. */
export function boot(t: TestContext, options: BootOptions, cpus = 1): BootRig {
  const wanted = request(options);
  const kvm = new Kvm();
  const vm = kvm.createVm();
  const ram = mapPrivate(wanted.ramBytes);
  t.after(() => {
    vm.close();
    kvm.close();
    unmap(ram);
  });
  vm.setIdentityMapAddress(IDENTITY_MAP);
  vm.setTssAddress(TSS);
  vm.createIrqchip();
  vm.createPit2();
  const routing = new GsiRouting();
  routing.addPcPins();
  vm.setRouting(routing);
  const regions = ramRegions(wanted.ramBytes, ram.address);
  const memory = new GuestMemory(regions);
  const loaded = loadGuest(memory, wanted);
  regions.forEach((region, slot) => {
    vm.setMemorySlot({ slot, ...region });
  });
  loaded.extraRegions.forEach((region, i) => {
    vm.setMemorySlot({ slot: regions.length + i, flags: KVM_MEM_READONLY, ...region });
    t.after(() => unmap({ address: region.hva, bytes: region.bytes }));
  });
  const vcpus = Array.from({ length: cpus }, (_, index) => vm.createVcpu(index));
  for (const each of vcpus) t.after(() => each.close());
  setUpVcpus(kvm, vcpus);
  const vcpu = vcpus[0] as Vcpu;
  applyEntry(vcpu, loaded.entry);
  memory.translate(0, 1);
  const { u8 } = memory.chunk;
  return { vm, vcpu, vcpus, memory, loaded, view: new DataView(u8.buffer, u8.byteOffset, u8.length) };
}

/** What a guest wrote to ports, in order, until it wrote to `last`. */
export function runUntil(vcpu: Vcpu, last: number, limit = 1000): { port: number; value: number }[] {
  const written: { port: number; value: number }[] = [];
  for (let i = 0; i < limit; i++) {
    const result = vcpu.enter();
    const { run } = vcpu;
    if (result < 0) throw new Error(`KVM_RUN: ${result}`);
    if (run.exitReason() === KVM_EXIT_HLT) throw new Error('the guest has halted');
    if (run.exitReason() !== KVM_EXIT_IO) throw new Error(`exit ${run.exitReason()}`);
    const at = run.ioDataOffset();
    if (run.ioDirection() === KVM_EXIT_IO_IN) {
      run.u8.fill(0xff, at, at + run.ioBytes() * run.ioCount());
      continue;
    }
    const view = new DataView(run.u8.buffer, run.u8.byteOffset);
    const bytes = run.ioBytes();
    const value =
      bytes === 1 ? view.getUint8(at) : bytes === 2 ? view.getUint16(at, true) : view.getUint32(at, true);
    written.push({ port: run.ioPort(), value });
    if (run.ioPort() === last) return written;
  }
  throw new Error(`the guest has not come to port 0x${last.toString(16)}`);
}
