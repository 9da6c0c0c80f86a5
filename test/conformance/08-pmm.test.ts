// The protocol's conformance list against a whole PMM: pool file, doorbell socket, reactor thread, real devices.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createPmm } from '#lkvm/pmm/create-pmm.js';
import type { PmmDeviceOptions } from '#lkvm/pmm/options.js';
import { ConfigError } from '#lkvm/util/errors.js';
import { GENERATIONS, type Generation, MAGIC, R, STEPS } from '../support/hvl-driver.js';
import { block, PMM_BASE, PmmRig, type PmmRigOptions } from '../support/hvl-pmm.js';
import type { HvlRing } from '../support/hvl-ring.js';
import { tempDir } from '../support/temp.js';

const RINGS = PMM_BASE + 0x10_0000;
const BUFFERS = PMM_BASE + 0x18_0000;
const RNG = 1;
const NET = 2;
const CONSOLE = 3;
const MAC = [0x02, 0x15, 0x15, 0x15, 0x15, 0x15];
const F_MAC = 1 << 5;

/** 9p, rng, net, console: in this order they get the slots 0 to 3. */
function allDevices(share: string): readonly PmmDeviceOptions[] {
  return [
    { type: '9p', directory: share, tag: 'host', readOnly: true },
    { type: 'rng' },
    { type: 'net' },
    { type: 'console' },
  ];
}

async function startRig(t: TestContext, more: Partial<PmmRigOptions> = {}): Promise<PmmRig> {
  return await PmmRig.start(t, { devices: allDevices(tempDir(t)), ...more });
}

function ringsOf(slot: number, which = 0) {
  const at = RINGS + slot * 0x1_0000 + which * 0x8000;
  return [
    { at, size: 4 },
    { at: at + 0x4000, size: 4 },
  ];
}

/** Asks for entropy and checks that it comes. */
function assertEntropy(rig: PmmRig): void {
  const driver = rig.drivers[RNG];
  const ring = driver?.rings[0] as HvlRing;
  rig.pool.fill(0, BUFFERS - PMM_BASE, BUFFERS - PMM_BASE + 64);
  const head = ring.add({ addr: BUFFERS, len: 64, writable: true });
  driver?.kick(0);
  const used: unknown[] = [];
  assert.ok(
    rig.until(() => {
      used.push(...ring.takeAll());
      return used.length > 0;
    }),
  );
  assert.deepEqual(used, [{ head, len: 64 }]);
  assert.ok(rig.bytesAt(BUFFERS, 64).some((byte) => byte !== 0));
}

function startRng(rig: PmmRig, generation: Generation, which = 0): void {
  const driver = rig.driver(RNG, generation, ringsOf(RNG, which).slice(0, 1));
  assert.ok(driver.start(), `generation ${generation} starts`);
}

for (const withDtb of [false, true]) {
  test(`MUST 1: PMM over a file full of rubbish, ${withDtb ? 'with' : 'without'} a device tree → zero outside what is published`, async (t) => {
    const rig = await startRig(t, { withDtb, contents: Buffer.alloc(0x20_0000, 0xaa) });
    const { slots } = rig.pmm.layout;
    const published = slots.map((slot) => [slot.block, slot.block + 0x200] as const);
    if (withDtb) published.push([PMM_BASE, PMM_BASE + 0x1_0000]);
    const copy = rig.pool.slice();
    for (const [start, end] of published) copy.fill(0, start - PMM_BASE, end - PMM_BASE);
    assert.ok(copy.every((byte) => byte === 0));
    for (const slot of slots) {
      assert.equal(new DataView(rig.pool.buffer).getUint32(slot.block - PMM_BASE, true), MAGIC);
    }
  });
}

test('MUST 2: regions larger than the pool → ConfigError; the file is as it was', async (t) => {
  const folder = tempDir(t);
  const path = join(folder, 'pool');
  writeFileSync(path, Buffer.alloc(0x2_0000, 0xaa));
  await assert.rejects(
    createPmm({
      shmem: { address: PMM_BASE, bytes: 0x2_0000 },
      pool: { kind: 'file', path },
      notify: { kind: 'socket', path: join(folder, 'bell') },
      devices: allDevices(folder),
    }),
    (error: unknown) => error instanceof ConfigError && /too small by \d+ bytes/.test(error.message),
  );
  assert.ok(readFileSync(path).every((byte) => byte === 0xaa));
});

test('MUST 14, 28: every generation of entropy driver dies after each step → the next one starts over the socket', async (t) => {
  const rig = await startRig(t);
  for (const generation of GENERATIONS) {
    for (const step of STEPS.filter((each) => !each.endsWith('1'))) {
      const dying = rig.driver(RNG, generation, ringsOf(RNG).slice(0, 1));
      assert.ok(dying.start(step));
      // The reset of a processor takes longer than our answer to what it asked last.
      if (step === 'pfn-0') assert.ok(rig.until(() => dying.isAcked));
      if (step === 'driver-ok') assert.ok(rig.until(() => dying.read(R.QUEUE_PFN) === 0));
      startRng(rig, GENERATIONS[(generation + 1) % 4] as Generation, step.length % 2);
      assertEntropy(rig);
    }
  }
});

