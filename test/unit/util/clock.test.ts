import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { monotonicUs } from '#lkvm/util/clock.js';

test('monotonicUs: beside process.hrtime → between two of its readings, to within a millisecond', () => {
  const before = Number(process.hrtime.bigint()) / 1000;
  const now = monotonicUs();
  const after = Number(process.hrtime.bigint()) / 1000;
  assert.ok(now >= before - 1000 && now <= after + 1000, `${before} ${now} ${after}`);
});

test('monotonicUs: read in another thread → the same clock', async () => {
  const module = JSON.stringify(import.meta.resolve('#lkvm/util/clock.js'));
  const code = `import(${module}).then(({ monotonicUs }) => require('node:worker_threads').parentPort.postMessage(monotonicUs()))`;
  const before = monotonicUs();
  const worker = new Worker(code, { eval: true });
  const there = await new Promise<number>((resolve, reject) =>
    worker.on('message', resolve).on('error', reject),
  );
  const after = monotonicUs();
  assert.ok(there >= before - 1000 && there <= after + 1000, `${before} ${there} ${after}`);
});
