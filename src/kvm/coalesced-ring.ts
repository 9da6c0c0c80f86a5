/**
 * The ring in which KVM collects the guest's writes to coalesced zones. All vCPUs of a VM share one; it lies in the
 * mapping of each of them. Exactly one thread takes entries out, because there is one `first`.
 *
 * A write stays in the ring until somebody looks; KVM exits by itself only when the ring is full.
 */
import {
  KVM_COALESCED_BYTES,
  KVM_COALESCED_DATA_OFF,
  KVM_COALESCED_LEN_OFF,
  KVM_COALESCED_PHYS_ADDR_OFF,
  KVM_COALESCED_PIO_OFF,
  KVM_COALESCED_RING_BYTES,
  KVM_COALESCED_RING_FIRST_OFF,
  KVM_COALESCED_RING_LAST_OFF,
} from '../abi/kvm.js';
import { viewOf } from '../sys/libc.js';
import type { Mapping } from '../sys/map.js';
import { u32At } from '../util/typed.js';

const PAGE = 4096;
const HIGH = 0x1_0000_0000;
const ENTRIES = Math.floor((PAGE - KVM_COALESCED_RING_BYTES) / KVM_COALESCED_BYTES);
const FIRST = KVM_COALESCED_RING_FIRST_OFF >> 2;
const LAST = KVM_COALESCED_RING_LAST_OFF >> 2;

/** Who gets the writes, in the order in which the guest made them. */
export interface CoalescedSink {
  /** @param low, high the value's two words; unsigned; only `bytes` of them count */
  write(pio: boolean, address: number, bytes: number, low: number, high: number): void;
}

/** The consumer's end. Thread: one. */
export class CoalescedRing {
  readonly #u32: Uint32Array;

  /**
   * @param run mapping of any vCPU of the VM; stays mapped as long as this is used
   * @param page from `Vm.coalescedPage`, not 0
   */
  constructor(run: Mapping, page: number) {
    this.#u32 = new Uint32Array(viewOf(run.address + page * PAGE, PAGE));
  }

  /** Hands over every write that is in the ring. Hot path. @returns how many */
  drain(sink: CoalescedSink): number {
    const u32 = this.#u32;
    let first = u32At(u32, FIRST); // ours alone
    let taken = 0;
    // Acquire: KVM stores the entry before `last`. Read again each time: the guest goes on writing; bounded by one round.
    while (taken < ENTRIES && first !== Atomics.load(u32, LAST)) {
      const at = (KVM_COALESCED_RING_BYTES + first * KVM_COALESCED_BYTES) >> 2;
      const gpa = at + (KVM_COALESCED_PHYS_ADDR_OFF >> 2);
      const data = at + (KVM_COALESCED_DATA_OFF >> 2);
      sink.write(
        u32At(u32, at + (KVM_COALESCED_PIO_OFF >> 2)) !== 0,
        u32At(u32, gpa + 1) * HIGH + u32At(u32, gpa),
        u32At(u32, at + (KVM_COALESCED_LEN_OFF >> 2)),
        u32At(u32, data),
        u32At(u32, data + 1),
      );
      first = (first + 1) % ENTRIES;
      taken++;
      // Only now may KVM use the entry again.
      Atomics.store(u32, FIRST, first);
    }
    return taken;
  }
}
