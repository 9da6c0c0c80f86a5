/**
 * Memory order between two threads that share no JavaScript object, only mapped memory: what two processes, or a guest
 * and its host, rely on. The ECMAScript memory model promises nothing for such buffers; this checks what V8 does.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import type { RegionRecord } from '#lkvm/memory/guest-memory.js';
import { eventfd } from '#lkvm/sys/eventfd.js';
import { close } from '#lkvm/sys/fd.js';
import { createMemfd, mapShared } from '#lkvm/sys/map.js';
import {
  type DriverJob,
  LITMUS_ROUNDS,
  runDevice,
  runLitmus,
  runMessages,
  type SideResult,
} from './order-jobs.js';
import type { OrderWorkerData } from './order-worker.js';

const BYTES = 0x1_0000;
const GPA = 0x3700_0000;

function sharedRegion(): RegionRecord {
  const fd = createMemfd('lkvm-test', BYTES);
  const region = { gpa: GPA, hva: mapShared(fd, BYTES).address, bytes: BYTES };
  close(fd);
  return region;
}

/** Runs one side here and the other in a worker. @returns both results */
async function together<Here, There>(data: OrderWorkerData, here: () => Here): Promise<[Here, There]> {
  const worker = new Worker(new URL('./order-worker.js', import.meta.url), { workerData: data });
  const answer = new Promise<There>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  const exited = new Promise((resolve) => worker.once('exit', resolve));
  await new Promise((resolve) => worker.once('online', resolve));
  const mine = here();
  const result: [Here, There] = [mine, await answer];
  await exited;
  return result;
}

test('order: each thread stores its word, then loads the other → never both miss the store of the other', async () => {
  const region = sharedRegion();
  const [mine, other] = await together<Uint8Array, Uint8Array>({ region, job: 'litmus' }, () =>
    runLitmus(region, 0),
  );
  let bothMissed = 0;
  for (let i = 0; i < LITMUS_ROUNDS; i++) if (mine[i] === 0 && other[i] === 0) bothMissed++;
  assert.equal(bothMissed, 0);
});

test('order: plain data, then an index by Atomics.store → who sees the index sees the data', async () => {
  const region = sharedRegion();
  const [, stale] = await together<number, number>({ region, job: 'messages' }, () => runMessages(region, 0));
  assert.equal(stale, 0);
});

for (const eventIdx of [false, true]) {
  test(`order: driver and device sleep whenever they can, EVENT_IDX ${eventIdx} → no notification is lost`, async () => {
    const region = sharedRegion();
    const fds = [eventfd(), eventfd()] as const;
    const driver: DriverJob = {
      ringAt: GPA + 0x1000,
      size: 4,
      eventIdx,
      requests: 70_000,
      kickFd: fds[0],
      interruptFd: fds[1],
    };
    const [device, front] = await together<SideResult, SideResult>({ region, job: 'driver', driver }, () =>
      runDevice(region, driver),
    );
    assert.deepEqual([device.done, front.done], [driver.requests, driver.requests]);
    // Both slept, so the race was really run.
    assert.ok(device.sleeps > 0 && front.sleeps > 0);
    fds.forEach(close);
  });
}
