/**
 * Chains of the transmit queue, gathered until they are written. Known drivers send one byte per chain; gathering makes
 * one system call of what is there. A chain is completed when its last byte has been written, so what the host cannot
 * take now simply stays in the driver's memory.
 *
 * Thread: reactor. Hot path: allocates nothing after construction.
 */
import { f64At, i32At } from '../../../util/typed.js';
import { CHAIN_OK } from '../../queue/virt-queue.js';
import type { QueueEnd } from '../queue-end.js';

/** Most bytes of a batch; a longer chain goes in several. Also the staging memory in a *word* pool. */
export const TX_BATCH_BYTES = 0x1_0000;

/** Exists from `activate` to `reset`. */
export class TxBatch {
  /** Bytes of the batch that were written already. */
  written = 0;
  readonly #end: QueueEnd;
  /** Chains that end within the batch: head, and how many bytes of the batch come before that end. */
  readonly #heads: Int32Array;
  readonly #ends: Int32Array;
  #count = 0;
  #completed = 0;
  /** A chain was popped and some of it does not fit this batch. */
  #open = false;
  #desc = 0;
  #done = 0;

  constructor(end: QueueEnd) {
    this.#end = end;
    this.#heads = new Int32Array(end.iov.capacity);
    this.#ends = new Int32Array(end.iov.capacity);
  }

  /** Bytes not yet written. */
  get pending(): number {
    return this.#end.iov.bytes - this.written;
  }

  /**
   * Gathers what is available into an empty batch.
   * @returns CHAIN_OK if there may be more, CHAIN_EMPTY, or a structural fault
   */
  fill(): number {
    const { queue, chain, iov } = this.#end;
    iov.reset();
    this.written = 0;
    this.#count = 0;
    this.#completed = 0;
    while (this.#count < this.#heads.length) {
      if (!this.#open) {
        const status = queue.pop(chain);
        if (status !== CHAIN_OK) return status;
        this.#open = true;
        this.#desc = 0;
        this.#done = 0;
      }
      if (!this.#addOpenChain()) return CHAIN_OK;
      this.#open = false;
      this.#heads[this.#count] = chain.head;
      this.#ends[this.#count] = iov.bytes;
      this.#count++;
    }
    return CHAIN_OK;
  }

  /** `bytes` more were dealt with: completes the chains that end there. @returns how many */
  advance(bytes: number): number {
    const { queue } = this.#end;
    const before = this.#completed;
    this.written += bytes;
    while (this.#completed < this.#count && i32At(this.#ends, this.#completed) <= this.written) {
      queue.push(i32At(this.#heads, this.#completed++), 0);
    }
    return this.#completed - before;
  }

  /** @returns false if the batch is full before the chain's end */
  #addOpenChain(): boolean {
    const { chain, iov } = this.#end;
    while (this.#desc < chain.readableCount) {
      const rest = f64At(chain.length, this.#desc) - this.#done;
      const take = Math.min(rest, TX_BATCH_BYTES - iov.bytes);
      if (rest > 0 && take === 0) return false;
      const at = f64At(chain.offset, this.#desc) + this.#done;
      if (!iov.add(i32At(chain.chunk, this.#desc), at, take, true)) return false;
      this.#done += take;
      if (take < rest) return false;
      this.#desc++;
      this.#done = 0;
    }
    return true;
  }
}
