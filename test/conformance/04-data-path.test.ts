// The protocol's conformance list, items 32 to 42: what happens in the rings. Items 38 to 40 (entropy, network) are in
// their own files, because they need those devices.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COUNTER_STARTS } from '#lkvm/util/counters.js';
import { HvlBench, POOL_BASE } from '../support/hvl-bench.js';
import { TestDevice } from '../support/hvl-devices.js';
import { R } from '../support/hvl-driver.js';
import type { HvlRing } from '../support/hvl-ring.js';
import { assertEcho, BUFFERS, ringsOf, running, TWO_RINGS, twoQueues } from '../support/hvl-scenario.js';

const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;
const POOL_END = POOL_BASE + 0x10_0000;

test('MUST 32: 70000 requests on one initialisation → indices wrap at 65536, nothing lost', () => {
  const { bench, driver } = running(3);
  using _ = bench;
  const ring = driver.rings[1] as HvlRing;
  let done = 0;
  for (let i = 0; i < 35_000; i++) {
    ring.add({ addr: BUFFERS, len: 4 });
    ring.add({ addr: BUFFERS + 64, len: 4, writable: true });
    driver.kick(1);
    bench.run();
    done += ring.takeAll().length;
  }
  assert.equal(done, 70_000);
  assert.equal(ring.usedIdx, 70_000 - 65_536);
});

test('MUST 33: a chain of three readable and two writable descriptors → gathered and scattered in order', () => {
  const { bench, driver } = running(2, {}, {});
  using _ = bench;
  const at = BUFFERS - POOL_BASE;
  bench.pool.set(Buffer.from('hyper'), at);
  bench.pool.set(Buffer.from('visor'), at + 0x100);
  driver.rings[1]?.add(
    { addr: BUFFERS, len: 5 },
    { addr: BUFFERS + 0x100, len: 5 },
    { addr: BUFFERS + 0x200, len: 7, writable: true },
    { addr: BUFFERS + 0x300, len: 7, writable: true },
  );
  driver.kick(1);
  bench.run();
  assert.deepEqual(driver.rings[1]?.takeAll(), [{ head: 0, len: 10 }]);
  assert.equal(Buffer.from(bench.bytesAt(BUFFERS + 0x200, 7)).toString(), 'hypervi');
  assert.equal(Buffer.from(bench.bytesAt(BUFFERS + 0x300, 3)).toString(), 'sor');
});

const BAD_RANGES: readonly [string, number | bigint, number][] = [
  ['address 0xffffffffffffffff', 0xffff_ffff_ffff_ffffn, 64],
  ['address 0xffffffffffffffc0, so that the end wraps to 0', 0xffff_ffff_ffff_ffc0n, 64],
  ['range across the end of the pool', POOL_END - 32, 64],
  ['address behind the pool', POOL_END, 64],
  ['address before the pool', POOL_BASE - 64, 64],
  ['length 0xffffffff', BUFFERS, 0xffff_ffff],
  ['buffer in the block page', POOL_BASE + 0x200, 64],
  ['buffer across the end of the block page', POOL_BASE + 0xff0, 64],
];

for (const [what, addr, len] of BAD_RANGES) {
  for (const writable of [false, true]) {
    test(`MUST 34: ${writable ? 'device-writable' : 'device-readable'} descriptor, ${what} → length 0, device goes on, nothing else touched`, () => {
      const { bench, driver } = running(3);
      using _ = bench;
      const ring = driver.rings[1] as HvlRing;
      bench.pool.fill(0x77, BUFFERS - POOL_BASE);
      // One good buffer of each kind, and the bad one among them.
      ring.descriptor(0, BUFFERS, 16, NEXT, 1);
      ring.descriptor(
        1,
        writable ? BUFFERS + 64 : addr,
        writable ? 16 : len,
        writable ? NEXT | WRITE : NEXT,
        2,
      );
      ring.descriptor(2, writable ? addr : BUFFERS + 64, writable ? len : 16, WRITE, 0);
      ring.available(0);
      const before = bench.bytesAt(BUFFERS, POOL_END - BUFFERS);
      const page = bench.bytesAt(POOL_BASE + 0x200, 0xe00);
      driver.kick(1);
      bench.run();
      assert.equal(ring.usedIdx, 1);
      assert.deepEqual(bench.bytesAt(ring.used + 4, 8), new Uint8Array(8));
      assert.deepEqual(bench.bytesAt(BUFFERS, POOL_END - BUFFERS), before);
      assert.deepEqual(bench.bytesAt(POOL_BASE + 0x200, 0xe00), page);
      assert.deepEqual(bench.events, ['started 0']);
    });
  }
}

