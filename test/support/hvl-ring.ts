/**
 * A virtqueue as the known hypervisorless front ends drive it, in a legacy ring, written from the ring formulas of the
 * protocol text. It shares no code with src/. Like them it does not clear ring memory when it starts: it builds its free
 * list in the descriptor table, clears NO_INTERRUPT, and counts privately from 0.
 */

/** One buffer of a chain. */
export interface RingBuffer {
  readonly addr: number;
  readonly len: number;
  readonly writable?: boolean;
}

/** A completion. */
export interface RingUsed {
  readonly head: number;
  readonly len: number;
}

const NEXT = 1;
const WRITE = 2;

export class HvlRing {
  /** Driver-visible address of the ring, and of its parts. */
  readonly desc: number;
  readonly avail: number;
  readonly used: number;
  readonly bytes: number;
  readonly size: number;
  readonly #view: DataView;
  readonly #words: Uint16Array;
  readonly #base: number;
  readonly #free: number[] = [];
  readonly #chains = new Map<number, number[]>();
  #availIdx = 0;
  #usedIdx = 0;

  /** @param pool all of the pool's bytes; @param base its first driver-visible address */
  constructor(pool: Uint8Array, base: number, at: number, size: number, align = 4096) {
    this.#view = new DataView(pool.buffer, pool.byteOffset, pool.byteLength);
    this.#words = new Uint16Array(pool.buffer, pool.byteOffset, pool.byteLength >>> 1);
    this.#base = base;
    this.size = size;
    this.desc = at;
    this.avail = at + 16 * size;
    this.used = Math.ceil((this.avail + 6 + 2 * size) / align) * align;
    this.bytes = this.used + 6 + 8 * size - at;
    for (let i = 0; i < size; i++) {
      this.#free.push(i);
      this.descriptor(i, 0, 0, 0, i + 1 < size ? i + 1 : 0x8000);
    }
  }

  /** Chains that may still be added if each has one descriptor. */
  get room(): number {
    return this.#free.length;
  }

  get usedIdx(): number {
    return Atomics.load(this.#words, this.#at(this.used + 2) / 2);
  }

  get usedFlags(): number {
    return Atomics.load(this.#words, this.#at(this.used) / 2);
  }

  /** With EVENT_IDX: the index behind which the device wants a doorbell. */
  get availEvent(): number {
    return Atomics.load(this.#words, this.#at(this.used + 4 + 8 * this.size) / 2);
  }

  get availIdx(): number {
    return Atomics.load(this.#words, this.#at(this.avail + 2) / 2);
  }

  /** Makes a chain available. @returns its head */
  add(...buffers: readonly RingBuffer[]): number {
    const chain = this.#free.splice(0, buffers.length);
    if (chain.length < buffers.length) throw new Error('HvlRing: full');
    for (const [i, buffer] of buffers.entries()) {
      const next = chain[i + 1];
      const flags = (buffer.writable === true ? WRITE : 0) | (next === undefined ? 0 : NEXT);
      this.descriptor(chain[i] as number, buffer.addr, buffer.len, flags, next ?? 0x8000);
    }
    const head = chain[0] as number;
    this.#chains.set(head, chain);
    this.available(head);
    return head;
  }

  /** The next completion, its descriptors freed; or undefined. */
  take(): RingUsed | undefined {
    if (this.usedIdx === this.#usedIdx) return undefined;
    const at = this.#at(this.used + 4 + 8 * (this.#usedIdx % this.size));
    this.#usedIdx = (this.#usedIdx + 1) & 0xffff;
    const head = this.#view.getUint32(at, true);
    const chain = this.#chains.get(head);
    if (chain === undefined) throw new Error(`HvlRing: head ${head} completed but not in flight`);
    this.#chains.delete(head);
    this.#free.push(...chain);
    return { head, len: this.#view.getUint32(at + 4, true) };
  }

  takeAll(): RingUsed[] {
    const all: RingUsed[] = [];
    for (let next = this.take(); next !== undefined; next = this.take()) all.push(next);
    return all;
  }

  /** avail.flags bit 0: no interrupt, please. */
  set noInterrupt(value: boolean) {
    Atomics.store(this.#words, this.#at(this.avail) / 2, value ? 1 : 0);
  }

  // For hostile drivers

  descriptor(index: number, addr: number | bigint, len: number, flags: number, next: number): void {
    const at = this.#at(this.desc + 16 * index);
    this.#view.setBigUint64(at, BigInt(addr), true);
    this.#view.setUint32(at + 8, len, true);
    this.#view.setUint16(at + 12, flags, true);
    this.#view.setUint16(at + 14, next, true);
  }

  /** Puts a head into the available ring, whatever it is. */
  available(head: number): void {
    this.#view.setUint16(this.#at(this.avail + 4 + 2 * (this.#availIdx % this.size)), head, true);
    this.setAvailIdx(this.#availIdx + 1);
  }

  setAvailIdx(value: number): void {
    this.#availIdx = value & 0xffff;
    Atomics.store(this.#words, this.#at(this.avail + 2) / 2, this.#availIdx);
  }

  #at(gpa: number): number {
    return gpa - this.#base;
  }
}
