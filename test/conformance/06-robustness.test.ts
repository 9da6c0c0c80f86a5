// The protocol's conformance list, items 50 to 52: what no driver may be able to do.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ACCESS_WORD } from '#lkvm/memory/guest-memory.js';
import { bulkAccesses } from '../support/bulk-guard.js';
import { HvlBench, POOL_BASE } from '../support/hvl-bench.js';
import { TestDevice } from '../support/hvl-devices.js';
import { GENERATIONS, type HvlDriver, R } from '../support/hvl-driver.js';
import {
  assertEcho,
  BUFFERS,
  OTHER_TWO_RINGS,
  RING_0,
  RING_1,
  running,
  TWO_RINGS,
  twoQueues,
} from '../support/hvl-scenario.js';

/** Numbers from a seed (a linear congruential generator); the seed is in the test's title. */
class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  below(limit: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.#state / 0x1_0000_0000) * limit);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  word(): number {
    return this.below(0x1_0000_0000);
  }
}

const WRITABLE = [
  R.GUEST_FEATURES,
  R.GUEST_FEATURES_SEL,
  R.HOST_FEATURES_SEL,
  R.GUEST_PAGE_SIZE,
  R.QUEUE_SEL,
  R.QUEUE_NUM,
  R.QUEUE_ALIGN,
  R.QUEUE_PFN,
  R.QUEUE_NOTIFY,
  R.INTERRUPT_ACK,
  R.STATUS,
  R.STATIC_ATTACH,
  // The driver has no business in these, but nothing stops it. (It may spoil MAGIC, too; then it only shuts itself out.)
  R.INTERRUPT_STATUS,
  R.HOST_FEATURES,
  R.CONFIG,
];

const PLAUSIBLE = [0, 1, 2, 3, 4, 7, 8, 0x87, 0xff, 0x1000, 0xaabbaabb, 0x00ff00ff, 0xff00ff00, 0xffff_ffff];

/** One nonsensical act of a driver. */
function act(random: Random, bench: HvlBench, driver: HvlDriver): void {
  switch (random.below(8)) {
    case 0:
    case 1:
      driver.write(random.pick(WRITABLE), random.below(3) === 0 ? random.word() : random.pick(PLAUSIBLE));
      return;
    case 2: {
      const page = random.below(4) === 0 ? random.word() : (POOL_BASE >>> 12) + random.below(300) - 20;
      driver.write(R.QUEUE_SEL, random.below(4));
      driver.write(R.QUEUE_NUM, 1 << random.below(10));
      driver.write(R.QUEUE_PFN, page);
      return;
    }
    case 3: {
      // Random bytes over rings and buffers.
      const at = random.below(bench.pool.length - 256);
      if (at < 0x1000) return;
      for (let i = 0; i < 64; i++) bench.pool[at + i] = random.below(256);
      return;
    }
    case 4: {
      // A ring that is nearly right.
      const base = random.pick([RING_0, RING_1]) - POOL_BASE;
      const view = new DataView(bench.pool.buffer, bench.pool.byteOffset);
      for (let d = 0; d < 4; d++) {
        const addr = random.below(3) === 0 ? random.word() : BUFFERS + random.below(0x1000);
        view.setUint32(base + 16 * d, addr, true);
        view.setUint32(base + 16 * d + 4, random.below(8) === 0 ? random.word() : 0, true);
        view.setUint32(base + 16 * d + 8, random.below(4) === 0 ? random.word() : random.below(512), true);
        view.setUint16(base + 16 * d + 12, random.below(8), true);
        view.setUint16(base + 16 * d + 14, random.below(5), true);
        view.setUint16(base + 64 + 4 + 2 * d, random.below(random.below(6) === 0 ? 65536 : 4), true);
      }
      view.setUint16(base + 64 + 2, view.getUint16(base + 64 + 2, true) + random.below(6), true);
      bench.ring();
      return;
    }
    case 5:
      driver.write(R.STATIC_ATTACH, random.pick([77, ~77, 0, 5]));
      return;
    case 6:
      driver.start(); // a proper start now and then, so that deep states are reached
      return;
    default:
      bench.look();
  }
}

for (const seed of [50, 51, 52]) {
  test(`MUST 50: nonsense in everything a driver can write, seed ${seed} → no exception, nothing outside the pool, next start works`, () => {
    const random = new Random(seed);
    const devices = [twoQueues(), new TestDevice(), twoQueues()];
    using bench = new HvlBench({
      devices: devices.map((device, index) => ({ device, static: index === 2, regionBytes: 0x8000 })),
      options: { epoch: 77 },
    });
    const drivers = [TWO_RINGS, [{ at: RING_1 + 0x20000, size: 4 }], OTHER_TWO_RINGS].map((rings, slot) =>
      bench.driver(slot, random.pick(GENERATIONS), rings),
    );
    for (let round = 0; round < 20_000; round++) {
      bench.eager = random.below(2) === 0;
      act(random, bench, random.pick(drivers));
      if (random.below(4) === 0) bench.pass();
      if (random.below(16) === 0) bench.loop.advance(20_000);
      bench.dropSignals();
    }
    bench.eager = true;
    const driver = bench.driver(0, 2, TWO_RINGS);
    driver.write(R.STATUS, 0);
    bench.ring();
    assert.ok(driver.start());
    bench.wait();
    driver.rings[1]?.takeAll();
    assertEcho(bench, driver);
    assert.ok(devices.every((device) => device.calls.length > 0));
  });
}

test('MUST 51: peer disappears in the middle of anything and returns → work of that time is found, the rest goes on', () => {
  const { bench, driver } = running(3);
  using _ = bench;
  bench.eager = false;
  for (let i = 0; i < 3; i++) {
    driver.rings[1]?.add({ addr: BUFFERS, len: 4 });
    driver.kick(1);
    bench.dropSignals(); // nobody hears it
    bench.transport.peerConnected();
    bench.run();
    assert.equal(driver.rings[1]?.takeAll().length, 1);
  }
  const again = bench.driver(0, 2, TWO_RINGS);
  bench.eager = true;
  assert.ok(again.start());
  bench.wait();
  assertEcho(bench, again);
});

test('MUST 52: word pool → transport and ring code use single aligned accesses, data is staged', () => {
  for (const withDtb of [false, true]) {
    const device = twoQueues({ config: new Uint8Array([1, 2, 3, 4, 5]) });
    using bench = new HvlBench({ devices: [{ device }], access: ACCESS_WORD, withDtb, publish: false });
    const bulk = bulkAccesses(bench.viewBuffers, () => {
      bench.transport.publish(bench.fdt);
      const driver = bench.driver(0, 3, TWO_RINGS);
      assert.ok(driver.start());
      bench.run();
      for (let i = 0; i < 20; i++) assertEcho(bench, driver, 1, `unaligned ${'x'.repeat(i * 7)}`);
      const again = bench.driver(0, 3, TWO_RINGS);
      assert.ok(again.start());
      bench.wait();
      assertEcho(bench, again);
    });
    assert.deepEqual(bulk, []);
    if (bench.fdt !== undefined) assert.deepEqual(bench.bytesAt(POOL_BASE, bench.fdt.length), bench.fdt);
  }
});
