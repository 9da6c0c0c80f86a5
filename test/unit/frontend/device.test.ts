// The driver side's start, restart and static attachment against the real transport.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  HVLS_ATTACH_OFF,
  HVLS_EPOCH_OFF,
  HVLS_QUEUE_NUM_OFF,
  HVLS_QUEUE_OFF,
  VIRTIO_MMIO_INTERRUPT_STATUS,
  VIRTIO_MMIO_MAGIC_VALUE,
  VIRTIO_MMIO_QUEUE_PFN,
  VIRTIO_MMIO_SHM_BASE_LOW,
  VIRTIO_MMIO_SHM_LEN_LOW,
  VIRTIO_MMIO_STATUS,
} from '#lkvm/abi/hvl.js';
import { VIRTIO_ID_ENTROPY, VIRTIO_ID_NET } from '#lkvm/abi/virtio.js';
import type { FrontEnd } from '#lkvm/frontend/front-end.js';
import { NetDriver } from '#lkvm/frontend/net.js';
import { RngDriver } from '#lkvm/frontend/rng.js';
import { ACCESS_DIRECT, ACCESS_WORD } from '#lkvm/memory/guest-memory.js';
import { netDevice, rngDevice } from '../../support/front-end-devices.js';
import { FrontEndRig } from '../../support/front-end-rig.js';
import { POOL_BASE } from '../../support/hvl-bench.js';

const HVLS_FIRST_QUEUE_SIZE = HVLS_QUEUE_OFF + HVLS_QUEUE_NUM_OFF;

interface RigOptions {
  readonly withDtb?: boolean;
  readonly fixed?: boolean;
  readonly access?: number;
}

function rigOf({ withDtb = true, fixed = false, access = ACCESS_DIRECT }: RigOptions = {}): FrontEndRig {
  const devices = [rngDevice(), netDevice()].map((device) => ({ device, static: fixed }));
  return new FrontEndRig({ devices, withDtb, access });
}

const BULK = { bulk: false, offloads: false };

function startAll(frontEnd: FrontEnd): { rng: RngDriver; net: NetDriver } {
  const [rng] = frontEnd.ofType(VIRTIO_ID_ENTROPY);
  const [net] = frontEnd.ofType(VIRTIO_ID_NET);
  if (rng === undefined || net === undefined) throw new Error('devices are missing');
  return { rng: new RngDriver(rng), net: new NetDriver(net, BULK) };
}

/** Draws until every byte was non-zero once: memory that nobody fills would stay zero. */
function assertDraws(rng: RngDriver): void {
  const seen = new Uint8Array(64);
  const draw = new Uint8Array(64);
  for (let i = 0; i < 20; i++) {
    rng.fill(draw, 0, draw.length);
    for (const [k, byte] of draw.entries()) seen[k] = (seen[k] ?? 0) | byte;
  }
  assert.ok(seen.every((byte) => byte !== 0));
}

for (const withDtb of [true, false]) {
  for (const fixed of [false, true]) {
    for (const access of [ACCESS_DIRECT, ACCESS_WORD]) {
      const kind = `${withDtb ? 'device tree' : 'blocks'}, ${fixed ? 'static' : 'handshake'}, access kind ${access}`;
      test(`FrontEnd: ${kind} → devices found, started, working`, () => {
        using rig = rigOf({ withDtb, fixed, access });
        const frontEnd = rig.attach();
        assert.equal(frontEnd.discovery.pool.base, POOL_BASE);
        assert.equal(frontEnd.discovery.withDtb, withDtb);
        const { rng, net } = startAll(frontEnd);
        assert.equal(rng.device.attachedStatic, fixed);
        assertDraws(rng);
        assert.deepEqual([...net.mac], [0x02, 0x15, 0x15, 0x15, 0x15, 0x15]);
        assert.deepEqual(rig.bench.events.toSorted(), ['started 0', 'started 1']);
        assert.equal(frontEnd.alive(), true);
      });
    }
  }
}

