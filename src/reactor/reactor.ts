/**
 * The event loop of a worker: epoll with integer tokens, timers, and a policy for polling memory that no file
 * descriptor watches. It never returns to the JavaScript event loop while it runs; it is stopped through a stop word and
 * a wake-up fd.
 */
import { EINTR } from '../abi/errno.js';
import { EPOLLIN } from '../abi/linux.js';
import { Epoll } from '../sys/epoll.js';
import { eventfd, eventfdDrain, eventfdSignal } from '../sys/eventfd.js';
import { close } from '../sys/fd.js';
import { must } from '../sys/libc.js';
import type { EventLoop, FdHandler, TimerHandler, Watch } from '../util/ports.js';
import { at } from '../util/typed.js';
import { NoPoll, type PollPolicy } from './poll-policy.js';

/** Work found by looking at memory instead of by an event. Thread: reactor. */
export interface Pollable {
  /** Looks once and does what there is. Cheap when there is nothing. @returns true if it did something */
  poll(): boolean;
  /**
   * About to sleep: ask the peer for notifications again, then look once more.
   * @returns true if something arrived in between; then the loop does not sleep
   */
  arm(): boolean;
  /** Polling starts: notifications are not needed for now. */
  disarm(): void;
  /** End of a round: send what was collected (at most one signal). */
  flush(): void;
  /**
   * Called when a sleep of at most 100 ms has ended without any event, unless the policy looks regularly anyway.
   * @returns true if it found work whose notification was lost
   */
  scan(): boolean;
  /** True while a notification may get lost, so that {@link scan} makes sense; otherwise the loop sleeps without limit. */
  readonly running: boolean;
}

const SCAN_US = 100_000;
const WAKE_TOKEN = 0;
/** While polling, the file descriptors are looked at every so many turns. */
const TURNS_PER_EPOLL = 32;

interface Timer {
  readonly id: number;
  readonly dueUs: number;
  readonly handler: TimerHandler;
}

/** See the file's head. Thread: the one that calls {@link Reactor.run}. */
export class Reactor implements EventLoop {
  /** An eventfd; writing 1 makes the loop look at its stop condition and mailboxes. Any thread may write it. */
  readonly wakeFd: number;
  readonly #ownsWakeFd: boolean;
  readonly #epoll = new Epoll();
  readonly #handlers: (FdHandler | undefined)[] = [undefined];
  readonly #free: number[] = [];
  /** Slots closed in this round: reusing one at once would give its stale event to the new owner. */
  readonly #retired: number[] = [];
  #timers: Timer[] = [];
  #nextTimer = 1;
  #stopped = false;
  #pollable: Pollable | undefined;
  #policy: PollPolicy = new NoPoll();
  #onWake: (() => void) | undefined;

