/** What the console device needs from the host. Thread: reactor. */
import type { IovArray } from '../../../memory/iov-array.js';

/** Told when there is something to do. Implemented by the device; safe to call when no driver runs. */
export interface ConsoleListener {
  /** Input has arrived. @returns as {@link outputReady} */
  inputReady(): boolean;
  /**
   * Output can be written again.
   * @returns true if there is more to do than one call may: call again soon, after other work
   */
  outputReady(): boolean;
}

/** The host's end of a console. */
export interface ConsoleBackend {
  /** Who is told. Called once. */
  setListener(listener: ConsoleListener): void;
  /**
   * Moves input into a list.
   * @param iov the list; written from entry `first` on
   * @param limit most bytes, 1 ... the list's rest
   * @returns bytes written; 0 = none now, the listener is called when there is
   */
  read(iov: IovArray, first: number, limit: number): number;
  /**
   * Writes bytes of a list to the host, from byte `skip` on. Never waits.
   * @returns bytes written; 0 = not now, the listener is called when it makes sense; negative: minus the number of bytes
   *   that were thrown away because nobody takes them
   */
  write(iov: IovArray, skip: number): number;
  /** The driver is gone: its output must not be asked for any more. Input stays where it is. */
  stop(): void;
  /** Frees host resources. */
  close(): void;
}
