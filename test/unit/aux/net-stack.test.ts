import assert from 'node:assert/strict';
import { test } from 'node:test';
import { latencyOf } from '#lkvm/aux/device-commands.js';
import { internetChecksum } from '#lkvm/aux/net-stack.js';

test('internetChecksum: the example of RFC 1071, an odd length, and data with its checksum → as the RFC says', () => {
  const example = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);
  assert.equal(internetChecksum(example, 0, 8), ~0xddf2 & 0xffff);
  assert.equal(internetChecksum(Uint8Array.of(0xff), 0, 1), 0x00ff);
  const whole = Uint8Array.of(...example, 0x22, 0x0d);
  assert.equal(internetChecksum(whole, 0, 10), 0);
});

test('latencyOf: times in any order → least, middle, 99th of 100', () => {
  const times = Array.from({ length: 100 }, (_, i) => 100 - i);
  assert.deepEqual(latencyOf(120, times), { sent: 120, received: 100, min_us: 1, p50_us: 51, p99_us: 100 });
  assert.deepEqual(latencyOf(1, []), { sent: 1, received: 0, min_us: 0, p50_us: 0, p99_us: 0 });
});
