// A running virtqueue against a driver written from the specification. Spec: virtio 1.2 section 2.7.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IovArray } from '#lkvm/memory/iov-array.js';
import { InvariantError } from '#lkvm/util/errors.js';
import { CHAIN_EMPTY, CHAIN_OK } from '#lkvm/virtio/queue/virt-queue.js';
import type { DriverBuffer } from '../../../support/driver-sim.js';
import { type QueuePair, queuePair } from '../../../support/driver-sim-device.js';

function buffer(pair: QueuePair, len: number, writable = false): DriverBuffer {
  return { addr: pair.memory.alloc(len), len, writable };
}

/** Adds `count` one-buffer chains and publishes them. @returns the heads */
function offer(pair: QueuePair, count: number): number[] {
  const heads = Array.from({ length: count }, () => pair.driver.addChain([buffer(pair, 1)]));
  pair.driver.publish();
  return heads;
}

/** Pops `count` chains. @returns the heads */
function popHeads(pair: QueuePair, count: number): number[] {
  return Array.from({ length: count }, () => {
    assert.equal(pair.queue.pop(pair.chain), CHAIN_OK);
    return pair.chain.head;
  });
}

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

test('pop: chains of several descriptors, readable then writable → in order, with their lengths', () => {
  const pair = queuePair();
  const buffers = [
    buffer(pair, 1),
    buffer(pair, 2),
    buffer(pair, 0),
    buffer(pair, 30, true),
    buffer(pair, 4, true),
  ];
  pair.driver.addChain(buffers);
  pair.driver.publish();
  assert.equal(pair.queue.pop(pair.chain), CHAIN_OK);
  const { chain, memory } = pair;
  assert.deepEqual(
    [chain.count, chain.readableCount, chain.readableBytes, chain.writableBytes],
    [5, 3, 3, 34],
  );
  assert.deepEqual([...chain.length.slice(0, 5)], [1, 2, 0, 30, 4]);
  assert.deepEqual(
    [...chain.offset.slice(0, 5)].map((offset) => offset + memory.gpa),
    buffers.map((b) => b.addr),
  );
});

test('pop: a chain of exactly the queue size → accepted', () => {
  const pair = queuePair({ size: 4 });
  pair.driver.addChain([buffer(pair, 1), buffer(pair, 1), buffer(pair, 1, true), buffer(pair, 1, true)]);
  pair.driver.publish();
  assert.equal(pair.queue.pop(pair.chain), CHAIN_OK);
  assert.equal(pair.chain.count, 4);
});

test('pop: an indirect table with as many descriptors as the queue has → accepted, the pointer does not count', () => {
  const pair = queuePair({ size: 4, indirect: true });
  const table = pair.memory.alloc(16 * 4, 16);
  pair.driver.addChain([buffer(pair, 1), buffer(pair, 1), buffer(pair, 1), buffer(pair, 1)], table);
  pair.driver.publish();
  assert.equal(pair.queue.pop(pair.chain), CHAIN_OK);
  assert.equal(pair.chain.count, 4);
});

test('pop: an indirect table, alone and behind direct descriptors → one chain', () => {
  const pair = queuePair({ indirect: true });
  const table = pair.memory.alloc(16 * 3, 16);
  pair.driver.addChain([buffer(pair, 3), buffer(pair, 4, true), buffer(pair, 5, true)], table);
  pair.driver.publish();
  assert.equal(pair.queue.pop(pair.chain), CHAIN_OK);
  assert.deepEqual([...pair.chain.length.slice(0, pair.chain.count)], [3, 4, 5]);

  // Section 2.7.5.3.2: zero or more direct descriptors followed by a single indirect one.
  const second = pair.driver.addChain([buffer(pair, 9), buffer(pair, 1)]);
  const next = second + 1;
  pair.driver.pokeDescriptor(next, table, 48, 4 | 2, 0); // WRITE is ignored on the pointer
  pair.driver.publish();
  assert.equal(pair.queue.pop(pair.chain), CHAIN_OK);
  assert.deepEqual([...pair.chain.length.slice(0, pair.chain.count)], [9, 3, 4, 5]);
});

