/**
 * A VM: memory slots, vCPUs, the in-kernel interrupt controllers and timer, and what connects descriptors to a guest
 * (irqfd, ioeventfd).
 *
 * Thread: any; each thread makes its own handle from the same record. Set-up on main; interrupts, ioeventfds and routing
 * also on the reactor while the guest runs.
 */
import {
  KVM_CAP_COALESCED_MMIO,
  KVM_COALESCED_ZONE_ADDR_OFF,
  KVM_COALESCED_ZONE_PIO_OFF,
  KVM_COALESCED_ZONE_SIZE_OFF,
  KVM_ENABLE_CAP_ARGS_OFF,
  KVM_ENABLE_CAP_BYTES,
  KVM_ENABLE_CAP_CAP_OFF,
  KVM_IOEVENTFD_ADDR_OFF,
  KVM_IOEVENTFD_BYTES,
  KVM_IOEVENTFD_DATAMATCH_OFF,
  KVM_IOEVENTFD_FD_OFF,
  KVM_IOEVENTFD_FLAG_DATAMATCH,
  KVM_IOEVENTFD_FLAG_DEASSIGN,
  KVM_IOEVENTFD_FLAG_PIO,
  KVM_IOEVENTFD_FLAGS_OFF,
  KVM_IOEVENTFD_LEN_OFF,
  KVM_IRQ_LEVEL_IRQ_OFF,
  KVM_IRQ_LEVEL_LEVEL_OFF,
  KVM_IRQFD_BYTES,
  KVM_IRQFD_FD_OFF,
  KVM_IRQFD_FLAG_DEASSIGN,
  KVM_IRQFD_FLAG_RESAMPLE,
  KVM_IRQFD_FLAGS_OFF,
  KVM_IRQFD_GSI_OFF,
  KVM_IRQFD_RESAMPLEFD_OFF,
  KVM_MEMORY_FLAGS_OFF,
  KVM_MEMORY_GUEST_PHYS_ADDR_OFF,
  KVM_MEMORY_MEMORY_SIZE_OFF,
  KVM_MEMORY_SLOT_OFF,
  KVM_MEMORY_USERSPACE_ADDR_OFF,
  KVM_MSI_ADDRESS_HI_OFF,
  KVM_MSI_ADDRESS_LO_OFF,
  KVM_MSI_BYTES,
  KVM_MSI_DATA_OFF,
} from '../abi/kvm.js';
import {
  KVM_IRQCHIP_CHIP_ID_OFF,
  KVM_IRQCHIP_CHIP_OFF,
  KVM_IRQCHIP_PIC_MASTER,
  KVM_IRQCHIP_PIC_SLAVE,
  KVM_PIC_ELCR_OFF,
} from '../abi/kvm-x86.js';
import { NativeBuffer } from '../memory/native-buffer.js';
import { close } from '../sys/fd.js';
import { setU64 } from '../util/u64.js';
import type { GsiRouting } from './gsi-routing.js';
import * as io from './ioctls.js';
import { Vcpu } from './vcpu.js';

/** A VM as plain data: sent to workers, where `new Vm(record)` makes a handle. */
export interface VmRecord {
  readonly fd: number;
  /** Size of each vCPU's `kvm_run` mapping in bytes. */
  readonly runBytes: number;
}

/** A run of guest memory. */
export interface MemorySlot {
  /** 0 ... KVM_CAP_NR_MEMSLOTS - 1 */
  readonly slot: number;
  /** First guest-physical address, multiple of 4096. */
  readonly gpa: number;
  /** Multiple of 4096; 0 takes the slot away. */
  readonly bytes: number;
  /** Host address of the same byte, multiple of 4096; stays mapped as long as the slot. */
  readonly hva: number;
  /** KVM_MEM_READONLY, KVM_MEM_LOG_DIRTY_PAGES. */
  readonly flags?: number;
}

