/** Little-endian pieces that tables are put together from. Thread: any. */

/** The low 8 bits of each value. */
export function bytesOf(...values: readonly number[]): Uint8Array {
  return Uint8Array.from(values);
}

/** @param value 0 ... 65535 */
export function u16(value: number): Uint8Array {
  return bytesOf(value, value >>> 8);
}

/** @param value 0 ... 2^32 - 1 */
export function u32(value: number): Uint8Array {
  return bytesOf(value, value >>> 8, value >>> 16, value >>> 24);
}

/** @param value 0 ... 2^53 - 1 */
export function u64(value: number): Uint8Array {
  return concat([u32(value >>> 0), u32(Math.floor(value / 0x1_0000_0000))]);
}

/** One byte per character, `bytes` of them, filled up with spaces. @param value ASCII, not longer than `bytes` */
export function ascii(value: string, bytes = value.length): Uint8Array {
  return new TextEncoder().encode(value.padEnd(bytes));
}

/** All parts, one behind the other, in a new array. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The byte that makes the sum of all bytes 0 modulo 256 if `bytes` has 0 in its place. */
export function checksum(bytes: Uint8Array): number {
  return -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;
}
