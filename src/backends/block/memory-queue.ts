/**
 * Calls on a file that is memory (tmpfs without swap): reading and writing it is a copy from memory to memory, which never
 * waits for a disk. The kernel does not know that (io_uring hands every such call to another thread), so these calls are
 * made here, on the reactor, when they are submitted. What takes longer (giving back large ranges) goes the usual way.
 *
 * Thread: reactor.
 */
import { EINVAL } from '../../abi/errno.js';
import { fdatasync, preadv, pwritev } from '../../sys/fd.js';
import type { EventLoop } from '../../util/ports.js';
import { at } from '../../util/typed.js';
import type { HostQueue, HostQueueHandler } from './host-queue.js';

const CALL_PREADV = 0;
const CALL_PWRITEV = 1;
const CALL_FDATASYNC = 2;

/** Most calls per {@link MemoryQueue.submit}: a handler that always gives another one must not hold the reactor. */
const MAX_CALLS = 512;

/** A call that waits for its submission. Reused. */
class Call {
  op = CALL_PREADV;
  fd = -1;
  iov = 0;
  count = 0;
  offset = 0;
  token = 0;
}

/** See the file's head. */
export class MemoryQueue implements HostQueue {
  readonly #others: HostQueue;
  readonly #handler: HostQueueHandler;
  readonly #loop: EventLoop;
  /** A ring of `#count` calls from `#first`; grows to the largest number of calls at a time. */
  #calls: Call[] = [];
  #first = 0;
  #count = 0;
  #busy = false;
  #timer = 0;

  /** @param others for all other calls; closed with this */
  constructor(others: HostQueue, loop: EventLoop, handler: HostQueueHandler) {
    this.#others = others;
    this.#loop = loop;
    this.#handler = handler;
  }

  get pending(): number {
    return this.#count + this.#others.pending;
  }

  preadv(fd: number, iov: number, count: number, offset: number, token: number): void {
    const call = this.#add(CALL_PREADV, fd, token);
    call.iov = iov;
    call.count = count;
    call.offset = offset;
  }

  pwritev(fd: number, iov: number, count: number, offset: number, token: number): void {
    const call = this.#add(CALL_PWRITEV, fd, token);
    call.iov = iov;
    call.count = count;
    call.offset = offset;
  }

  fdatasync(fd: number, token: number): void {
    this.#add(CALL_FDATASYNC, fd, token);
  }

  fallocate(fd: number, mode: number, offset: number, bytes: number, token: number): void {
    this.#others.fallocate(fd, mode, offset, bytes, token);
  }

  discard(fd: number, offset: number, bytes: number, token: number): void {
    this.#others.discard(fd, offset, bytes, token);
  }

  submit(): void {
    this.#others.submit();
    if (this.#busy || this.#count === 0) return;
    this.#busy = true;
    for (let left = MAX_CALLS; left > 0 && this.#count > 0; left--) this.#next();
    this.#busy = false;
    this.#handler.onBatchEnd();
    if (this.#count > 0 && this.#timer === 0) this.#timer = this.#loop.after(0, this);
  }

  cancel(): void {
    this.#others.cancel();
  }

  settle(): boolean {
    this.submit();
    return this.#others.settle() && this.#count === 0;
  }

  close(): void {
    if (this.#timer !== 0) this.#loop.cancel(this.#timer);
    this.#timer = 0;
    this.#count = 0;
    this.#others.close();
  }

  /** For the event loop: calls are left. */
  onTimer(): void {
    this.#timer = 0;
    this.submit();
  }

  #add(op: number, fd: number, token: number): Call {
    if (this.#count === this.#calls.length) this.#grow();
    const call = at(this.#calls, (this.#first + this.#count) % this.#calls.length);
    this.#count++;
    call.op = op;
    call.fd = fd;
    call.token = token;
    return call;
  }

  #grow(): void {
    const calls = this.#calls;
    const start = this.#first;
    this.#calls = [...calls.slice(start), ...calls.slice(0, start)];
    this.#first = 0;
    for (let more = Math.max(16, calls.length); more > 0; more--) this.#calls.push(new Call());
  }

  /** Makes the oldest call; its place is free before the handler runs, which may give another one. */
  #next(): void {
    const call = at(this.#calls, this.#first);
    this.#first = (this.#first + 1) % this.#calls.length;
    this.#count--;
    const { token } = call;
    this.#handler.onDone(token, make(call));
  }
}

function make({ op, fd, iov, count, offset }: Call): number {
  switch (op) {
    case CALL_PREADV:
      return preadv(fd, iov, count, offset);
    case CALL_PWRITEV:
      return pwritev(fd, iov, count, offset);
    case CALL_FDATASYNC:
      return fdatasync(fd);
    default:
      return -EINVAL;
  }
}
