import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LogLimiter } from '#lkvm/virtio/transport/hvl/log-limiter.js';

test('LogLimiter: a burst of 100 lines → ten pass, the rest are counted; ten seconds later lines pass again', () => {
  const limiter = new LogLimiter();
  const passed = Array.from({ length: 100 }, (_, i) => limiter.allow(i)).filter(Boolean);
  assert.equal(passed.length, 10);
  assert.equal(limiter.suppressed, 90);
  assert.ok(!limiter.allow(9_999_999));
  assert.ok(limiter.allow(10_000_000));
});
