/**
 * POSIX record locks of the clients of one server, as fcntl(2) defines them: an owner is a client's process, its own
 * locks never conflict, a new lock replaces the owner's old ones in its range. They are kept here and not on the host's
 * files: locks on a host file belong to the process or to the descriptor, neither of which is the guest's process, so a
 * guest that opens a file twice would wait for itself. Host programs therefore do not see them.
 *
 * Thread: reactor. Not hot.
 */
import { ENOLCK } from '../abi/errno.js';
import { P9_LOCK_TYPE_RDLCK, P9_LOCK_TYPE_UNLCK } from '../abi/p9.js';
import type { Fid } from './fids.js';

/** Most locks of all clients together: bounds memory, and the work of one request. */
const MAX_LOCKS = 4096;

/** A lock or a question about one. */
export interface LockRange {
  /** P9_LOCK_TYPE_... */
  readonly type: number;
  /** First byte. */
  readonly start: number;
  /** Byte behind the last; Infinity = to the end of the file, however long it grows. */
  readonly end: number;
  readonly procId: number;
  readonly clientId: string;
}

interface Lock extends LockRange {
  /** The fid it was taken through: when that goes, so does the lock. */
  readonly fid: Fid;
}

export class LockTable {
  #locks: Lock[] = [];

  get size(): number {
    return this.#locks.length;
  }

  /** The first lock of another owner that prevents `wanted`, or undefined. */
  conflict(fid: Fid, wanted: LockRange): LockRange | undefined {
    return this.#locks.find(
      (lock) =>
        sameFile(lock.fid, fid) &&
        !sameOwner(lock, wanted) &&
        overlaps(lock, wanted) &&
        !(lock.type === P9_LOCK_TYPE_RDLCK && wanted.type === P9_LOCK_TYPE_RDLCK),
    );
  }

  /** Takes or (P9_LOCK_TYPE_UNLCK) releases a range that nothing conflicts with. @returns 0 or -ENOLCK */
  set(fid: Fid, range: LockRange): number {
    const next: Lock[] = [];
    let { start, end } = range;
    for (const lock of this.#locks) {
      const touches = lock.start <= end && start <= lock.end;
      if (!sameFile(lock.fid, fid) || !sameOwner(lock, range) || !touches) {
        next.push(lock);
      } else if (lock.type === range.type) {
        start = Math.min(start, lock.start); // one lock instead of two neighbours
        end = Math.max(end, lock.end);
      } else {
        if (lock.start < start) next.push({ ...lock, end: Math.min(lock.end, start) });
        if (lock.end > end) next.push({ ...lock, start: Math.max(lock.start, end) });
      }
    }
    if (range.type !== P9_LOCK_TYPE_UNLCK) next.push({ ...range, start, end, fid });
    if (next.length > MAX_LOCKS && next.length > this.#locks.length) return -ENOLCK;
    this.#locks = next;
    return 0;
  }

  /** The fid is gone, and with it the locks taken through it. */
  release(fid: Fid): void {
    if (this.#locks.length > 0) this.#locks = this.#locks.filter((lock) => lock.fid !== fid);
  }
}

function sameFile(a: Fid, b: Fid): boolean {
  return a.qidPathLow === b.qidPathLow && a.qidPathHigh === b.qidPathHigh;
}

function sameOwner(a: LockRange, b: LockRange): boolean {
  return a.procId === b.procId && a.clientId === b.clientId;
}

function overlaps(a: LockRange, b: LockRange): boolean {
  return a.start < b.end && b.start < a.end;
}
