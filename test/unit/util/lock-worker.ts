// A thread of shared-lock.test.ts: adds to a plain counter under the lock.
import { parentPort, workerData } from 'node:worker_threads';
import { SharedLock } from '#lkvm/util/shared-lock.js';

const { shared, rounds } = workerData as { shared: SharedArrayBuffer; rounds: number };
const words = new Int32Array(shared);
const lock = new SharedLock(words, 0);
Atomics.add(words, 2, 1);
Atomics.notify(words, 2);
while (Atomics.load(words, 3) === 0) Atomics.wait(words, 3, 0, 1000);
for (let i = 0; i < rounds; i++) {
  lock.lock();
  const before = words[1] as number;
  // Long enough that others arrive meanwhile and have to sleep.
  for (let spin = 0; spin < 20; spin++) Atomics.load(words, 2);
  words[1] = before + 1;
  lock.unlock();
}
parentPort?.postMessage('done');
