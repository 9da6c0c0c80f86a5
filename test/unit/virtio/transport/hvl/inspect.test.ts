import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { inspectPool, type SlotReport } from '#lkvm/virtio/transport/hvl/inspect.js';
import { HvlBench, POOL_BASE } from '../../../../support/hvl-bench.js';
import { TestDevice } from '../../../../support/hvl-devices.js';
import { R, type Step } from '../../../../support/hvl-driver.js';
import { HvlRing } from '../../../../support/hvl-ring.js';
import {
  BUFFERS,
  oneDevice,
  RING_0,
  RING_1,
  running,
  TWO_RINGS,
  twoQueues,
} from '../../../../support/hvl-scenario.js';

const MAC = new Uint8Array([0x02, 0x15, 0x15, 0x15, 0x15, 0x16, 1, 0]);

function devices() {
  return [
    { device: new TestDevice({ name: 'p9', deviceId: 9, config: new Uint8Array([2, 0, 0x68, 0x69, 0]) }) },
    {
      device: new TestDevice({
        name: 'net',
        deviceId: 1,
        queueMaxSizes: [256, 256],
        config: MAC,
        features: { low: 0x8020, high: 0 },
      }),
    },
    { device: twoQueues({ config: new Uint8Array([80, 0, 24, 0]) }) },
  ];
}

function only(bench: HvlBench): SlotReport {
  return inspectPool(bench.pool).slots[0] as SlotReport;
}

for (const withDtb of [true, false]) {
  test(`inspectPool: fresh pool ${withDtb ? 'with' : 'without'} a device tree → layout, base, devices, config in words`, () => {
    using bench = new HvlBench({ devices: devices(), withDtb });
    const report = inspectPool(bench.pool);
    assert.equal(report.layout, withDtb ? 'with device tree' : 'without device tree');
    assert.equal(report.base, POOL_BASE);
    assert.equal(report.fdtBytes, bench.fdt?.length ?? 0);
    assert.deepEqual(report.notes, []);
    assert.deepEqual(
      report.slots.map((slot) => [
        slot.index,
        slot.name,
        slot.block,
        slot.config,
        slot.shmBase,
        slot.shmBytes,
      ]),
      bench.layout.slots.map((slot, i) => [
        i,
        ['9p', 'net', 'console'][i],
        slot.block,
        ['tag "hi"', 'MAC 02:15:15:15:15:16', '80 columns, 24 rows'][i],
        slot.shmBase,
        slot.shmBytes,
      ]),
    );
    assert.deepEqual(report.slots[1]?.offered, ['MAC', 'MRG_RXBUF']);
    assert.deepEqual(report.slots[1]?.status, ['reset']);
    assert.equal(report.slots[1]?.device, 'waits for a driver: STATUS is 0');
  });
}

const STAGES: readonly [Step, string, string][] = [
  ['acknowledge', 'waits for the driver to continue', 'has acknowledged the device'],
  ['features', 'waits for a queue or DRIVER_OK', 'negotiates'],
  ['queue-0', 'waits for the next queue, or DRIVER_OK', 'has seen its queue accepted'],
  ['driver-ok', 'runs; waits for buffers', 'runs; nothing is signalled to it'],
];

for (const [step, device, driver] of STAGES) {
  test(`inspectPool: driver stopped after ${step} → "${device}", "${driver}"`, () => {
    const { bench } = oneDevice();
    using _ = bench;
    assert.ok(bench.driver(0, 3, TWO_RINGS).start(step));
    bench.run();
    assert.deepEqual([only(bench).device, only(bench).driver], [device, driver]);
  });
}

test('inspectPool: a queue request nobody has answered → named, with the ring it asks for', () => {
  const { bench } = oneDevice();
  using _ = bench;
  const driver = bench.driver(0, 2, TWO_RINGS);
  assert.ok(driver.start('features'));
  bench.eager = false;
  driver.write(R.QUEUE_SEL, 0);
  driver.write(R.QUEUE_NUM, 4);
  new HvlRing(bench.pool, POOL_BASE, RING_0, 4).setAvailIdx(3);
  driver.write(R.QUEUE_PFN, RING_0 / 4096);
  const slot = only(bench);
  assert.equal(slot.driver, 'waits for the ACK of queue 0');
  assert.match(slot.device, /has not accepted queue 0/);
  assert.deepEqual(slot.rings, [
    { queue: 0, gpa: RING_0, size: 4, availFlags: 0, availIdx: 3, usedFlags: 0, usedIdx: 0, inFlight: 3 },
  ]);
});

test('inspectPool: running, interrupt not served → said so, with the rings of the handshake', () => {
  const { bench, driver } = running(3);
  using _ = bench;
  driver.rings[1]?.add({ addr: BUFFERS, len: 4 });
  driver.kick(1);
  const slot = only(bench);
  assert.match(slot.driver, /has to serve an interrupt/);
  assert.deepEqual(
    slot.rings.map((ring) => [ring.queue, ring.gpa, ring.size, ring.availIdx, ring.usedIdx]),
    [
      [0, RING_0, 4, 0, 0],
      [1, RING_1, 4, 1, 1],
    ],
  );
  assert.equal(slot.ringsNote, '');
  driver.write(R.INTERRUPT_ACK, 1);
  assert.match(only(bench).device, /has to take an INTERRUPT_ACK/);
});

