import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alignDown, alignUp, hex, isPowerOfTwo } from '#lkvm/util/numbers.js';

test('alignUp, alignDown: below, on and above a multiple, beyond 32 bits → the multiple', () => {
  assert.deepEqual(
    [0, 1, 0x1000, 0x1001, 2 ** 40 + 1].map((value) => alignUp(value, 0x1000)),
    [0, 0x1000, 0x1000, 0x2000, 2 ** 40 + 0x1000],
  );
  assert.deepEqual(
    [0, 0xfff, 0x1000, 2 ** 40 + 1].map((value) => alignDown(value, 0x1000)),
    [0, 0, 0x1000, 2 ** 40],
  );
});

test('isPowerOfTwo: 0, neighbours of powers, the largest 32-bit one → only powers', () => {
  const values = [0, 1, 2, 3, 4, 0x7fff_ffff, 0x8000_0000, 0x8000_0001, 0xffff_ffff];
  assert.deepEqual(values.filter(isPowerOfTwo), [1, 2, 4, 0x8000_0000]);
});

test('hex: an address, with and without a width', () => {
  assert.deepEqual([hex(0), hex(0xd400_0000), hex(0x1c, 4)], ['0x0', '0xd4000000', '0x001c']);
});
