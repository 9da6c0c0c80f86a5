// The protocol's conformance list, items 10 to 24: from the first doorbell to the running device.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HvlBench, POOL_BASE } from '../support/hvl-bench.js';
import {
  ACK_WORD,
  GENERATIONS,
  type Generation,
  type HvlDriver,
  R,
  SENTINEL,
} from '../support/hvl-driver.js';
import { HvlRing } from '../support/hvl-ring.js';
import {
  assertEcho,
  BUFFERS,
  OTHER_RING_0,
  oneDevice,
  RING_0,
  RING_1,
  ringsOf,
  running,
  TWO_RINGS,
  twoQueues,
} from '../support/hvl-scenario.js';
import { watchStores } from '../support/watch-stores.js';

/** A driver that has negotiated features and sets its queues up by hand. */
function beforeQueues(bench: HvlBench, generation: Generation = 2): HvlDriver {
  const driver = bench.driver(0, generation, TWO_RINGS);
  assert.ok(driver.start('features'));
  bench.run();
  return driver;
}

/** One queue request, register by register. @returns true if ACKed */
function request(driver: HvlDriver, sel: number, num: number, pfn: number, align = 0x1000): boolean {
  driver.write(R.QUEUE_SEL, sel);
  driver.write(R.QUEUE_NUM, num);
  driver.write(R.QUEUE_ALIGN, align);
  return driver.requestQueue(pfn);
}

const PFN_0 = RING_0 / 4096;
const PFN_1 = RING_1 / 4096;

for (const generation of GENERATIONS) {
  test(`MUST 10: doorbell with nothing changed, generation ${generation} running → no write, no interrupt`, () => {
    using bench = running(generation).bench;
    const before = Buffer.from(bench.pool);
    const interrupts = bench.interrupts;
    assert.equal(
      watchStores(() => {
        bench.pass();
        bench.look();
        bench.transport.arm();
      }),
      0,
    );
    assert.deepEqual(Buffer.from(bench.pool), before);
    assert.equal(bench.interrupts, interrupts);
  });

  test(`MUST 12: STATUS values of generation ${generation} → running`, () => {
    const { bench, driver } = running(generation);
    using _ = bench;
    assert.equal(driver.read(R.STATUS), generation === 3 ? 7 : 4);
    assert.deepEqual(bench.events, ['started 0']);
    assertEcho(bench, driver);
  });

  test(`MUST 14: each valid request of generation ${generation} → ACK word and exactly one interrupt`, () => {
    const { bench } = oneDevice();
    using _ = bench;
    const driver = beforeQueues(bench, generation);
    for (const [index, plan] of TWO_RINGS.entries()) {
      const before = bench.interrupts;
      assert.ok(driver.setUpQueue(index, plan));
      assert.equal(bench.interrupts, before + 1);
      bench.run();
    }
  });

  test(`MUST 16: the same PFN again after the ACK, generation ${generation} → no second ACK on any doorbell`, () => {
    const { bench } = oneDevice();
    using _ = bench;
    const driver = beforeQueues(bench, generation);
    assert.ok(request(driver, 0, 4, PFN_0));
    driver.write(R.QUEUE_PFN, PFN_0);
    const before = bench.interrupts;
    for (let i = 0; i < 20; i++) bench.ring();
    bench.wait();
    assert.equal(driver.read(R.QUEUE_PFN), PFN_0);
    assert.equal(bench.interrupts, before);
  });
}

test('MUST 13: features not offered → have no effect; those offered arrive', () => {
  const { bench, device } = oneDevice({}, { features: { low: 0x21, high: 0 } });
  using _ = bench;
  const driver = bench.driver(0, 3, TWO_RINGS);
  assert.ok(driver.start('queue-1'));
  driver.write(R.GUEST_FEATURES, 0xffff_ffff);
  driver.setStatus(4);
  assert.deepEqual(device.active?.features, { low: 0x21, high: 0 });
  assert.ok(bench.warnings.some((line) => line.includes('not offered')));
});

test('MUST 15: queues requested in the order 1, 0 → each is the one QUEUE_SEL named', () => {
  const { bench } = oneDevice();
  using _ = bench;
  const driver = beforeQueues(bench);
  assert.ok(driver.setUpQueue(1, { at: RING_1, size: 8 }));
  assert.ok(driver.setUpQueue(0, { at: RING_0, size: 4 }));
  driver.setStatus(4);
  assertEcho(bench, driver, 1);
});

test('MUST 17: SEL 1 and NUM written over the rewritten PFN of queue 0, doorbells → not accepted', () => {
  const { bench } = oneDevice();
  using _ = bench;
  const driver = beforeQueues(bench);
  assert.ok(driver.setUpQueue(0, { at: RING_0, size: 4 }));
  const before = bench.interrupts;
  driver.write(R.QUEUE_SEL, 1);
  bench.ring();
  driver.write(R.QUEUE_NUM, 4);
  bench.ring();
  bench.wait();
  assert.equal(driver.read(R.QUEUE_PFN), PFN_0);
  assert.equal(bench.interrupts, before);
  driver.write(R.QUEUE_ALIGN, 0x1000);
  assert.ok(driver.requestQueue(PFN_1));
});