test('MUST 8, 40: the NIC without a device tree → its MAC can be read, and the gateway answers', async (t) => {
  for (const generation of [0, 3] as const) {
    const rig = await startRig(t, { poll: 'adaptive' });
    const driver = rig.driver(NET, generation, ringsOf(NET), { features: F_MAC });
    assert.ok(driver.start());
    assert.deepEqual(
      [0, 1, 2, 3, 4, 5].map((i) => driver.configByte(i)),
      MAC,
    );
    const receive = driver.rings[0] as HvlRing;
    receive.add({ addr: BUFFERS + 0x1000, len: 1510, writable: true });
    driver.kick(0);
    const frame = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, ...MAC, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1];
    frame.push(...MAC, 192, 168, 33, 15, 0, 0, 0, 0, 0, 0, 192, 168, 33, 1);
    rig.pool.set([...new Uint8Array(10), ...frame], BUFFERS - PMM_BASE);
    driver.rings[1]?.add({ addr: BUFFERS, len: 10 + frame.length });
    driver.kick(1);
    assert.ok(rig.until(() => receive.usedIdx === 1));
    assert.deepEqual([...rig.bytesAt(BUFFERS + 0x1000 + 10, 6)], MAC);
  }
});

test('MUST 47: rng, net and console running without traffic → nothing is signalled for 3 s', async (t) => {
  const rig = await startRig(t);
  startRng(rig, 2);
  assert.ok(rig.driver(NET, 3, ringsOf(NET), { features: F_MAC }).start());
  assert.ok(rig.driver(CONSOLE, 3, ringsOf(CONSOLE)).start());
  assertEntropy(rig);
  // The last acknowledge may still be under way.
  rig.until(() => rig.drivers.every((driver) => driver.read(R.INTERRUPT_ACK) === 0));
  block(200);
  while (rig.serve() > 0);
  const before = rig.pmm.counters().map(({ interrupts, doorbells }) => [interrupts, doorbells]);
  await sleep(3000);
  assert.equal(rig.serve(), 0);
  assert.deepEqual(
    rig.pmm.counters().map(({ interrupts, doorbells }) => [interrupts, doorbells]),
    before,
  );
});

test('MUST 51: the peer closes the line at any moment and comes back → running devices go on, work is found', async (t) => {
  const rig = await startRig(t);
  startRng(rig, 3);
  assertEntropy(rig);
  for (let i = 0; i < 5; i++) {
    rig.disconnect();
    const ring = rig.drivers[RNG]?.rings[0] as HvlRing;
    ring.add({ addr: BUFFERS, len: 64, writable: true });
    rig.connect(); // no doorbell: connecting is one
    assert.ok(rig.until(() => ring.takeAll().length === 1));
  }
  rig.disconnect();
  rig.connect();
  startRng(rig, 0);
  assertEntropy(rig);
  assert.equal(rig.pmm.counters()[RNG]?.starts, 2);
});

test('MUST 52: a pool that is a UIO map (access kind word) → entropy, network and console work', async (t) => {
  const rig = await startRig(t, { word: true });
  for (const generation of GENERATIONS) {
    startRng(rig, generation);
    assertEntropy(rig);
  }
  const driver = rig.driver(CONSOLE, 3, ringsOf(CONSOLE));
  assert.ok(driver.start());
  const said: Buffer[] = [];
  rig.pmm.console?.on('data', (data: Buffer) => said.push(data));
  rig.pool.set(Buffer.from('word by word'), BUFFERS + 1 - PMM_BASE);
  driver.rings[1]?.add({ addr: BUFFERS + 1, len: 12 });
  driver.kick(1);
  for (let i = 0; i < 1000 && Buffer.concat(said).length < 12; i++) await sleep(10);
  assert.equal(Buffer.concat(said).toString(), 'word by word');
});

test('a device whose ring is broken → "fault" is reported, the others go on, a restart recovers', async (t) => {
  const rig = await startRig(t);
  startRng(rig, 3);
  const net = rig.driver(NET, 3, ringsOf(NET), { features: F_MAC });
  assert.ok(net.start());
  net.rings[1]?.available(77);
  net.kick(1);
  for (let i = 0; i < 1000 && !rig.events.includes(`fault ${NET}`); i++) await sleep(10);
  assert.ok(rig.events.includes(`fault ${NET}`));
  assertEntropy(rig);
  assert.ok(rig.driver(NET, 3, ringsOf(NET, 1), { features: F_MAC }).start());
});

test('--poll spin and a driver that never rings → started and served by looking alone', async (t) => {
  const rig = await startRig(t, { poll: 'spin' });
  const driver = rig.driver(RNG, 3, ringsOf(RNG).slice(0, 1), { doorbell: () => {} });
  assert.ok(driver.start());
  assert.ok(
    rig.until(() => driver.read(R.QUEUE_PFN) === 0),
    'DRIVER_OK was seen',
  );
  for (let i = 0; i < 200; i++) assertEntropy(rig);
});