test('MUST 34: descriptors of length 0 → completed with length 0, device goes on', () => {
  const { bench, driver } = running(3);
  using _ = bench;
  const ring = driver.rings[1] as HvlRing;
  ring.add({ addr: BUFFERS, len: 0 }, { addr: BUFFERS, len: 0, writable: true });
  driver.kick(1);
  bench.run();
  assert.deepEqual(ring.takeAll(), [{ head: 0, len: 0 }]);
  assertEcho(bench, driver);
});

test('MUST 34: readable after writable → completed with length 0, device goes on', () => {
  const { bench, driver } = running(3);
  using _ = bench;
  const ring = driver.rings[1] as HvlRing;
  ring.add({ addr: BUFFERS, len: 8, writable: true }, { addr: BUFFERS + 64, len: 8 });
  driver.kick(1);
  bench.run();
  assert.deepEqual(ring.takeAll(), [{ head: 0, len: 0 }]);
  assertEcho(bench, driver);
});

const BROKEN_RINGS: readonly [string, (ring: HvlRing) => void][] = [
  ['head = n', (ring) => ring.available(4)],
  ['head = 0xffff', (ring) => ring.available(0xffff)],
  [
    'next = n',
    (ring) => {
      ring.descriptor(0, BUFFERS, 8, NEXT, 4);
      ring.available(0);
    },
  ],
  [
    'a descriptor that is its own next',
    (ring) => {
      ring.descriptor(0, BUFFERS, 8, NEXT, 0);
      ring.available(0);
    },
  ],
  [
    'a cycle of two',
    (ring) => {
      ring.descriptor(0, BUFFERS, 8, NEXT, 1);
      ring.descriptor(1, BUFFERS, 8, NEXT, 0);
      ring.available(0);
    },
  ],
  ['avail.idx n + 1 ahead', (ring) => ring.setAvailIdx(5)],
  ['avail.idx going back', (ring) => ring.setAvailIdx(0xffff)],
  [
    'INDIRECT, which was not offered',
    (ring) => {
      ring.descriptor(0, BUFFERS, 32, INDIRECT, 0);
      ring.available(0);
    },
  ],
];

for (const [what, breakIt] of BROKEN_RINGS) {
  test(`MUST 35: ${what} → that device stops writing, the others work, and it recovers by a restart`, () => {
    using bench = new HvlBench({ devices: [{ device: twoQueues() }, { device: twoQueues() }] });
    const other = bench.driver(1, 2, ringsOf(1));
    assert.ok(other.start());
    const driver = bench.driver(0, 3, TWO_RINGS);
    assert.ok(driver.start());
    bench.run();
    const ring = driver.rings[1] as HvlRing;
    breakIt(ring);
    const used = bench.bytesAt(ring.used, 64);
    driver.kick(1);
    bench.run();
    bench.ring();
    assert.ok(bench.events.includes('fault 0'));
    // used.flags is a hint and may have changed; indices and elements may not.
    assert.deepEqual(bench.bytesAt(ring.used + 2, 62), used.subarray(2));
    assertEcho(bench, other);
    const again = bench.driver(0, 3, TWO_RINGS);
    assert.ok(again.start());
    bench.wait();
    assertEcho(bench, again);
    assert.deepEqual(bench.events, ['started 1', 'started 0', 'fault 0', 'reset 0', 'started 0']);
  });
}

test('MUST 35: a good chain before the bad one in the same pass → completed, but nothing is written after the stop', () => {
  const { bench, driver } = running(3);
  using _ = bench;
  const ring = driver.rings[1] as HvlRing;
  ring.add({ addr: BUFFERS, len: 4 });
  ring.available(4);
  driver.kick(1);
  bench.run();
  assert.equal(ring.usedIdx, 1);
  assert.equal(driver.read(R.INTERRUPT_STATUS), 0);
  assert.ok(bench.warnings.some((line) => line.startsWith('console (slot 0): queue 1: ')));
});