for (const mixed of [false, true]) {
  const how = mixed ? 'one of them started by handshake' : 'all of them';
  test(`FrontEnd: blocks, static, ${how} → one arena, and no two devices the same memory`, () => {
    using rig = rigOf({ withDtb: false, fixed: true });
    const frontEnd = rig.attach();
    if (mixed) frontEnd.devices[0]?.registers.store(HVLS_FIRST_QUEUE_SIZE, 3);
    const { rng, net } = startAll(frontEnd);
    assert.equal(rng.device.attachedStatic, !mixed);
    const pieces = [rng, net].flatMap(({ device }) => {
      const buffer = device.memory.alloc('test', 4096, 4096);
      return [...device.queues.map((queue) => queue.ring), buffer];
    });
    pieces.push(net.rx.slots, net.tx.slots);
    pieces.sort((a, b) => a.offset - b.offset);
    for (const [i, piece] of pieces.entries()) {
      assert.ok(
        piece.offset >= (pieces[i - 1]?.offset ?? 0x1000) + (pieces[i - 1]?.bytes ?? 0),
        `piece ${i}`,
      );
    }
  });
}

test('Device: static and fresh → attached without waiting for anything', () => {
  using rig = rigOf({ fixed: true });
  const frontEnd = rig.attach();
  rig.waitUntil = () => assert.fail('waited');
  startAll(frontEnd);
  rig.settle();
  assert.deepEqual(rig.bench.events.toSorted(), ['started 0', 'started 1']);
});

test('Device: static offered, handshake forced → started by handshake', () => {
  using rig = rigOf({ fixed: true });
  const { rng } = startAll(rig.attach({ forceHandshake: true }));
  assert.equal(rng.device.attachedStatic, false);
  assertDraws(rng);
});

for (const fixed of [false, true]) {
  test(`FrontEnd: ${fixed ? 'static' : 'handshake'}, left and started again, five times → works each time`, () => {
    using rig = rigOf({ fixed });
    for (let i = 0; i < 5; i++) {
      const frontEnd = rig.attach();
      assert.deepEqual(frontEnd.unconfirmed, []);
      assertDraws(startAll(frontEnd).rng);
      if (i % 2 === 0) frontEnd.close();
    }
  });
}

test('FrontEnd: static, then handshake, then static → works each time', () => {
  using rig = rigOf({ fixed: true });
  for (const forceHandshake of [false, true, false]) {
    const frontEnd = rig.attach({ forceHandshake });
    assert.deepEqual(frontEnd.unconfirmed, []);
    const { rng } = startAll(frontEnd);
    assert.equal(rng.device.attachedStatic, !forceHandshake);
    assertDraws(rng);
  }
});

class Died extends Error {}

const STEPS = ['discovered', 'reset', 'acknowledge', 'driver', 'features', 'queue0', 'queue1', 'driver-ok'];

for (const withDtb of [true, false]) {
  for (const step of STEPS) {
    for (const quiet of [false, true]) {
      const how = quiet ? 'its last doorbell lost' : 'all its doorbells delivered';
      test(`FrontEnd: ${withDtb ? 'device tree' : 'blocks'}, dies after ${step} with ${how} → the next one works`, () => {
        using rig = rigOf({ withDtb });
        assertDraws(startAll(rig.attach()).rng);
        const die = (name: string) => {
          if (name !== step) return;
          if (!quiet) rig.settle();
          throw new Died();
        };
        assert.throws(() => startAll(rig.attach({ step: die })), Died);
        const { rng, net } = startAll(rig.attach());
        assertDraws(rng);
        assert.equal(net.send(new Uint8Array(60), 60), true);
        rig.settle();
        net.collect();
        assert.equal(net.tx.queue.inFlight, 0);
      });
    }
  }
}

for (const step of ['static', 'attach']) {
  for (const quiet of [false, true]) {
    test(`FrontEnd: dies after ${step}${quiet ? ', unseen' : ''} → the next one attaches and works`, () => {
      using rig = rigOf({ fixed: true });
      const die = (name: string) => {
        if (name !== step) return;
        if (!quiet) rig.settle();
        throw new Died();
      };
      assert.throws(() => startAll(rig.attach({ step: die })), Died);
      assertDraws(startAll(rig.attach()).rng);
    });
  }
}

