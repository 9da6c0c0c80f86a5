/**
 * The ring between the reactor, which gives calls, and the I/O worker, which makes them: one producer, one consumer, on
 * a `SharedArrayBuffer`. Calls are answered in the order given, so the answer stands in the slot of its call.
 *
 * Counters are free-running 32-bit numbers; slot = counter & (IO_SLOTS - 1).
 */

/** Calls that may be in the ring at a time; a power of two. More wait in the client. */
export const IO_SLOTS = 64;

// Words. Every access is an Atomics call.
/** Calls given so far. Writer: client, after it filled the slot. Reader: worker. */
export const IO_GIVEN = 0;
/** Calls answered so far. Writer: worker, after it stored the result. Reader: client, which waits for it to settle. */
export const IO_DONE = 1;
/** IO_WANTED_ values. Writer: client, once; main at its end. Reader: main, which waits for it without blocking. */
export const IO_WANTED = 2;
/** 1 = make no more calls. Writer: client, once. Reader: worker, after it set IO_BUSY. */
export const IO_CLOSED = 3;
/** 1 while a call is being made. Writer: worker. Reader: client, which waits for 0 when it closes. */
export const IO_BUSY = 4;
/** 1 = there is no worker any more, answer everything with -EIO. Writer: main. Reader: client. */
export const IO_FAILED = 5;
const IO_WORDS = 16;

export const IO_WANTED_NO = 0;
export const IO_WANTED_YES = 1;
export const IO_WANTED_NEVER = 2;

// Doubles of a slot. Plain accesses, ordered by IO_GIVEN and IO_DONE.
export const SLOT_OP = 0;
export const SLOT_FD = 1;
/** Address of the iovecs; fallocate: the mode. */
export const SLOT_IOV = 2;
/** Number of iovecs; fallocate and discard: bytes of the range. */
export const SLOT_COUNT = 3;
/** File offset in bytes. */
export const SLOT_OFFSET = 4;
/** The client's own: who asked. */
export const SLOT_LANE = 5;
/** The client's own: what for. */
export const SLOT_TOKEN = 6;
/** >= 0 or -errno, once answered. */
export const SLOT_RESULT = 7;
export const SLOT_DOUBLES = 8;

// Operations
export const IO_FSYNC = 1;
export const IO_FDATASYNC = 2;
export const IO_PREADV = 3;
export const IO_PWRITEV = 4;
export const IO_FALLOCATE = 5;
export const IO_DISCARD = 6;

/** Both views of the ring. */
export class IoRing {
  readonly words: Int32Array;
  readonly slots: Float64Array;

  constructor(shared: SharedArrayBuffer) {
    this.words = new Int32Array(shared, 0, IO_WORDS);
    this.slots = new Float64Array(shared, IO_WORDS * 4, IO_SLOTS * SLOT_DOUBLES);
  }

  /** Index in {@link slots} of the slot for counter value `n`. */
  slot(n: number): number {
    return (n & (IO_SLOTS - 1)) * SLOT_DOUBLES;
  }
}

/** Memory for a ring, all zero. */
export function createIoRing(): SharedArrayBuffer {
  return new SharedArrayBuffer(IO_WORDS * 4 + IO_SLOTS * SLOT_DOUBLES * 8);
}

/** What the reactor's end is made from. Plain data: part of the reactor worker's `data`. */
export interface IoInit {
  readonly ring: SharedArrayBuffer;
  /** Control block of the I/O worker, to wake it. */
  readonly control: SharedArrayBuffer;
  /** An eventfd the I/O worker signals after each answer. Closed by main. */
  readonly doneFd: number;
}
