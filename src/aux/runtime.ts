/**
 * The auxiliary runtime's machine: one thread, one event loop, the doorbell, and the front end of whatever pool is
 * attached at the moment. It implements the front end's two needs (signal, wait) and the reactor's (look at memory).
 *
 * Code above is plain synchronous code; every wait goes through {@link Runtime.waitUntil}, which serves interrupts
 * meanwhile. When the PMM has started anew, the wait throws PeerRestartedError, and the session is set up again; when a
 * signal asks us to end, it throws StoppedError.
 */
import { EPOLLIN, SIGHUP, SIGINT, SIGQUIT, SIGTERM } from '../abi/linux.js';
import type { DoorbellHandler } from '../backends/doorbell/doorbell.js';
import { PeerRestartedError } from '../frontend/errors.js';
import type { FrontEnd } from '../frontend/front-end.js';
import type { Condition, PeerLine } from '../frontend/ports.js';
import {
  AdaptivePoll,
  IntervalPoll,
  type LoadMeter,
  NoPoll,
  type PollPolicy,
  SpinPoll,
} from '../reactor/poll-policy.js';
import { type Pollable, Reactor } from '../reactor/reactor.js';
import { RunDelay } from '../sys/run-delay.js';
import { SignalFd } from '../sys/signal-fd.js';
import type { FdHandler, Log, TimerHandler } from '../util/ports.js';
import { type AuxDoorbell, makeAuxDoorbell } from './doorbell.js';
import type { AuxOptions } from './options.js';
import { poolIdentity } from './pool.js';
import { StoppedError } from './stopped-error.js';

const NEVER: Condition = { ready: () => false };
const LOOK_US = 100_000;
const STOP_SIGNALS = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];

/** Thread: main, which is the process's only one. */
export class Runtime implements PeerLine, Pollable, DoorbellHandler, TimerHandler, FdHandler {
  readonly reactor = new Reactor();
  readonly doorbell: AuxDoorbell;
  readonly #options: AuxOptions;
  readonly #load = new RunDelay();
  #signals: SignalFd | undefined;
  #frontEnd: FrontEnd | undefined;
  #identity = '';
  #ringing = false;
  #lost = false;
  #stop = false;

  /** Opens the doorbell. Errors: StartError. */
  constructor(options: AuxOptions, log: Log) {
    this.#options = options;
    this.doorbell = makeAuxDoorbell(options.notify, this.reactor, log);
    this.reactor.setPollable(this, pollPolicy(options, this.#load));
    this.doorbell.open(this);
    this.reactor.after(LOOK_US, this);
  }

  /** From now on, {@link waitUntil} tells of signals that ask the process to end. Once in a process. Errors: SysError. */
  endAtSignals(): void {
    this.#signals = new SignalFd(STOP_SIGNALS);
    this.reactor.watch(this.#signals.fd, EPOLLIN, this);
  }

  /** Starts looking after a front end. @param identity of its pool, see `pool.ts` */
  attach(frontEnd: FrontEnd, identity: string): void {
    this.#frontEnd = frontEnd;
    this.#identity = identity;
    this.#lost = false;
  }

  /** True if the PMM of the front end attached last has started anew. Asked before {@link detach}. */
  get peerRestarted(): boolean {
    this.#checkPeer();
    return this.#lost;
  }

  /** Stops looking: afterwards nothing here touches the pool. */
  detach(): void {
    this.#frontEnd = undefined;
    this.#lost = false;
  }

  ring(): void {
    this.#ringing = true;
  }

  nowUs(): number {
    return this.reactor.nowUs();
  }

  /** Errors: PeerRestartedError; StoppedError, once for each signal. */
  waitUntil(condition: Condition, timeoutMs: number): boolean {
    const end = this.nowUs() + timeoutMs * 1000;
    for (let left = timeoutMs * 1000; ; left = end - this.nowUs()) {
      if (condition.ready()) return true;
      if (left <= 0) return false;
      this.signal();
      this.reactor.round(left);
      if (this.#stop) {
        this.#stop = false; // what is done at the end may wait, too, until the next signal
        throw new StoppedError();
      }
      if (this.#lost) throw new PeerRestartedError('the PMM has started anew');
    }
  }

  /** Serves the loop for a while. */
  pause(ms: number): void {
    this.waitUntil(NEVER, ms);
  }

  /** Rings the PMM now, if anybody wanted to. */
  signal(): void {
    if (!this.#ringing) return;
    this.#ringing = false;
    this.doorbell.signal();
  }

  close(): void {
    this.signal();
    this.doorbell.close();
    this.reactor.close();
    this.#load.close();
  }

  // Pollable ----------------------------------------------------------------------------------------------------------

  /** Our own timer looks after lost signals and a lost PMM, whatever the policy for polling. */
  readonly running = false;

  poll(): boolean {
    return this.#frontEnd?.poll() ?? false;
  }

  arm(): boolean {
    this.signal();
    return this.#frontEnd?.arm() ?? false;
  }

  disarm(): void {
    this.#frontEnd?.disarm();
  }

  /**
   * Nothing: {@link arm} and {@link waitUntil} ring before any sleep. So the acknowledge of an interrupt usually goes
   * out together with the next request, and the PMM is woken once for both.
   */
  flush(): void {}

  scan(): boolean {
    return false;
  }

  /** Every 100 ms: is the PMM still the one we attached to, and did a signal get lost? */
  onTimer(): void {
    this.reactor.after(LOOK_US, this);
    this.#checkPeer();
    if (!this.#lost) this.#frontEnd?.interrupt();
  }

  /** A signal has come. */
  onReady(): void {
    this.#signals?.drain();
    this.#stop = true;
  }

  // DoorbellHandler ---------------------------------------------------------------------------------------------------

  onDoorbell(): void {
    this.#frontEnd?.interrupt();
  }

  onPeer(up: boolean): void {
    const frontEnd = this.#frontEnd;
    if (!up || frontEnd === undefined) return;
    const now = poolIdentity(this.#options, this.doorbell.handed);
    if (now !== '' && this.#identity !== '' && now !== this.#identity) this.#lost = true;
    this.#checkPeer();
    if (this.#lost) return;
    frontEnd.interrupt(); // one may have been lost with the old connection, and so may one of ours
    this.ring();
  }

  #checkPeer(): void {
    if (this.#frontEnd !== undefined && !this.#frontEnd.alive()) this.#lost = true;
  }
}

function pollPolicy(options: AuxOptions, load: LoadMeter): PollPolicy {
  const { poll, notify } = options;
  if (notify.kind === 'poll' && poll.kind !== 'spin') {
    return new IntervalPoll(poll.kind === 'interval' ? poll.us : notify.us);
  }
  switch (poll.kind) {
    case 'none':
      return new NoPoll();
    case 'adaptive':
      return new AdaptivePoll(load);
    case 'interval':
      return new IntervalPoll(poll.us);
    case 'spin':
      return new SpinPoll();
  }
}
