import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { copyBytes, copyCongruent, copyFromDevice, copyToDevice, zeroShared } from '#lkvm/memory/copy.js';
import { MemoryChunk } from '#lkvm/memory/guest-memory.js';
import { mapPrivate } from '#lkvm/sys/map.js';

const BYTES = 256;
const shared = new MemoryChunk(0, mapPrivate(4096).address, BYTES);
const other = new MemoryChunk(0, mapPrivate(4096).address, BYTES);
const offset = fc.nat(80);
const length = fc.nat(120); // around the border between the byte loop and the bulk copy

function pattern(seed: number): Uint8Array {
  return Uint8Array.from({ length: BYTES }, (_, i) => (i * 7 + seed) & 0xff);
}

/** The expected result, byte by byte. */
function copied(to: Uint8Array, toOff: number, from: Uint8Array, fromOff: number, n: number): Uint8Array {
  const result = to.slice();
  for (let i = 0; i < n; i++) result[toOff + i] = from[fromOff + i] as number;
  return result;
}

test('copyBytes, copyToDevice, copyFromDevice: any offsets and length → exactly those bytes', () => {
  const source = pattern(1);
  fc.assert(
    fc.property(offset, offset, length, (to, from, n) => {
      const expected = copied(pattern(100), to, source, from, n);
      const plain = pattern(100);
      copyBytes(plain, to, source, from, n);
      assert.deepEqual(plain, expected);

      shared.u8.set(pattern(100));
      copyToDevice(shared, to, source, from, n);
      assert.deepEqual(shared.u8.slice(), expected);

      shared.u8.set(source);
      const target = pattern(100);
      copyFromDevice(target, to, shared, from, n);
      assert.deepEqual(target, expected);
    }),
  );
});

test('copyCongruent: offsets equal modulo 4, any length → exactly those bytes', () => {
  const source = pattern(1);
  fc.assert(
    fc.property(offset, fc.nat(20), length, (to, words, n) => {
      const from = (to & 3) + 4 * words;
      shared.u8.set(pattern(100));
      other.u8.set(source);
      copyCongruent(shared, to, other, from, n);
      assert.deepEqual(shared.u8.slice(), copied(pattern(100), to, source, from, n));
    }),
  );
});

test('zeroShared: any offset and length → exactly those bytes are zero', () => {
  fc.assert(
    fc.property(offset, length, (at, n) => {
      shared.u8.set(pattern(1));
      zeroShared(shared, at, n);
      assert.deepEqual(shared.u8.slice(), copied(pattern(1), at, new Uint8Array(BYTES), 0, n));
    }),
  );
});
