/**
 * Where a disk's system calls go: io_uring, or the I/O worker. Either way the reactor does not wait for them.
 * Thread: reactor.
 */
import type { BlockingCalls, BlockingLane } from '../../util/ports.js';

/** Longest wait of {@link HostQueue.settle}, in milliseconds. */
export const SETTLE_LIMIT_MS = 2000;

/** Told how calls ended. */
export interface HostQueueHandler {
  /** @param result what the system call returned, >= 0 or -errno */
  onDone(token: number, result: number): void;
  /** The last of some results that came together. */
  onBatchEnd(): void;
}

/** Calls begin at {@link submit} at the latest and end in any order; one per token at a time. Hot path. */
export interface HostQueue {
  /** Calls given and not yet answered. */
  readonly pending: number;
  /** @param iov address of `count` iovecs, which stay put with all they name until the answer */
  preadv(fd: number, iov: number, count: number, offset: number, token: number): void;
  pwritev(fd: number, iov: number, count: number, offset: number, token: number): void;
  fdatasync(fd: number, token: number): void;
  /** @param mode FALLOC_FL_... */
  fallocate(fd: number, mode: number, offset: number, bytes: number, token: number): void;
  /** BLKDISCARD. */
  discard(fd: number, offset: number, bytes: number, token: number): void;
  /** Starts what was given; answers may come before it returns. */
  submit(): void;
  /** Calls back what can be called back; answers may come before it returns, and the others come later. */
  cancel(): void;
  /** Waits for all calls, for {@link SETTLE_LIMIT_MS} at most; answers come meanwhile. @returns true if none is left */
  settle(): boolean;
  /** No answer comes any more. */
  close(): void;
}

/** Calls made by the I/O worker, one after the other. */
export class LaneQueue implements HostQueue {
  readonly #lane: BlockingLane;
  readonly #handler: HostQueueHandler;

  constructor(blocking: BlockingCalls, handler: HostQueueHandler) {
    this.#handler = handler;
    this.#lane = blocking.lane(this);
  }

  get pending(): number {
    return this.#lane.pending;
  }

  preadv(fd: number, iov: number, count: number, offset: number, token: number): void {
    this.#lane.preadv(fd, iov, count, offset, token);
  }

  pwritev(fd: number, iov: number, count: number, offset: number, token: number): void {
    this.#lane.pwritev(fd, iov, count, offset, token);
  }

  fdatasync(fd: number, token: number): void {
    this.#lane.fdatasync(fd, token);
  }

  fallocate(fd: number, mode: number, offset: number, bytes: number, token: number): void {
    this.#lane.fallocate(fd, mode, offset, bytes, token);
  }

  discard(fd: number, offset: number, bytes: number, token: number): void {
    this.#lane.discard(fd, offset, bytes, token);
  }

  submit(): void {} // every call is under way at once

  cancel(): void {} // and none can be called back

  settle(): boolean {
    return this.#lane.settle(SETTLE_LIMIT_MS);
  }

  close(): void {
    this.#lane.close();
  }

  /** For the lane. */
  onDone(token: number, result: number): void {
    this.#handler.onDone(token, result);
    this.#handler.onBatchEnd();
  }
}
