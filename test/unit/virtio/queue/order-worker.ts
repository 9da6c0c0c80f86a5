/** The second thread of order.test.ts: gets a job, runs it over memory both threads have mapped, answers. */
import { parentPort, workerData } from 'node:worker_threads';
import type { RegionRecord } from '#lkvm/memory/guest-memory.js';
import { type DriverJob, runDriver, runLitmus, runMessages } from './order-jobs.js';

export interface OrderWorkerData {
  readonly region: RegionRecord;
  readonly job: 'litmus' | 'messages' | 'driver';
  readonly driver?: DriverJob;
}

const { region, job, driver } = workerData as OrderWorkerData;
if (job === 'litmus') parentPort?.postMessage(runLitmus(region, 1));
else if (job === 'messages') parentPort?.postMessage(runMessages(region, 1));
else if (driver !== undefined) parentPort?.postMessage(runDriver(region, driver));
