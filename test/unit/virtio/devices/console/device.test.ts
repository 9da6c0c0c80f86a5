// Console device. Spec: virtio 1.2 section 5.3.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { VIRTIO_CONSOLE_F_MULTIPORT, VIRTIO_CONSOLE_F_SIZE } from '#lkvm/abi/virtio.js';
import { ACCESS_DIRECT, ACCESS_WORD } from '#lkvm/memory/guest-memory.js';
import {
  COUNTER_BYTES,
  COUNTER_COUNT,
  COUNTER_DROPPED,
  COUNTER_FAULTS,
  COUNTER_REQUESTS,
} from '#lkvm/util/counters.js';
import { featureSet } from '#lkvm/virtio/core/features.js';
import { ConsoleDevice } from '#lkvm/virtio/devices/console/device.js';
import { CHAIN_BAD_AVAIL_IDX, CHAIN_BAD_INDEX } from '#lkvm/virtio/queue/virt-queue.js';
import { DeviceRig, type DeviceRigOptions } from '../../../../support/device-rig.js';
import { MemoryConsole } from '../../../../support/fake-backends.js';

const RX = 0;
const TX = 1;

function rig(options: Partial<DeviceRigOptions> = {}) {
  const host = new MemoryConsole();
  const counters = new Float64Array(COUNTER_COUNT);
  const device = new ConsoleDevice({ backend: host, counters, queueSizes: [128, 128] });
  return { host, counters, device, rig: new DeviceRig(device, { sizes: [128, 128], ...options }) };
}

function received(r: DeviceRig, at: number, step = 1): string {
  const parts = r
    .driver(RX)
    .takeAllUsed()
    .map((used, i) => r.driver(RX).read(at + i * step, used.written));
  return Buffer.concat(parts).toString();
}

test('console: config space → 80 columns, 24 rows, one port, 12 bytes', () => {
  const { device } = rig();
  assert.deepEqual(device.config, Uint8Array.of(80, 0, 24, 0, 1, 0, 0, 0, 0, 0, 0, 0));
  assert.deepEqual(device.features, { low: 0, high: 0 });
});

test('console: MULTIPORT asked for by a feature list → ConfigError', () => {
  const options = { backend: new MemoryConsole(), counters: new Float64Array(8), queueSizes: [128, 128] };
  const features = featureSet(VIRTIO_CONSOLE_F_MULTIPORT);
  assert.throws(() => new ConsoleDevice({ ...options, features }), { code: 'CONFIG' });
});

