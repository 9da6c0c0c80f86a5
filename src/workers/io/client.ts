/** The reactor's end of the I/O worker. Thread: reactor. */
import { EIO } from '../../abi/errno.js';
import { EPOLLIN } from '../../abi/linux.js';
import { eventfdDrain, eventfdSignal } from '../../sys/eventfd.js';
import type { BlockingCalls, BlockingHandler, BlockingLane, EventLoop, Watch } from '../../util/ports.js';
import { at, f64At } from '../../util/typed.js';
import { type ControlBlock, wakeByWord } from '../control-block.js';
import {
  IO_BUSY,
  IO_CLOSED,
  IO_DISCARD,
  IO_DONE,
  IO_FAILED,
  IO_FALLOCATE,
  IO_FDATASYNC,
  IO_FSYNC,
  IO_GIVEN,
  IO_PREADV,
  IO_PWRITEV,
  IO_SLOTS,
  IO_WANTED,
  IO_WANTED_NO,
  IO_WANTED_YES,
  type IoInit,
  IoRing,
  SLOT_COUNT,
  SLOT_DOUBLES,
  SLOT_FD,
  SLOT_IOV,
  SLOT_LANE,
  SLOT_OFFSET,
  SLOT_OP,
  SLOT_RESULT,
  SLOT_TOKEN,
} from './ring.js';

/** Longest wait for a call that is being made when the client closes, in milliseconds. */
const CLOSE_LIMIT_MS = 1000;
const SETTLE_NAP_MS = 50;

/** Gives calls to the I/O worker, which main starts at the first one. */
export class IoClient implements BlockingCalls {
  readonly #ring: IoRing;
  readonly #control: ControlBlock;
  readonly #doneFd: number;
  readonly #watch: Watch;
  readonly #lanes: (Lane | undefined)[] = [];
  readonly #freeLanes: number[] = [];
  /** Calls for which the ring had no room, SLOT_DOUBLES numbers each, the oldest at `#waitingStart`. */
  readonly #waiting: number[] = [];
  #waitingStart = 0;
  #given = 0;
  #answered = 0;
  #failed = false;
  #closed = false;

  constructor(init: IoInit, loop: EventLoop) {
    this.#ring = new IoRing(init.ring);
    this.#control = new Int32Array(init.control);
    this.#doneFd = init.doneFd;
    this.#watch = loop.watch(init.doneFd, EPOLLIN, this);
  }

  lane(handler: BlockingHandler): BlockingLane {
    const index = this.#freeLanes.pop() ?? this.#lanes.length;
    const lane = new Lane(this, index, handler);
    this.#lanes[index] = lane;
    return lane;
  }

