import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HvlBench } from '../../../../support/hvl-bench.js';
import { type HvlDriver, R, STATIC_MAGIC } from '../../../../support/hvl-driver.js';
import { HvlRing } from '../../../../support/hvl-ring.js';
import { assertEcho, BUFFERS, TWO_RINGS, twoQueues } from '../../../../support/hvl-scenario.js';
import { watchStores } from '../../../../support/watch-stores.js';

const EPOCH = 0x1234_5678;
const FRESH = 1;
const FEATURES = { low: 0x20, high: 1 };

function staticBench(withDtb = false) {
  const device = twoQueues({ features: FEATURES });
  const bench = new HvlBench({
    devices: [{ device, static: true, regionBytes: 0x10000 }],
    withDtb,
    options: { epoch: EPOCH },
  });
  return { bench, device };
}

/** A driver that attaches as the protocol's extension says. @returns true if it runs */
function attach(bench: HvlBench, dieAfterAsking = false): HvlDriver {
  const driver = bench.driver(0, 3, []);
  assert.equal(driver.read(R.STATIC_MAGIC), STATIC_MAGIC);
  if ((driver.read(R.STATIC_FLAGS) & FRESH) === 0) {
    driver.write(R.STATIC_ATTACH, ~driver.read(R.STATIC_EPOCH));
    bench.ring();
    if (dieAfterAsking) return driver;
    assert.equal(driver.read(R.STATIC_FLAGS) & FRESH, FRESH);
  }
  const queues = driver.read(R.STATIC_VERSION) >>> 16;
  driver.rings = [];
  for (let q = 0; q < queues; q++) {
    const at = driver.read(R.SHM_BASE_LOW) + driver.read(R.STATIC_QUEUES + 16 * q);
    driver.rings.push(
      new HvlRing(bench.pool, bench.layout.base, at, driver.read(R.STATIC_QUEUES + 16 * q + 4)),
    );
  }
  driver.write(R.STATIC_ATTACH, driver.read(R.STATIC_EPOCH));
  bench.ring();
  bench.run();
  return driver;
}

for (const withDtb of [false, true]) {
  test(`StaticMode: published ${withDtb ? 'with' : 'without'} a device tree → magic last, features, epoch, rings, arena`, () => {
    const { bench } = staticBench(withDtb);
    using _ = bench;
    const driver = bench.driver(0, 3, []);
    const slot = bench.slot(0);
    const at = (offset: number): number => driver.read(offset);
    assert.deepEqual(
      [at(0x180), at(0x184), at(0x188), at(0x18c), at(0x190), at(0x194), at(0x198), at(0x19c), at(0x1a0)],
      [STATIC_MAGIC, 0x20001, 0x20, 1, EPOCH, FRESH, 0, slot.arenaOffset, slot.arenaBytes],
    );
    assert.deepEqual(
      [0x1c0, 0x1c4, 0x1c8, 0x1cc, 0x1d0, 0x1d4, 0x1d8, 0x1dc].map(at),
      [0x1000, 128, 0x1000, 0, 0x3000, 128, 0x1000, 0],
    );
    assert.equal(slot.arenaOffset, 0x5000);
  });

  test(`StaticMode: attach ${withDtb ? 'with' : 'without'} a device tree → runs with the fixed features, no round trip`, () => {
    const { bench, device } = staticBench(withDtb);
    using _ = bench;
    const driver = attach(bench);
    assert.deepEqual(device.active?.features, FEATURES);
    assert.equal(driver.read(R.STATUS), 0x0f);
    assert.equal(driver.read(R.STATIC_FLAGS), 0);
    assert.equal(bench.interrupts, 0);
    assertEcho(bench, driver);
    assert.deepEqual(bench.events, ['started 0']);
  });
}

test('StaticMode: the descriptor becomes valid only when complete', () => {
  const device = twoQueues({ features: FEATURES });
  using bench = new HvlBench({
    devices: [{ device, static: true }],
    options: { epoch: EPOCH },
    publish: false,
  });
  const driver = bench.driver(0, 3, []);
  let checked = false;
  watchStores(
    () => bench.transport.publish(),
    () => {
      if (checked || driver.read(R.STATIC_MAGIC) === 0) return;
      checked = true;
      assert.deepEqual([driver.read(R.STATIC_EPOCH), driver.read(R.STATIC_QUEUES + 20)], [EPOCH, 128]);
      assert.equal(driver.read(R.MAGIC), 0, 'the block is not valid yet');
    },
  );
  assert.ok(checked);
});

