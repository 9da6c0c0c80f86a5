/**
 * Main's end of a worker thread: starts it, wakes it, stops it, and hears of its end.
 *
 * Thread: main.
 */
import { execArgv } from 'node:process';
import { type TransferListItem, Worker } from 'node:worker_threads';
import { eventfd, eventfdSignal } from '../sys/eventfd.js';
import { close } from '../sys/fd.js';
import { LkvmError, toWire, type WireError } from '../util/errors.js';
import {
  CONTROL_STATE,
  type ControlBlock,
  createControl,
  requestStop,
  STATE_STOPPED,
  setState,
  wakeByWord,
} from './control-block.js';
import type { ShutdownGuard } from './guard.js';
import type { ThreadInit, ThreadMessage } from './messages.js';

/** How a thread ended. */
export interface ThreadEnd {
  /** The error that ended it; undefined if its work returned. */
  readonly error: WireError | undefined;
}

/** Who hears from the thread. Called on main's event loop. */
export interface ThreadOwner {
  /** The thread's own code posted something. */
  onMessage(message: unknown): void;
  /** The thread has ended, asked to or not. Called once, after its last message. Its memory may be unmapped now. */
  onEnd(end: ThreadEnd): void;
}

/** What a thread is started with. */
export interface ThreadOptions {
  /** Shown by debuggers and in messages. */
  readonly name: string;
  /** The worker's module; it calls `runThread` of `entry.ts`. */
  readonly entry: URL;
  /** Cloned into the thread's `data`. */
  readonly data: unknown;
  /** Objects in `data` that move instead of being copied (message ports). */
  readonly transfer?: readonly TransferListItem[];
  /**
   * What the thread sleeps in: `fd` for epoll (it watches `wakeFd`), `word` for `Atomics.wait` on CONTROL_WAKE.
   */
  readonly wake: 'fd' | 'word';
  /** Called with each wake-up: gets the thread out of a system call that `wake` does not end. Runs in the exit hook, too. */
  readonly kick?: () => void;
  /** A control block made earlier because others need it too; none = the thread gets its own. */
  readonly control?: SharedArrayBuffer;
  readonly owner: ThreadOwner;
  readonly guard: ShutdownGuard;
}

/** Longest wait of {@link WorkerThread.stop} unless told otherwise, in milliseconds. */
export const STOP_LIMIT_MS = 5000;

/** A worker thread that may block in system calls. Runs from its construction on. Errors: SysError (no eventfd). */
export class WorkerThread {
  readonly name: string;
  readonly control: ControlBlock;
  /** Resolves when the thread has exited; never rejects. */
  readonly ended: Promise<ThreadEnd>;
  readonly #worker: Worker;
  readonly #wakeFd: number;
  readonly #kick: (() => void) | undefined;
  #exited = false;

  constructor(options: ThreadOptions) {
    const { name, entry, data, transfer = [], wake, owner, guard } = options;
    const shared = options.control ?? createControl();
    this.name = name;
    this.control = new Int32Array(shared);
    this.#wakeFd = wake === 'fd' ? eventfd() : -1;
    this.#kick = options.kick;
    const init: ThreadInit = { control: shared, wakeFd: this.#wakeFd, data };
    this.#worker = new Worker(entry, {
      name,
      workerData: init,
      transferList: [...transfer],
      // Descriptors are opened and closed by system calls that Node does not see; its own bookkeeping could only close
      // a number that belongs to somebody else by now.
      trackUnmanagedFds: false,
      ...workerOptions(execArgv),
    });
    const unguard = guard.add(this);
    this.ended = new Promise((resolve) => this.#listen(owner, unguard, resolve));
  }

  #listen(owner: ThreadOwner, unguard: () => void, resolve: (end: ThreadEnd) => void): void {
    let error: WireError | undefined;
    this.#worker.on('message', (message: ThreadMessage) => {
      if (message.kind === 'message') owner.onMessage(message.body);
      else error ??= message.error;
    });
    this.#worker.on('error', (thrown) => {
      error ??= toWire(thrown);
      setState(this.control, STATE_STOPPED); // its stack is gone, so it cannot be blocked
    });
    this.#worker.on('exit', (code) => {
      this.#exited = true;
      unguard();
      if (this.#wakeFd >= 0) close(this.#wakeFd);
      if (error === undefined && Atomics.load(this.control, CONTROL_STATE) !== STATE_STOPPED) {
        error = toWire(new LkvmError('THREAD_EXIT', `thread ${this.name} exited with code ${code}`, 1));
      }
      const end = { error };
      owner.onEnd(end);
      resolve(end);
    });
  }

  /** Posts a message and wakes the thread, which takes it with `ThreadContext.receive`. Nothing happens after its end. */
  post(message: unknown, transfer: readonly TransferListItem[] = []): void {
    if (this.#exited) return;
    this.#worker.postMessage(message, transfer);
    this.wake();
  }

  /** Makes the thread look at its stop word and messages, out of any sleep. */
  wake(): void {
    if (this.#exited) return; // the fd is closed, and its number may be another file by now
    wakeByWord(this.control);
    if (this.#wakeFd >= 0) eventfdSignal(this.#wakeFd);
    this.#kick?.();
  }

  /** Asks the thread to stop without waiting for it. */
  requestStop(): void {
    requestStop(this.control);
    this.wake();
  }

  /**
   * Stops the thread and waits for its exit. May be called again, and after its end.
   *
   * Errors: LkvmError THREAD_STUCK after `limitMs`: the thread still runs, so its memory must stay mapped.
   */
  async stop(limitMs = STOP_LIMIT_MS): Promise<ThreadEnd> {
    this.requestStop();
    let timer: NodeJS.Timeout | undefined;
    const stuck = new Promise<never>((_, reject) => {
      const text = `thread ${this.name} does not stop: still in a system call after ${limitMs} ms`;
      timer = setTimeout(() => reject(new LkvmError('THREAD_STUCK', text, 1)), limitMs);
    });
    try {
      return await Promise.race([this.ended, stuck]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Lets the process end although the thread runs (the guard stops it then). */
  unref(): void {
    this.#worker.unref();
  }

  /** Undoes {@link unref}. */
  ref(): void {
    this.#worker.ref();
  }
}

/**
 * The worker inherits our Node options, except when `--input-type` is among them, which a worker started from a file
 * refuses; then it gets none (a list of our own may not hold V8's options, which inherited ones may).
 */
function workerOptions(options: readonly string[]): { execArgv: string[] } | undefined {
  return options.some((option) => option.startsWith('--input-type')) ? { execArgv: [] } : undefined;
}
