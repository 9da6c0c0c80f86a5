/**
 * Main's end of the I/O worker. Nothing but two small shared arrays and an eventfd exists until the reactor's first
 * call: then the worker is started here. The reactor cannot start it itself, since a worker it made would be joined by
 * Node when the reactor exits, unseen by the exit guard, and a call that hangs would hang the process.
 *
 * The request for a start is a word, not a message: the reactor is blocked in epoll before and after, and
 * `Atomics.waitAsync` needs no port between the two.
 *
 * Thread: main.
 */
import { eventfd, eventfdSignal } from '../../sys/eventfd.js';
import { close } from '../../sys/fd.js';
import { toWire, type WireError } from '../../util/errors.js';
import { createControl } from '../control-block.js';
import type { ShutdownGuard } from '../guard.js';
import { type ThreadEnd, WorkerThread } from '../host.js';
import {
  createIoRing,
  IO_FAILED,
  IO_WANTED,
  IO_WANTED_NEVER,
  IO_WANTED_NO,
  IO_WANTED_YES,
  type IoInit,
} from './ring.js';

/** Starts, watches and stops the I/O worker of one reactor. */
export class IoService {
  /** For the reactor worker's `data`; there it is given to `IoClient`. */
  readonly init: IoInit;
  readonly #words: Int32Array;
  readonly #guard: ShutdownGuard;
  readonly #onError: (error: WireError) => void;
  #thread: WorkerThread | undefined;
  #stopping = false;
  #open = true;

  /**
   * @param onError the worker died; its calls are answered with -EIO from now on
   * Errors: SysError (no eventfd)
   */
  constructor(guard: ShutdownGuard, onError: (error: WireError) => void) {
    this.init = { ring: createIoRing(), control: createControl(), doneFd: eventfd() };
    this.#words = new Int32Array(this.init.ring);
    this.#guard = guard;
    this.#onError = onError;
    void this.#startWhenWanted();
  }

  /** True once the worker has been needed. */
  get started(): boolean {
    return this.#thread !== undefined;
  }

  /**
   * Stops the worker. Call after the reactor has exited, before memory named in calls is unmapped.
   * Errors: LkvmError THREAD_STUCK: a call has not ended; the memory must stay mapped.
   */
  async stop(limitMs?: number): Promise<void> {
    if (!this.#stopping) {
      this.#stopping = true;
      Atomics.store(this.#words, IO_WANTED, IO_WANTED_NEVER);
      Atomics.notify(this.#words, IO_WANTED);
    }
    await this.#thread?.stop(limitMs);
    if (this.#open) close(this.init.doneFd);
    this.#open = false;
  }

  async #startWhenWanted(): Promise<void> {
    const wait = Atomics.waitAsync(this.#words, IO_WANTED, IO_WANTED_NO);
    if (wait.async) await wait.value;
    if (Atomics.load(this.#words, IO_WANTED) !== IO_WANTED_YES) return;
    try {
      this.#thread = new WorkerThread({
        name: 'lkvm-io',
        entry: new URL('./io-worker.js', import.meta.url),
        data: this.init,
        wake: 'word',
        control: this.init.control,
        owner: { onMessage: () => {}, onEnd: (end) => this.#onEnd(end) },
        guard: this.#guard,
      });
      this.#thread.unref(); // the reactor decides how long the process lives, not its helper
    } catch (error) {
      this.#onEnd({ error: toWire(error) });
    }
  }

  #onEnd(end: ThreadEnd): void {
    if (end.error === undefined || this.#stopping) return;
    Atomics.store(this.#words, IO_FAILED, 1);
    eventfdSignal(this.init.doneFd);
    this.#onError(end.error);
  }
}
