/**
 * Bytes from the guest to the host: a ring in shared memory. Producers are vCPUs, one at a time (they hold their device's
 * lock); the consumer is the reactor.
 *
 * The consumer sleeps until its doorbell is rung. The first byte after it fell asleep rings; so does the byte that fills
 * half of the ring. In between it looks by itself, so that a stream of bytes costs no thread switch each.
 *
 * Counters are free-running 32-bit numbers; place = counter & (size - 1).
 */
import { i32At, u8At } from '../util/typed.js';

// Words. Every access is an Atomics call.
/** Bytes given. Writer: producer, after it stored the byte. Reader: both. */
const GIVEN = 0;
/** Bytes taken. Writer: consumer, after it copied them. Reader: both; a producer waits on it for room. */
const TAKEN = 1;
/** 1 = the consumer looks by itself, 0 = it wants a doorbell. Writer: consumer (1), both (0 to 1 by exchange). */
const AWAKE = 2;
/** Producers that sleep on TAKEN. Writer: producer. Reader: consumer. */
const SLEEPERS = 3;
/** 1 = the consumer took nothing while somebody waited for room: do not wait again. Writer: producer (1), consumer (0). */
const STALLED = 4;
const WORDS = 8;

/** Results of {@link OutputRing.push}. */
export const PUSHED = 0;
/** Pushed; now ring the doorbell, after releasing the lock. */
export const PUSHED_RING = 1;
/** No room; the byte was not taken. */
export const PUSH_FULL = 2;

/** Longest wait for room, in milliseconds: more than a busy host makes the consumer wait for its processor. */
const ROOM_WAIT_MS = 1000;

/** Bytes of shared memory a ring of `size` bytes needs. */
export function outputRingBytes(size: number): number {
  return WORDS * 4 + size;
}

/** One end of a ring. Thread: any; one object per thread. Hot path. */
export class OutputRing {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #size: number;
  readonly #mask: number;
  readonly #half: number;

  /**
   * @param shared zeroed, with {@link outputRingBytes} bytes from `offset` on
   * @param offset a multiple of 4
   * @param size a power of two, bytes
   */
  constructor(shared: SharedArrayBuffer, offset: number, size: number) {
    this.#words = new Int32Array(shared, offset, WORDS);
    this.#bytes = new Uint8Array(shared, offset + WORDS * 4, size);
    this.#size = size;
    this.#mask = size - 1;
    this.#half = size >>> 1;
  }

  /** Bytes in the ring. */
  used(): number {
    return (Atomics.load(this.#words, GIVEN) - Atomics.load(this.#words, TAKEN)) | 0;
  }

  /** Bytes that can be pushed. */
  room(): number {
    return this.#size - this.used();
  }

  /** True if at least half of the ring is in use. */
  halfFull(): boolean {
    return this.used() >= this.#half;
  }

  /** Producer, with the lock of its device held. @returns PUSHED, PUSHED_RING or PUSH_FULL */
  push(byte: number): number {
    const words = this.#words;
    const given = i32At(words, GIVEN); // producers are ordered by their lock
    const used = (given - Atomics.load(words, TAKEN)) | 0;
    if (used === this.#size) return PUSH_FULL;
    this.#bytes[given & this.#mask] = byte;
    // Stored before AWAKE is read, as the consumer clears AWAKE before it reads GIVEN: one of the two sees the other.
    Atomics.store(words, GIVEN, (given + 1) | 0);
    if (Atomics.load(words, AWAKE) === 0) {
      return Atomics.exchange(words, AWAKE, 1) === 0 ? PUSHED_RING : PUSHED;
    }
    return used + 1 === this.#half ? PUSHED_RING : PUSHED;
  }

  /**
   * Producer, without any lock: sleeps until there is room, at most {@link ROOM_WAIT_MS}. When that was in vain, later
   * calls return at once until the consumer has taken something.
   * @returns false if there is no hope
   */
  waitForRoom(): boolean {
    const words = this.#words;
    const taken = Atomics.load(words, TAKEN);
    if (((Atomics.load(words, GIVEN) - taken) | 0) !== this.#size) return true;
    if (Atomics.load(words, STALLED) !== 0) return false;
    Atomics.add(words, SLEEPERS, 1);
    const woken = Atomics.wait(words, TAKEN, taken, ROOM_WAIT_MS);
    Atomics.sub(words, SLEEPERS, 1);
    if (woken !== 'timed-out') return true;
    Atomics.store(words, STALLED, 1);
    return false;
  }

  /** Consumer: moves up to `limit` bytes out. @returns how many */
  take(to: Uint8Array, offset: number, limit: number): number {
    const words = this.#words;
    const taken = i32At(words, TAKEN); // ours alone
    const n = Math.min(limit, (Atomics.load(words, GIVEN) - taken) | 0);
    if (n <= 0) return 0;
    for (let i = 0; i < n; i++) to[offset + i] = u8At(this.#bytes, (taken + i) & this.#mask);
    Atomics.store(words, TAKEN, (taken + n) | 0);
    Atomics.store(words, STALLED, 0);
    if (Atomics.load(words, SLEEPERS) !== 0) Atomics.notify(words, TAKEN);
    return n;
  }

  /** Consumer: asks for a doorbell. @returns false if there are bytes already; then it must look again by itself */
  sleep(): boolean {
    const words = this.#words;
    Atomics.store(words, AWAKE, 0);
    if (this.used() === 0) return true;
    Atomics.store(words, AWAKE, 1);
    return false;
  }
}
