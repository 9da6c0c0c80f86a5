import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EAGAIN } from '#lkvm/abi/errno.js';
import { eventfd, eventfdDrain, eventfdSignal } from '#lkvm/sys/eventfd.js';
import { close, writeFrom } from '#lkvm/sys/fd.js';
import { NativeBuffer } from '#lkvm/sys/map.js';

test('eventfd: signalled twice → one drain takes both, the next finds nothing', () => {
  const fd = eventfd();
  assert.equal(eventfdDrain(fd), -EAGAIN);
  assert.equal(eventfdSignal(fd), 8);
  assert.equal(eventfdSignal(fd), 8);
  assert.equal(eventfdDrain(fd), 8);
  assert.equal(eventfdDrain(fd), -EAGAIN);
  close(fd);
});

test('eventfdSignal: the count is at its limit → -EAGAIN, no wait', () => {
  const fd = eventfd();
  const limit = new NativeBuffer(8);
  limit.view.setBigUint64(0, 0xffff_ffff_ffff_fffen, true);
  assert.equal(writeFrom(fd, limit.address, 8), 8);
  assert.equal(eventfdSignal(fd), -EAGAIN);
  assert.equal(eventfdDrain(fd), 8);
  assert.equal(eventfdSignal(fd), 8);
  close(fd);
});
