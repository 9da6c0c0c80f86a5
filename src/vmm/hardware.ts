/**
 * The machine's hardware as KVM knows it: VM, RAM, vCPUs, interrupt controllers, and the shared memory of all devices.
 * Made before any thread starts, closed after the last one has ended.
 *
 * Thread: main.
 */
import { KVM_MEM_READONLY } from '../abi/kvm.js';
import { KVM_PIT_SPEAKER_DUMMY } from '../abi/kvm-x86.js';
import type { FirmwareDescription } from '../arch/x86_64/acpi/description.js';
import type { ExtraRegion } from '../arch/x86_64/load-request.js';
import { HOLE_START, IDENTITY_MAP, LEVEL_GSIS, ramRegions, TSS } from '../arch/x86_64/memory-map.js';
import { REQUIRED_CAPABILITIES } from '../kvm/capabilities.js';
import { Kvm } from '../kvm/kvm.js';
import { SharedMsiRoutes } from '../kvm/msi-routes.js';
import type { Vcpu } from '../kvm/vcpu.js';
import type { Vm } from '../kvm/vm.js';
import { GuestMemory, type RegionRecord } from '../memory/guest-memory.js';
import { createPlatform } from '../platform/platform.js';
import { eventfd } from '../sys/eventfd.js';
import { close } from '../sys/fd.js';
import { type Mapping, unmap } from '../sys/map.js';
import { StartError } from '../util/errors.js';
import type { Log } from '../util/ports.js';
import { closeChannel, createChannel } from '../workers/vcpu/channel.js';
import type { VmConfig } from './config.js';
import { type BusParts, createBus } from './device-parts.js';
import { connectPool } from './hvl-parts.js';
import type { MachineParts } from './machine-parts.js';
import { PLATFORM_LAYOUT } from './platform-layout.js';
import { mapRam } from './ram.js';
import { NO_CALLS, notifyAddress, ThreadParts } from './thread-parts.js';

/** See the file's head. */
export class Hardware {
  readonly kvm: Kvm;
  readonly vm: Vm;
  readonly vcpus: readonly Vcpu[];
  /** RAM as seen from here. */
  readonly memory: GuestMemory;
  readonly parts: MachineParts;
  /** For the firmware tables. */
  readonly description: FirmwareDescription;
  /** What to undo, last made first undone. */
  readonly #undo: (() => unknown)[] = [];
  #slots = 0;

  /** Errors: StartError, SysError, ConfigError; then nothing is left open. */
  constructor(config: VmConfig, log: Log) {
    try {
      this.kvm = this.#own(openKvm(config, log), (kvm) => kvm.close());
      this.vm = this.#own(this.kvm.createVm(), (vm) => vm.close());
      makeChips(this.vm);
      const ram = this.#own(mapRam(config.ramBytes, config.hugetlbfs), unmap);
      this.memory = this.#mapMemory(config, ram);
      const channel = this.#own(createChannel(config.cpus), closeChannel);
      this.vcpus = Array.from({ length: config.cpus }, (_, i) =>
        this.#own(this.vm.createVcpu(i), (vcpu) => vcpu.close()),
      );
      const bus = createBus(config.devices, () => this.#own(eventfd(), close));
      this.#connectInterrupts(bus);
      const hvl = config.hvl && connectPool(this.vm, config.hvl, this.#slots++, (a, b) => this.#own(a, b));
      this.description = describe(config.cpus, bus);
      this.parts = {
        vm: this.vm.record,
        memory: this.memory.regions,
        platform: createPlatform({
          layout: PLATFORM_LAYOUT,
          debugExitPort: config.debugExitPort,
          lowBytes: Math.min(config.ramBytes, HOLE_START),
          highBytes: Math.max(0, config.ramBytes - HOLE_START),
          cpus: config.cpus,
        }),
        bus,
        hvl,
        serialDoorbellFd: this.#own(eventfd(), close),
        channel,
        debug: config.debug,
      };
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Adds memory beside RAM, read-only for the guest: firmware. It is unmapped with the rest. Errors: SysError. */
  addRegions(regions: readonly ExtraRegion[]): void {
    for (const { gpa, hva, bytes } of regions) {
      this.#own({ address: hva, bytes }, unmap);
      this.vm.setMemorySlot({ slot: this.#slots++, gpa, hva, bytes, flags: KVM_MEM_READONLY });
    }
  }

  /** What firmware would do: every device gets its address. Before the first vCPU runs. Errors: SysError. */
  powerOn(log: Log): void {
    const thread = new ThreadParts(this.parts);
    thread.pciSpace(NO_CALLS, log).assignBars();
    for (const device of this.parts.bus.devices) {
      if (device.transport === 'mmio') thread.kickWindow(device, log).move(notifyAddress(device));
    }
  }

  /** Closes and unmaps everything. No thread may be left. */
  close(): void {
    for (const undo of this.#undo.splice(0).reverse()) undo();
  }

  #own<T>(thing: T, undo: (thing: T) => unknown): T {
    this.#undo.push(() => undo(thing));
    return thing;
  }

  #connectInterrupts({ routes, devices }: BusParts): void {
    const messages = new SharedMsiRoutes(routes, this.vm);
    messages.install();
    for (const device of devices) {
      if (device.transport === 'mmio') continue; // a pin: see PinSignal
      for (const [vector, fd] of device.vectorFds.entries()) {
        this.vm.addIrqfd(fd, messages.gsi(device.slot, vector));
      }
    }
  }

  #mapMemory({ ramBytes }: VmConfig, ram: Mapping): GuestMemory {
    const regions: RegionRecord[] = ramRegions(ramBytes, ram.address);
    for (const { gpa, hva, bytes } of regions) {
      this.vm.setMemorySlot({ slot: this.#slots++, gpa, hva, bytes });
    }
    return new GuestMemory(regions);
  }
}

function openKvm({ kvmPath, cpus }: VmConfig, log: Log): Kvm {
  const kvm = new Kvm(kvmPath);
  try {
    kvm.require(REQUIRED_CAPABILITIES);
    const { maxVcpus, recommendedVcpus } = kvm;
    if (cpus > maxVcpus) {
      throw new StartError(`${cpus} processors: this host's KVM takes at most ${maxVcpus} (--cpus)`);
    }
    if (cpus > recommendedVcpus) {
      log.warn(`${cpus} processors are more than the ${recommendedVcpus} that KVM recommends on this host`);
    }
    return kvm;
  } catch (error) {
    kvm.close();
    throw error;
  }
}

/** What the firmware tables say about the devices. */
function describe(cpus: number, { devices }: BusParts): FirmwareDescription {
  return {
    cpus,
    mmio: devices.flatMap((device) => (device.transport === 'mmio' ? [device] : [])),
    pciSlots: devices.flatMap((device) => (device.transport === 'pci' ? [device.slot] : [])),
    ecam: true,
  };
}

/** Interrupt controllers and timer of a PC. */
function makeChips(vm: Vm): void {
  vm.setIdentityMapAddress(IDENTITY_MAP);
  vm.setTssAddress(TSS);
  vm.createIrqchip();
  vm.createPit2(KVM_PIT_SPEAKER_DUMMY); // with port 0x61: kernels measure their clock against timer 2
  vm.setLevelTriggered(LEVEL_GSIS);
}