for (const access of [ACCESS_DIRECT, ACCESS_WORD]) {
  const pool = access === ACCESS_WORD ? 'word pool' : 'direct pool';

  test(`console (${pool}): a line in a big buffer → one chain, one interrupt`, () => {
    const { rig: r, host } = rig({ access });
    r.start();
    const at = r.offer(RX, 256);
    r.kick();
    assert.equal(r.interrupts[RX], 0, 'no interrupt without input');
    host.type('ls -l\r');
    assert.equal(received(r, at), 'ls -l\r');
    assert.equal(r.interrupts[RX], 1);
  });

  test(`console (${pool}): a line over one-byte buffers → all of them filled by one read, one interrupt`, () => {
    const { rig: r, host } = rig({ access });
    r.start();
    const at = r.memory.alloc(16);
    for (let i = 0; i < 16; i++) r.driver(RX).addChain([{ addr: at + i, len: 1, writable: true }]);
    r.driver(RX).publish();
    r.kick();
    host.type('0123456789');
    assert.equal(received(r, at), '0123456789');
    assert.equal(r.interrupts[RX], 1);
    host.type('abcdefgh');
    assert.equal(received(r, at + 10), 'abcdef');
    assert.equal(host.input.toString(), 'gh', 'the rest waits');
    const next = r.offer(RX, 8);
    r.kick();
    assert.equal(received(r, next), 'gh');
  });

  test(`console (${pool}): output in chains of several buffers → written in order, chains completed with 0`, () => {
    const { rig: r, host, counters } = rig({ access });
    r.start();
    const at = r.memory.alloc(64);
    r.driver(TX).write(at, 'hello, world\n');
    r.driver(TX).addChain([
      { addr: at, len: 5 },
      { addr: at + 5, len: 0 },
      { addr: at + 5, len: 8 },
    ]);
    r.driver(TX).publish();
    r.send(TX, 'bye\n');
    r.kick();
    assert.equal(host.output.toString(), 'hello, world\nbye\n');
    assert.deepEqual(
      r
        .driver(TX)
        .takeAllUsed()
        .map((u) => u.written),
      [0, 0],
    );
    assert.equal(r.interrupts[TX], 1);
    assert.equal(host.writes, 1, 'one write for all');
    assert.equal(counters[COUNTER_REQUESTS], 2);
    assert.equal(counters[COUNTER_BYTES], 17);
  });

  test(`console (${pool}): the host takes only some → the chain waits and goes on where it stopped`, () => {
    const { rig: r, host } = rig({ access });
    r.start();
    host.room = 4;
    r.send(TX, 'abc');
    r.send(TX, 'defgh');
    r.kick();
    assert.equal(host.output.toString(), 'abcd');
    assert.equal(r.driver(TX).takeAllUsed().length, 1, 'only the first is complete');
    r.send(TX, 'ij');
    r.kick();
    assert.equal(host.output.toString(), 'abcd');
    host.room = 100;
    assert.equal(host.listener?.outputReady(), false);
    assert.equal(host.output.toString(), 'abcdefghij');
    assert.equal(r.driver(TX).takeAllUsed().length, 2);
    assert.equal(r.interrupts[TX], 2);
  });

  test(`console (${pool}): a chain of 300 KB → written in several batches, completed once`, () => {
    const { rig: r, host } = rig({ access });
    r.start();
    const text = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i & 0xff));
    r.send(TX, text);
    r.kick();
    assert.ok(host.output.equals(text));
    assert.equal(r.driver(TX).takeAllUsed().length, 1);
  });
}

test('console: nobody takes the output → chains are completed, bytes counted as dropped', () => {
  const { rig: r, host, counters } = rig();
  r.start();
  host.discard = true;
  r.send(TX, 'lost');
  r.kick();
  assert.equal(r.driver(TX).takeAllUsed().length, 1);
  assert.equal(counters[COUNTER_DROPPED], 4);
});

test('console: input before the driver starts, and a restart in between → nothing is lost', () => {
  const { rig: r, host } = rig();
  host.type('early ');
  r.prepare();
  const at = r.offer(RX, 4);
  r.activate();
  assert.equal(received(r, at), 'earl');
  r.device.reset();
  host.type('late');
  r.prepare();
  const at2 = r.offer(RX, 64);
  r.activate();
  assert.equal(received(r, at2), 'y late');
});

test('console: reset while output waits → its memory is not read any more', () => {
  const { rig: r, host } = rig();
  r.start();
  host.room = 0;
  r.send(TX, 'old');
  r.kick();
  r.device.reset();
  host.room = 100;
  host.listener?.outputReady();
  assert.equal(host.output.toString(), '');
});

test('console: a receive chain with nothing to write to → completed with 0, counted, the next is used', () => {
  const { rig: r, host, counters } = rig();
  r.start();
  r.send(RX, 'readable only');
  const at = r.offer(RX, 8);
  host.type('x');
  r.kick();
  const used = r.driver(RX).takeAllUsed();
  assert.deepEqual(
    used.map((u) => u.written),
    [0, 1],
  );
  assert.deepEqual(r.driver(RX).read(at, 1), Uint8Array.of(0x78));
  assert.equal(counters[COUNTER_FAULTS], 1);
});

test('console: output in front of a broken chain → written, then the transport is told', () => {
  const { rig: r, host } = rig();
  r.start();
  r.send(TX, 'last words');
  r.driver(TX).pokeAvail(1, 4711);
  r.driver(TX).pokeAvailIdx(2);
  r.kick();
  assert.equal(host.output.toString(), 'last words');
  assert.deepEqual(r.faults, [{ queue: TX, code: CHAIN_BAD_INDEX }]);
});

