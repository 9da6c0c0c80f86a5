// What goes in comes out: any honest driver and any order of work of the device.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ACCESS_DIRECT, ACCESS_WORD } from '#lkvm/memory/guest-memory.js';
import { IovArray } from '#lkvm/memory/iov-array.js';
import { CHAIN_EMPTY, CHAIN_OK, type VirtQueue } from '#lkvm/virtio/queue/virt-queue.js';
import type { DriverBuffer } from '../../../support/driver-sim.js';
import { type QueuePair, queuePair } from '../../../support/driver-sim-device.js';

const SIZE = 8;
const lengths = fc.array(fc.nat(50), { maxLength: 4 });
const shape = fc
  .record({ readable: lengths, writable: lengths, indirect: fc.boolean() })
  .filter((s) => s.readable.length + s.writable.length > 0);
type Shape = typeof shape extends fc.Arbitrary<infer T> ? T : never;

/** What the driver and the device do next: add chains (as room allows), serve some, complete in some order, collect. */
const step = fc.record({
  add: fc.array(shape, { maxLength: 4 }),
  pop: fc.nat(6),
  giveBack: fc.boolean(),
  complete: fc.array(fc.nat(20), { maxLength: 6 }),
  collect: fc.boolean(),
});

interface Sent {
  readonly slot: number;
  readonly buffers: readonly DriverBuffer[];
  readonly text: string;
}

class World {
  readonly pair: QueuePair;
  readonly #iov: IovArray;
  /** Memory for chains: one piece for each that can be in flight. */
  readonly #slots: number[] = [];
  /** By head, as the driver sent it. */
  readonly #sent = new Map<number, Sent>();
  /** Heads popped by the device, with the answer's length. */
  readonly #held: { head: number; written: number }[] = [];
  /** Heads as made available, not yet popped. */
  readonly #waiting: number[] = [];
  #serial = 0;
  completed = 0;
  added = 0;

  constructor(access: number, eventIdx: boolean) {
    this.pair = queuePair({ size: SIZE, access, indirect: true, eventIdx, bytes: 0x2_0000 });
    this.#iov = new IovArray(this.pair.memory.memory, SIZE, 4096);
    for (let i = 0; i < SIZE; i++) this.#slots.push(this.pair.memory.alloc(1024, 16));
  }

  add(one: Shape): void {
    const { driver } = this.pair;
    const count = one.readable.length + one.writable.length;
    if (driver.freeDescriptors < (one.indirect ? 1 : count)) return;
    const slot = this.#slots.pop() as number; // 128 bytes of table, then buffers
    this.#serial++;
    let at = slot + 128;
    const buffers = [
      ...one.readable.map((len) => [len, false]),
      ...one.writable.map((len) => [len, true]),
    ].map(([len, writable]): DriverBuffer => {
      const buffer = { addr: at, len: len as number, writable: writable as boolean };
      at += (len as number) + 1;
      return buffer;
    });
    const total = one.readable.reduce((sum, len) => sum + len, 0);
    const text = `${this.#serial}:`.repeat(100).slice(0, total);
    let done = 0;
    for (const buffer of buffers.filter((b) => b.writable === false)) {
      driver.write(buffer.addr, text.slice(done, done + buffer.len));
      done += buffer.len;
    }
    const head = driver.addChain(buffers, one.indirect ? slot : undefined);
    this.#sent.set(head, { slot, buffers, text });
    this.#waiting.push(head);
    this.added++;
  }

  pop(queue: VirtQueue, giveBack: boolean): void {
    const { chain } = this.pair;
    if (this.#waiting.length === 0) {
      assert.equal(queue.pop(chain), CHAIN_EMPTY);
      return;
    }
    assert.equal(queue.pop(chain), CHAIN_OK);
    if (giveBack) {
      queue.unpop();
      assert.equal(queue.pop(chain), CHAIN_OK);
    }
    assert.equal(chain.head, this.#waiting.shift());
    const sent = this.#sent.get(chain.head) as Sent;
    assert.deepEqual(
      [...chain.length.slice(0, chain.count)],
      sent.buffers.map((b) => b.len),
    );
    const text = Buffer.alloc(chain.readableBytes);
    assert.equal(chain.readable(this.#iov), true);
    this.#iov.gather(text, 0, 0, text.length);
    assert.equal(text.toString('latin1'), sent.text);
    assert.equal(chain.writable(this.#iov), true);
    const answer = Buffer.alloc(chain.writableBytes, `answer ${chain.head} `);
    this.#iov.commit(this.#iov.scatter(answer, 0, 0, answer.length));
    this.#held.push({ head: chain.head, written: chain.writableBytes });
  }

  complete(which: number): void {
    const [one] = this.#held.splice(which % Math.max(1, this.#held.length), 1);
    if (one !== undefined) this.pair.queue.push(one.head, one.written);
  }

  collect(): void {
    for (const { head, written } of this.pair.driver.takeAllUsed()) {
      const sent = this.#sent.get(head);
      assert.ok(sent !== undefined, 'a head completed twice, or never sent');
      this.#sent.delete(head);
      this.#slots.push(sent.slot);
      const writable = sent.buffers.filter((b) => b.writable === true);
      const answer = Buffer.concat(writable.map((b) => this.pair.driver.read(b.addr, b.len)));
      assert.equal(written, answer.length);
      assert.deepEqual(answer, Buffer.alloc(answer.length, `answer ${head} `));
      this.completed++;
    }
  }
}

for (const access of [ACCESS_DIRECT, ACCESS_WORD]) {
  for (const eventIdx of [false, true]) {
    const kind = access === ACCESS_DIRECT ? 'direct' : 'word';
    test(`virtqueue, ${kind}, EVENT_IDX ${eventIdx}: any chains, any order → same chains out, each used exactly once`, () => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
          const world = new World(access, eventIdx);
          const { queue, driver } = world.pair;
          for (const { add, pop, giveBack, complete, collect } of steps) {
            for (const one of add) world.add(one);
            driver.publish();
            for (let i = 0; i < pop; i++) world.pop(queue, giveBack);
            for (const which of complete) world.complete(which);
            queue.publish();
            if (collect) world.collect();
          }
          for (let i = 0; i < SIZE; i++) world.pop(queue, false);
          for (let i = 0; i < SIZE; i++) world.complete(0);
          queue.publish();
          world.collect();
          assert.equal(world.completed, world.added);
          assert.deepEqual([driver.inFlight, driver.freeDescriptors], [0, SIZE]);
          assert.equal(queue.pop(world.pair.chain), CHAIN_EMPTY);
        }),
        { numRuns: 40 },
      );
    });
  }
}
