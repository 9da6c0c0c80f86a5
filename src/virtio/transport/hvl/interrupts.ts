/**
 * INTERRUPT_STATUS and INTERRUPT_ACK of one device. We are the only writer of INTERRUPT_STATUS; the driver writes the
 * bits it has served into INTERRUPT_ACK.
 *
 * The driver's handler reads the status, serves its rings and acknowledges. Buffers published after it served the rings
 * and before it acknowledges would be forgotten: their bit is cleared by that acknowledge. So a bit that is wanted while
 * it is still outstanding is remembered, and raised once more when the acknowledge arrives.
 *
 * Bits are collected during a round and become visible in {@link InterruptWord.flush}, just before the signal: two
 * queues that complete in one round cost one interrupt, and none of them counts as outstanding before the driver could
 * see it.
 *
 * Spec: docs/hvl.md, interrupts. Thread: reactor. Hot path.
 */
import { VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INTERRUPT_STATUS } from '../../../abi/hvl.js';
import type { RegisterBlock } from './block.js';

export class InterruptWord {
  readonly #block: RegisterBlock;
  /** What INTERRUPT_STATUS holds; never read back. */
  #status = 0;
  #wanted = 0;
  #again = 0;

  constructor(block: RegisterBlock) {
    this.#block = block;
  }

  /** True if the driver has not acknowledged everything. */
  get outstanding(): boolean {
    return this.#status !== 0;
  }

  /** Asks for an interrupt with these bits at the end of the round. */
  want(bits: number): void {
    this.#wanted |= bits;
  }

  /** Forgets what was asked for in this round. */
  cancel(): void {
    this.#wanted = 0;
  }

  /** Shows the wanted bits. @returns true if the driver must be signalled */
  flush(): boolean {
    if (this.#wanted === 0) return false;
    // Not every driver rings for its acknowledge, and one that is there already is not outstanding.
    this.acknowledge();
    const wanted = this.#wanted;
    this.#wanted = 0;
    this.#again |= this.#status & wanted;
    this.#status |= wanted;
    this.#block.store(VIRTIO_MMIO_INTERRUPT_STATUS, this.#status);
    return true;
  }

  /**
   * Takes the driver's acknowledge, if there is one. May want an interrupt again.
   * @returns true if there was one
   */
  acknowledge(): boolean {
    const ack = this.#block.load(VIRTIO_MMIO_INTERRUPT_ACK);
    if (ack === 0) return false;
    // A second acknowledge written between the load and this store is lost; then the bit merely stays outstanding.
    this.#block.store(VIRTIO_MMIO_INTERRUPT_ACK, 0);
    this.#status &= ~ack;
    this.#block.store(VIRTIO_MMIO_INTERRUPT_STATUS, this.#status);
    const again = this.#again & ack;
    this.#again &= ~again;
    this.#wanted |= again;
    return true;
  }

  /** The driver starts again: nothing is outstanding. */
  reset(): void {
    this.#status = 0;
    this.#wanted = 0;
    this.#again = 0;
    this.#block.store(VIRTIO_MMIO_INTERRUPT_STATUS, 0);
    this.#block.store(VIRTIO_MMIO_INTERRUPT_ACK, 0);
  }
}
