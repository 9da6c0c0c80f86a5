import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HVL_DEVICE_TYPES } from '#lkvm/abi/hvl.js';
import { ConfigError } from '#lkvm/util/errors.js';
import { type HvlDeviceRequest, planLayout } from '#lkvm/virtio/transport/hvl/layout.js';

const BASE = 0x3700_0000;
const MIB = 0x10_0000;

function request(name: string, change: Partial<HvlDeviceRequest> = {}): HvlDeviceRequest {
  const type = HVL_DEVICE_TYPES.find((each) => each.name === name);
  assert.ok(type);
  return {
    name,
    deviceId: type.deviceId,
    label: '',
    queueMaxSizes: type.queueMaxSizes,
    configBytes: 0,
    regionBytes: type.regionBytes,
    static: false,
    ...change,
  };
}

const DEFAULT_DEVICES = ['p9', 'rng', 'net', 'console'];

function plan(withDtb: boolean, devices: readonly HvlDeviceRequest[], bytes = MIB, base = BASE) {
  return planLayout({ base, bytes, withDtb, devices });
}

function refused(withDtb: boolean, devices: readonly HvlDeviceRequest[], bytes = MIB, base = BASE): string {
  try {
    plan(withDtb, devices, bytes, base);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    assert.doesNotMatch(error.message, /\n/);
    return error.message;
  }
  return assert.fail('was not refused');
}

test('planLayout: default devices with a device tree → regions one after another from 64 KiB, block and shm at the region', () => {
  const layout = plan(
    true,
    DEFAULT_DEVICES.map((name) => request(name)),
  );
  assert.deepEqual(
    layout.slots.map((slot) => [slot.block - BASE, slot.regionBytes]),
    [
      [0x10000, 0x6000],
      [0x16000, 0x6000],
      [0x1c000, 0x80000],
      [0x9c000, 0x6000],
    ],
  );
  for (const slot of layout.slots) {
    assert.equal(slot.region, slot.block);
    assert.equal(slot.shmBase, slot.block);
    assert.equal(slot.shmBytes, slot.regionBytes);
    assert.deepEqual(slot.rings, []);
  }
  assert.equal(layout.tail, BASE + 0xa2000);
  assert.equal(layout.tailBytes, MIB - 0xa2000);
});

test('planLayout: default devices without a device tree → blocks 0x200 apart, the whole pool published', () => {
  const layout = plan(
    false,
    DEFAULT_DEVICES.map((name) => request(name)),
  );
  assert.deepEqual(
    layout.slots.map((slot) => slot.block - BASE),
    [0, 0x200, 0x400, 0x600],
  );
  for (const slot of layout.slots) {
    assert.equal(slot.shmBase, BASE);
    assert.equal(slot.shmBytes, MIB);
    assert.equal(slot.regionBytes, 0);
  }
  assert.equal(layout.tail, BASE + 0x1000);
  assert.equal(layout.tailBytes, MIB - 0x1000);
});

test('planLayout: static with a device tree → rings behind the block page, arena is the rest of the region', () => {
  const layout = plan(true, [request('console', { static: true }), request('net', { static: true })]);
  const [console_, net] = layout.slots;
  assert.deepEqual(
    console_?.rings.map((ring) => [ring.gpa - console_.region, ring.size, ring.bytes]),
    [
      [0x1000, 128, 0x1406],
      [0x3000, 128, 0x1406],
    ],
  );
  assert.deepEqual([console_?.arenaOffset, console_?.arenaBytes], [0x5000, 0x1000]);
  assert.deepEqual(
    net?.rings.map((ring) => [ring.gpa - net.region, ring.size, ring.bytes]),
    [
      [0x1000, 256, 0x2806],
      [0x4000, 256, 0x2806],
    ],
  );
  assert.deepEqual([net?.arenaOffset, net?.arenaBytes], [0x7000, 0x79000]);
});

test('planLayout: static without a device tree → rings from 4 KiB on, one arena behind for all', () => {
  const layout = plan(false, [request('rng', { static: true }), request('console', { static: true })]);
  assert.deepEqual(
    layout.slots.flatMap((slot) => slot.rings.map((ring) => ring.gpa - BASE)),
    [0x1000, 0x3000, 0x5000],
  );
  for (const slot of layout.slots) {
    assert.deepEqual([slot.arenaOffset, slot.arenaBytes], [0x7000, MIB - 0x7000]);
  }
  assert.equal(layout.tail, BASE + 0x7000);
});