test('MUST 36: descriptor changed by the driver while the device works on it → the checked copy is used', () => {
  const { bench, driver, device } = running(3);
  using _ = bench;
  const ring = driver.rings[1] as HvlRing;
  device.onChain = () => {
    ring.descriptor(0, 0xffff_ffff_ffff_0000n, 0xffff_ffff, NEXT, 0);
    ring.descriptor(1, POOL_END - 1, 0xffff_ffff, WRITE | NEXT, 1);
  };
  bench.pool.set(Buffer.from('copy'), BUFFERS - POOL_BASE);
  const head = ring.add({ addr: BUFFERS, len: 4 }, { addr: BUFFERS + 64, len: 4, writable: true });
  driver.kick(1);
  bench.run();
  assert.deepEqual(ring.takeAll(), [{ head, len: 4 }]);
  assert.equal(Buffer.from(bench.bytesAt(BUFFERS + 64, 4)).toString(), 'copy');
});

test('MUST 37: used.len → the bytes written, 0 for pure output', () => {
  const { bench, driver } = running(2);
  using _ = bench;
  const ring = driver.rings[1] as HvlRing;
  ring.add({ addr: BUFFERS, len: 100 });
  ring.add({ addr: BUFFERS, len: 100 }, { addr: BUFFERS + 0x100, len: 60, writable: true });
  driver.kick(1);
  bench.run();
  assert.deepEqual(
    ring.takeAll().map((used) => used.len),
    [0, 60],
  );
});

test('MUST 41: output completes and is signalled while nothing is ever received', () => {
  const { bench, driver } = running(2);
  using _ = bench;
  for (const [i] of [1, 2, 3, 4].entries())
    driver.rings[0]?.add({ addr: BUFFERS + 64 * i, len: 64, writable: true });
  driver.kick(0);
  bench.run();
  const before = driver.served;
  driver.rings[1]?.add({ addr: BUFFERS, len: 64 });
  driver.kick(1);
  bench.run();
  assert.equal(driver.rings[1]?.takeAll().length, 1);
  assert.equal(driver.rings[0]?.takeAll().length, 0);
  assert.equal(driver.served, before + 1);
});

test('MUST 42: QUEUE_NOTIFY names a queue that has nothing, or none → all queues of all devices are examined', () => {
  const devices = [twoQueues(), new TestDevice({ queueMaxSizes: [128, 128, 128] }), twoQueues()];
  using bench = new HvlBench({ devices: devices.map((device) => ({ device })) });
  const drivers = devices.map((_, slot) => bench.driver(slot, 3, ringsOf(slot)));
  for (const driver of drivers) assert.ok(driver.start());
  bench.run();
  for (const notify of [0, 1, 7, 0xffff_ffff]) {
    for (const driver of drivers) {
      driver.rings[1]?.add({ addr: BUFFERS, len: 4 });
      driver.write(R.QUEUE_NOTIFY, notify);
    }
    bench.ring();
    bench.run();
    for (const driver of drivers) assert.equal(driver.rings[1]?.takeAll().length, 1);
  }
});

test('work left over when the budget ran out → done in the next round without a doorbell', () => {
  const { bench, driver } = running(3, {}, { budget: 1 });
  using _ = bench;
  bench.eager = false;
  const ring = driver.rings[1] as HvlRing;
  for (let i = 0; i < 4; i++) ring.add({ addr: BUFFERS, len: 4 });
  driver.kick(1);
  bench.pass();
  assert.equal(ring.usedIdx, 1);
  assert.ok(bench.transport.arm(), 'the loop must not sleep');
  while (bench.look());
  assert.equal(ring.usedIdx, 4);
  assert.ok(!bench.transport.arm());
});

test('receive buffers held back by the device → no work, so the loop may sleep', () => {
  const { bench, driver } = running(3);
  using _ = bench;
  driver.rings[0]?.add({ addr: BUFFERS, len: 64, writable: true });
  driver.kick(0);
  bench.run();
  assert.equal(bench.look(), false);
  assert.equal(bench.transport.arm(), false);
});

test('start counter → one per DRIVER_OK', () => {
  const { bench, device } = running(3);
  using _ = bench;
  assert.equal(device.counters[COUNTER_STARTS], 1);
});