/** A write of the guest that becomes a signal on an eventfd, without an exit. */
export interface IoEvent {
  readonly space: 'pio' | 'mmio';
  /** Port or guest-physical address. */
  readonly address: number;
  /** Access width: 1, 2, 4 or 8; 0 = any (KVM_CAP_IOEVENTFD_ANY_LENGTH), and then no `datamatch`. */
  readonly bytes: number;
  readonly fd: number;
  /** Only writes of this value, 0 ... 2^53 - 1; undefined: all. */
  readonly datamatch?: number;
}

/** A range whose writes collect in the coalesced ring, without an exit each. */
export interface CoalescedZone {
  readonly space: 'pio' | 'mmio';
  readonly address: number;
  readonly bytes: number;
}

const SCRATCH_BYTES = 1024;

/** A handle on a VM. */
export class Vm {
  readonly fd: io.KvmFd<'vm'>;
  readonly runBytes: number;
  readonly #scratch = new NativeBuffer(SCRATCH_BYTES);

  constructor(record: VmRecord) {
    this.fd = io.asKvmFd(record.fd);
    this.runBytes = record.runBytes;
  }

  /** For another thread's handle. */
  get record(): VmRecord {
    return { fd: this.fd, runBytes: this.runBytes };
  }

  /** Value of a capability for this VM: 0 = not there. */
  capability(capability: number): number {
    return io.mustCall(this.fd, io.VM_CHECK_EXTENSION, capability);
  }

  /** Switches a capability of the VM on. @param argument its first argument Errors: SysError. */
  enableCapability(capability: number, argument = 0): void {
    const { view, address, u8 } = this.#scratch;
    u8.fill(0, 0, KVM_ENABLE_CAP_BYTES);
    view.setUint32(KVM_ENABLE_CAP_CAP_OFF, capability, true);
    setU64(view, KVM_ENABLE_CAP_ARGS_OFF, argument);
    io.mustCall(this.fd, io.ENABLE_CAP, address);
  }

  /**
   * Makes a vCPU and maps its `kvm_run`. Its registers may be set from any thread; it runs in one.
   * @param index 0 ... `Kvm.maxVcpus` - 1; also its APIC id Errors: SysError.
   */
  createVcpu(index: number): Vcpu {
    const fd = io.mustCall(this.fd, io.CREATE_VCPU, index, `vCPU ${index}`);
    return Vcpu.map(fd, index, this.runBytes);
  }

  /** Adds, changes or takes away guest memory. Errors: SysError. */
  setMemorySlot(slot: MemorySlot): void {
    const { view, address } = this.#scratch;
    view.setUint32(KVM_MEMORY_SLOT_OFF, slot.slot, true);
    view.setUint32(KVM_MEMORY_FLAGS_OFF, slot.flags ?? 0, true);
    setU64(view, KVM_MEMORY_GUEST_PHYS_ADDR_OFF, slot.gpa);
    setU64(view, KVM_MEMORY_MEMORY_SIZE_OFF, slot.bytes);
    setU64(view, KVM_MEMORY_USERSPACE_ADDR_OFF, slot.hva);
    const what = `memory slot ${slot.slot} at 0x${slot.gpa.toString(16)}, ${slot.bytes} bytes`;
    io.mustCall(this.fd, io.SET_USER_MEMORY_REGION, address, what);
  }

  /** Three pages below 4 GiB that Intel's real mode needs and no memory slot covers. Before the first vCPU. */
  setTssAddress(gpa: number): void {
    io.mustCall(this.fd, io.SET_TSS_ADDR, gpa);
  }