const POOL_PAGES = 256;
const BAD_REQUESTS: readonly [string, number, number, number, number][] = [
  ['QUEUE_NUM 0', 0, 0, PFN_0, 0x1000],
  ['QUEUE_NUM 3', 0, 3, PFN_0, 0x1000],
  ['QUEUE_NUM above QUEUE_NUM_MAX', 0, 256, PFN_0, 0x1000],
  ['QUEUE_NUM 0x80000000', 0, 0x8000_0000, PFN_0, 0x1000],
  ['ring before the pool', 0, 4, POOL_BASE / 4096 - 1, 0x1000],
  ['ring behind the pool', 0, 4, POOL_BASE / 4096 + POOL_PAGES, 0x1000],
  ['ring across the end of the pool', 0, 4, POOL_BASE / 4096 + POOL_PAGES - 1, 0x1000],
  ['ring in the block page', 0, 4, POOL_BASE / 4096, 0x1000],
  ['ring at the highest address', 0, 4, 0xffff_ffff, 0x1000],
  ['QUEUE_SEL 2 of a device with two queues', 2, 4, PFN_0, 0x1000],
  ['QUEUE_SEL 0xffffffff', 0xffff_ffff, 4, PFN_0, 0x1000],
  ['QUEUE_ALIGN 0', 0, 4, PFN_0, 0],
  ['QUEUE_ALIGN 2', 0, 4, PFN_0, 2],
  ['QUEUE_ALIGN 0x1001', 0, 4, PFN_0, 0x1001],
  ['QUEUE_ALIGN 0x80000000', 0, 4, PFN_0, 0x8000_0000],
];

for (const [what, sel, num, pfn, align] of BAD_REQUESTS) {
  test(`MUST 18, 19: ${what} → no ACK, other devices unaffected, a valid request afterwards accepted`, () => {
    for (const nervous of [false, true]) {
      using bench = new HvlBench({ devices: [{ device: twoQueues() }, { device: twoQueues() }] });
      const other = bench.driver(1, 3, ringsOf(1));
      assert.ok(other.start());
      bench.nervous = nervous; // looks at half-written registers, too
      const driver = beforeQueues(bench);
      assert.equal(request(driver, sel, num, pfn, align), false);
      assert.equal(driver.read(R.QUEUE_PFN), pfn);
      assertEcho(bench, other);
      assert.ok(driver.setUpQueue(0, { at: RING_0, size: 4 }));
      assert.ok(driver.setUpQueue(1, { at: RING_1, size: 4 }));
      driver.setStatus(4);
      bench.run();
      assertEcho(bench, driver);
    }
  });
}

test('MUST 18: ring in the block page of a region, with a device tree → no ACK', () => {
  const { bench } = oneDevice({ withDtb: true });
  using _ = bench;
  const driver = beforeQueues(bench);
  assert.equal(request(driver, 0, 4, bench.slot(0).block / 4096), false);
  assert.ok(request(driver, 0, 4, bench.slot(0).block / 4096 + 1));
});

test('MUST 18: a ring outside the own region → no ACK when devices are confined, ACK when not', () => {
  for (const confine of [true, false]) {
    using bench = new HvlBench({
      devices: [{ device: twoQueues() }, { device: twoQueues() }],
      withDtb: true,
      options: { confine },
    });
    const driver = beforeQueues(bench);
    assert.equal(request(driver, 0, 4, bench.slot(1).block / 4096 + 1), !confine);
    assert.ok(request(driver, 0, 4, bench.slot(0).block / 4096 + 1));
  }
});

test('MUST 20: QUEUE_NUM left at its sentinel → the ring has QUEUE_NUM_MAX entries', () => {
  const { bench } = oneDevice();
  using _ = bench;
  const driver = beforeQueues(bench);
  for (const [index, at] of [RING_0, OTHER_RING_0].entries()) {
    driver.rings[index] = new HvlRing(bench.pool, POOL_BASE, at, 128);
    driver.write(R.QUEUE_SEL, index);
    assert.ok(driver.requestQueue(at / 4096));
  }
  driver.setStatus(4);
  const ring = driver.rings[1] as HvlRing;
  for (let i = 0; i < 64; i++) {
    ring.add({ addr: BUFFERS, len: 4 }, { addr: BUFFERS + 64, len: 4, writable: true });
  }
  driver.kick(1);
  bench.run();
  assert.equal(ring.takeAll().length, 64);
});

