// Signals for a thread that is in KVM_RUN, each sent while the guest runs and waited for; then the guest's word to end.
import { readFileSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { viewOf } from '#lkvm/sys/libc.js';
import { KICK_SIGNAL, tgkill } from '#lkvm/sys/process.js';

/** Where the guest counts while it runs, and where it looks whether it is to end (1). */
export const COUNTER = 0x2000;
export const END = 0x2004;

export interface InterruptingData {
  /** Of the guest's memory. */
  readonly address: number;
  readonly tid: number;
  readonly signals: number;
}

function until(done: () => boolean): void {
  const nobody = new Int32Array(new SharedArrayBuffer(4));
  for (const limit = Date.now() + 30_000; !done(); Atomics.wait(nobody, 0, 0, 0.1)) {
    if (Date.now() > limit) throw new Error('the thread is not in KVM_RUN any more');
  }
}

/** A signal stays pending until the thread returns from its system call. */
function isPending(tid: number): boolean {
  const status = readFileSync(`/proc/self/task/${tid}/status`, 'ascii');
  const [, mask = '0'] = status.match(/^SigPnd:\t(\w+)/m) ?? [];
  return ((BigInt(`0x${mask}`) >> BigInt(KICK_SIGNAL - 1)) & 1n) === 1n;
}

function interrupt({ address, tid, signals }: InterruptingData): void {
  const words = new Int32Array(viewOf(address, END + 4));
  try {
    for (let i = 0; i < signals; i++) {
      const before = Atomics.load(words, COUNTER / 4);
      until(() => Atomics.load(words, COUNTER / 4) !== before);
      tgkill(tid, KICK_SIGNAL);
      until(() => !isPending(tid));
    }
  } finally {
    Atomics.store(words, END / 4, 1);
  }
}

// Tests import the constants, too.
if (workerData !== null) interrupt(workerData as InterruptingData);
