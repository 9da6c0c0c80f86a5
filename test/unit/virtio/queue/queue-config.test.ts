// Virtio 1.2 section 2.7: queue size is a power of two; alignments 16, 2, 4.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { activateQueue, type QueueConfig } from '#lkvm/virtio/queue/queue-config.js';
import { VirtQueue } from '#lkvm/virtio/queue/virt-queue.js';
import { TestMemory } from '../../../support/driver-sim-memory.js';

const memory = new TestMemory({ bytes: 0x4000 });
const NO_RING_FEATURES = { indirect: false, eventIdx: false };
const GOOD = { desc: memory.gpa, avail: memory.gpa + 0x1000, used: memory.gpa + 0x2000 };
const END = memory.gpa + 0x4000;

function activate(change: Partial<QueueConfig>): string {
  const config = { index: 0, maxSize: 256, size: 8, layout: GOOD, ...change };
  const result = activateQueue(config, memory.memory, NO_RING_FEATURES);
  return result instanceof VirtQueue ? `queue of ${result.size}` : result;
}

test('activateQueue: 1, 8 and the maximum → a queue', () => {
  assert.equal(activate({ size: 1 }), 'queue of 1');
  assert.equal(activate({}), 'queue of 8');
  assert.equal(activate({ size: 128, maxSize: 128 }), 'queue of 128');
});

test('activateQueue: 0, 3, 65536, the sentinel as size → refused', () => {
  for (const size of [0, 3, 65536, 0x00ff_00ff, 0xffff_ffff, 0x8000_0000]) {
    assert.equal(activate({ size, maxSize: 32768 }), 'size is not a power of two', `${size}`);
  }
});

test('activateQueue: more than the maximum → refused', () => {
  assert.equal(activate({ size: 16, maxSize: 8 }), 'size is above the maximum');
});

test('activateQueue: each part off its alignment → refused; on it → accepted', () => {
  assert.equal(activate({ layout: { ...GOOD, desc: GOOD.desc + 8 } }), 'misaligned');
  assert.equal(activate({ layout: { ...GOOD, avail: GOOD.avail + 1 } }), 'misaligned');
  assert.equal(activate({ layout: { ...GOOD, used: GOOD.used + 2 } }), 'misaligned');
  const odd = { desc: GOOD.desc + 16, avail: GOOD.avail + 2, used: GOOD.used + 4 };
  assert.equal(activate({ layout: odd }), 'queue of 8');
});

test('activateQueue: each part one unit across the end of the memory → refused; exactly at the end → accepted', () => {
  const outside = 'outside the shared memory';
  assert.equal(activate({ layout: { ...GOOD, desc: END - 16 * 8 } }), 'queue of 8');
  assert.equal(activate({ layout: { ...GOOD, desc: END - 16 * 7 } }), outside);
  assert.equal(activate({ layout: { ...GOOD, avail: END - 22 } }), 'queue of 8');
  assert.equal(activate({ layout: { ...GOOD, avail: END - 20 } }), outside);
  assert.equal(activate({ layout: { ...GOOD, used: END - 72 } }), 'queue of 8');
  assert.equal(activate({ layout: { ...GOOD, used: END - 68 } }), outside);
});

test('activateQueue: addresses far away, below the memory, above 2^52 → refused', () => {
  for (const desc of [0, memory.gpa - 16, END, 0xffff_fff0, 2 ** 52, 2 ** 64 - 4096]) {
    assert.equal(activate({ layout: { ...GOOD, desc } }), 'outside the shared memory', `${desc}`);
  }
});
