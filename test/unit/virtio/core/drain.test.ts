import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DRAIN_BLOCKED, finishDrain } from '#lkvm/virtio/core/drain.js';
import { CHAIN_BAD_INDEX, CHAIN_EMPTY, CHAIN_OK } from '#lkvm/virtio/queue/virt-queue.js';
import { type QueuePair, queuePair } from '../../../support/driver-sim-device.js';

class RecordingNotifier {
  readonly calls: string[] = [];
  usedBuffers(queueIndex: number): void {
    this.calls.push(`used ${queueIndex}`);
  }
  configChanged(): void {
    this.calls.push('config');
  }
  driverFault(queueIndex: number, code: number): void {
    this.calls.push(`fault ${queueIndex} ${code}`);
  }
}

/** One chain popped and pushed, not published; kicks off. */
function working(): QueuePair & { notifier: RecordingNotifier } {
  const pair = queuePair();
  pair.driver.addChain([{ addr: pair.memory.gpa, len: 1 }]);
  pair.driver.publish();
  pair.queue.disableKicks();
  assert.equal(pair.queue.pop(pair.chain), CHAIN_OK);
  pair.queue.push(pair.chain.head, 0);
  return { ...pair, notifier: new RecordingNotifier() };
}

test('finishDrain: empty → published, interrupted, kicks on, nothing more to do', () => {
  const { driver, queue, notifier } = working();
  assert.equal(finishDrain(queue, CHAIN_EMPTY, notifier), false);
  assert.deepEqual(notifier.calls, ['used 0']);
  assert.deepEqual([driver.usedIdx, driver.usedFlags], [1, 0]);
});

test('finishDrain: empty, but a chain came meanwhile → more to do', () => {
  const { driver, queue, notifier, memory } = working();
  driver.addChain([{ addr: memory.gpa, len: 1 }]);
  driver.publish();
  assert.equal(finishDrain(queue, CHAIN_EMPTY, notifier), true);
});

test('finishDrain: budget used up → more to do, kicks stay off', () => {
  const { driver, queue, notifier } = working();
  assert.equal(finishDrain(queue, CHAIN_OK, notifier), true);
  assert.deepEqual([driver.usedIdx, driver.usedFlags], [1, 1]);
});

test('finishDrain: blocked → published, nothing to do until the device goes on, kicks stay off', () => {
  const { driver, queue, notifier } = working();
  assert.equal(finishDrain(queue, DRAIN_BLOCKED, notifier), false);
  assert.deepEqual([driver.usedIdx, driver.usedFlags], [1, 1]);
});

test('finishDrain: structural fault → what was done is published first, then the fault, no more', () => {
  const { driver, queue, notifier } = working();
  assert.equal(finishDrain(queue, CHAIN_BAD_INDEX, notifier), false);
  assert.deepEqual(notifier.calls, ['used 0', `fault 0 ${CHAIN_BAD_INDEX}`]);
  assert.equal(driver.usedFlags, 1);
});

test('finishDrain: nothing published, or the driver wants no interrupt → none', () => {
  const { driver, queue, notifier } = working();
  driver.disableInterrupts();
  finishDrain(queue, CHAIN_EMPTY, notifier);
  driver.enableInterrupts();
  finishDrain(queue, CHAIN_EMPTY, notifier);
  assert.deepEqual(notifier.calls, []);
});
