// A running virtqueue against a driver written from the specification. Spec: virtio 1.2 section 2.7.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IovArray } from '#lkvm/memory/iov-array.js';
import { CHAIN_EMPTY, CHAIN_OK } from '#lkvm/virtio/queue/virt-queue.js';
import { queuePair } from '../../../support/driver-sim-device.js';

test('pop: one readable and one writable buffer → both columns, data as the driver wrote it', () => {
  const { memory, driver, queue, chain } = queuePair();
  const request = memory.alloc(5);
  const reply = memory.alloc(16);
  driver.write(request, 'hello');
  const head = driver.addChain([
    { addr: request, len: 5 },
    { addr: reply, len: 16, writable: true },
  ]);
  assert.equal(queue.pop(chain), CHAIN_EMPTY);
  assert.equal(driver.publish(), true);

  assert.equal(queue.pop(chain), CHAIN_OK);
  assert.equal(chain.head, head);
  assert.deepEqual(
    [chain.count, chain.readableCount, chain.readableBytes, chain.writableBytes],
    [2, 1, 5, 16],
  );
  const iov = new IovArray(memory.memory, 8, 64);
  const text = Buffer.alloc(8);
  assert.equal(chain.readable(iov), true);
  assert.equal(iov.gather(text, 0, 0, 8), 5);
  assert.equal(text.toString('latin1', 0, 5), 'hello');
  assert.equal(chain.writable(iov), true);
  assert.equal(iov.scatter(Buffer.from('world'), 0, 0, 5), 5);
  queue.push(chain.head, 5);
  assert.equal(driver.takeUsed(), undefined);

  assert.equal(queue.publish(), true);
  assert.equal(queue.needsInterrupt(), true);
  assert.deepEqual(driver.takeUsed(), { head, written: 5 });
  assert.equal(Buffer.from(driver.read(reply, 5)).toString(), 'world');
});
