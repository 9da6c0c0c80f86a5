/**
 * Bulk copies between ordinary buffers and shared memory. In device memory (access kind *word*) every access must be
 * naturally aligned and at most 8 bytes wide. `set`, `fill`, `copyWithin`, `slice` and system calls promise nothing of
 * the kind (they end in memmove and memset, which use wide, overlapping and, on arm64, cache-zeroing stores), so there
 * the copy goes element by element through views that start on a page: such an access is aligned by construction. V8
 * does not merge or widen element accesses whose index is not a constant.
 *
 * Hot path. All offsets and lengths are in bytes and were checked by the caller.
 */
import { u8At, u32At } from '../util/typed.js';
import type { MemoryChunk } from './guest-memory.js';

const SHORT = 48; // below this a byte loop is faster than subarray + set

/** `to[toOff ...] = from[fromOff ... fromOff + bytes)` between direct memory. */
export function copyBytes(
  to: Uint8Array,
  toOff: number,
  from: Uint8Array,
  fromOff: number,
  bytes: number,
): void {
  if (bytes <= SHORT) {
    for (let i = 0; i < bytes; i++) to[toOff + i] = u8At(from, fromOff + i);
    return;
  }
  to.set(from.subarray(fromOff, fromOff + bytes), toOff);
}

/** Copies into device memory: bytes up to the first aligned word, then 4-byte words, then bytes. */
export function copyToDevice(
  chunk: MemoryChunk,
  at: number,
  from: Uint8Array,
  fromOff: number,
  bytes: number,
): void {
  const u8 = chunk.u8;
  const end = at + bytes;
  let source = fromOff;
  let i = at;
  while (i < end && (i & 3) !== 0) u8[i++] = u8At(from, source++);
  const u32 = chunk.u32;
  for (; i + 4 <= end; i += 4, source += 4) {
    u32[i >>> 2] =
      (u8At(from, source) |
        (u8At(from, source + 1) << 8) |
        (u8At(from, source + 2) << 16) |
        (u8At(from, source + 3) << 24)) >>>
      0;
  }
  while (i < end) u8[i++] = u8At(from, source++);
}

/** Copies out of device memory, as {@link copyToDevice}. */
export function copyFromDevice(
  to: Uint8Array,
  toOff: number,
  chunk: MemoryChunk,
  at: number,
  bytes: number,
): void {
  const u8 = chunk.u8;
  const end = at + bytes;
  let target = toOff;
  let i = at;
  while (i < end && (i & 3) !== 0) to[target++] = u8At(u8, i++);
  const u32 = chunk.u32;
  for (; i + 4 <= end; i += 4, target += 4) {
    const word = u32At(u32, i >>> 2);
    to[target] = word & 0xff;
    to[target + 1] = (word >>> 8) & 0xff;
    to[target + 2] = (word >>> 16) & 0xff;
    to[target + 3] = word >>> 24;
  }
  while (i < end) to[target++] = u8At(u8, i++);
}

/**
 * Copies between shared and private memory when both places are equally far from a word boundary (`toAt` and `fromAt` are
 * equal modulo 4): whole words, aligned on both sides.
 */
export function copyCongruent(
  to: MemoryChunk,
  toAt: number,
  from: MemoryChunk,
  fromAt: number,
  bytes: number,
): void {
  const end = toAt + bytes;
  let source = fromAt;
  let i = toAt;
  for (; i < end && (i & 3) !== 0; i++, source++) to.u8[i] = u8At(from.u8, source);
  const words = Math.max(0, end - i) >>> 2;
  const toWord = i >>> 2;
  const fromWord = source >>> 2;
  for (let w = 0; w < words; w++) to.u32[toWord + w] = u32At(from.u32, fromWord + w);
  i += words * 4;
  source += words * 4;
  for (; i < end; i++, source++) to.u8[i] = u8At(from.u8, source);
}

/** Zeroes shared memory of either kind, with aligned accesses only. */
export function zeroShared(chunk: MemoryChunk, at: number, bytes: number): void {
  const end = at + bytes;
  let i = at;
  while (i < end && (i & 3) !== 0) chunk.u8[i++] = 0;
  for (; i + 4 <= end; i += 4) chunk.u32[i >>> 2] = 0;
  while (i < end) chunk.u8[i++] = 0;
}
