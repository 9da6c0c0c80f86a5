// A driver on another thread: unmasks a vector once for each interrupt, or reads the ISR whenever the line is up.
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
/** Interrupts the worker is prepared for: the vector is masked, and is about to be unmasked. Or 1 = it is at work. */
export const READY = 3;

export interface InterruptWorkerData {
  readonly shared: VirtioPciShared;
  readonly words: Int32Array;
  readonly bar: number;
  readonly kind: 'mask' | 'isr';
}

/** Ports that count in the words. */
export function countingPorts(words: Int32Array): PciInterruptPorts {
  const raise = (): void => void Atomics.add(words, SENT, 1);
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
  const stopped = (): boolean => Atomics.load(words, STOP) !== 0;
  if (kind === 'isr') Atomics.store(words, READY, 1);
  while (kind === 'isr' && !stopped()) if (Atomics.load(words, LINE) === 1) space.readMemory(bar + 0x200, 1);
  for (let round = 1; kind === 'mask' && !stopped(); round++) {
    space.writeMemory(bar + 0x2000 + 16 + 12, 4, 1);
    Atomics.store(words, READY, round);
    space.writeMemory(bar + 0x2000 + 16 + 12, 4, 0);
    while (!stopped() && Atomics.load(words, SENT) < round);
  }
}
