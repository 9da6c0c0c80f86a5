/**
 * The worker's end of a thread: state words, errors, messages. A worker's module calls {@link runThread} once.
 *
 * Thread: the worker.
 */
import {
  type MessagePort,
  parentPort,
  receiveMessageOnPort,
  type TransferListItem,
  workerData,
} from 'node:worker_threads';
import { InvariantError, toWire } from '../util/errors.js';
import {
  CONTROL_WAKE,
  type ControlBlock,
  STATE_RUNNING,
  STATE_STOPPED,
  setState,
  stopRequested,
} from './control-block.js';
import type { ThreadInit, ThreadMessage } from './messages.js';

/** What a thread's work is given. */
export class ThreadContext<T> {
  /** What `ThreadOptions.data` held. */
  readonly data: T;
  readonly control: ControlBlock;
  /** The eventfd to watch (give it to `Reactor`), or -1. Never close it. */
  readonly wakeFd: number;
  readonly #port: MessagePort;

  constructor(init: ThreadInit, port: MessagePort) {
    this.data = init.data as T; // written by the code that started this thread
    this.control = new Int32Array(init.control);
    this.wakeFd = init.wakeFd;
    this.#port = port;
  }

  /** True when the work has to end. Look after every wake-up. */
  stopRequested(): boolean {
    return stopRequested(this.control);
  }

  /** Sends to main; main gets it although this thread is blocked afterwards. */
  post(message: unknown, transfer: readonly TransferListItem[] = []): void {
    const wire: ThreadMessage = { kind: 'message', body: message };
    this.#port.postMessage(wire, transfer);
  }

  /** The next message from main, without returning to the JavaScript event loop. @returns undefined if there is none */
  receive(): unknown {
    return receiveMessageOnPort(this.#port)?.message;
  }

  /** Blocks until main has sent something. @returns undefined if main wants the thread to end instead */
  awaitMessage(): unknown {
    for (;;) {
      // Read before looking: a wake-up after this line makes the wait below return at once.
      const wakeUps = Atomics.load(this.control, CONTROL_WAKE);
      const message = this.receive();
      if (message !== undefined) return message;
      if (this.stopRequested()) return undefined;
      Atomics.wait(this.control, CONTROL_WAKE, wakeUps);
    }
  }
}

/**
 * Runs a thread's work and tells main how it ended. The work may block in system calls; it returns when
 * {@link ThreadContext.stopRequested} says so. It is not started at all when the stop request is already there.
 * An exception is posted to main as a `WireError`.
 */
export async function runThread<T>(work: (context: ThreadContext<T>) => void | Promise<void>): Promise<void> {
  if (parentPort === null) throw new InvariantError('runThread outside of a worker thread');
  const context = new ThreadContext<T>(workerData as ThreadInit, parentPort);
  try {
    // RUNNING before the check: main either sees RUNNING and waits for us, or its stop request is seen here.
    setState(context.control, STATE_RUNNING);
    if (!context.stopRequested()) await work(context);
  } catch (error) {
    const wire: ThreadMessage = { kind: 'error', error: toWire(error) };
    parentPort.postMessage(wire);
  } finally {
    setState(context.control, STATE_STOPPED);
    parentPort.close(); // or a listener on it would keep the thread alive
  }
}
