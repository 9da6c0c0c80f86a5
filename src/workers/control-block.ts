/**
 * The words that main and one worker thread share: an `Int32Array` on a `SharedArrayBuffer`. They work while the worker
 * is blocked in a system call and while main is in its exit hook, when no message is delivered any more.
 *
 * Every access is an `Atomics` call.
 */

/**
 * How far the worker is: one of the STATE_ values. Writer: the worker; main writes STATE_STOPPED when the worker died
 * of an error. Reader: main, which waits on it (`Atomics.wait`) in the exit hook.
 */
export const CONTROL_STATE = 0;
/** 1 = end soon. Writer: main, once. Reader: the worker, after each wake-up and before it starts its work. */
export const CONTROL_STOP = 1;
/** Count of wake-ups (wraps). Writer: any thread. Reader: a worker that sleeps in `Atomics.wait` instead of epoll. */
export const CONTROL_WAKE = 2;
/** Words of a control block. */
export const CONTROL_WORDS = 4;

/** The worker has not begun its work: it makes no system call that blocks. */
export const STATE_STARTING = 0;
/** The worker may be blocked in a system call: nothing but its wake-up gets it out. */
export const STATE_RUNNING = 1;
/** The worker's work is over: it will never block again, so the process may exit. */
export const STATE_STOPPED = 2;

/** A view of a {@link createControl} block. */
export type ControlBlock = Int32Array;

/** A new block, all zero: STATE_STARTING, no stop request. */
export function createControl(): SharedArrayBuffer {
  return new SharedArrayBuffer(CONTROL_WORDS * 4);
}

/** True when main wants the worker to end. */
export function stopRequested(control: ControlBlock): boolean {
  return Atomics.load(control, CONTROL_STOP) !== 0;
}

/** Counts a wake-up and wakes a worker that waits on {@link CONTROL_WAKE}. Any thread. */
export function wakeByWord(control: ControlBlock): void {
  Atomics.add(control, CONTROL_WAKE, 1);
  Atomics.notify(control, CONTROL_WAKE);
}

/** Publishes a state and wakes whoever waits for it. */
export function setState(control: ControlBlock, state: number): void {
  Atomics.store(control, CONTROL_STATE, state);
  Atomics.notify(control, CONTROL_STATE);
}

/** Asks the worker to end. The caller wakes it afterwards, so that it looks. */
export function requestStop(control: ControlBlock): void {
  Atomics.store(control, CONTROL_STOP, 1);
  Atomics.notify(control, CONTROL_STOP);
}