test('MUST 20: a driver that writes neither QUEUE_SEL nor QUEUE_NUM → queue 0 with QUEUE_NUM_MAX entries', () => {
  const { bench, device } = oneDevice();
  using _ = bench;
  const driver = beforeQueues(bench);
  assert.ok(driver.requestQueue(PFN_0));
  driver.setStatus(4);
  assert.deepEqual(
    device.active?.queues.map((queue) => queue?.size),
    [128, undefined],
  );
});

test('MUST 21: a doorbell after every register write → harmless in every generation', () => {
  for (const generation of GENERATIONS) {
    const { bench } = oneDevice();
    using _ = bench;
    const driver = bench.driver(0, generation, TWO_RINGS, { onWrite: () => bench.ring() });
    assert.ok(driver.start());
    bench.run();
    assertEcho(bench, driver);
  }
});

test('MUST 22: any value in GUEST_FEATURES_SEL → GUEST_FEATURES is still bits 0 to 31', () => {
  for (const value of [0, 1, 2, 0x8000_0000, 0xffff_ffff]) {
    const { bench, device } = oneDevice({}, { features: { low: 0x20, high: 0 } });
    using _ = bench;
    const driver = bench.driver(0, 1, TWO_RINGS, { features: 0x20 });
    driver.write(R.GUEST_FEATURES_SEL, value);
    assert.ok(driver.start());
    assert.deepEqual(device.active?.features, { low: 0x20, high: 0 });
  }
});

test('MUST 23: buffers added before DRIVER_OK → processed at DRIVER_OK and not before, without a kick', () => {
  for (const generation of GENERATIONS) {
    const { bench, device } = oneDevice();
    using _ = bench;
    const driver = bench.driver(0, generation, TWO_RINGS);
    assert.ok(driver.start('queue-1'));
    const ring = driver.rings[1] as HvlRing;
    ring.add({ addr: BUFFERS, len: 4 }, { addr: BUFFERS + 64, len: 4, writable: true });
    bench.ring();
    bench.wait();
    assert.equal(ring.usedIdx, 0);
    assert.ok(!device.calls.includes('process 1'));
    driver.setStatus(4);
    bench.run();
    assert.equal(ring.takeAll().length, 1);
  }
});

test('MUST 23: restart with as many buffers added before DRIVER_OK as in the life before → processed', () => {
  const { bench } = oneDevice();
  using _ = bench;
  for (let life = 0; life < 3; life++) {
    const driver = bench.driver(0, 3, TWO_RINGS);
    assert.ok(driver.start('queue-1'));
    (driver.rings[1] as HvlRing).add({ addr: BUFFERS, len: 4 });
    driver.setStatus(4);
    bench.run();
    assert.equal(driver.rings[1]?.takeAll().length, 1);
  }
});

test('MUST 24: STATUS 0 → no ring access after that pass, interrupt words cleared', () => {
  const { bench, driver, device } = running(2);
  using _ = bench;
  const ring = driver.rings[1] as HvlRing;
  bench.eager = false;
  ring.add({ addr: BUFFERS, len: 4 }, { addr: BUFFERS + 64, len: 4, writable: true });
  bench.ring();
  bench.pass();
  assert.equal(driver.read(R.INTERRUPT_STATUS), 1);
  driver.write(R.INTERRUPT_ACK, 1);
  driver.write(R.STATUS, 0);
  ring.add({ addr: BUFFERS, len: 4 }, { addr: BUFFERS + 64, len: 4, writable: true });
  bench.ring();
  bench.pass();
  assert.deepEqual([driver.read(R.INTERRUPT_STATUS), driver.read(R.INTERRUPT_ACK)], [0, 0]);
  assert.equal(device.active, undefined);
  const used = bench.bytesAt(ring.used, 64);
  bench.pass();
  bench.look();
  assert.deepEqual(bench.bytesAt(ring.used, 64), used);
  assert.equal(ring.usedIdx, 1);
  assert.deepEqual(bench.events, ['started 0', 'reset 0']);
});

test('queue request: ACK → sentinels and a parked page size, the ACK word last', () => {
  const { bench } = oneDevice();
  using _ = bench;
  const driver = beforeQueues(bench);
  let seen: number[] = [];
  watchStores(
    () => request(driver, 0, 4, PFN_0),
    () => {
      if (driver.read(R.QUEUE_PFN) !== ACK_WORD || seen.length > 0) return;
      seen = [R.QUEUE_SEL, R.QUEUE_NUM, R.GUEST_PAGE_SIZE].map((register) => driver.read(register));
    },
  );
  assert.deepEqual(seen, [SENTINEL, SENTINEL, 0]);
});

test('DRIVER_OK: QUEUE_PFN → 0, whatever the driver left there', () => {
  for (const generation of GENERATIONS) {
    const { bench, driver } = running(generation);
    using _ = bench;
    assert.equal(driver.read(R.QUEUE_PFN), 0);
  }
});
