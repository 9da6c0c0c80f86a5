// Interrupts while another thread unmasks a vector, or reads the ISR: none is lost, however the two meet.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { PciInterrupts } from '#lkvm/virtio/transport/pci/interrupts.js';
import { InterruptStatus } from '#lkvm/virtio/transport/trapped/interrupt-status.js';
import {
  countingPorts,
  type InterruptWorkerData,
  LINE,
  READY,
  SENT,
  STOP,
} from '../../../../support/interrupt-worker.js';
import { BAR, makeVirtioPci, SLOT } from '../../../../support/virtio-pci-rig.js';

const ROUNDS = 150;
const LIMIT_MS = 60_000;

/** Looks until something holds: who sleeps never meets the other thread halfway. */
function holds(condition: () => boolean): boolean {
  for (const end = Date.now() + LIMIT_MS; !condition(); ) if (Date.now() > end) return false;
  return true;
}

/** A device whose queue 0 is on vector 1, with a driver on another thread. */
async function withDriver(
  kind: InterruptWorkerData['kind'],
  run: (reactor: PciInterrupts, words: Int32Array, status: InterruptStatus) => void,
): Promise<void> {
  const rig = makeVirtioPci();
  rig.place();
  rig.write(0x1a, 2, 1);
  if (kind === 'mask') rig.config.write(SLOT, 0x42, 2, 0x8000);
  const words = new Int32Array(new SharedArrayBuffer(16));
  const workerData: InterruptWorkerData = { shared: rig.shared, words, bar: BAR, kind };
  const worker = new Worker(new URL('../../../../support/interrupt-worker.js', import.meta.url), {
    workerData,
  });
  const ended = once(worker, 'exit');
  await once(worker, 'online');
  try {
    assert.ok(holds(() => Atomics.load(words, READY) > 0));
    const status = new InterruptStatus(rig.shared.registers);
    run(new PciInterrupts(rig.shared, countingPorts(words)), words, status);
  } finally {
    Atomics.store(words, STOP, 1);
    await ended;
  }
}

test('MSI-X: 150 interrupts, each while another thread unmasks the vector → each is sent, once', async () => {
  await withDriver('mask', (reactor, words) => {
    for (let round = 1; round <= ROUNDS; round++) {
      assert.ok(holds(() => Atomics.load(words, READY) === round));
      reactor.queue(0);
      assert.ok(
        holds(() => Atomics.load(words, SENT) >= round),
        `interrupt ${round} is lost`,
      );
    }
    assert.equal(Atomics.load(words, SENT), ROUNDS);
  });
});

test('line: interrupts while another thread reads the ISR because of the one before → all are read, the line goes down', async () => {
  await withDriver('isr', (reactor, words, status) => {
    for (let round = 1; round <= ROUNDS; round++) {
      for (let i = 0; i < 10; i++) reactor.queue(0);
      // Up without a reason, or down with one, it would stay so: the driver reads only while it is up.
      assert.ok(
        holds(() => status.load() === 0 && Atomics.load(words, LINE) === 0),
        `round ${round}`,
      );
    }
  });
});
