/**
 * When to look at shared memory instead of sleeping: `--poll none|adaptive|interval=US|spin`.
 * One object per reactor. Thread: reactor. Hot path.
 */

/** Consulted by the reactor around each wait. */
export interface PollPolicy {
  /** Longest sleep in microseconds, -1 for no limit of its own. */
  readonly sleepUs: number;
  /** Something was found, or an event came, at time `nowUs`. */
  active(nowUs: number): void;
  /** Nothing to do at `nowUs`. @returns true to poll for a while, false to sleep at once */
  begin(nowUs: number): boolean;
  /** Still nothing. @returns true to go on polling */
  proceed(nowUs: number): boolean;
}

/** Tells how loaded the machine is. */
export interface LoadMeter {
  /** Time so far that this thread was ready to run and had no processor, in microseconds. */
  waitedUs(): number;
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

/** A budget is at least this long, or there is none. */
const MIN_BUDGET_US = 5;
const FIRST_BUDGET_US = 50;
const MAX_BUDGET_US = 200;
/** A gap this long between two looks means that somebody else had our processor. */
const PREEMPTED_US = 300;
/** Polls in a row that found nothing, and then it is no use. */
const FUTILE_POLLS = 8;
/** Load is looked at this often. */
const LOAD_CHECK_US = 5000;
/** Loaded: of the time since the last look, more than one part in so many was spent waiting for a processor. */
const LOADED_PART = 8;
/** No polling until the machine has not been loaded for this long. */
const LOADED_QUIET_US = 100_000;
/** Once polling has turned out to be harmful, none for this long; each time in a row twice as long as the last. */
const FIRST_BACK_OFF_US = 20_000;
const MAX_BACK_OFF_US = 320_000;

/**
 * `adaptive`: when work runs out, poll for a short time, the *budget*, before sleeping. The budget doubles when work comes
 * soon after we gave up (a little more polling would have caught it), and halves when it comes so late that no polling
 * would have helped; in the end there is none, until work comes soon again.
 *
 * Polling is harmful, and is left for a while, in two cases. The machine is loaded: a spinner on a busy processor costs
 * everybody whole time slices, and takes the time of those whose work we wait for. It shows in the time we wait for a
 * processor, and in a processor lost while polling. Or poll after poll finds nothing: most likely the peer runs on our own
 * processor, so that it cannot do anything before we sleep.
 */
export class AdaptivePoll implements PollPolicy {
  readonly sleepUs: number;
  #budgetUs = FIRST_BUDGET_US;
  #idle = true;
  #polled = false;
  /** Polls in a row that found nothing. */
  #futile = 0;
  #idleSinceUs = Number.NEGATIVE_INFINITY;
  #lastLookUs = 0;
  #quietUntilUs = 0;
  #backOffUs = FIRST_BACK_OFF_US;
  readonly #load: LoadMeter;
  #checkedUs = Number.NEGATIVE_INFINITY;
  #waitedUs = 0;

  /** @param sleepUs longest sleep in microseconds when there is no doorbell to wake us; -1 with one */
  constructor(load: LoadMeter, sleepUs = -1) {
    this.#load = load;
    this.sleepUs = sleepUs;
  }

  /** How long it would poll now, in microseconds. */
  get budgetUs(): number {
    return this.#budgetUs;
  }

  active(nowUs: number): void {
    if (!this.#idle) return;
    this.#idle = false;
    const budget = this.#budgetUs;
    const gap = nowUs - this.#idleSinceUs;
    if (gap <= budget) {
      if (!this.#polled) return;
      this.#futile = 0;
      this.#backOffUs = FIRST_BACK_OFF_US;
      return;
    }
    if (this.#polled && ++this.#futile >= FUTILE_POLLS) this.#backOff(nowUs);
    if (gap > MAX_BUDGET_US) this.#budgetUs = budget / 2 < MIN_BUDGET_US ? 0 : budget / 2;
    else this.#budgetUs = Math.min(MAX_BUDGET_US, Math.max(MIN_BUDGET_US, budget * 2));
  }

  begin(nowUs: number): boolean {
    if (!this.#idle) {
      this.#idle = true;
      this.#polled = false;
      this.#idleSinceUs = nowUs;
    }
    this.#lastLookUs = nowUs;
    if (nowUs - this.#idleSinceUs >= this.#budgetUs) return false;
    if (nowUs - this.#checkedUs > LOAD_CHECK_US) this.#checkLoad(nowUs);
    if (nowUs < this.#quietUntilUs) return false;
    this.#polled = true;
    return true;
  }

  proceed(nowUs: number): boolean {
    if (nowUs - this.#lastLookUs > PREEMPTED_US) {
      this.#backOff(nowUs);
      this.#polled = false; // one reason is enough
      return false;
    }
    this.#lastLookUs = nowUs;
    return nowUs - this.#idleSinceUs < this.#budgetUs;
  }

  #checkLoad(nowUs: number): void {
    const waited = this.#load.waitedUs();
    const loaded = (waited - this.#waitedUs) * LOADED_PART > nowUs - this.#checkedUs;
    if (loaded) this.#quietUntilUs = Math.max(this.#quietUntilUs, nowUs + LOADED_QUIET_US);
    this.#waitedUs = waited;
    this.#checkedUs = nowUs;
  }

  #backOff(nowUs: number): void {
    this.#quietUntilUs = Math.max(this.#quietUntilUs, nowUs + this.#backOffUs);
    this.#backOffUs = Math.min(MAX_BACK_OFF_US, this.#backOffUs * 2);
  }
}
