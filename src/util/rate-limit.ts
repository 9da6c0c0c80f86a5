/** Keeps a hostile or broken peer from flooding the log, or the main thread with events. */
import type { Log } from './ports.js';

/** So many per window, then none until the next one. Thread: one. */
export class RateLimit {
  /** Refused since the last one that was allowed and reported; the reporter sets it to 0. */
  suppressed = 0;
  readonly #burst: number;
  readonly #windowUs: number;
  #windowStartUs = Number.NEGATIVE_INFINITY;
  #passed = 0;

  /** @param burst how many per window @param windowUs microseconds */
  constructor(burst: number, windowUs: number) {
    this.#burst = burst;
    this.#windowUs = windowUs;
  }

  /** @param nowUs monotonic clock @returns true if one more may pass now */
  allow(nowUs: number): boolean {
    if (nowUs - this.#windowStartUs >= this.#windowUs) {
      this.#windowStartUs = nowUs;
      this.#passed = 0;
    }
    if (this.#passed < this.#burst) {
      this.#passed++;
      return true;
    }
    this.suppressed++;
    return false;
  }
}

/** A log behind a {@link RateLimit}; the next line that passes says how many were left out. */
export class RateLimitedLog implements Log {
  readonly #log: Log;
  readonly #limit: RateLimit;
  readonly #nowUs: () => number;

  constructor(log: Log, limit: RateLimit, nowUs: () => number) {
    this.#log = log;
    this.#limit = limit;
    this.#nowUs = nowUs;
  }

  debug(text: string): void {
    if (this.#log.debug !== undefined && this.#limit.allow(this.#nowUs()))
      this.#log.debug(this.#complete(text));
  }

  info(text: string): void {
    if (this.#limit.allow(this.#nowUs())) this.#log.info(this.#complete(text));
  }

  warn(text: string): void {
    if (this.#limit.allow(this.#nowUs())) this.#log.warn(this.#complete(text));
  }

  #complete(text: string): string {
    const { suppressed } = this.#limit;
    this.#limit.suppressed = 0;
    return suppressed === 0 ? text : `${text} (${suppressed} more lines were left out before)`;
  }
}
