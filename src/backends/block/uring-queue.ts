/**
 * A disk's system calls through io_uring: one system call for all that a drain of the queue gave, and results through an
 * eventfd that the event loop watches. While we look at results anyway the eventfd is muted, so that calls which are made
 * at once (data in the page cache) cost no wake-up.
 *
 * Thread: reactor, the one that made it.
 */
import { EAGAIN, EBUSY, EINTR, EIO, ENOMEM, ETIME } from '../../abi/errno.js';
import { EPOLLIN } from '../../abi/linux.js';
import { eventfdDrain, eventfdSignal, tryEventfd } from '../../sys/eventfd.js';
import { close } from '../../sys/fd.js';
import { IoUring } from '../../sys/io-uring.js';
import type { BlockingCalls, BlockingLane, EventLoop, Watch } from '../../util/ports.js';
import { type HostQueue, type HostQueueHandler, SETTLE_LIMIT_MS } from './host-queue.js';

/** Turns of submit-and-look in one go; then others get their turn. */
const TURNS = 8;
/** The kernel is short of something: next try, microseconds. */
const RETRY_US = 1000;
/** So many tries without a call taken are enough: 1 s. */
const MAX_RETRIES = 1000;

/** What the queue needs of the machine. */
export interface UringSurroundings {
  readonly loop: EventLoop;
  /** For what io_uring cannot do: discarding on block devices that cannot zero. */
  readonly blocking: BlockingCalls;
}

/** See the file's head. */
export class UringQueue implements HostQueue {
  pending = 0;
  readonly #ring: IoUring;
  readonly #eventFd: number;
  readonly #loop: EventLoop;
  readonly #watch: Watch;
  readonly #handler: HostQueueHandler;
  readonly #lane: BlockingLane;
  /** Calls the kernel would not take; answered with -EIO. */
  readonly #refused: number[] = [];
  #busy = false;
  #retry = 0;
  #retries = 0;
  #open = true;

  /**
   * @param entries calls at a time, as far as possible without a system call in between
   * @returns the queue, or -errno: this kernel, or its administrator, does not let us
   */
  static create(entries: number, around: UringSurroundings, handler: HostQueueHandler): UringQueue | number {
    const eventFd = tryEventfd();
    if (eventFd < 0) return eventFd;
    const ring = IoUring.create(entries);
    const failed = typeof ring === 'number' ? ring : ring.registerEventfd(eventFd);
    if (typeof ring !== 'number' && failed >= 0) return new UringQueue(ring, eventFd, around, handler);
    if (typeof ring !== 'number') ring.close();
    close(eventFd);
    return failed;
  }

