// Receive chains held ahead of their data: filled in order, completed as far as they are covered, whatever their shape.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ACCESS_DIRECT, ACCESS_WORD } from '#lkvm/memory/guest-memory.js';
import { IovArray } from '#lkvm/memory/iov-array.js';
import { COUNTER_COUNT, COUNTER_FAULTS } from '#lkvm/util/counters.js';
import { featureSet } from '#lkvm/virtio/core/features.js';
import { QueueEnd } from '#lkvm/virtio/devices/queue-end.js';
import { RxBuffers } from '#lkvm/virtio/devices/rx-buffers.js';
import { CHAIN_EMPTY, CHAIN_OK } from '#lkvm/virtio/queue/virt-queue.js';
import { queuePair } from '../../../support/driver-sim-device.js';

interface SetUp {
  readonly access?: number;
  /** Entries of the list. */
  readonly entries?: number;
  readonly staging?: number;
  readonly maxChain?: number;
}

function setUp({ access = ACCESS_DIRECT, entries = 32, staging = 0x1_0000, maxChain = 4096 }: SetUp) {
  const pair = queuePair({ size: 16, access, bytes: 0x10_0000 });
  const { memory, queue } = pair;
  const counters = new Float64Array(COUNTER_COUNT);
  const notifier = { usedBuffers() {}, configChanged() {}, driverFault() {} };
  const active = { queues: [queue], features: featureSet(), memory: memory.memory, notifier };
  const end = new QueueEnd(active, queue, new IovArray(memory.memory, entries, staging), counters);
  const addresses = new Map<number, { addr: number; len: number }[]>();
  /** Posts a chain of these lengths, each buffer at an odd place. */
  const post = (lengths: readonly number[]): number => {
    const parts = lengths.map((len) => ({ addr: memory.alloc(len + 3), len }));
    const head = pair.driver.addChain(parts.map((part) => ({ ...part, writable: true })));
    addresses.set(head, parts);
    pair.driver.publish();
    return head;
  };
  /** What a completed chain holds. */
  const read = (head: number, bytes: number): number[] => {
    const all: number[] = [];
    for (const { addr, len } of addresses.get(head) ?? []) all.push(...pair.driver.read(addr, len));
    return all.slice(0, bytes);
  };
  return { ...pair, end, counters, buffers: new RxBuffers(end, maxChain), post, read };
}

test('RxBuffers: take → all chains held, the queue empty, bytes and first chain known', () => {
  const { buffers, post, queue, chain } = setUp({});
  post([10, 0, 20]);
  post([5]);
  assert.equal(buffers.take(), CHAIN_EMPTY);
  assert.deepEqual([buffers.chains, buffers.bytes, buffers.firstBytes], [2, 35, 30]);
  assert.equal(queue.pop(chain), CHAIN_EMPTY);
  assert.equal(buffers.chainsFor(30), 1);
  assert.equal(buffers.chainsFor(31), 2);
});

test('RxBuffers: a chain longer than the largest piece of data → only that much of it is used', () => {
  const { buffers, post } = setUp({ maxChain: 100 });
  post([60, 60, 60]);
  buffers.take();
  assert.equal(buffers.bytes, 100);
});

test('RxBuffers: no room in the list → the chain stays in the queue and is taken later', () => {
  const { buffers, driver, end, post } = setUp({ entries: 4 });
  post([1, 1, 1]);
  post([2, 2]);
  assert.equal(buffers.take(), CHAIN_OK);
  assert.deepEqual([buffers.chains, buffers.full], [1, true]);
  buffers.deliver(3);
  assert.equal(buffers.take(), CHAIN_EMPTY);
  assert.deepEqual([buffers.chains, buffers.bytes, buffers.full], [1, 4, false]);
  end.settle();
  assert.equal(driver.takeAllUsed().length, 1);
});

test('RxBuffers: a chain that never fits the list → refused and counted, the next is taken', () => {
  const { buffers, counters, driver, end, post } = setUp({ entries: 2 });
  post([1, 1, 1]);
  post([7]);
  buffers.take();
  end.settle();
  assert.deepEqual(driver.takeAllUsed(), [{ head: 0, written: 0 }]);
  assert.equal(counters[COUNTER_FAULTS], 1);
  assert.equal(buffers.firstBytes, 7);
});

test('RxBuffers: pinned → the list is not moved, even to make room', () => {
  const { buffers, end, post } = setUp({ entries: 4 });
  for (let i = 0; i < 4; i++) post([10]);
  buffers.take();
  buffers.deliver(10);
  post([10]);
  buffers.pinned = true;
  assert.equal(buffers.take(), CHAIN_OK);
  assert.deepEqual([buffers.first, buffers.chains, end.iov.count], [1, 3, 4]);
  buffers.pinned = false;
  buffers.take();
  assert.deepEqual([buffers.first, buffers.chains], [0, 4]);
});

const step = fc.oneof(
  fc.record({
    post: fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 4 }),
    data: fc.constant(0),
  }),
  fc.record({ post: fc.constant([]), data: fc.integer({ min: 1, max: 120 }) }),
);

for (const access of [ACCESS_DIRECT, ACCESS_WORD]) {
  test(`RxBuffers (access ${access}): any chains, any data → every byte in its place`, () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 4, max: 12 }), (steps, entries) => {
        const { buffers, driver, end, post, read } = setUp({ access, entries, staging: 1000 });
        let next = 1;
        for (const { post: lengths, data } of steps) {
          if (lengths.length > 0 && driver.freeDescriptors >= lengths.length) post(lengths);
          assert.ok(buffers.take() >= 0);
          const n = Math.min(data, buffers.bytes);
          if (n === 0) continue;
          const bytes = Uint8Array.from({ length: n }, () => 1 + (next++ % 255));
          const covered = buffers.chainsFor(n);
          end.iov.scatter(bytes, 0, 0, n, buffers.first);
          end.iov.commit(n, buffers.first);
          buffers.deliver(n);
          end.settle();
          const got: number[] = [];
          let chains = 0;
          for (const { head, written } of driver.takeAllUsed()) {
            if (written > 0) chains++;
            got.push(...read(head, written));
          }
          assert.deepEqual(got, [...bytes]);
          assert.equal(chains, covered);
        }
      }),
      { numRuns: 200 },
    );
  });
}
