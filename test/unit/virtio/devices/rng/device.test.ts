// Entropy device. Spec: virtio 1.2 section 5.4; protocol: a request is filled completely and never completed with 0.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ACCESS_DIRECT, ACCESS_WORD } from '#lkvm/memory/guest-memory.js';
import { COUNTER_BYTES, COUNTER_COUNT, COUNTER_FAULTS, COUNTER_REQUESTS } from '#lkvm/util/counters.js';
import { featureSet } from '#lkvm/virtio/core/features.js';
import { RngDevice } from '#lkvm/virtio/devices/rng/device.js';
import { CHAIN_BAD_INDEX, CHAIN_LOOP } from '#lkvm/virtio/queue/virt-queue.js';
import { DeviceRig, type DeviceRigOptions } from '../../../../support/device-rig.js';
import { CountingSource } from '../../../../support/fake-backends.js';

function rig(options: Partial<DeviceRigOptions> = {}) {
  const source = new CountingSource();
  const device = new RngDevice({ source, counters: new Float64Array(COUNTER_COUNT), queueSizes: [128] });
  const all = new DeviceRig(device, { sizes: [128], ...options });
  return { source, device, rig: all };
}

function counted(bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => 1 + (i % 255));
}

for (const access of [ACCESS_DIRECT, ACCESS_WORD]) {
  const pool = access === ACCESS_WORD ? 'word pool' : 'direct pool';

  test(`rng (${pool}): one buffer → filled completely, one interrupt`, () => {
    const { rig: r, device } = rig({ access });
    r.start();
    const at = r.offer(0, 1001);
    r.kick();
    assert.deepEqual(r.driver(0).takeAllUsed(), [{ head: 0, written: 1001 }]);
    assert.deepEqual(r.driver(0).read(at, 1001), counted(1001));
    assert.equal(r.interrupts[0], 1);
    assert.equal(device.counters[COUNTER_REQUESTS], 1);
    assert.equal(device.counters[COUNTER_BYTES], 1001);
  });

  test(`rng (${pool}): the source gives 7 bytes per call → all of a chain of odd buffers is filled in order`, () => {
    const { rig: r, source } = rig({ access });
    source.perCall = 7;
    r.start();
    const at = r.memory.alloc(200);
    const buffers = [
      { addr: at, len: 33, writable: true },
      { addr: at + 33, len: 0, writable: true },
      { addr: at + 33, len: 1, writable: true },
      { addr: at + 34, len: 90, writable: true },
    ];
    r.driver(0).addChain(buffers);
    r.driver(0).publish();
    r.kick();
    assert.equal(r.driver(0).takeUsed()?.written, 124);
    assert.deepEqual(r.driver(0).read(at, 125), Uint8Array.of(...counted(124), 0));
  });
}

test('rng: a feature list with anything but ring features → ConfigError', () => {
  const options = {
    source: new CountingSource(),
    counters: new Float64Array(COUNTER_COUNT),
    queueSizes: [128],
  };
  assert.throws(() => new RngDevice({ ...options, features: featureSet(0) }), {
    code: 'CONFIG',
    message: /rng.* 0 /,
  });
  const ring = featureSet(28, 29);
  assert.deepEqual(new RngDevice({ ...options, features: ring }).features, ring);
});

test('rng: a request far longer than the budget of a round → filled over several rounds', () => {
  const { rig: r, source } = rig({ bytes: 0x20_0000 });
  r.start();
  const at = r.offer(0, 0x10_0000);
  assert.equal(r.pass(), true);
  assert.ok(source.total > 0 && source.total < 0x10_0000, 'some, not all');
  assert.equal(r.driver(0).takeUsed(), undefined);
  r.kick();
  assert.equal(r.driver(0).takeUsed()?.written, 0x10_0000);
  assert.deepEqual(r.driver(0).read(at, 0x10_0000), counted(0x10_0000));
});

