/** Frames on their way to a driver: a ring of buffers made once. Thread: reactor. Hot path: allocates nothing. */
import { copyBytes } from '../memory/copy.js';
import type { IovArray } from '../memory/iov-array.js';
import { at, i32At } from '../util/typed.js';

/** Holds whole frames, first in, first out. */
export class FrameQueue {
  /** After {@link receive} returned more than its limit: the bytes beyond it. Valid until the next call. */
  readonly overflow: Uint8Array;
  readonly #frames: readonly Uint8Array[];
  readonly #lengths: Int32Array;
  #first = 0;
  #count = 0;

  /** @param frames most frames that wait @param bytes largest frame */
  constructor(frames: number, bytes: number) {
    this.overflow = new Uint8Array(bytes);
    this.#frames = Array.from({ length: frames }, () => new Uint8Array(bytes));
    this.#lengths = new Int32Array(frames);
  }

  get empty(): boolean {
    return this.#count === 0;
  }

  get full(): boolean {
    return this.#count === this.#frames.length;
  }

  /** Where the next frame goes; {@link commit} makes it one. Only if not {@link full}. */
  next(): Uint8Array {
    return at(this.#frames, (this.#first + this.#count) % this.#frames.length);
  }

  /** The buffer of {@link next} holds a frame of so many bytes. */
  commit(bytes: number): void {
    this.#lengths[(this.#first + this.#count) % this.#frames.length] = bytes;
    this.#count++;
  }

  /**
   * Takes the oldest frame.
   * @param gap bytes of packet header before the frame; they are left alone
   * @param iov gets it, from entry `first` on @param limit most bytes, header included
   * @returns bytes of header and frame, more than `limit` if it did not fit; 0 = there is none
   */
  receive(gap: number, iov: IovArray, first: number, limit: number): number {
    if (this.#count === 0) return 0;
    const frame = at(this.#frames, this.#first);
    const bytes = i32At(this.#lengths, this.#first);
    const fits = Math.max(0, Math.min(bytes, limit - gap));
    iov.scatter(frame, 0, gap, fits, first);
    if (fits < bytes) copyBytes(this.overflow, 0, frame, fits, bytes - fits);
    this.#first = (this.#first + 1) % this.#frames.length;
    this.#count--;
    return gap + bytes;
  }

  /** Forgets all frames. */
  clear(): void {
    this.#first = 0;
    this.#count = 0;
  }
}
