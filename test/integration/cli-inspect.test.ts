// `lkvm inspect` looking at a running PMM, and at a pool with a driver's rings in it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { lkvm, MAIN } from '../support/cli.js';
import { running } from '../support/hvl-scenario.js';
import { tempDir } from '../support/temp.js';

test('lkvm inspect: a running PMM without a driver → its devices, and that it waits for one', async (t) => {
  const pool = join(tempDir(t), 'pool');
  const words = `pmm --shmem-addr 0x37000000 --shmem-size 1M --shmem-backend file:${pool} --notify poll --rng -n mode=user`;
  const child = spawn(process.execPath, [MAIN, ...words.split(' ')], { stdio: 'ignore' });
  t.after(() => child.kill('SIGKILL'));
  let text = '';
  for (let round = 0; round < 200 && !text.includes('2 devices'); round++, await sleep(50)) {
    text = (await lkvm(`inspect --shmem-backend file:${pool}`)).stdout;
  }
  assert.match(text, /^pool at 0x37000000, 1 MiB, with device tree \(\d+ bytes\), 2 devices$/m);
  assert.match(
    text,
    /^slot 0: rng at 0x37010000\n {2}PMM +waits for a driver: STATUS is 0\n {2}driver +has not started$/m,
  );
  assert.match(text, /^ {2}config +MAC 02:15:15:15:15:15$/m);
  assert.match(text, /^ {4}008 DEVICE_ID +0x00000001$/m);
  assert.doesNotMatch(text, /INTERRUPT_ACK/);
  assert.match(
    (await lkvm(`inspect -r --shmem-backend file:${pool}`)).stdout,
    /064 INTERRUPT_ACK +0x00000000/,
  );
  child.kill('SIGTERM');
  await once(child, 'exit');
});

test('lkvm inspect: the PMM is an ivshmem server → the same, from its memory; peers hear of it and it goes on', async (t) => {
  const socket = join(tempDir(t), 'server');
  const words = `pmm --shmem-addr 0x37000000 --shmem-size 1M --shmem-backend ivshmem-server:${socket} --rng -n mode=none`;
  const child = spawn(process.execPath, [MAIN, ...words.split(' ')], { stdio: ['ignore', 'ignore', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stderr, 'data'); // it is ready
  for (const backend of [
    `ivshmem-server:${socket}`,
    `ivshmem-server:${socket},vectors=2`,
    `ivshmem:${socket}`,
  ]) {
    const { code, stdout } = await lkvm(`inspect --shmem-backend ${backend}`);
    assert.equal(code, 0);
    assert.match(stdout, /^pool at 0x37000000, 1 MiB, with device tree \(\d+ bytes\), 1 devices?$/m);
    assert.match(stdout, /^slot 0: rng at 0x37010000\n {2}PMM +waits for a driver: STATUS is 0$/m);
  }
  child.kill('SIGTERM');
  await once(child, 'exit');
  const { code, stderr } = await lkvm(`inspect --shmem-backend ivshmem:${socket}`);
  assert.deepEqual([code, /^ {2}Fatal: no ivshmem server at .*ENOENT.*\n$/.test(stderr)], [128, true]);
});

test('lkvm inspect: a pool whose driver runs → rings with indices, as text and as JSON; the pool untouched', async (t) => {
  const pool = join(tempDir(t), 'pool');
  const { bench, driver } = running(3);
  driver.rings[0]?.add({ addr: 0, len: 16, writable: true });
  driver.rings[0]?.add({ addr: 0, len: 16, writable: true });
  const image = Buffer.from(bench.pool);
  bench.close();
  writeFileSync(pool, image);

  const text = await lkvm(`inspect --shmem-backend file:${pool}`);
  assert.equal(text.code, 0, text.stderr);
  assert.match(
    text.stdout,
    /^ {2}queue 0 {3}0x[0-9a-f]+, 4 entries; avail\.idx 2, used\.idx 0, 2 in flight/m,
  );
  assert.match(text.stdout, /^ {2}status +ACKNOWLEDGE DRIVER DRIVER_OK$/m);

  const json = await lkvm(`inspect --json --shmem-backend file:${pool}`);
  const { slots } = JSON.parse(json.stdout) as {
    slots: {
      registers: Record<string, number>;
      rings: { queue: number; availIdx: number; inFlight: number }[];
    }[];
  };
  assert.equal(slots[0]?.registers['STATUS'], 7);
  assert.deepEqual(
    slots[0]?.rings.map(({ queue, availIdx, inFlight }) => [queue, availIdx, inFlight]),
    [
      [0, 2, 2],
      [1, 0, 0],
    ],
  );
  assert.deepEqual(readFileSync(pool), image);
});

test('lkvm inspect: nothing published, and files that are not pools → said so', async (t) => {
  const dir = tempDir(t);
  writeFileSync(join(dir, 'empty'), '');
  const empty = await lkvm(`inspect --shmem-backend file:${join(dir, 'empty')}`);
  assert.equal(empty.code, 0);
  assert.match(empty.stdout, /nothing published.*\n.*No PMM has published devices here/);

  const rows = [
    [`inspect --shmem-backend file:${join(dir, 'missing')}`, 128, /cannot read it: ENOENT/],
    [`inspect --shmem-backend file:${dir}`, 128, /not a regular file/],
    ['inspect', 129, /--shmem-backend is missing/],
    ['inspect --shmem-backend memfd', 129, /inspect reads pool files/],
    ['inspect --shmem-backend file:', 129, /write --shmem-backend file:PATH/],
    ['inspect --shmem-backend file:/x --shmem-addr y', 129, /--shmem-addr "y" is not a number/],
  ] as const;
  for (const [args, code, message] of rows) {
    const result = await lkvm(args);
    assert.equal(result.code, code, args);
    assert.match(result.stderr, message);
  }
});