test('rng: the kernel has no entropy yet → the request waits, other passes do not lose it, then it is filled', () => {
  const { rig: r, source } = rig();
  r.start();
  source.dry = true;
  r.offer(0, 16);
  assert.equal(r.pass(), false);
  assert.equal(r.pass(), false);
  assert.equal(r.driver(0).takeUsed(), undefined);
  source.dry = false;
  assert.equal(source.listener?.entropyReady(), false);
  assert.equal(r.driver(0).takeUsed()?.written, 16);
  assert.equal(r.interrupts[0], 1);
});

test('rng: reset while a request waits → its memory is not touched any more; a new start works', () => {
  const { rig: r, source } = rig();
  r.start();
  source.dry = true;
  const at = r.offer(0, 16);
  r.pass();
  r.device.reset();
  source.dry = false;
  source.listener?.entropyReady();
  assert.deepEqual(r.driver(0).read(at, 16), new Uint8Array(16));
  r.start();
  r.offer(0, 16);
  r.kick();
  assert.equal(r.driver(0).takeUsed()?.written, 16);
});

test('rng: nothing to write to (length 0, or only a readable buffer) → completed with 0, counted as a fault', () => {
  const { rig: r, device } = rig();
  r.start();
  r.offer(0, 0);
  r.send(0, 'abc');
  r.kick();
  assert.deepEqual(
    r
      .driver(0)
      .takeAllUsed()
      .map((u) => u.written),
    [0, 0],
  );
  assert.equal(device.counters[COUNTER_FAULTS], 2);
});

test('rng: readable buffers in front of the writable ones → only the writable ones are filled', () => {
  const { rig: r } = rig();
  r.start();
  const at = r.memory.alloc(64);
  r.driver(0).addChain([
    { addr: at, len: 16 },
    { addr: at + 16, len: 16 },
    { addr: at + 32, len: 20, writable: true },
  ]);
  r.driver(0).publish();
  r.kick();
  assert.deepEqual(r.driver(0).takeAllUsed(), [{ head: 0, written: 20 }]);
  assert.deepEqual(r.driver(0).read(at, 52), Uint8Array.of(...new Uint8Array(32), ...counted(20)));
});

test('rng: a buffer outside the memory → completed with 0 and counted, the next request is served', () => {
  const { rig: r, device } = rig();
  r.start();
  r.driver(0).addChain([{ addr: r.memory.gpa + r.memory.bytes - 8, len: 16, writable: true }]);
  r.offer(0, 16);
  r.kick();
  assert.deepEqual(
    r
      .driver(0)
      .takeAllUsed()
      .map((u) => u.written),
    [0, 16],
  );
  assert.equal(device.counters[COUNTER_FAULTS], 1);
});

for (const [what, code, poke] of [
  ['head outside the table', CHAIN_BAD_INDEX, (r: DeviceRig) => r.driver(0).pokeAvailable(128)],
  [
    'a chain that loops',
    CHAIN_LOOP,
    (r: DeviceRig) => {
      r.driver(0).pokeDescriptor(0, r.memory.gpa, 1, 3, 0);
      r.driver(0).pokeAvailable(0);
    },
  ],
] as const) {
  test(`rng: ${what} → the transport is told once, the device stays stopped`, () => {
    const { rig: r } = rig();
    r.start();
    poke(r);
    r.kick();
    r.kick();
    assert.deepEqual(r.faults, [{ queue: 0, code }]);
  });
}

test('rng: 70,000 requests on one start → the ring indices wrap and every request is served', () => {
  const { rig: r } = rig();
  r.start();
  const addr = r.memory.alloc(4);
  for (let i = 0; i < 70_000; i++) {
    r.driver(0).addChain([{ addr, len: 4, writable: true }]);
    r.driver(0).publish();
    r.pass();
    if (r.driver(0).takeUsed()?.written !== 4) assert.fail(`request ${i}`);
  }
});