  /**
   * @param wakeFd an eventfd made elsewhere, whose maker closes it (others may still write it); or none to make one
   * Errors: SysError.
   */
  constructor(wakeFd?: number) {
    this.wakeFd = wakeFd ?? eventfd();
    this.#ownsWakeFd = wakeFd === undefined;
    must(this.#epoll.add(this.wakeFd, EPOLLIN, WAKE_TOKEN), 'epoll_ctl');
  }

  /** Installs what to poll, and how. At most one. */
  setPollable(pollable: Pollable, policy: PollPolicy): void {
    this.#pollable = pollable;
    this.#policy = policy;
  }

  /** Called in the loop each time {@link wakeFd} was written. */
  onWake(handler: () => void): void {
    this.#onWake = handler;
  }

  watch(fd: number, events: number, handler: FdHandler): Watch {
    const slot = this.#free.pop() ?? this.#handlers.length;
    this.#handlers[slot] = handler;
    const added = this.#epoll.add(fd, events, slot);
    if (added < 0) {
      this.#handlers[slot] = undefined;
      this.#retired.push(slot);
      must(added, 'epoll_ctl', `fd ${fd}`);
    }
    return new FdWatch(this.#epoll, fd, events, slot, this.#handlers, this.#retired);
  }

  after(us: number, handler: TimerHandler): number {
    const id = this.#nextTimer++;
    this.#timers.push({ id, dueUs: this.nowUs() + us, handler });
    this.#timers.sort((a, b) => a.dueUs - b.dueUs);
    return id;
  }

  cancel(timer: number): void {
    this.#timers = this.#timers.filter((t) => t.id !== timer);
  }

  nowUs(): number {
    return performance.now() * 1000;
  }

  /** Makes {@link run} return after the current round. Only from the loop's own thread. */
  stop(): void {
    this.#stopped = true;
  }

  /** Wakes the loop. Any thread, through any Reactor-less copy of {@link wakeFd} too. */
  wake(): void {
    eventfdSignal(this.wakeFd);
  }

  /** Runs rounds until {@link stop}. */
  run(): void {
    while (!this.#stopped) this.round();
  }

  /**
   * One round: look at memory; poll or sleep; dispatch events; timers; flush.
   * @param maxWaitUs upper limit of the wait in microseconds, -1 for none
   */
  round(maxWaitUs = -1): void {
    const pollable = this.#pollable;
    let timeout = this.#timeout(maxWaitUs);
    if (pollable !== undefined) {
      if (pollable.poll()) {
        pollable.flush();
        this.#policy.active(this.nowUs());
        timeout = 0; // serve file descriptors between two bursts
      } else if (timeout !== 0) {
        timeout = this.#pollPhase(pollable, timeout) ? 0 : this.#sleepLimit(pollable, timeout);
      }
    }
    const n = this.#stopped ? 0 : this.#wait(timeout);
    if (n > 0) {
      this.#dispatch(n);
      this.#policy.active(this.nowUs());
    } else if (n === 0 && timeout !== 0 && pollable?.running === true && this.#policy.sleepUs < 0) {
      if (pollable.scan()) this.#policy.active(this.nowUs());
    }
    this.#runTimers();
    pollable?.flush();
  }

  /** Closes the epoll fd, and the wake-up fd if it was made here. Watched fds belong to their owners. */
  close(): void {
    this.#epoll.close();
    if (this.#ownsWakeFd) close(this.wakeFd);
  }

  /** Nothing to do: polls memory for as long as the policy says. @returns true if the loop must not sleep now */
  #pollPhase(pollable: Pollable, timeout: number): boolean {
    const policy = this.#policy;
    const start = this.nowUs();
    if (!policy.begin(start)) return pollable.arm();
    pollable.disarm();
    const limit = timeout < 0 ? Number.POSITIVE_INFINITY : start + timeout;
    for (let turn = 1; ; turn++) {
      if (pollable.poll()) {
        pollable.flush();
        policy.active(this.nowUs());
        return true;
      }
      if (turn % TURNS_PER_EPOLL !== 0) continue;
      const now = this.nowUs();
      const n = this.#wait(0);
      if (n > 0) {
        this.#dispatch(n);
        pollable.flush();
        policy.active(now);
        return true;
      }
      if (now >= limit || this.#stopped) return true; // a timer is due
      if (!policy.proceed(now)) return pollable.arm();
    }
  }

  /** @returns number of events; 0 also when a signal interrupted the wait */
  #wait(timeoutUs: number): number {
    const n = this.#epoll.wait(timeoutUs);
    return n === -EINTR ? 0 : must(n, 'epoll_wait');
  }

  #sleepLimit(pollable: Pollable, timeout: number): number {
    let limit = this.#policy.sleepUs;
    if (limit < 0 && pollable.running) limit = SCAN_US;
    if (limit < 0) return timeout;
    return timeout < 0 ? limit : Math.min(timeout, limit);
  }

  #timeout(maxWaitUs: number): number {
    const first = this.#timers[0];
    if (first === undefined) return maxWaitUs;
    const left = Math.max(0, Math.ceil(first.dueUs - this.nowUs()));
    return maxWaitUs < 0 ? left : Math.min(left, maxWaitUs);
  }

  #dispatch(n: number): void {
    for (let i = 0; i < n; i++) {
      const token = this.#epoll.token(i);
      if (token === WAKE_TOKEN) {
        eventfdDrain(this.wakeFd);
        if (this.#onWake !== undefined) this.#onWake();
        continue;
      }
      // A handler called earlier in this round may have closed this one.
      const handler = at(this.#handlers, token);
      if (handler !== undefined) handler.onReady(this.#epoll.events(i));
    }
    // Only now: had a handler closed one fd and watched another, the new one would have got the old one's event.
    while (this.#retired.length > 0) this.#free.push(this.#retired.pop() as number);
  }

  #runTimers(): void {
    if (this.#timers.length === 0) return;
    const now = this.nowUs(); // read once: a timer set by a timer waits for the next round
    while (!this.#stopped) {
      const first = this.#timers[0];
      if (first === undefined || first.dueUs > now) return;
      this.#timers.shift();
      first.handler.onTimer();
    }
  }
}

class FdWatch implements Watch {
  readonly #epoll: Epoll;
  readonly #fd: number;
  readonly #slot: number;
  readonly #handlers: (FdHandler | undefined)[];
  readonly #retired: number[];
  #events: number;
  #open = true;

  constructor(
    epoll: Epoll,
    fd: number,
    events: number,
    slot: number,
    handlers: (FdHandler | undefined)[],
    retired: number[],
  ) {
    this.#epoll = epoll;
    this.#fd = fd;
    this.#events = events;
    this.#slot = slot;
    this.#handlers = handlers;
    this.#retired = retired;
  }

  setEvents(events: number): void {
    if (!this.#open || events === this.#events) return;
    this.#events = events;
    this.#epoll.modify(this.#fd, events, this.#slot);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#epoll.remove(this.#fd);
    this.#handlers[this.#slot] = undefined;
    this.#retired.push(this.#slot);
  }
}
