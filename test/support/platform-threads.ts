/** Real threads at one platform, as vCPUs are; the test's own thread is the host's. */
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { attachPlatform, createPlatform, type Platform } from '#lkvm/platform/platform.js';
import type { Serial8250 } from '#lkvm/platform/serial.js';
import { SharedLines } from '#lkvm/platform/shared-lines.js';
import { eventfd, eventfdSignal } from '#lkvm/sys/eventfd.js';
import { close } from '#lkvm/sys/fd.js';
import { monotonicUs } from '#lkvm/util/clock.js';
import { PLATFORM_LAYOUT } from '#lkvm/vmm/platform-layout.js';
import {
  DOORBELLS,
  GO,
  GOT,
  LEVEL,
  NO_CHANGE,
  READY,
  TEST_WORDS,
  type WorkerJob,
  type WorkerResult,
} from './platform-worker.js';

const ENTRY = new URL('./platform-worker.js', import.meta.url);
const LIMIT_MS = 120_000;

/** See the file's head. Threads are ended, and descriptors closed, after the test. */
export class PlatformThreads {
  /** In this thread. */
  readonly platform: Platform;
  readonly serial: Serial8250;
  readonly doorbellFd = eventfd();
  /** What each thread found out, at its end. */
  readonly results: Promise<WorkerResult>[];
  readonly #words = new Int32Array(new SharedArrayBuffer(TEST_WORDS * 4));
  readonly #threads: number;

  constructor(t: TestContext, jobs: readonly Pick<WorkerJob, 'send' | 'value' | 'blind' | 'receive'>[]) {
    const shared = createPlatform({
      layout: PLATFORM_LAYOUT,
      debugExitPort: undefined,
      lowBytes: 0x1000_0000,
      highBytes: 0,
      cpus: 1,
    });
    const words = this.#words;
    this.platform = attachPlatform(shared, {
      lines: new SharedLines(shared.lines, (_gsi, level) => {
        const before = Atomics.add(words, LEVEL, level ? 1 : -1);
        if (before !== (level ? 0 : 1)) Atomics.add(words, NO_CHANGE, 1);
      }),
      end: { powerOff: () => {}, reset: () => {}, debugExit: () => {} },
      clock: { monotonicUs, wallMs: () => Date.now() },
      doorbell: () => eventfdSignal(this.doorbellFd),
      configPorts: undefined,
    });
    this.serial = this.platform.serial[0] as Serial8250;
    this.#threads = jobs.length;
    const buffer = words.buffer as SharedArrayBuffer;
    this.results = jobs.map((job) => {
      const workerData: WorkerJob = { shared, words: buffer, doorbellFd: this.doorbellFd, ...job };
      const worker = new Worker(ENTRY, { workerData, trackUnmanagedFds: false });
      t.after(() => worker.terminate());
      const signal = AbortSignal.timeout(LIMIT_MS);
      return once(worker, 'message', { signal }).then(([message]) => message as WorkerResult);
    });
    t.after(() => close(this.doorbellFd));
  }

  /** Lets all threads begin at once. */
  async go(): Promise<void> {
    while (Atomics.load(this.#words, READY) < this.#threads) await turn();
    Atomics.store(this.#words, GO, 1);
    Atomics.notify(this.#words, GO);
  }

  /** Bytes the threads have received. */
  get got(): number {
    return Atomics.load(this.#words, GOT);
  }

  /** Times the threads have rung. */
  get doorbells(): number {
    return Atomics.load(this.#words, DOORBELLS);
  }

  /** Times an interrupt line was set to the level it had. */
  get noChanges(): number {
    return Atomics.load(this.#words, NO_CHANGE);
  }
}