test('push, publish: nothing visible before publish, then all at once, in order; nothing new → false', () => {
  const pair = queuePair();
  const heads = offer(pair, 3);
  popHeads(pair, 3);
  for (const head of [...heads].reverse()) pair.queue.push(head, head * 10);
  assert.equal(pair.driver.usedIdx, 0);
  assert.equal(pair.queue.publish(), true);
  assert.equal(pair.driver.usedIdx, 3);
  const expected = [...heads].reverse().map((head) => ({ head, written: head * 10 }));
  assert.deepEqual(pair.driver.takeAllUsed(), expected);
  assert.equal(pair.queue.publish(), false);
  assert.equal(pair.queue.needsInterrupt(), true);
  assert.equal(pair.queue.needsInterrupt(), false);
});

test('push: 2^32 - 1 bytes written → that number in the ring', () => {
  const pair = queuePair();
  const [head = -1] = offer(pair, 1);
  popHeads(pair, 1);
  pair.queue.push(head, 0xffff_ffff);
  pair.queue.publish();
  assert.deepEqual(pair.driver.takeUsed(), { head, written: 0xffff_ffff });
});

test('push: twice for one chain, or for a head never popped → InvariantError', () => {
  const pair = queuePair();
  const [head = -1, other = -1] = offer(pair, 2);
  popHeads(pair, 1);
  pair.queue.push(head, 0);
  assert.throws(() => pair.queue.push(head, 0), InvariantError);
  assert.throws(() => pair.queue.push(other, 0), InvariantError);
  assert.throws(() => pair.queue.push(1000, 0), InvariantError);
});

test('unpop: the last chain → popped again', () => {
  const pair = queuePair();
  const [first, second] = offer(pair, 2);
  assert.deepEqual(popHeads(pair, 2), [first, second]);
  pair.queue.unpop();
  assert.deepEqual(popHeads(pair, 1), [second]);
  assert.equal(pair.queue.pop(pair.chain), CHAIN_EMPTY);
});

test('unpop: three times, an earlier chain pushed in between → the three in their old order, then the next', () => {
  const pair = queuePair();
  const heads = offer(pair, 5);
  popHeads(pair, 4);
  pair.queue.push(heads[0] as number, 0);
  for (const head of heads.slice(1, 4).reverse()) pair.queue.unpop(head);
  assert.deepEqual(popHeads(pair, 4), heads.slice(1));
});

test('unpop: past a chain refused for a data fault → the refused one stays used, each head once', () => {
  const pair = queuePair();
  const { driver, queue, chain } = pair;
  const good = driver.addChain([buffer(pair, 1)]);
  const bad = driver.addChain([{ addr: 0, len: 1 }]);
  const last = driver.addChain([buffer(pair, 1)]);
  driver.publish();
  assert.deepEqual(popHeads(pair, 2), [good, last]);
  queue.unpop();
  queue.unpop(good);
  assert.deepEqual(popHeads(pair, 2), [good, last]);
  assert.equal(queue.pop(chain), CHAIN_EMPTY);
  queue.push(good, 1);
  queue.push(last, 1);
  queue.publish();
  assert.deepEqual(
    driver.takeAllUsed().map((each) => each.head),
    [bad, good, last],
  );
});

test('unpop: nothing was popped, or more often than popped → InvariantError', () => {
  const pair = queuePair();
  assert.throws(() => pair.queue.unpop(), InvariantError);
  offer(pair, 1);
  popHeads(pair, 1);
  pair.queue.unpop();
  assert.throws(() => pair.queue.unpop(), InvariantError);
});

test('unpop: the driver changes the descriptor meanwhile → checked anew', () => {
  const pair = queuePair();
  const [head = -1, other = -1] = offer(pair, 2);
  popHeads(pair, 1);
  pair.queue.unpop();
  pair.driver.pokeDescriptor(head, 0, 1, 0, 0);
  assert.deepEqual(popHeads(pair, 1), [other]);
  assert.equal(pair.queue.dataFaults, 1);
});

test('enableKicks: chains known and left in the ring → not news; one more → news, once', () => {
  const pair = queuePair();
  offer(pair, 2);
  popHeads(pair, 1);
  pair.queue.unpop(); // a receive queue waiting for data
  assert.equal(pair.queue.enableKicks(), false);
  offer(pair, 1);
  assert.equal(pair.queue.enableKicks(), true);
  assert.equal(pair.queue.enableKicks(), false);
});

test('loadAvailIdx, peekAvailIdx: the driver publishes → its index', () => {
  const pair = queuePair();
  offer(pair, 3);
  assert.deepEqual([pair.queue.loadAvailIdx(), pair.queue.peekAvailIdx()], [3, 3]);
});

