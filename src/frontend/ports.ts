/**
 * What a front end needs from the machine it runs on: a way to signal the PMM and a way to wait. An operating system,
 * a bare-metal loop or a test implements these two; everything else in this folder is memory accesses.
 */

/** Something to wait for. An object that is made once, not a closure per wait. */
export interface Condition {
  /** Looks once; cheap, no side effects. */
  ready(): boolean;
}

/** The line to and from the PMM. Thread: the front end's only one. */
export interface PeerLine {
  /**
   * Signals the PMM, at the latest before this thread sleeps. Several calls may become one signal.
   * All stores made before are visible to the PMM when it gets the signal.
   */
  ring(): void;
  /**
   * Runs the loop until the condition holds. Interrupts are served meanwhile.
   * @param timeoutMs milliseconds, 0 ... 2^31; 0 looks once
   * @returns whether the condition holds
   * Errors: whatever the implementation throws when the PMM is gone for good or has started anew.
   */
  waitUntil(condition: Condition, timeoutMs: number): boolean;
  /** Microseconds on a monotonic clock. */
  nowUs(): number;
}
