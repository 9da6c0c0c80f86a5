import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { SharedLock } from '#lkvm/util/shared-lock.js';

const ENTRY = new URL('./lock-worker.js', import.meta.url);
const ROUNDS = 20_000;

test('SharedLock: nobody else → word 0 when free, taken and given back any number of times', () => {
  const words = new Int32Array(new SharedArrayBuffer(8));
  const lock = new SharedLock(words, 1);
  for (let i = 0; i < 3; i++) {
    lock.lock();
    assert.notEqual(words[1], 0);
    lock.unlock();
    assert.deepEqual([...words], [0, 0]);
  }
});

test('SharedLock: three threads count under it → no count is lost, nobody sleeps for ever', async () => {
  const shared = new SharedArrayBuffer(16);
  const words = new Int32Array(shared);
  const workers = Array.from(
    { length: 3 },
    () => new Worker(ENTRY, { workerData: { shared, rounds: ROUNDS } }),
  );
  const ended = workers.map((worker) => once(worker, 'exit'));
  while (Atomics.load(words, 2) < 3) await new Promise((resolve) => setTimeout(resolve, 5));
  Atomics.store(words, 3, 1);
  Atomics.notify(words, 3);
  await Promise.all(ended);
  assert.deepEqual([words[0], words[1]], [0, 3 * ROUNDS]);
});
