/**
 * Queue set-up through one shared QUEUE_PFN register. The driver writes QUEUE_SEL, QUEUE_NUM, QUEUE_ALIGN, then QUEUE_PFN,
 * rings, and waits until QUEUE_PFN holds the ACK word. Later drivers then write the same PFN once more, for show.
 *
 * A request has to be told from what is left in the registers: the PFN written for show, the PFN of a previous life of
 * the driver, and (since we may look at any moment) registers written half. The rules:
 *
 * * QUEUE_PFN is read first: it is what the driver writes last.
 * * On ACK we put sentinels into QUEUE_SEL and QUEUE_NUM. A PFN equal to the last one accepted is a request only if they
 *   were written since, for the same queue.
 * * The ACK replaces the PFN that was checked and nothing else: meanwhile the driver may have died and another one begun.
 * * That case, a PFN that we refused before, and a PFN that was there when a restart was noticed, can still be an old PFN
 *   with new registers in front of it. An ACK now
 *   would be overwritten by the PFN the driver is about to write, and the driver would wait for ever. So such a request is
 *   taken only when nothing has moved for a while: a driver that has written its PFN waits, one that has not goes on.
 * * When a restart is noticed, a PFN that is no request by these rules is removed, so that the case above becomes rare.
 *
 * Spec: docs/hvl.md, queue set-up. Thread: reactor. Not a hot path, but polled: {@link QueueRequests.poll} is one load
 * when there is nothing.
 */
import {
  HVL_PAGE_BYTES,
  HVL_PAGE_BYTES_MAX,
  HVL_PAGE_BYTES_MIN,
  HVL_QUEUE_ACK,
  HVL_SENTINEL,
  HVL_SHADOW_SENTINEL,
  VIRTIO_MMIO_GUEST_PAGE_SIZE,
  VIRTIO_MMIO_QUEUE_ALIGN,
  VIRTIO_MMIO_QUEUE_NUM,
  VIRTIO_MMIO_QUEUE_PFN,
  VIRTIO_MMIO_QUEUE_SEL,
} from '../../../abi/hvl.js';
import type { GuestMemory } from '../../../memory/guest-memory.js';
import { isPowerOfTwo } from '../../../util/numbers.js';
import { activateQueue, type QueueConfig } from '../../queue/queue-config.js';
import { legacyRingBytes, legacyRingLayout } from '../../queue/ring-layout.js';
import type { RegisterBlock } from './block.js';
import type { SlotPort } from './slot-port.js';

/** How long the registers of a doubtful request must stay as they are: long for a driver that is just writing them. */
export const SETTLE_US = 10_000;

const NONE = -1;

/** A snapshot of the four registers of a request. */
interface QueueRegisters {
  readonly sel: number;
  readonly num: number;
  readonly align: number;
  readonly pfn: number;
}

function same(a: QueueRegisters | undefined, sel: number, num: number, align: number, pfn: number): boolean {
  return a !== undefined && a.sel === sel && a.num === num && a.align === align && a.pfn === pfn;
}

function isSentinel(value: number): boolean {
  return value === HVL_SENTINEL || value === HVL_SHADOW_SENTINEL;
}

export class QueueRequests {
  readonly #block: RegisterBlock;
  readonly #memory: GuestMemory;
  readonly #queues: number;
  readonly #maxSize: number;
  readonly #port: SlotPort;
  #lastPfn = NONE;
  #lastSel = NONE;
  #lastNum = NONE;
  /** Polled and not yet accepted. */
  #open: QueueRegisters = { sel: NONE, num: NONE, align: NONE, pfn: NONE };
  #refused: QueueRegisters | undefined;
  /** PFN found when a restart was noticed: a request of the driver before, or already one of the new driver. */
  #inherited = NONE;
  #doubtful: QueueRegisters | undefined;
  #doubtfulSinceUs = 0;
  #pageBytes = HVL_PAGE_BYTES;

  /**
   * @param memory where rings may lie
   * @param queues number of queues of the device
   * @param maxSize QUEUE_NUM_MAX, the same for all
   */
  constructor(block: RegisterBlock, memory: GuestMemory, queues: number, maxSize: number, port: SlotPort) {
    this.#block = block;
    this.#memory = memory;
    this.#queues = queues;
    this.#maxSize = maxSize;
    this.#port = port;
  }

