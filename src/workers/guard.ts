/**
 * What happens at the very end of the process.
 *
 * A worker blocked in a system call makes `process.exit()`, an uncaught throw, `worker.terminate()` and a plain return
 * of main hang for ever, with SIGTERM ignored: Node waits for a thread that only a system call's end could free. So
 * one synchronous `exit` hook undoes what must be undone (the terminal), asks every worker to stop through shared words
 * and wake-ups, waits for them a short time, and as a last resort ends the process without Node.
 *
 * Thread: main (or the thread that uses the library).
 */
import { writeSync } from 'node:fs';
import { inspect } from 'node:util';
import { isMainThread } from 'node:worker_threads';
import { exitNow } from '../sys/process.js';
import { detachLostTerminals } from '../sys/tty.js';
import {
  CONTROL_STATE,
  type ControlBlock,
  requestStop,
  STATE_STARTING,
  STATE_STOPPED,
} from './control-block.js';

/** A thread that has to stop before the process can exit. */
export interface GuardedThread {
  readonly control: ControlBlock;
  /** Makes the thread look at its stop word, also out of a blocked system call. Called in the exit hook. */
  wake(): void;
}

/** Longest wait for all threads together in the exit hook, in milliseconds. */
export const EXIT_LIMIT_MS = 2000;

/** The threads and clean-up actions of one process. Thread: the one that made it. */
export class ShutdownGuard {
  readonly #threads = new Set<GuardedThread>();
  readonly #actions = new Set<() => void>();
  #hooked = false;
  #uncaught: unknown;

  /** Adds a thread that may block. @returns a function that removes it, to be called when the thread has exited */
  add(thread: GuardedThread): () => void {
    this.#hook();
    this.#threads.add(thread);
    return () => void this.#threads.delete(thread);
  }

  /**
   * Adds something to undo on every way out: restore the terminal, remove a file. Actions run before threads are
   * stopped, last added first, synchronously; an action that throws does not stop the others.
   * @returns a function that removes the action without running it
   */
  onExit(action: () => void): () => void {
    this.#hook();
    const entry = () => action(); // the same function may be added twice
    this.#actions.add(entry);
    return () => void this.#actions.delete(entry);
  }

  #hook(): void {
    if (this.#hooked) return;
    this.#hooked = true;
    process.on('exit', (code) => this.#exit(code));
    // Node prints an uncaught error after the exit hooks; if ours ends the process, it has to print it itself.
    process.on('uncaughtExceptionMonitor', (error) => {
      this.#uncaught = error;
    });
  }

  #exit(code: number): void {
    for (const action of [...this.#actions].reverse()) {
      try {
        action();
      } catch {
        // Nobody is left to tell, and the remaining actions matter more.
      }
    }
    detachLostTerminals();
    if (this.#stopThreads()) return;
    if (!isMainThread) return; // in a worker of somebody else's process we may not end that process
    if (this.#uncaught !== undefined) printToStderr(this.#uncaught);
    exitNow(Number(process.exitCode ?? code));
  }

  /** @returns true if every thread has stopped in time */
  #stopThreads(): boolean {
    for (const thread of this.#threads) {
      requestStop(thread.control);
      thread.wake();
    }
    const deadline = performance.now() + EXIT_LIMIT_MS;
    for (const { control } of this.#threads) {
      for (;;) {
        const state = Atomics.load(control, CONTROL_STATE);
        // One that is still starting sees the stop request before it makes any call that blocks.
        if (state === STATE_STOPPED || state === STATE_STARTING) break;
        const left = deadline - performance.now();
        if (left <= 0) return false;
        Atomics.wait(control, CONTROL_STATE, state, left);
      }
    }
    return true;
  }
}

function printToStderr(error: unknown): void {
  try {
    writeSync(2, `Uncaught ${inspect(error)}\n`);
  } catch {
    // stderr is closed or full
  }
}

/**
 * The guard of this thread. Module-level state on purpose, the only one in this folder: there is one `exit` event per
 * process, its listeners are called in the order of their registration, and the last of ours ends the process, so two
 * guards would cut each other short.
 */
export const shutdownGuard = new ShutdownGuard();