test('disableKicks, enableKicks: without EVENT_IDX → used.flags', () => {
  const pair = queuePair();
  assert.equal(pair.driver.usedFlags, 0);
  pair.queue.disableKicks();
  assert.equal(pair.driver.usedFlags, 1);
  pair.driver.addChain([buffer(pair, 1)]);
  assert.equal(pair.driver.publish(), false);
  popHeads(pair, 1);
  assert.equal(pair.queue.enableKicks(), false);
  assert.equal(pair.driver.usedFlags, 0);
  pair.driver.addChain([buffer(pair, 1)]);
  assert.equal(pair.driver.publish(), true);
});

test('disableKicks, enableKicks: with EVENT_IDX → avail_event, flags untouched', () => {
  const pair = queuePair({ eventIdx: true });
  const add = (): boolean => {
    pair.driver.addChain([buffer(pair, 1)]);
    return pair.driver.publish();
  };
  assert.equal(add(), true); // avail_event is 0: the first chain kicks
  pair.queue.disableKicks();
  assert.equal(add(), false);
  popHeads(pair, 2);
  assert.equal(pair.queue.enableKicks(), false);
  assert.deepEqual([pair.driver.availEvent, pair.driver.usedFlags], [2, 0]);
  assert.equal(add(), true);
});

for (const eventIdx of [false, true]) {
  test(`enableKicks: a chain arrives before it, without a kick → true, EVENT_IDX ${eventIdx}`, () => {
    const pair = queuePair({ eventIdx });
    offer(pair, 1);
    pair.queue.disableKicks();
    popHeads(pair, 1);
    assert.equal(pair.queue.pop(pair.chain), CHAIN_EMPTY);
    pair.driver.addChain([buffer(pair, 1)]);
    assert.equal(pair.driver.publish(), false); // no kick will come for it
    assert.equal(pair.queue.enableKicks(), true);
    popHeads(pair, 1);
    assert.equal(pair.queue.enableKicks(), false);
  });
}

test('pop, push: more than 65536 chains through a ring of 8, mixed batches → every one comes back once', () => {
  for (const eventIdx of [false, true]) {
    const pair = queuePair({ eventIdx });
    const { driver, queue, chain } = pair;
    const address = pair.memory.alloc(16);
    for (let done = 0, round = 0; done < 70_000; round++) {
      const batch = (round % 8) + 1;
      const heads = Array.from({ length: batch }, () => driver.addChain([{ addr: address, len: 16 }]));
      driver.publish();
      for (const head of heads) {
        assert.equal(queue.pop(chain), CHAIN_OK);
        assert.equal(chain.head, head);
        queue.push(head, done & 0xff);
      }
      assert.equal(queue.pop(chain), CHAIN_EMPTY);
      queue.publish();
      assert.equal(queue.enableKicks(), false);
      assert.equal(driver.takeAllUsed().length, batch);
      done += batch;
    }
    assert.equal(driver.freeDescriptors, 8);
  }
});

test('pop, push: a queue of one entry → works', () => {
  const pair = queuePair({ size: 1 });
  for (let i = 0; i < 5; i++) {
    const [head = -1] = offer(pair, 1);
    popHeads(pair, 1);
    pair.queue.push(head, i);
    pair.queue.publish();
    assert.deepEqual(pair.driver.takeUsed(), { head, written: i });
  }
});

for (const eventIdx of [false, true]) {
  test(`setPolled: on, ${eventIdx ? 'event index' : 'flag'} → enableKicks only looks; off and enableKicks → kicks wanted`, () => {
    const { driver, memory, queue, chain } = queuePair({ eventIdx });
    const addr = memory.alloc(16);
    const add = (): boolean => {
      driver.addChain([{ addr, len: 16 }]);
      return driver.publish();
    };
    const drain = (): void => {
      while (queue.pop(chain) === CHAIN_OK) queue.push(chain.head, 0);
      queue.publish();
      driver.takeAllUsed();
    };
    queue.setPolled(true);
    for (let i = 0; i < 20; i++) {
      assert.equal(add(), false);
      assert.equal(queue.enableKicks(), true, 'something has come');
      drain();
      assert.equal(queue.enableKicks(), false);
    }
    queue.setPolled(false);
    queue.enableKicks();
    assert.equal(add(), true);
  });
}
