/**
 * When to look at shared memory instead of sleeping: `--poll none|adaptive|interval=US|spin`.
 * One object per reactor. Thread: reactor. Hot path.
 */

/** Consulted by the reactor around each wait. */
export interface PollPolicy {
  /** Longest sleep in microseconds, -1 for no limit of its own. */
  readonly sleepUs: number;
  /** Something was found at time `nowUs`. */
  active(nowUs: number): void;
  /** Nothing to do. @returns true to poll for a while, false to sleep at once */
  begin(nowUs: number): boolean;
  /** Still nothing. @returns true to go on polling */
  proceed(nowUs: number): boolean;
}

/** `none`: sleep whenever there is nothing to do. */
export class NoPoll implements PollPolicy {
  readonly sleepUs = -1;
  active(): void {}
  begin(): boolean {
    return false;
  }
  proceed(): boolean {
    return false;
  }
}

/** `interval=US`: sleep, but look at least every US microseconds. */
export class IntervalPoll implements PollPolicy {
  readonly sleepUs: number;
  /** @param us 1 ... 1_000_000 */
  constructor(us: number) {
    this.sleepUs = us;
  }
  active(): void {}
  begin(): boolean {
    return false;
  }
  proceed(): boolean {
    return false;
  }
}

/** `spin`: never sleep. Only with a processor to spare. */
export class SpinPoll implements PollPolicy {
  readonly sleepUs = -1;
  active(): void {}
  begin(): boolean {
    return true;
  }
  proceed(): boolean {
    return true;
  }
}

const MIN_BUDGET_US = 5;
const MAX_BUDGET_US = 100;
/** A gap this long between two looks means that somebody else had our processor. */
const PREEMPTED_US = 300;
/** After being preempted, no polling for this long. */
const BACK_OFF_US = 20_000;

/**
 * `adaptive`: after work, poll for a short time; the time grows while polling finds work and shrinks while it does not.
 * When the machine is loaded (we lose the processor while polling), sleep at once for a while: a spinner on a busy
 * processor costs everybody whole time slices.
 */
export class AdaptivePoll implements PollPolicy {
  readonly sleepUs = -1;
  #budgetUs = MAX_BUDGET_US / 2;
  #deadlineUs = 0;
  #lastLookUs = 0;
  #lastWorkUs = Number.NEGATIVE_INFINITY;
  #quietUntilUs = 0;
  #polling = false;

  active(nowUs: number): void {
    this.#lastWorkUs = nowUs;
    if (this.#polling) this.#budgetUs = Math.min(MAX_BUDGET_US, this.#budgetUs * 2);
    this.#polling = false;
  }

  begin(nowUs: number): boolean {
    this.#polling = false;
    if (nowUs < this.#quietUntilUs || nowUs - this.#lastWorkUs > this.#budgetUs) return false;
    this.#deadlineUs = nowUs + this.#budgetUs;
    this.#lastLookUs = nowUs;
    this.#polling = true;
    return true;
  }

  proceed(nowUs: number): boolean {
    if (nowUs - this.#lastLookUs > PREEMPTED_US) {
      this.#quietUntilUs = nowUs + BACK_OFF_US;
      this.#polling = false;
      return false;
    }
    this.#lastLookUs = nowUs;
    if (nowUs < this.#deadlineUs) return true;
    this.#budgetUs = Math.max(MIN_BUDGET_US, this.#budgetUs / 2);
    this.#polling = false;
    return false;
  }
}
