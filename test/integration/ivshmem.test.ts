// The PMM joined to real QEMU machines by ivshmem: memory and doorbells over QEMU's own device, and a bare-metal front end
// in the machine that sleeps until each interrupt comes.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError, createPmm, type Pmm, type PmmOptions, StartError } from '#lkvm/index.js';
import { buildImage } from '../support/bare-image.js';
import { collectLog } from '../support/doorbell-rig.js';
import { openFds } from '../support/ivshmem.js';
import { TestIvshmemServer } from '../support/ivshmem-server.js';
import { bootIvshmemImage, skipWithoutQemu } from '../support/qemu.js';
import { tempDir } from '../support/temp.js';

const TIMEOUT = { timeout: 240_000 };
const OPTIONS = { ...TIMEOUT, skip: skipWithoutQemu() };
const REQUESTS = 100;

function options(socket: string, more: Partial<PmmOptions> = {}): PmmOptions {
  return {
    shmem: { address: 0xd400_0000, bytes: 16 << 20 },
    pool: { kind: 'ivshmem-server', path: socket },
    devices: [{ type: 'rng' }],
    ...more,
  };
}

async function startPmm(t: TestContext, more: Partial<PmmOptions> = {}) {
  const folder = tempDir(t);
  const socket = join(folder, 'server');
  const log = collectLog();
  const pmm = await createPmm(options(socket, more), { log });
  t.after(() => pmm.stop());
  return { pmm, log, socket, image: buildImage(folder, 'ivshmem') };
}

function requestsOf(pmm: Pmm): number {
  return pmm.counters()[0]?.requests ?? -1;
}

const RESULT = /^IVSHMEM-BEGIN\nPEER 1\nENTROPY 100 interrupts (\d+)\n$/;

for (const [name, dtb, bytes] of [
  ['with a device tree', true, 16 << 20],
  ['without a device tree', false, 16 << 20],
  ['a pool whose size is no power of two', true, 0x30_0000],
] as const) {
  test(`ivshmem server: QEMU, ${name} → a guest's driver starts and works`, OPTIONS, async (t) => {
    const { pmm, log, socket, image } = await startPmm(t, { dtb, shmem: { address: 0xd400_0000, bytes } });
    const { code, serial, stderr } = await bootIvshmemImage(t, image, socket, `requests=${REQUESTS}`).ended;
    assert.deepEqual([code, stderr], [1, '']);
    const interrupts = Number(RESULT.exec(serial.replaceAll('\r', ''))?.[1] ?? assert.fail(serial));
    assert.ok(interrupts > 0); // nothing else wakes the guest; those that come while it is awake merge
    assert.equal(requestsOf(pmm), REQUESTS);
    assert.deepEqual(log.warnings, []);
  });
}

test(
  'ivshmem server: QEMU is killed and starts again, five times → works each time, as peer 1',
  OPTIONS,
  async (t) => {
    const { pmm, log, socket, image } = await startPmm(t);
    for (let round = 1; round <= 5; round++) {
      const machine = bootIvshmemImage(t, image, socket, 'requests=1000000');
      while (pmm.counters()[0]?.starts !== round) await sleep(10);
      const started = requestsOf(pmm);
      while (requestsOf(pmm) < started + REQUESTS) await sleep(10);
      machine.child.kill('SIGKILL');
      await machine.ended;
    }
    const before = requestsOf(pmm);
    const { serial } = await bootIvshmemImage(t, image, socket, `requests=${REQUESTS}`).ended;
    assert.match(serial.replaceAll('\r', ''), RESULT);
    assert.ok(requestsOf(pmm) >= before + REQUESTS);
    assert.equal(pmm.counters()[0]?.starts, 6);
    assert.deepEqual(log.warnings, []);
  },
);

/** A server of somebody else, and what a PMM needs to be its peer. */
function serverOf(t: TestContext) {
  const socket = join(tempDir(t), 'server');
  const server = new TestIvshmemServer(t, socket, 16 << 20);
  return { socket, server, peer: options(socket, { pool: { kind: 'ivshmem', path: socket } }) };
}

