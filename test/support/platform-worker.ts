// A thread of platform-threads.ts: a vCPU, as far as the platform can tell. Does what `workerData` says, then reports.
import { parentPort, workerData } from 'node:worker_threads';
import * as u from '#lkvm/abi/uart.js';
import { Bus } from '#lkvm/bus/bus.js';
import { addPlatform, type PlatformShared } from '#lkvm/platform/platform.js';
import { SharedLines } from '#lkvm/platform/shared-lines.js';
import { eventfdSignal } from '#lkvm/sys/eventfd.js';
import { monotonicUs } from '#lkvm/util/clock.js';

/** Shared words of the test: who is there, go, and what the lines' port was told. */
export const READY = 0;
export const GO = 1;
/** Ups minus downs of line 4: 0 or 1 if the port hears of each change once. */
export const LEVEL = 2;
/** Times the port was told something that was no change. */
export const NO_CHANGE = 3;
/** Bytes the readers have got. */
export const GOT = 4;
/** Times the doorbell was rung. */
export const DOORBELLS = 5;
export const TEST_WORDS = 8;

export interface WorkerJob {
  readonly shared: PlatformShared;
  readonly words: SharedArrayBuffer;
  readonly doorbellFd: number;
  /** Bytes to send; 0 = none. */
  readonly send: number;
  /** All of this value; -1 = the pattern of {@link patternAt}. */
  readonly value: number;
  /** Writes without looking at LSR. */
  readonly blind: boolean;
  /** Reads input until all readers together have so many bytes. */
  readonly receive: number;
}

export interface WorkerResult {
  /** Bytes received, by value. */
  readonly counts: Float64Array;
  /** Place of the first byte received that is not {@link patternAt} of its place; -1 = none. */
  readonly wrongAt: number;
}

/** A stream without zeros, and whose period is no power of two. */
export function patternAt(place: number): number {
  return 1 + (place % 255);
}

function makeBus(job: WorkerJob, words: Int32Array): Bus {
  const lines = new SharedLines(job.shared.lines, (_gsi, level) => {
    const before = Atomics.add(words, LEVEL, level ? 1 : -1);
    if (before !== (level ? 0 : 1)) Atomics.add(words, NO_CHANGE, 1);
  });
  const pio = new Bus('pio');
  const end = { powerOff: () => {}, reset: () => {}, debugExit: () => {} };
  addPlatform(pio, job.shared, {
    lines,
    end,
    clock: { monotonicUs, wallMs: () => Date.now() },
    doorbell: () => {
      Atomics.add(words, DOORBELLS, 1);
      eventfdSignal(job.doorbellFd);
    },
    configPorts: undefined,
  });
  return pio;
}

function run(job: WorkerJob): WorkerResult {
  const words = new Int32Array(job.words);
  const pio = makeBus(job, words);
  const port = job.shared.layout.serialPorts[0] ?? 0;
  const counts = new Float64Array(256);
  let wrongAt = -1;
  Atomics.add(words, READY, 1);
  Atomics.notify(words, READY);
  while (Atomics.load(words, GO) === 0) Atomics.wait(words, GO, 0, 1000);
  for (let sent = 0; sent < job.send; ) {
    if (!job.blind && (pio.read(port + u.UART_LSR, 1) & u.UART_LSR_THRE) === 0) continue;
    for (let i = 0; i < 16 && sent < job.send; i++, sent++) {
      pio.write(port, 1, job.value < 0 ? patternAt(sent) : job.value);
    }
    pio.read(port + u.UART_IIR, 1);
  }
  for (let got = 0; job.receive > 0 && Atomics.load(words, GOT) < job.receive; ) {
    if ((pio.read(port + u.UART_LSR, 1) & u.UART_LSR_DR) === 0) continue;
    const byte = pio.read(port, 1) & 0xff;
    // Looking and reading is not one step: with two readers, one may find the byte gone, and reads 0.
    if (byte === 0) continue;
    if (wrongAt < 0 && byte !== patternAt(got)) wrongAt = got;
    counts[byte] = (counts[byte] as number) + 1;
    got++;
    Atomics.add(words, GOT, 1);
  }
  return { counts, wrongAt };
}

// Also imported by tests, for its names.
if (parentPort !== null) parentPort.postMessage(run(workerData as WorkerJob));
