// A driver on another thread that serves interrupts: masks and unmasks a vector, or reads the ISR, until it is told to stop.
import { workerData } from 'node:worker_threads';
import { PciSpace } from '#lkvm/bus/pci/space.js';
import { VirtioPciFunction } from '#lkvm/virtio/transport/pci/function.js';
import type { PciInterruptPorts } from '#lkvm/virtio/transport/pci/interrupts.js';
import type { VirtioPciShared } from '#lkvm/virtio/transport/pci/words.js';

// Words.
export const STOP = 0;
/** Messages sent, by whichever thread. */
export const SENT = 1;
/** Level of the line, as last set. */
export const LINE = 2;
/** Reads of the ISR that were not 0. */
export const SERVED = 3;
/** 1 = the worker is at work. */
export const READY = 4;

export interface InterruptWorkerData {
  readonly shared: VirtioPciShared;
  readonly words: Int32Array;
  readonly bar: number;
  readonly kind: 'mask' | 'isr';
}

/** Ports that count in the words. */
export function countingPorts(words: Int32Array): PciInterruptPorts {
  const raise = (): void => {
    Atomics.add(words, SENT, 1);
    Atomics.notify(words, SENT);
  };
  return {
    lines: { setLevel: (_gsi, _source, level) => void Atomics.store(words, LINE, level ? 1 : 0) },
    gsi: 11,
    signals: [{ raise }, { raise }, { raise }],
    routes: { setMessage: () => undefined },
  };
}

if (workerData !== null) {
  const { shared, words, bar, kind } = workerData as InterruptWorkerData;
  const own = new VirtioPciFunction(shared, {
    ...countingPorts(words),
    device: 0,
    calls: { call: () => 0 },
    window: { move: () => undefined },
    kick: () => undefined,
  });
  const space = new PciSpace(shared.pci, [undefined, own]);
  Atomics.store(words, READY, 1);
  Atomics.notify(words, READY);
  for (let turn = 1; Atomics.load(words, STOP) === 0; turn++) {
    if (kind === 'mask') space.writeMemory(bar + 0x2000 + 16 + 12, 4, turn & 1);
    else if (space.readMemory(bar + 0x200, 1) !== 0) {
      Atomics.add(words, SERVED, 1);
      Atomics.notify(words, SERVED);
    }
  }
}
