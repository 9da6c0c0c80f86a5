/** Lets a burst of log lines through, then silence: a hostile driver must not fill the disk. Thread: reactor. */

const BURST = 10;
const WINDOW_US = 10_000_000;

export class LogLimiter {
  #windowStartUs = Number.NEGATIVE_INFINITY;
  #lines = 0;
  /** Lines swallowed since the last one that was let through. */
  suppressed = 0;

  /** @returns true if a line may be written now; read and clear `suppressed` then */
  allow(nowUs: number): boolean {
    if (nowUs - this.#windowStartUs >= WINDOW_US) {
      this.#windowStartUs = nowUs;
      this.#lines = 0;
    }
    if (this.#lines < BURST) {
      this.#lines++;
      return true;
    }
    this.suppressed++;
    return false;
  }
}
