/**
 * `ring`: buffers through one virtqueue between two workers that share a memfd. The driver is a bare loop on typed arrays;
 * the device side is our VirtQueue (pop, look at the buffer's first word, push, publish), and for the floor a bare loop,
 * too: the same traffic without any check.
 */
import { Worker } from 'node:worker_threads';
import { close } from '#lkvm/sys/fd.js';
import { createMemfd, mapShared } from '#lkvm/sys/map.js';
import type { Bench, BenchOptions, Measurement } from './bench.js';
import type { RingJob, RingReport } from './support/ring-worker.js';

const BYTES = 0x10_0000;
const GPA = 0x3700_0000;
const SIZE = 256;
const RUNS = 5;
/** Of one short run. */
const BUFFERS = 1_000_000;
const WARM_UP = 1_000_000;
const SLICE = 10_000;
/** Of the run that shows whether the heap grows. */
const HEAP_BUFFERS = 10_000_000;

type Amounts = Pick<RingJob, 'warmUp' | 'buffers' | 'slice'>;

/** Both sides in their workers until all buffers have gone through. @returns the device side's report */
async function once(device: RingJob['side'], amounts: Amounts): Promise<RingReport> {
  const fd = createMemfd('lkvm-bench', BYTES);
  const region = { gpa: GPA, hva: mapShared(fd, BYTES).address, bytes: BYTES };
  close(fd);
  const start = (side: RingJob['side']): Promise<RingReport> => {
    const job: RingJob = { side, region, size: SIZE, ...amounts };
    const worker = new Worker(new URL('./support/ring-worker.js', import.meta.url), { workerData: job });
    return new Promise((resolve, reject) => {
      let report: RingReport | undefined;
      worker.once('message', (message: RingReport) => {
        report = message;
      });
      worker.once('error', reject);
      worker.once('exit', () => {
        if (report === undefined) reject(new Error('a ring worker ended without a report'));
        else resolve(report);
      });
    });
  };
  const [report] = await Promise.all([start(device), start('driver')]);
  return report;
}

async function run({ quick }: BenchOptions): Promise<Measurement> {
  const short: Amounts = { warmUp: WARM_UP, buffers: BUFFERS, slice: SLICE };
  const value: number[] = [];
  const floor: number[] = [];
  for (let i = 0; i < (quick ? 1 : RUNS); i++) {
    value.push((await once('queue', short)).nsPerBuffer);
    floor.push((await once('bare', short)).nsPerBuffer);
  }
  const heapBuffers = quick ? BUFFERS : HEAP_BUFFERS;
  const long = await once('queue', { warmUp: 2 * WARM_UP, buffers: heapBuffers, slice: heapBuffers });
  return {
    value: Math.min(...value),
    floor: Math.min(...floor),
    extra: {
      mean_ns: long.meanNs,
      heap_growth_bytes: long.heapGrowth,
      heap_buffers: heapBuffers,
    },
  };
}

/** See the file's head. */
export const ring: Bench = {
  name: 'ring',
  unit: 'ns/buffer',
  about: 'pop, parse, push between two workers; floor: the same loop without any check',
  goal: { of: 'value', atMost: 25 },
  run,
};
