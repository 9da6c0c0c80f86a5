/** Looks into the pool file of a running (or dead) PMM from outside. Reads only. Thread: main. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { StartError } from '../util/errors.js';
import { inspectPool, type PoolReport } from '../virtio/transport/hvl/inspect.js';

export type { PoolReport, RingReport, SlotReport, StaticReport } from '../virtio/transport/hvl/inspect.js';

/** No more than this is looked at: registers and rings are at the start; the rest of a large pool is buffers. */
const MAX_BYTES = 2 ** 30;

/**
 * Decodes a pool file as it is at this moment. A copy is decoded, because the memory changes meanwhile.
 *
 * @param base driver-visible address (`--shmem-addr`), or undefined: what the pool itself says
 * Errors: StartError (missing, not permitted, not a file).
 */
export function inspectPoolFile(path: string, base: number | undefined): PoolReport {
  const report = inspectPool(readStart(path), base);
  const bytes = report.bytes;
  if (bytes < MAX_BYTES) return report;
  return {
    ...report,
    notes: [...report.notes, `only the first ${MAX_BYTES} bytes of the file were looked at`],
  };
}

function readStart(path: string): Uint8Array {
  let fd = -1;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK); // opening a FIFO would wait for a writer
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new StartError(`--shmem-backend file:${path}: not a regular file`);
    const bytes = new Uint8Array(Math.min(stat.size, MAX_BYTES));
    let done = 0;
    while (done < bytes.length) {
      const count = readSync(fd, bytes, done, bytes.length - done, done);
      if (count === 0) break; // truncated meanwhile
      done += count;
    }
    return bytes.subarray(0, done);
  } catch (error) {
    if (error instanceof StartError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new StartError(`--shmem-backend file:${path}: cannot read it: ${code ?? String(error)}`, error);
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}