  /** Looks for a request. @returns a checked configuration to be {@link accept}ed, or undefined */
  poll(): QueueConfig | undefined {
    const block = this.#block;
    const pfn = block.load(VIRTIO_MMIO_QUEUE_PFN);
    if (pfn === 0 || pfn === HVL_QUEUE_ACK || isSentinel(pfn)) return undefined;
    const sel = block.load(VIRTIO_MMIO_QUEUE_SEL);
    const num = block.load(VIRTIO_MMIO_QUEUE_NUM);
    if (pfn === this.#lastPfn && !this.#isRenewed(sel, num)) return undefined;
    const align = block.load(VIRTIO_MMIO_QUEUE_ALIGN);
    if (block.load(VIRTIO_MMIO_QUEUE_PFN) !== pfn) return undefined; // being written: the next look sees it whole
    if (same(this.#refused, sel, num, align, pfn)) return undefined;
    const seen = { sel, num, align, pfn };
    const doubtful = pfn === this.#lastPfn || pfn === this.#refused?.pfn || pfn === this.#inherited;
    if (doubtful && !this.#hasSettled(seen)) return undefined;
    this.#doubtful = undefined;
    return this.#check(seen);
  }

  /**
   * Answers the request just polled. All other words the driver may look at must have been written.
   * @returns false if the registers no longer hold that request: the driver that made it is gone and another one is
   *   writing its own, which must be neither overwritten nor mixed with the old one
   */
  accept(config: QueueConfig): boolean {
    const { sel, num, pfn } = this.#open;
    if (!this.#replaceRequest(sel, num, pfn)) return false;
    this.#lastPfn = pfn;
    this.#lastSel = config.index;
    this.#lastNum = config.size;
    this.#refused = undefined;
    this.#inherited = NONE;
    return true;
  }

  /**
   * Puts sentinels into QUEUE_SEL and QUEUE_NUM and the ACK word into QUEUE_PFN, or leaves all as it is. QUEUE_PFN goes
   * through 0: if another driver has written all three in the middle of this, with the same PFN, then QUEUE_SEL and
   * QUEUE_NUM show it before it is answered.
   */
  #replaceRequest(sel: number, num: number, pfn: number): boolean {
    const block = this.#block;
    const oldSel = block.exchange(VIRTIO_MMIO_QUEUE_SEL, HVL_SENTINEL);
    const oldNum = block.exchange(VIRTIO_MMIO_QUEUE_NUM, HVL_SENTINEL);
    if (oldSel === sel && oldNum === num && block.replace(VIRTIO_MMIO_QUEUE_PFN, pfn, 0)) {
      const parked =
        block.load(VIRTIO_MMIO_QUEUE_SEL) === HVL_SENTINEL &&
        block.load(VIRTIO_MMIO_QUEUE_NUM) === HVL_SENTINEL;
      if (parked && block.replace(VIRTIO_MMIO_QUEUE_PFN, 0, HVL_QUEUE_ACK)) return true;
      block.replace(VIRTIO_MMIO_QUEUE_PFN, 0, pfn);
    }
    block.replace(VIRTIO_MMIO_QUEUE_SEL, HVL_SENTINEL, oldSel);
    block.replace(VIRTIO_MMIO_QUEUE_NUM, HVL_SENTINEL, oldNum);
    return false;
  }

  /** DRIVER_OK: no request is open any more. */
  close(): void {
    const block = this.#block;
    const pfn = block.load(VIRTIO_MMIO_QUEUE_PFN);
    if (pfn === HVL_QUEUE_ACK || this.#isLeftOver(pfn)) block.replace(VIRTIO_MMIO_QUEUE_PFN, pfn, 0);
    this.#forget();
  }

  /** A restart was noticed. Removes a PFN left over from before, unless it can be the new driver's request. */
  restart(): void {
    this.#pageBytes = HVL_PAGE_BYTES;
    this.#doubtful = undefined;
    const block = this.#block;
    const pfn = block.load(VIRTIO_MMIO_QUEUE_PFN);
    this.#inherited = pfn;
    if (pfn === 0 || !this.#isLeftOver(pfn)) return;
    if (!block.replace(VIRTIO_MMIO_QUEUE_PFN, pfn, 0)) return; // the new driver was faster
    // The driver may have written all four registers meanwhile: then the PFN just removed was a new one.
    if (this.#isLeftOver(pfn)) this.#forget();
    else block.replace(VIRTIO_MMIO_QUEUE_PFN, 0, pfn);
  }

  /** The request just accepted may have been that of a driver that is gone: the same PFN, written again, is a request. */
  doubtAcceptance(): void {
    this.#lastPfn = NONE;
    this.#inherited = NONE;
  }

  #forget(): void {
    this.#lastPfn = NONE;
    this.#lastSel = NONE;
    this.#lastNum = NONE;
    this.#refused = undefined;
    this.#doubtful = undefined;
    this.#inherited = NONE;
  }

  /** True if the registers were written since the ACK, for the same queue (or for none: then our sentinel hit it). */
  #isRenewed(sel: number, num: number): boolean {
    return !isSentinel(num) && (sel === this.#lastSel || isSentinel(sel));
  }

  /** True if `pfn` with the other registers as they are now was answered already, one way or the other. */
  #isLeftOver(pfn: number): boolean {
    const sel = this.#block.load(VIRTIO_MMIO_QUEUE_SEL);
    const num = this.#block.load(VIRTIO_MMIO_QUEUE_NUM);
    if (pfn === this.#lastPfn) return !this.#isRenewed(sel, num);
    const align = this.#block.load(VIRTIO_MMIO_QUEUE_ALIGN);
    return same(this.#refused, sel, num, align, pfn);
  }

  #hasSettled(seen: QueueRegisters): boolean {
    const now = this.#port.nowUs();
    const { sel, num, align, pfn } = seen;
    if (same(this.#doubtful, sel, num, align, pfn)) {
      if (now - this.#doubtfulSinceUs >= SETTLE_US) return true;
    } else {
      this.#doubtful = seen;
      this.#doubtfulSinceUs = now;
    }
    this.#port.lookAgain(SETTLE_US - (now - this.#doubtfulSinceUs));
    return false;
  }

  /** Spec: docs/hvl.md, what a ring must satisfy. */
  #check(seen: QueueRegisters): QueueConfig | undefined {
    const named = !isSentinel(seen.sel);
    const index = named ? seen.sel : Math.max(0, this.#lastSel);
    let size = seen.num;
    if (isSentinel(size)) size = named || this.#lastNum === NONE ? this.#maxSize : this.#lastNum;
    if (index >= this.#queues) return this.#refuse(seen, `there is no queue ${index}`);
    if (!isPowerOfTwo(size) || size > this.#maxSize) {
      return this.#refuse(seen, `size ${size} is not a power of two up to ${this.#maxSize}`);
    }
    const { align } = seen;
    if (align < 4 || !isPowerOfTwo(align)) {
      return this.#refuse(seen, `alignment ${align} is not a power of two of at least 4`);
    }
    const gpa = seen.pfn * this.#unit();
    if (!this.#memory.translate(gpa, legacyRingBytes(size, align))) {
      return this.#refuse(seen, `ring at 0x${gpa.toString(16)} is not in memory meant for rings`);
    }
    const layout = legacyRingLayout(gpa, size, align);
    const config = { index, maxSize: this.#maxSize, size, layout };
    const queue = activateQueue(config, this.#memory, { indirect: false, eventIdx: false });
    if (typeof queue === 'string') return this.#refuse(seen, queue);
    this.#open = seen;
    return config;
  }

  #refuse(seen: QueueRegisters, why: string): undefined {
    this.#refused = seen;
    this.#port.warn(`queue ${seen.sel} refused: ${why}`);
    return undefined;
  }

  /** Page unit of QUEUE_PFN. The register reads 0 once we have parked it; then the value found before holds. */
  #unit(): number {
    const bytes = this.#block.load(VIRTIO_MMIO_GUEST_PAGE_SIZE);
    if (bytes === 0) return this.#pageBytes;
    const usable = isPowerOfTwo(bytes) && bytes >= HVL_PAGE_BYTES_MIN && bytes <= HVL_PAGE_BYTES_MAX;
    this.#pageBytes = usable ? bytes : HVL_PAGE_BYTES;
    return this.#pageBytes;
  }
}
