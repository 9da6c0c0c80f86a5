/**
 * Little-endian fields of 9P messages: one cursor that reads, one that writes. Neither throws: the reader notes in
 * `ok` that a field was cut off and in `exact` that a number did not fit, and the caller looks once, at the end.
 *
 * Hot path: allocates nothing after construction.
 */
import { u8At } from '../util/typed.js';

const TWO_32 = 0x1_0000_0000;
/** High words from here on make a number that a double does not hold exactly (2^53). */
const EXACT_HIGH = 0x20_0000;

/** Reads fields in order. */
export class WireReader {
  bytes: Uint8Array = new Uint8Array(0);
  /** Offset of the next field. */
  at = 0;
  /** First offset behind the message. */
  end = 0;
  /** False once a field lay beyond the end. Fields read from then on are 0 or empty. */
  ok = true;
  /** False once a 64-bit field was outside the range of safe integers. */
  exact = true;
  /** After {@link string}: offset of its first byte. */
  stringAt = 0;
  /** After {@link string}: its length in bytes, 0 ... 65535. */
  stringBytes = 0;

  /** Starts at `at`, ends before `end`; `bytes` must hold that range. */
  start(bytes: Uint8Array, at: number, end: number): void {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
    this.ok = true;
    this.exact = true;
  }

  /** True if everything was there and nothing is left over. */
  get finished(): boolean {
    return this.ok && this.at === this.end;
  }

  u8(): number {
    return this.#take(1) ? u8At(this.bytes, this.at - 1) : 0;
  }

  u16(): number {
    if (!this.#take(2)) return 0;
    return u8At(this.bytes, this.at - 2) | (u8At(this.bytes, this.at - 1) << 8);
  }

  u32(): number {
    if (!this.#take(4)) return 0;
    return this.#word(this.at - 4);
  }

  /** A u64 as a safe integer; clears `exact` if it is larger. */
  u64(): number {
    if (!this.#take(8)) return 0;
    const high = this.#word(this.at - 4);
    if (high >= EXACT_HIGH) {
      this.exact = false;
      return 0;
    }
    return high * TWO_32 + this.#word(this.at - 8);
  }

  /** A 64-bit two's complement number, as seconds before 1970 are sent; clears `exact` if it is not a safe integer. */
  i64(): number {
    if (!this.#take(8)) return 0;
    const high = this.#word(this.at - 4) | 0;
    if (high >= EXACT_HIGH || high < -EXACT_HIGH) {
      this.exact = false;
      return 0;
    }
    return high * TWO_32 + this.#word(this.at - 8);
  }

  /** Leaves the string's place in `stringAt` and `stringBytes`. */
  string(): void {
    const bytes = this.u16();
    this.stringAt = this.at;
    this.stringBytes = this.#take(bytes) ? bytes : 0;
  }

  skip(bytes: number): void {
    this.#take(bytes);
  }

  #take(bytes: number): boolean {
    if (!this.ok || this.end - this.at < bytes) {
      this.ok = false;
      return false;
    }
    this.at += bytes;
    return true;
  }

  #word(at: number): number {
    const b = this.bytes;
    return (u8At(b, at) | (u8At(b, at + 1) << 8) | (u8At(b, at + 2) << 16) | (u8At(b, at + 3) << 24)) >>> 0;
  }
}

/** Writes fields in order. A field that does not fit is dropped and clears `ok`. */
export class WireWriter {
  bytes: Uint8Array = new Uint8Array(0);
  /** Offset of the next field: the bytes written so far if it started at 0. */
  at = 0;
  limit = 0;
  ok = true;

  /** Starts at `at`; nothing is written at or behind `limit`. */
  start(bytes: Uint8Array, at: number, limit: number): void {
    this.bytes = bytes;
    this.at = at;
    this.limit = Math.min(limit, bytes.length);
    this.ok = true;
  }

  u8(value: number): void {
    if (this.#room(1)) this.bytes[this.at++] = value;
  }

  u16(value: number): void {
    if (!this.#room(2)) return;
    this.bytes[this.at++] = value;
    this.bytes[this.at++] = value >>> 8;
  }

  u32(value: number): void {
    if (!this.#room(4)) return;
    this.#word(this.at, value);
    this.at += 4;
  }

  /** @param value a safe integer; a negative one is written in two's complement */
  u64(value: number): void {
    this.u64Words(value >>> 0, Math.floor(value / TWO_32) >>> 0);
  }

  u64Words(low: number, high: number): void {
    if (!this.#room(8)) return;
    this.#word(this.at, low);
    this.#word(this.at + 4, high);
    this.at += 8;
  }

  /** @param bytes first `length` bytes from `from` of `text`; at most 65535 */
  string(text: Uint8Array, from: number, length: number): void {
    if (!this.#room(2 + length) || length > 0xffff) {
      this.ok = false;
      return;
    }
    this.u16(length);
    for (let i = 0; i < length; i++) this.bytes[this.at + i] = u8At(text, from + i);
    this.at += length;
  }

  skip(bytes: number): void {
    if (this.#room(bytes)) this.at += bytes;
  }

  /** Overwrites a field written before. */
  patchU32(at: number, value: number): void {
    this.#word(at, value);
  }

  #room(bytes: number): boolean {
    if (!this.ok || this.limit - this.at < bytes) {
      this.ok = false;
      return false;
    }
    return true;
  }

  #word(at: number, value: number): void {
    const b = this.bytes;
    b[at] = value;
    b[at + 1] = value >>> 8;
    b[at + 2] = value >>> 16;
    b[at + 3] = value >>> 24;
  }
}
