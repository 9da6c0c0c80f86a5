import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import {
  CommandConsumer,
  CommandProducer,
  commandWord,
  createCommandRing,
  OP_MMIO_READ,
  OP_MMIO_WRITE,
  OP_PIO_WRITE,
  RING_SLOTS,
} from '#lkvm/workers/vcpu/command-ring.js';

function ends() {
  const ring = createCommandRing();
  return { ring, producer: new CommandProducer(ring), consumer: new CommandConsumer(ring) };
}

test('CommandRing: any command → every field arrives as given', () => {
  const { producer, consumer } = ends();
  fc.assert(
    fc.property(
      fc.integer({ min: OP_PIO_WRITE, max: OP_MMIO_READ }),
      fc.constantFrom(1, 2, 4),
      fc.integer({ min: 0, max: 0xffff }),
      fc.integer({ min: 0, max: 2 ** 52 - 1 }),
      fc.integer({ min: 0, max: 0xffff_ffff }),
      (op, bytes, vcpu, address, value) => {
        assert.ok(producer.offer(commandWord(op, bytes, vcpu), address, value));
        assert.ok(consumer.take());
        assert.deepEqual(
          [consumer.op, consumer.bytes, consumer.vcpu, consumer.address, consumer.value],
          [op, bytes, vcpu, address, value],
        );
      },
    ),
  );
  assert.equal(consumer.take(), false);
});

test('CommandProducer.offer: full → refused; one taken → room for one', () => {
  const { producer, consumer } = ends();
  for (let i = 0; i < RING_SLOTS; i++) assert.ok(producer.offer(OP_PIO_WRITE, i, 0));
  assert.equal(producer.offer(OP_PIO_WRITE, 0, 0), false);
  assert.ok(consumer.take());
  assert.ok(producer.offer(OP_PIO_WRITE, 777, 0));
  assert.equal(producer.offer(OP_PIO_WRITE, 0, 0), false);
  for (let i = 1; i < RING_SLOTS; i++) {
    consumer.take();
    assert.equal(consumer.address, i);
  }
  consumer.take();
  assert.equal(consumer.address, 777);
});

test('doorbell: the consumer awake, asleep, woken → rung once per sleep; arm with work → not asleep', () => {
  const { producer, consumer } = ends();
  producer.offer(OP_PIO_WRITE, 0, 0);
  assert.equal(producer.takeDoorbell(), false);
  assert.equal(consumer.arm(), true);
  assert.equal(producer.takeDoorbell(), false);
  consumer.take();
  assert.equal(consumer.arm(), false);
  producer.offer(OP_PIO_WRITE, 0, 0);
  assert.deepEqual([producer.takeDoorbell(), producer.takeDoorbell()], [true, false]);
});

test('CommandRing: three threads, a small ring, 60,000 commands → none lost, each thread in its order', async () => {
  const { ring, consumer } = ends();
  const each = 20_000;
  const source = `
    import { workerData } from 'node:worker_threads';
    const { CommandProducer, commandWord } = await import(${JSON.stringify(import.meta.resolve('#lkvm/workers/vcpu/command-ring.js'))});
    const producer = new CommandProducer(workerData.ring);
    for (let i = 0; i < ${each}; i++) {
      while (!producer.offer(commandWord(${OP_MMIO_WRITE}, 4, workerData.number), i * 0x1000, ~i)) producer.waitForRoom(1000);
    }
  `;
  const url = new URL(`data:text/javascript,${encodeURIComponent(source)}`);
  const exits = [0, 1, 2].map((number) => once(new Worker(url, { workerData: { ring, number } }), 'exit'));
  const next = [0, 0, 0];
  const nobody = new Int32Array(new SharedArrayBuffer(4));
  for (let taken = 0, end = Date.now() + 60_000; taken < 3 * each; ) {
    if (!consumer.take()) {
      assert.ok(Date.now() < end, 'commands are missing');
      // also let the workers start
      await new Promise((resolve) => setImmediate(resolve));
      Atomics.wait(nobody, 0, 0, 0.05);
      continue;
    }
    const i = next[consumer.vcpu] ?? -1;
    assert.equal(consumer.address, i * 0x1000);
    assert.equal(consumer.value, ~i >>> 0);
    next[consumer.vcpu] = i + 1;
    taken++;
  }
  assert.deepEqual(next, [each, each, each]);
  await Promise.all(exits);
});