test('console: avail.idx of the receive queue jumps → the transport is told, input is kept for the next start', () => {
  const { rig: r, host } = rig();
  r.start();
  r.driver(RX).pokeAvailIdx(1000);
  host.type('abc');
  r.kick();
  assert.deepEqual(r.faults, [{ queue: RX, code: CHAIN_BAD_AVAIL_IDX }]);
  assert.equal(host.input.toString(), 'abc');
});

test('console: only one queue set up → the other one is simply not there', () => {
  const { device, host, rig: r } = rig();
  r.prepare();
  device.activate({
    queues: [undefined, undefined],
    features: featureSet(),
    memory: r.memory.memory,
    notifier: r,
  });
  host.type('abc');
  assert.equal(device.processQueue(RX), false);
  assert.equal(device.processQueue(TX), false);
  assert.equal(device.processQueue(7), false);
});

test('console: resize → config changed, announced only if SIZE was negotiated', () => {
  const without = rig();
  without.rig.start();
  without.device.resize(100, 40);
  assert.equal(without.rig.configChanges, 0);
  assert.deepEqual(without.device.config.subarray(0, 4), Uint8Array.of(100, 0, 40, 0));
  const withSize = rig({ features: featureSet(VIRTIO_CONSOLE_F_SIZE) });
  withSize.rig.start();
  withSize.device.resize(100, 40);
  assert.equal(withSize.rig.configChanges, 1);
});

test('console: resize to the size it has → nothing', () => {
  const r = rig({ features: featureSet(VIRTIO_CONSOLE_F_SIZE) });
  r.rig.start();
  r.device.resize(80, 24);
  assert.equal(r.rig.configChanges, 0);
});

test('console: resize before the driver is there → told when one starts that negotiated SIZE', () => {
  const { device, rig: r } = rig({ features: featureSet(VIRTIO_CONSOLE_F_SIZE) });
  device.resize(100, 40);
  assert.equal(r.configChanges, 0);
  r.start();
  assert.equal(r.configChanges, 1);
});

test('console: the first input after a start → the size is told once more, if SIZE was negotiated', () => {
  for (const [features, times] of [
    [featureSet(VIRTIO_CONSOLE_F_SIZE), 1],
    [featureSet(), 0],
  ] as const) {
    const { host, rig: r } = rig({ features });
    r.start();
    r.offer(RX, 256);
    r.offer(RX, 256);
    r.kick();
    assert.equal(r.configChanges, 0);
    host.type('a');
    host.type('b');
    assert.equal(r.configChanges, times);
  }
});

test('console: any input over any buffers, typed and posted in any order → the same bytes in the same order', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('type' as const), n: fc.integer({ min: 1, max: 40 }) }),
    fc.record({ kind: fc.constant('post' as const), n: fc.integer({ min: 1, max: 9 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, word) => {
      const { rig: r, host } = rig({ access: word ? ACCESS_WORD : ACCESS_DIRECT, bytes: 0x2_0000 });
      r.start();
      const sent: number[] = [];
      const got: number[] = [];
      const posted = new Map<number, number>();
      for (const { kind, n } of steps) {
        if (kind === 'type') {
          const bytes = Array.from({ length: n }, (_, i) => (sent.length + i) & 0xff);
          sent.push(...bytes);
          host.type(Uint8Array.from(bytes));
        } else {
          const addr = r.memory.alloc(n);
          posted.set(r.driver(RX).addChain([{ addr, len: n, writable: true }]), addr);
          r.driver(RX).publish();
          r.kick();
        }
        for (const used of r.driver(RX).takeAllUsed()) {
          got.push(...r.driver(RX).read(posted.get(used.head) ?? 0, used.written));
        }
      }
      assert.deepEqual(got, sent.slice(0, got.length));
      assert.equal(got.length + host.input.length, sent.length);
    }),
    { numRuns: 60 },
  );
});