test('FrontEnd: a device still runs for a dead driver → it is stopped before memory is given out', () => {
  using rig = rigOf();
  startAll(rig.attach());
  rig.settle();
  const frontEnd = rig.attach();
  assert.deepEqual(rig.bench.events.slice(2).toSorted(), ['reset 0', 'reset 1']);
  assert.ok(frontEnd.devices.every((device) => device.registers.load(VIRTIO_MMIO_STATUS) === 0));
});

test('Device: the PMM does not answer → HandshakeError after the time given, and ringing went on meanwhile', () => {
  using rig = rigOf();
  const frontEnd = rig.attach({ timing: { answerMs: 400, resetMs: 100, againMs: 100 } });
  rig.connected = false;
  rig.bench.loop.us = 0;
  const waits: number[] = [];
  const { waitUntil } = rig;
  rig.waitUntil = (condition, ms) => {
    waits.push(ms);
    return waitUntil.call(rig, condition, ms);
  };
  rig.bench.look = () => false; // nor does it look by itself
  let rings = 0;
  const { ring } = rig;
  rig.ring = () => {
    rings++;
    ring.call(rig);
  };
  assert.throws(() => startAll(frontEnd), {
    code: 'HANDSHAKE',
    message: /queue 0 .* not acknowledged within 400 ms/,
  });
  assert.deepEqual(waits, [100, 100, 100, 100]);
  assert.equal(rings, 3 + 4, 'STATUS twice, features, and the queue four times');
});

test('Device: STATUS is wiped during the handshake → HandshakeError at once', () => {
  using rig = rigOf();
  const frontEnd = rig.attach({
    step: (name) => {
      if (name !== 'features') return;
      rig.connected = false;
      frontEnd.devices[0]?.registers.store(VIRTIO_MMIO_STATUS, 0);
    },
  });
  rig.bench.look = () => false;
  const { us } = rig.bench.loop;
  assert.throws(() => startAll(frontEnd), { code: 'HANDSHAKE', message: /started anew/ });
  assert.equal(rig.bench.loop.us, us, 'no time has passed');
});

test('FrontEnd: a doorbell is lost during the start → the next ring is not', () => {
  using rig = rigOf();
  const frontEnd = rig.attach();
  let losses = 0;
  const { ring } = rig.bench;
  rig.bench.ring = () => {
    if (losses++ % 2 === 1) ring.call(rig.bench);
  };
  assertDraws(startAll(frontEnd).rng);
});

test('FrontEnd: the pool is wiped under running devices → not alive', () => {
  for (const fixed of [false, true]) {
    using rig = rigOf({ fixed });
    const frontEnd = rig.attach();
    startAll(frontEnd);
    assert.equal(frontEnd.alive(), true);
    rig.bench.pool.fill(0);
    assert.equal(frontEnd.alive(), false);
  }
});

test('Device: static epoch changed → not alive, although STATUS still looks right', () => {
  using rig = rigOf({ fixed: true });
  const frontEnd = rig.attach();
  const { rng } = startAll(frontEnd);
  rng.device.registers.store(HVLS_EPOCH_OFF, rng.device.registers.load(HVLS_EPOCH_OFF) ^ 1);
  assert.equal(frontEnd.alive(), false);
});

