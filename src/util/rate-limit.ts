/** Keeps a hostile or broken peer from flooding the log. */
import type { Log } from './ports.js';

const WINDOW_US = 1_000_000;

/** Passes at most `limit` lines per second to `log`; says how many were left out when the next one passes. */
export class RateLimitedLog implements Log {
  readonly #log: Log;
  readonly #limit: number;
  readonly #nowUs: () => number;
  #windowStart = 0;
  #lines = 0;
  #suppressed = 0;

  /** @param nowUs monotonic clock in microseconds */
  constructor(log: Log, limit: number, nowUs: () => number) {
    this.#log = log;
    this.#limit = limit;
    this.#nowUs = nowUs;
  }

  info(text: string): void {
    if (this.#pass()) this.#log.info(text);
  }

  warn(text: string): void {
    if (this.#pass()) this.#log.warn(text);
  }

  #pass(): boolean {
    const now = this.#nowUs();
    if (now - this.#windowStart > WINDOW_US) {
      this.#windowStart = now;
      this.#lines = 0;
      const suppressed = this.#suppressed;
      this.#suppressed = 0;
      if (suppressed > 0) this.#log.warn(`${suppressed} more messages were left out`);
    }
    this.#lines++;
    if (this.#lines <= this.#limit) return true;
    this.#suppressed++;
    return false;
  }
}