test('inspectPool: rings before and behind SHM_BASE → seen; the driver restarts → forgotten, then the new ones', () => {
  using bench = new HvlBench({ devices: [{ device: twoQueues() }, { device: twoQueues() }], withDtb: true });
  const second = bench.layout.slots[1]?.shmBase ?? assert.fail();
  const plan = [
    { at: second - 0x3000, size: 4 },
    { at: second + 0x1000, size: 4 },
  ];
  const rings = () => inspectPool(bench.pool).slots[1]?.rings.map((ring) => ring.gpa);
  assert.deepEqual(rings(), []);
  assert.ok(bench.driver(1, 3, plan).start());
  bench.run();
  assert.deepEqual(rings(), [second - 0x3000, second + 0x1000]);
  const again = bench.driver(1, 3, [...plan].reverse());
  assert.ok(again.start('features'));
  bench.run();
  assert.deepEqual(rings(), []);
  assert.ok(bench.driver(1, 3, [...plan].reverse()).start());
  bench.run();
  assert.deepEqual(rings(), [second + 0x1000, second - 0x3000]);
});

test('inspectPool: a static device whose driver came by the handshake → the static rings, and a note', () => {
  using fixed = new HvlBench({ devices: [{ device: twoQueues(), static: true }], options: { epoch: 7 } });
  const plan = [
    { at: POOL_BASE + 0x20000, size: 4 },
    { at: POOL_BASE + 0x24000, size: 4 },
  ];
  assert.ok(fixed.driver(0, 3, plan).start());
  fixed.run();
  const slot = only(fixed);
  assert.equal(slot.rings[0]?.gpa, POOL_BASE + 0x1000);
  assert.match(slot.ringsNote, /not in use/);
});

test('inspectPool: static mode → descriptor and both rings, with what is in flight', () => {
  const { bench } = oneDevice();
  bench.close();
  using fixed = new HvlBench({ devices: [{ device: twoQueues(), static: true }], options: { epoch: 7 } });
  const driver = fixed.driver(0, 3, []);
  const receive = new HvlRing(fixed.pool, POOL_BASE, POOL_BASE + 0x1000, 128);
  receive.add({ addr: BUFFERS, len: 16, writable: true });
  receive.add({ addr: BUFFERS, len: 16, writable: true });
  assert.match(only(fixed).device, /ready to attach/);
  driver.write(R.STATIC_ATTACH, 7);
  fixed.ring();
  const slot = only(fixed);
  assert.deepEqual(slot.static, {
    epoch: 7,
    fresh: false,
    attach: 7,
    features: [],
    arenaOffset: 0x5000,
    arenaBytes: 0xfb000,
  });
  assert.deepEqual(slot.status, ['ACKNOWLEDGE', 'DRIVER', 'DRIVER_OK', 'FEATURES_OK']);
  assert.deepEqual(
    slot.rings.map((ring) => [ring.queue, ring.gpa, ring.size, ring.availIdx, ring.inFlight]),
    [
      [0, POOL_BASE + 0x1000, 128, 2, 2],
      [1, POOL_BASE + 0x3000, 128, 0, 0],
    ],
  );
  assert.equal(slot.ringsNote, '');
});

test('inspectPool: registers → every word of the table with its value', () => {
  const { bench } = oneDevice();
  using _ = bench;
  const byName = new Map(only(bench).registers.map((each) => [each.register.name, each.value]));
  assert.equal(byName.get('MAGIC'), 0x74726976);
  assert.equal(byName.get('QUEUE_SEL'), 0x00ff00ff);
  assert.equal(byName.get('SHM_LEN_LOW'), 0x10_0000);
  assert.equal(byName.has('STATIC_MAGIC'), false);
});

test('inspectPool: empty, tiny or damaged pools → a report, no exception', () => {
  assert.equal(inspectPool(new Uint8Array(0)).layout, 'nothing published');
  assert.equal(inspectPool(new Uint8Array(0x10000)).layout, 'nothing published');
  const broken = new Uint8Array(0x2000);
  broken.set([0xd0, 0x0d, 0xfe, 0xed, 0, 0, 0x10, 0]);
  assert.match(inspectPool(broken).notes[0] ?? '', /cannot be read/);
});

test('inspectPool: a device tree that names a block outside the pool → noted', () => {
  using bench = new HvlBench({ devices: devices(), withDtb: true });
  const short = bench.pool.slice(0, 0x16000);
  const report = inspectPool(short);
  assert.equal(report.slots.length, 1);
  assert.match(report.notes[0] ?? '', /outside the pool/);
});

test('inspectPool: random bytes in a published pool → never throws', () => {
  using bench = new HvlBench({ devices: devices(), withDtb: true, bytes: 0x10_0000 });
  const image = bench.pool.slice();
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0x9ffff }), fc.uint8Array({ maxLength: 64 }), (at, bytes) => {
      const copy = image.slice();
      copy.set(bytes, at);
      copy.set(bytes, 0x10180);
      inspectPool(copy);
      inspectPool(copy, 0x1000);
    }),
    { numRuns: 200 },
  );
});
