// Interrupts while another thread masks and unmasks, or reads the ISR: none is lost, however the two meet.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { PciInterrupts } from '#lkvm/virtio/transport/pci/interrupts.js';
import {
  countingPorts,
  type InterruptWorkerData,
  LINE,
  READY,
  SENT,
  SERVED,
  STOP,
} from '../../../../support/interrupt-worker.js';
import { BAR, makeVirtioPci, SLOT } from '../../../../support/virtio-pci-rig.js';

const ROUNDS = 2000;
const LIMIT_MS = 60_000;

/** Raises one interrupt after the other; each has to be counted in a word before the next. Ends the worker. */
async function interrupts(kind: InterruptWorkerData['kind'], counted: number): Promise<Int32Array> {
  const rig = makeVirtioPci();
  rig.place();
  rig.write(0x1a, 2, 1);
  if (kind === 'mask') rig.config.write(SLOT, 0x42, 2, 0x8000);
  const words = new Int32Array(new SharedArrayBuffer(32));
  const reactor = new PciInterrupts(rig.shared, countingPorts(words));
  const workerData: InterruptWorkerData = { shared: rig.shared, words, bar: BAR, kind };
  const worker = new Worker(new URL('../../../../support/interrupt-worker.js', import.meta.url), {
    workerData,
  });
  const ended = once(worker, 'exit');
  await once(worker, 'online');
  try {
    assert.notEqual(Atomics.wait(words, READY, 0, LIMIT_MS), 'timed-out');
    for (let round = 0; round < ROUNDS; round++) {
      reactor.queue(0);
      // Woken or not: an interrupt that is lost is the only reason for the count to stay.
      assert.notEqual(Atomics.wait(words, counted, round, LIMIT_MS), 'timed-out');
    }
  } finally {
    Atomics.store(words, STOP, 1);
    await ended;
  }
  return words;
}

test('MSI-X: 2000 interrupts while another thread masks and unmasks the vector → each is sent, once', async () => {
  const words = await interrupts('mask', SENT);
  assert.equal(words[SENT], ROUNDS);
});

test('line: 2000 interrupts while another thread reads the ISR → each is read, once; the line is down at the end', async () => {
  const words = await interrupts('isr', SERVED);
  assert.deepEqual([words[SERVED], words[LINE]], [ROUNDS, 0]);
});
