import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GetrandomSource } from '#lkvm/backends/random/getrandom.js';
import { Reactor } from '#lkvm/reactor/reactor.js';
import { NativeBuffer } from '#lkvm/sys/map.js';

test('getrandom: 64 KiB → all of them written, and not twice the same', (t) => {
  const loop = new Reactor();
  t.after(() => loop.close());
  const source = new GetrandomSource(loop);
  const buffer = new NativeBuffer(0x1_0000);
  let done = 0;
  while (done < 0x1_0000) done += Math.max(0, source.fill(buffer.address + done, 0x1_0000 - done));
  const first = Buffer.from(buffer.u8.subarray(0, 64));
  assert.notDeepEqual(first, Buffer.alloc(64));
  assert.notDeepEqual(Buffer.from(buffer.u8.subarray(0x1_0000 - 64)), Buffer.alloc(64));
  assert.equal(source.fill(buffer.address, 64), 64);
  assert.notDeepEqual(Buffer.from(buffer.u8.subarray(0, 64)), first);
});
