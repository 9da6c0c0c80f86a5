// Virtio 1.2 section 2.7.7: when the device must, may and must not notify the driver.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CHAIN_OK } from '#lkvm/virtio/queue/virt-queue.js';
import { type QueuePair, queuePair } from '../../../support/driver-sim-device.js';

/** `count` chains offered, popped, pushed and published in one go. */
function complete(pair: QueuePair, count: number): void {
  const address = pair.memory.gpa;
  for (let i = 0; i < count; i++) pair.driver.addChain([{ addr: address, len: 1 }]);
  pair.driver.publish();
  for (let i = 0; i < count; i++) {
    assert.equal(pair.queue.pop(pair.chain), CHAIN_OK);
    pair.queue.push(pair.chain.head, 0);
  }
  pair.queue.publish();
  assert.equal(pair.driver.takeAllUsed().length, count);
}

test('needsInterrupt: avail.flags says no → false; cleared → the next completion interrupts', () => {
  const pair = queuePair();
  pair.driver.disableInterrupts();
  complete(pair, 1);
  assert.equal(pair.queue.needsInterrupt(), false);
  pair.driver.enableInterrupts();
  assert.equal(pair.queue.needsInterrupt(), false); // nothing new since it was asked
  complete(pair, 1);
  assert.equal(pair.queue.needsInterrupt(), true);
});

test('needsInterrupt: with EVENT_IDX avail.flags is ignored', () => {
  const pair = queuePair({ eventIdx: true });
  pair.driver.pokeAvailFlags(1);
  complete(pair, 1);
  assert.equal(pair.queue.needsInterrupt(), true);
});

test('needsInterrupt: EVENT_IDX, any history and any used_event → true exactly if that position was just filled', () => {
  const pair = queuePair({ size: 16, eventIdx: true });
  let position = 0; // used.idx as a number that never wraps
  const step = fc.record({
    batches: fc.array(fc.integer({ min: 1, max: 16 }), { maxLength: 4 }),
    event: fc.integer({ min: -20, max: 20 }),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 10 }), (steps) => {
      for (const { batches, event } of steps) {
        const before = position;
        for (const count of batches) {
          complete(pair, count);
          position += count;
        }
        const usedEvent = (before + event) & 0xffff;
        pair.driver.pokeUsedEvent(usedEvent);
        const filled = Array.from({ length: position - before }, (_, i) => (before + i) & 0xffff);
        assert.equal(pair.queue.needsInterrupt(), filled.includes(usedEvent));
      }
    }),
    { numRuns: 300 },
  );
  // Close to the wrap, too
  complete(pair, 1);
  position += 1;
  pair.queue.needsInterrupt();
  for (const event of [65534, 65535, 0, 1]) {
    while ((position & 0xffff) !== 65530) {
      complete(pair, 1);
      position += 1;
    }
    pair.queue.needsInterrupt();
    pair.driver.pokeUsedEvent(event);
    for (const now of [65530, 65531, 65532, 65533, 65534, 65535, 0, 1, 2, 3]) {
      complete(pair, 1);
      position += 1;
      assert.equal(pair.queue.needsInterrupt(), now === event, `event ${event}, filled ${now}`);
    }
  }
});

test('needsInterrupt: EVENT_IDX, a drain of exactly 65536 and of 65537 elements → true whatever used_event is', () => {
  for (const total of [65_536, 65_537]) {
    const pair = queuePair({ size: 64, eventIdx: true });
    pair.driver.pokeUsedEvent(1234);
    for (let done = 0; done < total; done += 64) complete(pair, Math.min(64, total - done));
    assert.equal(pair.queue.needsInterrupt(), true, `${total}`);
    assert.equal(pair.queue.needsInterrupt(), false);
  }
});
