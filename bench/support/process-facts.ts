/** What the kernel says about a process. */
import { readdirSync, readFileSync } from 'node:fs';

/** Processor time of all its threads so far, in milliseconds. */
export function processorMs(pid: number): number {
  let ns = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    // Nanoseconds; /proc/PID/stat counts in clock ticks of 10 ms.
    ns += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'ascii').split(' ')[0]);
  }
  return ns / 1e6;
}

/** Resident memory in MiB without shared memory objects: without the pool. */
export function residentMib(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'ascii');
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0);
  return (field('VmRSS') - field('RssShmem')) / 1024;
}