test('StaticMode: driver dies and attaches again → rings zeroed, FRESH, one interrupt, runs', () => {
  const { bench, device } = staticBench();
  using _ = bench;
  for (let life = 0; life < 4; life++) {
    const before = bench.interrupts;
    const driver = attach(bench);
    if (life > 0) assert.equal(bench.interrupts, before + 1);
    assertEcho(bench, driver);
  }
  assert.equal(device.calls.filter((call) => call === 'activate').length, 4);
});

test('StaticMode: driver dies while it waits for FRESH → the next one attaches', () => {
  const { bench } = staticBench();
  using _ = bench;
  attach(bench);
  attach(bench, true);
  assertEcho(bench, attach(bench));
  attach(bench, true);
  assertEcho(bench, attach(bench));
});

test('StaticMode: detached (attach = 0) → stopped, STATUS 0, rings zero, FRESH', () => {
  const { bench, device } = staticBench();
  using _ = bench;
  const driver = attach(bench);
  assertEcho(bench, driver);
  driver.write(R.STATIC_ATTACH, 0);
  bench.ring();
  assert.equal(device.active, undefined);
  assert.deepEqual([driver.read(R.STATUS), driver.read(R.STATIC_FLAGS)], [0, FRESH]);
  const ring = driver.rings[1] as HvlRing;
  assert.ok(bench.bytesAt(ring.used, 64).every((byte) => byte === 0));
  assert.ok(bench.bytesAt(ring.avail, 64).every((byte) => byte === 0));
});

test('StaticMode: a driver with handshake follows a static one, and the other way round → both run', () => {
  for (const generation of [0, 1, 2, 3] as const) {
    const { bench, device } = staticBench();
    using _ = bench;
    assertEcho(bench, attach(bench));
    const shaken = bench.driver(
      0,
      generation,
      TWO_RINGS.map((plan) => ({ ...plan, at: plan.at + 0x40000 })),
    );
    assert.ok(shaken.start(), `generation ${generation}`);
    bench.wait();
    assertEcho(bench, shaken);
    assert.deepEqual(device.active?.features, { low: 0, high: 0 });
    assertEcho(bench, attach(bench));
    assert.deepEqual(device.active?.features, FEATURES);
    assert.equal(device.calls.filter((call) => call === 'activate').length, 3);
  }
});

test('StaticMode: a driver with handshake came first → FRESH is gone, so a static one asks for fresh rings', () => {
  const { bench } = staticBench();
  using _ = bench;
  const shaken = bench.driver(0, 3, TWO_RINGS);
  assert.ok(shaken.start('acknowledge'));
  assert.equal(shaken.read(R.STATIC_FLAGS), 0);
  assertEcho(bench, attach(bench));
});

test('StaticMode: attach word with the epoch while not FRESH, or with junk → nothing runs on stale rings', () => {
  const { bench, device } = staticBench();
  using _ = bench;
  const driver = attach(bench);
  driver.write(R.STATIC_ATTACH, 99);
  bench.ring();
  assert.equal(device.active, undefined);
  driver.write(R.STATIC_ATTACH, 98);
  bench.ring();
  assert.equal(device.active, undefined);
  assert.equal(driver.read(R.STATIC_FLAGS), FRESH);
});

test('StaticMode: broken ring → stopped; attaching again recovers', () => {
  const { bench } = staticBench();
  using _ = bench;
  const driver = attach(bench);
  (driver.rings[1] as HvlRing).available(500);
  bench.ring();
  assert.deepEqual(bench.events, ['started 0', 'fault 0']);
  assertEcho(bench, attach(bench));
});

test('StaticMode: buffers in the ring before attach → processed at attach', () => {
  const { bench } = staticBench();
  using _ = bench;
  const driver = bench.driver(0, 3, []);
  const ring = new HvlRing(bench.pool, bench.layout.base, bench.layout.base + 0x3000, 128);
  ring.add({ addr: BUFFERS, len: 4 });
  driver.write(R.STATIC_ATTACH, EPOCH);
  bench.ring();
  assert.equal(ring.takeAll().length, 1);
});