  /** For the event loop: answers are there. */
  onReady(): void {
    eventfdDrain(this.#doneFd);
    const { words } = this.#ring;
    // FAILED before DONE: when it is set, DONE is final.
    const failed = Atomics.load(words, IO_FAILED) !== 0;
    if (!this.#failed) this.#answerUpTo(Atomics.load(words, IO_DONE));
    this.#failed = failed;
    if (failed) this.#failUpTo(this.#given); // from here on DONE lags behind
    while (this.#waitingStart < this.#waiting.length && this.#hasRoom()) this.#giveWaiting();
    // What handlers gave meanwhile gets its answer in another round, so that one that retries cannot hold us here.
    if (failed && this.#given !== this.#answered) eventfdSignal(this.#doneFd);
  }

  /** @internal for the lanes. @param call SLOT_DOUBLES numbers in the order of the SLOT_ constants; copied */
  give(call: Float64Array): void {
    if (this.#closed) return;
    if (this.#waitingStart < this.#waiting.length || !this.#hasRoom()) {
      for (let i = 0; i < SLOT_DOUBLES; i++) this.#waiting.push(f64At(call, i));
      return;
    }
    this.#ring.slots.set(call, this.#ring.slot(this.#given));
    this.#publish();
  }

  /** @internal for the lanes: the number may be used again */
  release(index: number): void {
    this.#lanes[index] = undefined;
    this.#freeLanes.push(index);
  }

  /**
   * Ends the service: calls not begun are dropped, nothing is answered any more. Waits up to 1 s for a call that is
   * being made, so that the caller may close files and have memory unmapped.
   * @returns false if that call still runs
   */
  close(): boolean {
    if (!this.#closed) this.#watch.close();
    this.#closed = true;
    const { words } = this.#ring;
    // Store CLOSED, then read BUSY; the worker stores BUSY, then reads CLOSED: one of us sees the other.
    Atomics.store(words, IO_CLOSED, 1);
    const deadline = performance.now() + CLOSE_LIMIT_MS;
    while (Atomics.load(words, IO_BUSY) !== 0) {
      const left = deadline - performance.now();
      if (left <= 0) return false;
      Atomics.wait(words, IO_BUSY, 1, left);
    }
    return true;
  }

  /** @internal for the lanes: waits for the calls of one. @returns false if one may still be made */
  settle(lane: Lane, limitMs: number): boolean {
    const { words } = this.#ring;
    const deadline = performance.now() + limitMs;
    while (lane.pending > 0 && !this.#closed) {
      const seen = Atomics.load(words, IO_DONE);
      this.onReady();
      if (lane.pending === 0) break;
      const left = deadline - performance.now();
      if (left <= 0) return false;
      // Short naps: a worker that dies does not move the word.
      Atomics.wait(words, IO_DONE, seen, Math.min(left, SETTLE_NAP_MS));
    }
    // After the end of the service no call begins any more, so only one that is being made counts.
    return lane.pending === 0 || (this.#closed && Atomics.load(words, IO_BUSY) === 0);
  }

  #hasRoom(): boolean {
    return ((this.#given - this.#answered) | 0) < IO_SLOTS;
  }

  #giveWaiting(): void {
    const slot = this.#ring.slot(this.#given);
    for (let i = 0; i < SLOT_DOUBLES; i++) {
      this.#ring.slots[slot + i] = at(this.#waiting, this.#waitingStart + i);
    }
    this.#waitingStart += SLOT_DOUBLES;
    if (this.#waitingStart === this.#waiting.length) {
      this.#waiting.length = 0;
      this.#waitingStart = 0;
    }
    this.#publish();
  }

  #publish(): void {
    const { words } = this.#ring;
    this.#given = (this.#given + 1) | 0;
    // Whoever sees this store sees the slot's plain stores before it.
    Atomics.store(words, IO_GIVEN, this.#given);
    wakeByWord(this.#control);
    if (Atomics.load(words, IO_FAILED) !== 0) {
      eventfdSignal(this.#doneFd); // answered by onReady, never inside the call that gave it
    } else if (Atomics.compareExchange(words, IO_WANTED, IO_WANTED_NO, IO_WANTED_YES) === IO_WANTED_NO) {
      Atomics.notify(words, IO_WANTED);
    }
  }

  #answerUpTo(end: number): void {
    while (this.#answered !== end && !this.#closed) {
      this.#answer(f64At(this.#ring.slots, this.#ring.slot(this.#answered) + SLOT_RESULT));
    }
  }

  #failUpTo(end: number): void {
    while (this.#answered !== end && !this.#closed) this.#answer(-EIO);
  }

  /** Answers the oldest call. Its slot is free before the handler runs, which may give another call. */
  #answer(result: number): void {
    const slot = this.#ring.slot(this.#answered);
    const lane = this.#lanes[f64At(this.#ring.slots, slot + SLOT_LANE)];
    const token = f64At(this.#ring.slots, slot + SLOT_TOKEN);
    this.#answered = (this.#answered + 1) | 0;
    if (lane !== undefined) lane.answer(token, result);
  }
}

class Lane implements BlockingLane {
  pending = 0;
  readonly #client: IoClient;
  readonly #index: number;
  readonly #handler: BlockingHandler;
  readonly #call = new Float64Array(SLOT_DOUBLES);
  #open = true;

  constructor(client: IoClient, index: number, handler: BlockingHandler) {
    this.#client = client;
    this.#index = index;
    this.#handler = handler;
  }

  fsync(fd: number, token: number): void {
    this.#give(IO_FSYNC, fd, token);
  }

  fdatasync(fd: number, token: number): void {
    this.#give(IO_FDATASYNC, fd, token);
  }

  preadv(fd: number, iov: number, count: number, offset: number, token: number): void {
    this.#setVector(iov, count, offset);
    this.#give(IO_PREADV, fd, token);
  }

  pwritev(fd: number, iov: number, count: number, offset: number, token: number): void {
    this.#setVector(iov, count, offset);
    this.#give(IO_PWRITEV, fd, token);
  }

  fallocate(fd: number, mode: number, offset: number, bytes: number, token: number): void {
    this.#setVector(mode, bytes, offset);
    this.#give(IO_FALLOCATE, fd, token);
  }

  discard(fd: number, offset: number, bytes: number, token: number): void {
    this.#setVector(0, bytes, offset);
    this.#give(IO_DISCARD, fd, token);
  }

  settle(limitMs: number): boolean {
    return this.#client.settle(this, limitMs);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    if (this.pending === 0) this.#client.release(this.#index);
  }

  /** For the client: a call has ended. */
  answer(token: number, result: number): void {
    this.pending--;
    if (this.#open) this.#handler.onDone(token, result);
    else if (this.pending === 0) this.#client.release(this.#index);
  }

  #setVector(iov: number, count: number, offset: number): void {
    this.#call[SLOT_IOV] = iov;
    this.#call[SLOT_COUNT] = count;
    this.#call[SLOT_OFFSET] = offset;
  }

  #give(op: number, fd: number, token: number): void {
    if (!this.#open) return;
    this.#call[SLOT_OP] = op;
    this.#call[SLOT_FD] = fd;
    this.#call[SLOT_LANE] = this.#index;
    this.#call[SLOT_TOKEN] = token;
    this.pending++;
    this.#client.give(this.#call);
  }
}
