/**
 * `struct kvm_run`: what KVM and a vCPU's thread tell each other. It is mapped memory that is read in place, because it
 * is touched on every exit; nothing here makes an object.
 *
 * Thread: the vCPU's own, while it runs. Another thread may call {@link KvmRun.requestExit} at any time, on its own view.
 */
import {
  KVM_RUN_EXIT_REASON_OFF,
  KVM_RUN_FAIL_ENTRY_CPU_OFF,
  KVM_RUN_FAIL_ENTRY_HARDWARE_ENTRY_FAILURE_REASON_OFF,
  KVM_RUN_IMMEDIATE_EXIT_OFF,
  KVM_RUN_INTERNAL_DATA_OFF,
  KVM_RUN_INTERNAL_NDATA_OFF,
  KVM_RUN_INTERNAL_SUBERROR_OFF,
  KVM_RUN_IO_COUNT_OFF,
  KVM_RUN_IO_DATA_OFFSET_OFF,
  KVM_RUN_IO_DIRECTION_OFF,
  KVM_RUN_IO_PORT_OFF,
  KVM_RUN_IO_SIZE_OFF,
  KVM_RUN_MMIO_DATA_OFF,
  KVM_RUN_MMIO_IS_WRITE_OFF,
  KVM_RUN_MMIO_LEN_OFF,
  KVM_RUN_MMIO_PHYS_ADDR_OFF,
  KVM_RUN_SYSTEM_EVENT_TYPE_OFF,
} from '../abi/kvm.js';
import { viewOf } from '../sys/libc.js';
import type { Mapping } from '../sys/map.js';
import { u8At, u16At, u32At } from '../util/typed.js';

/** Byte offset of the eight bytes of an MMIO exit. */
export const MMIO_DATA_OFF = KVM_RUN_MMIO_DATA_OFF;

const HIGH = 0x1_0000_0000;
/** Most words of `internal.data`. */
const MAX_INTERNAL_WORDS = 16;

/** A view of one vCPU's mapping. */
export class KvmRun {
  /** The whole mapping: `kvm_run`, the page of port data, the coalesced ring. */
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;

  /** @param mapping of the vCPU's descriptor; stays mapped as long as the view is used */
  constructor(mapping: Mapping) {
    const buffer = viewOf(mapping.address, mapping.bytes);
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.u32 = new Uint32Array(buffer);
  }

  /**
   * Makes the next (or the current, once a signal has got it out) KVM_RUN return EINTR. Any thread. An `Atomics` store:
   * it must not become visible before what the vCPU is to look at then.
   */
  requestExit(): void {
    Atomics.store(this.u8, KVM_RUN_IMMEDIATE_EXIT_OFF, 1);
  }

  /** Undoes {@link requestExit}. Only the vCPU's thread, before it looks at what it is asked for. */
  clearExit(): void {
    Atomics.store(this.u8, KVM_RUN_IMMEDIATE_EXIT_OFF, 0);
  }

  /** A KVM_EXIT_ number. */
  exitReason(): number {
    return u32At(this.u32, KVM_RUN_EXIT_REASON_OFF >> 2);
  }

  /** KVM_EXIT_IO: KVM_EXIT_IO_IN or KVM_EXIT_IO_OUT. */
  ioDirection(): number {
    return u8At(this.u8, KVM_RUN_IO_DIRECTION_OFF);
  }

  /** KVM_EXIT_IO: width of one access, 1, 2 or 4 bytes. */
  ioBytes(): number {
    return u8At(this.u8, KVM_RUN_IO_SIZE_OFF);
  }

  /** KVM_EXIT_IO */
  ioPort(): number {
    return u16At(this.u16, KVM_RUN_IO_PORT_OFF >> 1);
  }

  /** KVM_EXIT_IO: number of accesses; more than 1 for string instructions. */
  ioCount(): number {
    return u32At(this.u32, KVM_RUN_IO_COUNT_OFF >> 2);
  }

  /** KVM_EXIT_IO: byte offset of the data in the mapping. */
  ioDataOffset(): number {
    return u32At(this.u32, KVM_RUN_IO_DATA_OFFSET_OFF >> 2);
  }

  /** KVM_EXIT_MMIO: guest-physical address, below 2^52. */
  mmioAddress(): number {
    const at = KVM_RUN_MMIO_PHYS_ADDR_OFF >> 2;
    return u32At(this.u32, at + 1) * HIGH + u32At(this.u32, at);
  }

  /** KVM_EXIT_MMIO: 1 ... 8 bytes, at {@link MMIO_DATA_OFF}. */
  mmioBytes(): number {
    return u32At(this.u32, KVM_RUN_MMIO_LEN_OFF >> 2);
  }

  /** KVM_EXIT_MMIO */
  mmioIsWrite(): boolean {
    return u8At(this.u8, KVM_RUN_MMIO_IS_WRITE_OFF) !== 0;
  }

  /** KVM_EXIT_SYSTEM_EVENT: KVM_SYSTEM_EVENT_ number. */
  systemEvent(): number {
    return u32At(this.u32, KVM_RUN_SYSTEM_EVENT_TYPE_OFF >> 2);
  }

  /** KVM_EXIT_FAIL_ENTRY: the processor's reason, as hexadecimal text. */
  entryFailure(): string {
    return this.#hex64(KVM_RUN_FAIL_ENTRY_HARDWARE_ENTRY_FAILURE_REASON_OFF);
  }

  /** KVM_EXIT_FAIL_ENTRY: host processor it happened on. */
  entryFailureCpu(): number {
    return u32At(this.u32, KVM_RUN_FAIL_ENTRY_CPU_OFF >> 2);
  }

  /** KVM_EXIT_INTERNAL_ERROR: KVM_INTERNAL_ERROR_ number. */
  internalError(): number {
    return u32At(this.u32, KVM_RUN_INTERNAL_SUBERROR_OFF >> 2);
  }

  /** KVM_EXIT_INTERNAL_ERROR: KVM's own data, as hexadecimal texts. */
  internalData(): string[] {
    const count = Math.min(MAX_INTERNAL_WORDS, u32At(this.u32, KVM_RUN_INTERNAL_NDATA_OFF >> 2));
    return Array.from({ length: count }, (_, i) => this.#hex64(KVM_RUN_INTERNAL_DATA_OFF + i * 8));
  }

  #hex64(offset: number): string {
    const [low, high] = [u32At(this.u32, offset >> 2), u32At(this.u32, (offset >> 2) + 1)];
    return `0x${((BigInt(high) << 32n) | BigInt(low)).toString(16)}`;
  }
}