test('Device: interrupts → each is acknowledged, and a quiet pool stays quiet', () => {
  using rig = rigOf();
  const { rng } = startAll(rig.attach());
  assertDraws(rng);
  rig.settle();
  const { doorbells, interrupts } = rig.bench;
  for (let i = 0; i < 20; i++) {
    rig.bench.loop.advance(100_000);
    rig.bench.look();
    rig.settle();
  }
  assert.deepEqual([rig.bench.doorbells, rig.bench.interrupts], [doorbells, interrupts]);
  assert.equal(rng.device.registers.load(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
  assert.ok(rng.device.interrupts > 0);
});

test('FrontEnd: nothing, junk, or half of something in the pool → DiscoveryError, no other exception', () => {
  using rig = rigOf();
  const good = Uint8Array.from(rig.bench.pool.subarray(0, 0x20000));
  const spoil: [string, () => void][] = [
    ['empty', () => rig.bench.pool.fill(0)],
    ['no block behind the tree', () => rig.bench.pool.fill(0, 0x10000, 0x10200)],
    ['tree of ones', () => rig.bench.pool.fill(0xff, 4, 0x10000)],
    ['tree of zeros', () => rig.bench.pool.fill(0, 4, 0x10000)],
    ['version 2', () => rig.bench.pool.fill(2, 0x10004, 0x10005)],
    ['region outside', () => rig.bench.pool.fill(0x7f, 0x100b8, 0x100bc)],
    ['region of size 0', () => rig.bench.pool.fill(0, 0x100b0, 0x100b8)],
    [
      'only a magic',
      () => {
        rig.bench.pool.fill(0);
        rig.bench.pool.set(good.subarray(0x10000, 0x10004), VIRTIO_MMIO_MAGIC_VALUE);
      },
    ],
  ];
  for (const [name, damage] of spoil) {
    rig.bench.pool.set(good);
    damage();
    assert.throws(() => rig.attach(), { code: 'DISCOVERY' }, name);
  }
  rig.bench.pool.set(good);
  assert.equal(rig.attach().devices.length, 2);
});

test('FrontEnd: blocks that publish their own share, as the original PMM does → the whole mapping is used', () => {
  using rig = rigOf({ withDtb: false });
  for (const [i, [base, length]] of [
    [POOL_BASE, 0x6000],
    [POOL_BASE + 0x6000, 0x80000],
  ].entries()) {
    const block = new DataView(rig.bench.pool.buffer, i * 0x200);
    block.setUint32(VIRTIO_MMIO_SHM_BASE_LOW, base ?? 0, true);
    block.setUint32(VIRTIO_MMIO_SHM_LEN_LOW, length ?? 0, true);
  }
  const frontEnd = rig.attach();
  assert.equal(frontEnd.discovery.pool.bytes, rig.bench.pool.length);
  assertDraws(startAll(frontEnd).rng);
});

test('FrontEnd: address and size given → they count, not what the pool says', () => {
  using rig = rigOf();
  const frontEnd = rig.attach({ bytes: 0x10_0000 });
  assert.equal(frontEnd.discovery.pool.bytes, 0x10_0000);
  assert.equal(frontEnd.discovery.tail + frontEnd.discovery.tailBytes, 0x10_0000);
  assert.throws(() => rig.attach({ base: 0x1000_0000 }), { code: 'DISCOVERY' });
});

test('Device: a stale request of a dead driver lies in QUEUE_PFN → cleared before the new queue is named', () => {
  using rig = rigOf();
  const die = (name: string) => {
    if (name === 'queue0') throw new Died();
  };
  assert.throws(() => startAll(rig.attach({ step: die })), Died);
  const requests: (number | undefined)[] = [];
  const frontEnd = rig.attach({
    step: (name) => {
      if (name === 'acknowledge') requests.push(frontEnd.devices[0]?.registers.load(VIRTIO_MMIO_QUEUE_PFN));
    },
  });
  assertDraws(startAll(frontEnd).rng);
  assert.equal(requests[0], 0);
});

test('Device: static rings that make no sense → the handshake is used instead', () => {
  using rig = rigOf({ fixed: true });
  const frontEnd = rig.attach();
  const { registers } = frontEnd.devices[0] ?? assert.fail();
  registers.store(HVLS_FIRST_QUEUE_SIZE, 3);
  const { rng } = startAll(frontEnd);
  assert.equal(rng.device.attachedStatic, false);
  assert.equal(registers.load(HVLS_ATTACH_OFF), 0);
});