test('planLayout: pool too small → the missing bytes are named', () => {
  assert.match(refused(true, [request('rng')], 0x15000), /0x15000 is too small by 4096 bytes.*need 0x16000/);
  assert.match(refused(false, [request('rng')], 0x1000), /0x1000 is too small by 4096 bytes.*need 0x2000/);
  assert.match(refused(false, [request('rng', { static: true })], 0x3000), /too small by 4096 bytes/);
});

test('planLayout: a pool that fits exactly → accepted', () => {
  assert.equal(plan(true, [request('rng')], 0x16000).tailBytes, 0);
  assert.equal(plan(false, [request('rng')], 0x2000).tailBytes, 0x1000);
});

test('planLayout: static rings larger than the region → refused with the size needed', () => {
  const message = refused(true, [request('console', { static: true, regionBytes: 0x4000 })]);
  assert.match(message, /region of console 0x4000 is too small by 4096 bytes.*need 0x5000/);
});

test('planLayout: nine devices → refused without a device tree, accepted with one', () => {
  const nine = Array.from({ length: 9 }, () => request('p9'));
  assert.match(refused(false, nine), /9 devices: at most 8/);
  assert.equal(plan(true, nine).slots.length, 9);
});

test('planLayout: bad addresses and sizes → one line each', () => {
  const rng = request('rng');
  assert.match(refused(true, [rng], MIB, BASE + 1), /--shmem-addr 0x37000001: must be a multiple of 4096/);
  assert.match(refused(true, [rng], MIB, 0), /--shmem-addr 0x0/);
  assert.match(refused(true, [rng], MIB + 1), /--shmem-size 0x100001: must be a multiple of 4096/);
  assert.match(refused(true, [rng], 0), /--shmem-size 0x0/);
  assert.match(refused(true, [rng], MIB, 0x1000_0000_0000 - 0x1000), /drivers can name rings below/);
  assert.match(refused(true, [request('rng', { regionBytes: 0x6001 })]), /region of rng 0x6001/);
  assert.match(refused(true, [request('rng', { queueMaxSizes: [3] })]), /queue size of rng 3/);
  assert.match(refused(true, [request('rng', { queueMaxSizes: [65536] })]), /queue size of rng 65536/);
  assert.match(refused(true, [request('p9', { configBytes: 129 })]), /129 bytes of config space/);
});

test('planLayout: any accepted layout → all parts inside the pool, aligned, no overlap', () => {
  const device = fc.record({
    name: fc.constantFrom(...DEFAULT_DEVICES),
    region: fc.integer({ min: 1, max: 64 }),
    static: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.array(device, { maxLength: 10 }),
      fc.boolean(),
      fc.integer({ min: 1, max: 600 }),
      (devices, withDtb, pages) => {
        const requests = devices.map((each) =>
          request(each.name, { regionBytes: each.region * 4096, static: each.static }),
        );
        let layout: ReturnType<typeof plan>;
        try {
          layout = plan(withDtb, requests, pages * 4096);
        } catch (error) {
          assert.ok(error instanceof ConfigError);
          return;
        }
        const spans = [
          ...(withDtb ? [[BASE, BASE + 0x10000]] : []),
          ...layout.slots.map((slot) => [slot.block, slot.block + (withDtb ? 0x1000 : 0x200)]),
          ...layout.slots.flatMap((slot) => slot.rings.map((ring) => [ring.gpa, ring.gpa + ring.bytes])),
          [layout.tail, layout.tail + layout.tailBytes],
        ].sort((a, b) => (a[0] as number) - (b[0] as number)) as [number, number][];
        for (const [i, [start, end]] of spans.entries()) {
          assert.ok(start >= BASE && end <= BASE + layout.bytes);
          const before = spans[i - 1];
          if (before !== undefined) assert.ok(before[1] <= start);
        }
        for (const slot of layout.slots) {
          for (const ring of slot.rings) assert.equal(ring.gpa % 4096, 0);
        }
      },
    ),
    { numRuns: 300 },
  );
});