  private constructor(ring: IoUring, eventFd: number, around: UringSurroundings, handler: HostQueueHandler) {
    this.#ring = ring;
    this.#eventFd = eventFd;
    this.#loop = around.loop;
    this.#handler = handler;
    this.#watch = around.loop.watch(eventFd, EPOLLIN, this);
    this.#lane = around.blocking.lane({
      onDone: (token, result) => {
        this.#end(token, result);
        this.#handler.onBatchEnd();
      },
    });
  }

  preadv(fd: number, iov: number, count: number, offset: number, token: number): void {
    this.pending++;
    if (this.#ring.readv(fd, iov, count, offset, token)) return;
    this.#ring.enter();
    if (!this.#ring.readv(fd, iov, count, offset, token)) this.#refuse(token);
  }

  pwritev(fd: number, iov: number, count: number, offset: number, token: number): void {
    this.pending++;
    if (this.#ring.writev(fd, iov, count, offset, token)) return;
    this.#ring.enter();
    if (!this.#ring.writev(fd, iov, count, offset, token)) this.#refuse(token);
  }

  fdatasync(fd: number, token: number): void {
    this.pending++;
    if (this.#ring.fdatasync(fd, token)) return;
    this.#ring.enter();
    if (!this.#ring.fdatasync(fd, token)) this.#refuse(token);
  }

  fallocate(fd: number, mode: number, offset: number, bytes: number, token: number): void {
    this.pending++;
    if (this.#ring.fallocate(fd, mode, offset, bytes, token)) return;
    this.#ring.enter();
    if (!this.#ring.fallocate(fd, mode, offset, bytes, token)) this.#refuse(token);
  }

  discard(fd: number, offset: number, bytes: number, token: number): void {
    this.pending++;
    this.#lane.discard(fd, offset, bytes, token);
  }

  submit(): void {
    if (this.#busy || !this.#open) return;
    if (this.#ring.queued === 0 && this.#refused.length === 0) return;
    this.#pump();
  }

  cancel(): void {
    if (this.#busy || !this.#open || this.pending === this.#lane.pending) return;
    this.#ring.cancelAll();
    this.#pump();
  }

  settle(): boolean {
    const deadline = performance.now() + SETTLE_LIMIT_MS;
    const busy = this.#busy; // a fault found while results are taken ends in a reset
    this.#busy = true;
    while (this.pending > this.#lane.pending) {
      const left = deadline - performance.now();
      if (left <= 0) break;
      this.#take();
      if (this.pending === this.#lane.pending) break;
      const entered = this.#ring.enterAndWait(left);
      if (entered < 0 && entered !== -EINTR && entered !== -ETIME) this.#failQueued();
    }
    this.#take();
    this.#busy = busy;
    const others = this.#lane.settle(Math.max(0, deadline - performance.now()));
    return others && this.pending === this.#lane.pending;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    if (this.#retry !== 0) this.#loop.cancel(this.#retry);
    this.#watch.close();
    this.#lane.close();
    this.#ring.close();
    close(this.#eventFd);
  }

  /** For the event loop: results are there. */
  onReady(): void {
    eventfdDrain(this.#eventFd);
    this.#pump();
  }

  /** For the event loop: another try. */
  onTimer(): void {
    this.#retry = 0;
    if (!this.#busy) this.#pump();
  }

  /** Submits and takes results until there is nothing to do, or for some turns. */
  #pump(): void {
    this.#busy = true;
    this.#ring.muteEvents(true);
    let more = true;
    for (let turn = 0; more && turn < TURNS && this.#open; turn++) {
      more = false;
      if (this.#retry === 0 && (this.#ring.queued > 0 || this.#ring.overflown)) more = this.#enter();
      // Handlers give calls for what goes on, so there may be something to submit again.
      if (this.#take()) more = true;
      if (more || !this.#open) continue;
      this.#ring.muteEvents(false);
      if (!this.#take()) break; // else one came just before, unheard
      this.#ring.muteEvents(true);
      more = true;
    }
    this.#busy = false;
    if (!more || !this.#open) return;
    this.#ring.muteEvents(false);
    eventfdSignal(this.#eventFd); // come back in the next round
  }

  /** @returns true if there is more to tell the kernel, now: it stops behind a call it finds fault with */
  #enter(): boolean {
    const { queued } = this.#ring;
    const taken = this.#ring.enter();
    if (taken > 0 || queued === 0 || taken === -EINTR) {
      this.#retries = 0;
      return this.#ring.queued > 0;
    }
    // The kernel is out of memory for requests, or thinks that we should take results first. Nothing is lost.
    const passes = taken === 0 || taken === -EAGAIN || taken === -EBUSY || taken === -ENOMEM;
    if (passes && ++this.#retries <= MAX_RETRIES) {
      this.#retry = this.#loop.after(RETRY_US, this);
      return false;
    }
    this.#failQueued();
    return true;
  }

  /** Takes all results. @returns true if there were any */
  #take(): boolean {
    const ring = this.#ring;
    let any = false;
    while (this.#refused.length > 0) {
      any = true;
      this.#end(this.#refused.pop() as number, -EIO);
    }
    // At most what is under way now, so that a handler which retries at once cannot hold us here.
    for (let left = this.pending; left > 0 && this.#open && ring.next(); left--) {
      any = true;
      this.#end(ring.token, ring.result);
    }
    if (any) this.#handler.onBatchEnd();
    return any;
  }

  #end(token: number, result: number): void {
    this.pending--;
    this.#handler.onDone(token, result);
  }

  #refuse(token: number): void {
    this.#refused.push(token);
  }

  #failQueued(): void {
    this.#retries = 0;
    while (this.#ring.unqueue()) this.#refuse(this.#ring.token);
  }
}