test('ivshmem peer: PMM and QEMU at the server of somebody else → a guest works', OPTIONS, async (t) => {
  const { socket, peer } = serverOf(t);
  const pmm = await createPmm(peer);
  t.after(() => pmm.stop());
  const image = buildImage(tempDir(t), 'ivshmem');
  const { serial } = await bootIvshmemImage(t, image, socket, `requests=${REQUESTS}`).ended;
  assert.match(serial.replaceAll('\r', ''), RESULT);
  assert.equal(requestsOf(pmm), REQUESTS);
});

test(
  'ivshmem peer: a PMM that has started again, and so is not peer 0 → a guest that rings peer 0 works',
  OPTIONS,
  async (t) => {
    const { socket, peer } = serverOf(t);
    const first = await createPmm(peer);
    await first.stop();
    const log = collectLog();
    const second = await createPmm(peer, { log });
    t.after(() => second.stop());
    const image = buildImage(tempDir(t), 'ivshmem');
    const { serial } = await bootIvshmemImage(t, image, socket, `requests=${REQUESTS}`).ended;
    assert.match(serial.replaceAll('\r', ''), /^IVSHMEM-BEGIN\nPEER 2\nENTROPY 100 /);
    assert.match(log.infos.join(), /this PMM is ivshmem peer 1, .* memory is looked at every 10 ms/);
  },
);

test('ivshmem peer: the server ends while a guest works → it goes on', OPTIONS, async (t) => {
  const { socket, server, peer } = serverOf(t);
  const log = collectLog();
  const pmm = await createPmm(peer, { log });
  t.after(() => pmm.stop());
  const machine = bootIvshmemImage(t, buildImage(tempDir(t), 'ivshmem'), socket, 'requests=1000000');
  while (requestsOf(pmm) < REQUESTS) await sleep(10);
  server.stop();
  while (log.warnings.length === 0) await sleep(10);
  const before = requestsOf(pmm);
  while (requestsOf(pmm) < before + REQUESTS) await sleep(10);
  assert.match(log.warnings.join(), /the server has ended; peers that are there stay/);
  machine.child.kill('SIGKILL');
});

test('ivshmem peer: two PMMs at one server → the second refuses, unless it is forced', TIMEOUT, async (t) => {
  const { socket, peer } = serverOf(t);
  const first = await createPmm(peer);
  t.after(() => first.stop());
  await assert.rejects(createPmm(peer), (error) => {
    return error instanceof StartError && /is used by another PMM; .*--force/.test(error.message);
  });
  const log = collectLog();
  const forced = await createPmm({ ...peer, pool: { kind: 'ivshmem', path: socket, force: true } }, { log });
  await forced.stop();
  assert.match(log.warnings.join(), /is locked by another PMM; --force takes it over/);
});

test(
  'ivshmem peer: a pool larger than the memory of the server → ConfigError with the size there is',
  TIMEOUT,
  async (t) => {
    const { peer } = serverOf(t);
    const before = openFds();
    const shmem = { address: 0xd400_0000, bytes: 32 << 20 };
    await assert.rejects(createPmm({ ...peer, shmem }), (error) => {
      return error instanceof ConfigError && /larger than .*at most 0x1000000 bytes/.test(error.message);
    });
    while (openFds() !== before) await sleep(5); // the server sees that its peer has gone
  },
);

test(
  'ivshmem server: it ends while QEMU runs → the machine goes on; no socket is left',
  OPTIONS,
  async (t) => {
    const { pmm, socket, image } = await startPmm(t);
    const machine = bootIvshmemImage(t, image, socket, 'requests=1000000');
    while (requestsOf(pmm) < REQUESTS) await sleep(10);
    await pmm.stop();
    assert.equal(existsSync(socket), false);
    assert.equal(machine.child.exitCode, null);
    machine.child.kill('SIGKILL');
  },
);
