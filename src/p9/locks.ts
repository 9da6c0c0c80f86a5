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
import { at } from '../util/typed.js';
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

/** A lock that is held. A class and plain loops below: object spread and array methods are 60 times slower here. */
class Lock implements LockRange {
  readonly type: number;
  readonly start: number;
  readonly end: number;
  readonly procId: number;
  readonly clientId: string;
  /** The fid it was taken through: when that goes, so does the lock. */
  readonly fid: Fid;

  constructor(owner: LockRange, type: number, start: number, end: number, fid: Fid) {
    this.type = type;
    this.start = start;
    this.end = end;
    this.procId = owner.procId;
    this.clientId = owner.clientId;
    this.fid = fid;
  }
}

export class LockTable {
  #locks: Lock[] = [];

  get size(): number {
    return this.#locks.length;
  }

  /** The first lock of another owner that prevents `wanted`, or undefined. */
  conflict(fid: Fid, wanted: LockRange): LockRange | undefined {
    for (let i = 0; i < this.#locks.length; i++) {
      const lock = at(this.#locks, i);
      if (lock.start >= wanted.end || wanted.start >= lock.end) continue;
      if (lock.type === P9_LOCK_TYPE_RDLCK && wanted.type === P9_LOCK_TYPE_RDLCK) continue;
      if (sameFile(lock.fid, fid) && !sameOwner(lock, wanted)) return lock;
    }
    return undefined;
  }

  /** Takes or (P9_LOCK_TYPE_UNLCK) releases a range that nothing conflicts with. @returns 0 or -ENOLCK */
  set(fid: Fid, range: LockRange): number {
    const kept: Lock[] = [];
    let { start, end } = range;
    for (let i = 0; i < this.#locks.length; i++) {
      const lock = at(this.#locks, i);
      const touches = lock.start <= range.end && range.start <= lock.end;
      if (!touches || !sameOwner(lock, range) || !sameFile(lock.fid, fid)) {
        kept.push(lock);
      } else if (lock.type === range.type) {
        start = Math.min(start, lock.start); // one lock instead of two neighbours
        end = Math.max(end, lock.end);
      } else {
        const { type } = lock;
        if (lock.start < range.start) {
          kept.push(new Lock(lock, type, lock.start, Math.min(lock.end, range.start), lock.fid));
        }
        if (lock.end > range.end) {
          kept.push(new Lock(lock, type, Math.max(lock.start, range.end), lock.end, lock.fid));
        }
      }
    }
    if (range.type !== P9_LOCK_TYPE_UNLCK) kept.push(new Lock(range, range.type, start, end, fid));
    if (kept.length > MAX_LOCKS && kept.length > this.#locks.length) return -ENOLCK;
    this.#locks = kept;
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
