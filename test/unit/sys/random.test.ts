import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EFAULT } from '#lkvm/abi/errno.js';
import { NativeBuffer } from '#lkvm/sys/map.js';
import { getrandomTo } from '#lkvm/sys/random.js';

test('getrandomTo: 256 bytes → all written, exactly there', () => {
  const memory = new NativeBuffer(4096);
  assert.equal(getrandomTo(memory.address + 1024, 256), 256);
  // 256 random bytes that are all zero, or hold fewer than 64 different values, do not happen
  assert.ok(new Set(memory.u8.subarray(1024, 1280)).size >= 64);
  assert.ok(memory.u8.subarray(0, 1024).every((byte) => byte === 0));
  assert.ok(memory.u8.subarray(1280).every((byte) => byte === 0));
});

test('getrandomTo: an address that is not mapped → -EFAULT', () => {
  assert.equal(getrandomTo(8, 16), -EFAULT);
});
