/** Looks into the pool of a running (or dead) PMM from outside. Reads only. Thread: main. */
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
  return reportOf(readFile(path), base);
}

/**
 * As {@link inspectPoolFile}, for the memory of an ivshmem server, which may be the PMM: this process is its peer for a moment.
 * Errors: StartError (nobody listens, or not such a server).
 */
export async function inspectIvshmemPool(path: string, base: number | undefined): Promise<PoolReport> {
  // Only here: files are looked at without any call of C.
  const { joinIvshmem } = await import('../backends/doorbell/ivshmem-peer.js');
  const { connection, memoryFd } = await joinIvshmem(path);
  try {
    return reportOf(readStart(memoryFd, `ivshmem:${path}`), base);
  } finally {
    closeSync(connection);
    closeSync(memoryFd);
  }
}

function reportOf(bytes: Uint8Array, base: number | undefined): PoolReport {
  const report = inspectPool(bytes, base);
  if (report.bytes < MAX_BYTES) return report;
  return {
    ...report,
    notes: [...report.notes, `only the first ${MAX_BYTES} bytes of the pool were looked at`],
  };
}

function readFile(path: string): Uint8Array {
  const what = `file:${path}`;
  let fd = -1;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK); // opening a FIFO would wait for a writer
    return readStart(fd, what);
  } catch (error) {
    throw error instanceof StartError ? error : unreadable(what, error);
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}

function unreadable(what: string, error: unknown): StartError {
  const { code } = error as NodeJS.ErrnoException;
  return new StartError(`--shmem-backend ${what}: cannot read it: ${code ?? String(error)}`, error);
}

/** @param what the pool as it was given. Errors: StartError. */
function readStart(fd: number, what: string): Uint8Array {
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new StartError(`--shmem-backend ${what}: not a regular file`);
    const bytes = new Uint8Array(Math.min(stat.size, MAX_BYTES));
    let done = 0;
    while (done < bytes.length) {
      const count = readSync(fd, bytes, done, bytes.length - done, done);
      if (count === 0) break; // truncated meanwhile
      done += count;
    }
    return bytes.subarray(0, done);
  } catch (error) {
    throw error instanceof StartError ? error : unreadable(what, error);
  }
}
