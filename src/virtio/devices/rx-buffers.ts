/**
 * Device-writable chains taken from a receive queue ahead of the data that will fill them.
 *
 * They are popped when the driver posts them, not when data arrives: then "is there a buffer?" costs nothing, the queue
 * looks empty to whoever polls it, and one `readv` can fill several chains. Their buffers lie one behind the other in
 * one list; data is put at its front, and {@link RxBuffers.deliver} completes the chains it covers.
 *
 * Thread: reactor. Hot path: allocates nothing after construction.
 */
import { f64At, i32At } from '../../util/typed.js';
import { CHAIN_OK } from '../queue/virt-queue.js';
import type { QueueEnd } from './queue-end.js';

/** See the file's head. Exists from `activate` to `reset`. */
export class RxBuffers {
  /** Chains held. */
  chains = 0;
  /** Bytes that can be written into them. */
  bytes = 0;
  /** The front: first entry of `end.iov` that belongs to the first chain held. */
  first = 0;
  /** Set while data lies in front of the list that was not delivered: the list must not be moved then. */
  pinned = false;
  /** The last {@link take} left a chain in the queue because the list has no room for it. */
  full = false;

  readonly #end: QueueEnd;
  readonly #maxChainBytes: number;
  // Per chain, from #firstChain on
  readonly #heads: Int32Array;
  readonly #lengths: Float64Array;
  readonly #entries: Int32Array;
  #firstChain = 0;
  #chainEnd = 0;
  // Per entry of the list, to build it again
  readonly #chunk: Int32Array;
  readonly #offset: Float64Array;
  readonly #length: Float64Array;

  /** @param maxChainBytes what is longer is not used: the largest piece of data */
  constructor(end: QueueEnd, maxChainBytes: number) {
    const capacity = end.iov.capacity;
    this.#end = end;
    this.#maxChainBytes = maxChainBytes;
    this.#heads = new Int32Array(capacity);
    this.#lengths = new Float64Array(capacity);
    this.#entries = new Int32Array(capacity);
    this.#chunk = new Int32Array(capacity);
    this.#offset = new Float64Array(capacity);
    this.#length = new Float64Array(capacity);
  }

  /** Bytes of the first chain held; 0 if there is none. */
  get firstBytes(): number {
    return this.chains === 0 ? 0 : f64At(this.#lengths, this.#firstChain);
  }

  /**
   * Pops what the driver has posted, as far as there is room.
   * @returns CHAIN_EMPTY, CHAIN_OK if there may be more, or a structural fault
   */
  take(): number {
    const { queue, chain } = this.#end;
    this.full = false;
    // The limit is for drivers that refill faster than we look; any honest queue is empty before.
    for (let left = 2 * this.#heads.length; left > 0; left--) {
      if (this.#chainEnd === this.#heads.length && !this.#compact()) {
        this.full = true;
        return CHAIN_OK;
      }
      const status = queue.pop(chain);
      if (status !== CHAIN_OK) return status;
      if (chain.writableBytes === 0) {
        this.#end.refuse();
      } else if (!this.#append()) {
        // Alone and still too long for the list: it will never fit.
        if (this.chains === 0) this.#end.refuse();
        else {
          queue.unpop();
          this.full = true;
          return CHAIN_OK;
        }
      }
    }
    return CHAIN_OK;
  }

  /**
   * Before data may be {@link pinned}: leaves room for all that the driver can still post, as far as there is. Costs something
   * once in many frames only.
   */
  makeRoom(): void {
    const half = this.#heads.length >>> 1;
    if (this.#firstChain > half || this.first > half) this.#compact();
  }

  /** How many chains the first `bytes` bytes cover; `bytes` is 1 ... {@link RxBuffers.bytes}. */
  chainsFor(bytes: number): number {
    let n = 0;
    for (let i = this.#firstChain; bytes > 0 && i < this.#chainEnd; i++) {
      bytes -= f64At(this.#lengths, i);
      n++;
    }
    return n;
  }

  /** Completes the chains that the first `bytes` bytes cover; a chain filled in part is used up too. */
  deliver(bytes: number): void {
    const { queue, iov } = this.#end;
    let left = bytes;
    while (left > 0 && this.chains > 0) {
      const i = this.#firstChain++;
      const length = f64At(this.#lengths, i);
      const take = Math.min(length, left);
      queue.push(i32At(this.#heads, i), take);
      left -= take;
      this.first += i32At(this.#entries, i);
      this.bytes -= length;
      this.chains--;
    }
    if (this.chains > 0) return;
    this.first = 0;
    this.#firstChain = 0;
    this.#chainEnd = 0;
    iov.reset();
  }

  /** Puts the popped chain behind the others. @returns false if there is no room */
  #append(): boolean {
    const { chain, iov } = this.#end;
    const count = chain.count - chain.readableCount;
    const bytes = Math.min(chain.writableBytes, this.#maxChainBytes);
    if (!this.#fits(count, bytes) && !(this.#compact() && this.#fits(count, bytes))) return false;
    const before = iov.count;
    let left = bytes;
    for (let d = chain.readableCount; d < chain.count && left > 0; d++) {
      const length = Math.min(f64At(chain.length, d), left);
      const at = iov.count;
      iov.add(i32At(chain.chunk, d), f64At(chain.offset, d), length, false);
      if (iov.count === at) continue; // a buffer of 0 bytes
      this.#chunk[at] = i32At(chain.chunk, d);
      this.#offset[at] = f64At(chain.offset, d);
      this.#length[at] = length;
      left -= length;
    }
    const i = this.#chainEnd++;
    this.#heads[i] = chain.head;
    this.#lengths[i] = bytes;
    this.#entries[i] = iov.count - before;
    this.chains++;
    this.bytes += bytes;
    return true;
  }

  #fits(entries: number, bytes: number): boolean {
    return this.#end.iov.hasRoom(entries, bytes);
  }

  /** Moves what is left to the start of the list. @returns false if it is there already, or pinned */
  #compact(): boolean {
    if (this.pinned || this.#firstChain === 0) return false;
    const { iov } = this.#end;
    const count = iov.count;
    iov.reset();
    for (let from = this.first; from < count; from++) {
      const to = iov.count;
      this.#chunk[to] = i32At(this.#chunk, from);
      this.#offset[to] = f64At(this.#offset, from);
      this.#length[to] = f64At(this.#length, from);
      iov.add(i32At(this.#chunk, to), f64At(this.#offset, to), f64At(this.#length, to), false);
    }
    this.#heads.copyWithin(0, this.#firstChain, this.#chainEnd);
    this.#lengths.copyWithin(0, this.#firstChain, this.#chainEnd);
    this.#entries.copyWithin(0, this.#firstChain, this.#chainEnd);
    this.#chainEnd -= this.#firstChain;
    this.#firstChain = 0;
    this.first = 0;
    return true;
  }
}