  /** One page, for the same. Before the first vCPU. Default 0xfffbc000. */
  setIdentityMapAddress(gpa: number): void {
    setU64(this.#scratch.view, 0, gpa);
    io.mustCall(this.fd, io.SET_IDENTITY_MAP_ADDR, this.#scratch.address);
  }

  /** In-kernel PICs, IOAPIC and one local APIC per vCPU. Before the first vCPU. */
  createIrqchip(): void {
    io.mustCall(this.fd, io.CREATE_IRQCHIP);
  }

  /**
   * Makes lines of the PICs level-triggered, as a PC's firmware does by ports 0x4d0 and 0x4d1: a kernel that uses the PICs
   * without ACPI takes them as they are. After {@link createIrqchip}.
   * @param gsis each 0 ... 15, and not 0, 1, 2, 8 or 13, which are edges by definition; all others become edges
   */
  setLevelTriggered(gsis: readonly number[]): void {
    const { view, u8, address } = this.#scratch;
    for (const chip of [KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE]) {
      const lines = gsis.filter((gsi) => gsi >> 3 === chip).reduce((bits, gsi) => bits | (1 << (gsi & 7)), 0);
      view.setUint32(KVM_IRQCHIP_CHIP_ID_OFF, chip, true);
      io.mustCall(this.fd, io.GET_IRQCHIP, address);
      u8[KVM_IRQCHIP_CHIP_OFF + KVM_PIC_ELCR_OFF] = lines;
      io.mustCall(this.fd, io.SET_IRQCHIP, address);
    }
  }

  /** In-kernel timer, ports 0x40 ... 0x43. @param flags KVM_PIT_SPEAKER_DUMMY: also port 0x61 */
  createPit2(flags = 0): void {
    this.#scratch.u8.fill(0, 0, 64);
    this.#scratch.view.setUint32(0, flags, true);
    io.mustCall(this.fd, io.CREATE_PIT2, this.#scratch.address);
  }

  /** Replaces the whole table from interrupts (GSIs) to pins and messages. Errors: SysError. */
  setRouting(routing: GsiRouting): void {
    io.mustCall(this.fd, io.SET_GSI_ROUTING, routing.encode());
  }

  /** As {@link setRouting}, while running. @returns 0 or -errno (EINVAL: KVM refuses an entry), and then nothing changes */
  trySetRouting(routing: GsiRouting): number {
    return io.call(this.fd, io.SET_GSI_ROUTING, routing.encode());
  }

  /** Sets the level of an interrupt line. @param level 0 or 1 @returns 0 or -errno. Hot path. */
  irqLine(gsi: number, level: number): number {
    const { view, address } = this.#scratch;
    view.setUint32(KVM_IRQ_LEVEL_IRQ_OFF, gsi, true);
    view.setUint32(KVM_IRQ_LEVEL_LEVEL_OFF, level, true);
    return io.call(this.fd, io.IRQ_LINE, address);
  }

  /** Delivers a message. @returns > 0 delivered, 0 blocked by the guest, or -errno. Hot path. */
  signalMsi(addressLo: number, addressHi: number, data: number): number {
    const { view, address, u8 } = this.#scratch;
    u8.fill(0, 0, KVM_MSI_BYTES);
    view.setUint32(KVM_MSI_ADDRESS_LO_OFF, addressLo, true);
    view.setUint32(KVM_MSI_ADDRESS_HI_OFF, addressHi, true);
    view.setUint32(KVM_MSI_DATA_OFF, data, true);
    return io.call(this.fd, io.SIGNAL_MSI, address);
  }

  /**
   * Makes each signal on an eventfd an interrupt.
   *
   * @param resampleFd an eventfd that is signalled when the guest acknowledges a level interrupt (then the line goes
   *   down by itself); -1 = an edge
   * Errors: SysError. The eventfd stays open until {@link removeIrqfd}, or the VM's end.
   */
  addIrqfd(fd: number, gsi: number, resampleFd = -1): void {
    const flags = resampleFd >= 0 ? KVM_IRQFD_FLAG_RESAMPLE : 0;
    io.mustCall(this.fd, io.IRQFD, this.#irqfd(fd, gsi, flags, resampleFd), `GSI ${gsi}`);
  }

  /** Undoes {@link addIrqfd}; afterwards no interrupt comes from this fd any more. */
  removeIrqfd(fd: number, gsi: number): void {
    io.mustCall(this.fd, io.IRQFD, this.#irqfd(fd, gsi, KVM_IRQFD_FLAG_DEASSIGN, -1), `GSI ${gsi}`);
  }

  #irqfd(fd: number, gsi: number, flags: number, resampleFd: number): number {
    const { view, address, u8 } = this.#scratch;
    u8.fill(0, 0, KVM_IRQFD_BYTES);
    view.setUint32(KVM_IRQFD_FD_OFF, fd, true);
    view.setUint32(KVM_IRQFD_GSI_OFF, gsi, true);
    view.setUint32(KVM_IRQFD_FLAGS_OFF, flags, true);
    if (resampleFd >= 0) view.setUint32(KVM_IRQFD_RESAMPLEFD_OFF, resampleFd, true);
    return address;
  }

  /** Errors: SysError (EEXIST: another ioeventfd has this address, width and value). */
  addIoEvent(event: IoEvent): void {
    io.mustCall(this.fd, io.IOEVENTFD, this.#ioEvent(event, 0), ioEventName(event));
  }

  /** Undoes {@link addIoEvent}; every field as given there. */
  removeIoEvent(event: IoEvent): void {
    io.mustCall(this.fd, io.IOEVENTFD, this.#ioEvent(event, KVM_IOEVENTFD_FLAG_DEASSIGN), ioEventName(event));
  }

  #ioEvent(event: IoEvent, flag: number): number {
    const { view, address, u8 } = this.#scratch;
    let flags = flag;
    if (event.space === 'pio') flags |= KVM_IOEVENTFD_FLAG_PIO;
    if (event.datamatch !== undefined) flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
    u8.fill(0, 0, KVM_IOEVENTFD_BYTES);
    setU64(view, KVM_IOEVENTFD_DATAMATCH_OFF, event.datamatch ?? 0);
    setU64(view, KVM_IOEVENTFD_ADDR_OFF, event.address);
    view.setUint32(KVM_IOEVENTFD_LEN_OFF, event.bytes, true);
    view.setInt32(KVM_IOEVENTFD_FD_OFF, event.fd, true);
    view.setUint32(KVM_IOEVENTFD_FLAGS_OFF, flags, true);
    return address;
  }

  /** Writes of the guest to the zone go to the ring of `coalesced-ring.ts` instead of causing an exit each. */
  addCoalescedZone(zone: CoalescedZone): void {
    io.mustCall(this.fd, io.REGISTER_COALESCED_MMIO, this.#zone(zone));
  }

  /** Undoes {@link addCoalescedZone}. */
  removeCoalescedZone(zone: CoalescedZone): void {
    io.mustCall(this.fd, io.UNREGISTER_COALESCED_MMIO, this.#zone(zone));
  }

  #zone(zone: CoalescedZone): number {
    const { view, address } = this.#scratch;
    setU64(view, KVM_COALESCED_ZONE_ADDR_OFF, zone.address);
    view.setUint32(KVM_COALESCED_ZONE_SIZE_OFF, zone.bytes, true);
    view.setUint32(KVM_COALESCED_ZONE_PIO_OFF, zone.space === 'pio' ? 1 : 0, true);
    return address;
  }

  /** Page of each vCPU's `kvm_run` mapping that holds the coalesced ring; 0 = this KVM has none. */
  get coalescedPage(): number {
    return this.capability(KVM_CAP_COALESCED_MMIO);
  }

  /** Closes the descriptor. The VM lives until its vCPUs' descriptors are closed, too. */
  close(): void {
    close(this.fd);
  }
}

function ioEventName({ space, address, bytes }: IoEvent): string {
  return `ioeventfd for ${bytes}-byte writes to ${space} 0x${address.toString(16)}`;
}
