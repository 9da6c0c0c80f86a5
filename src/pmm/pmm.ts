/** A running Physical Machine Monitor, seen from main. Made by `createPmm`. */
import { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import type { ConsoleStream } from '../machine/console-stream.js';
import { consoleTerminal } from '../machine/raw-terminal.js';
import {
  COUNTER_BYTES,
  COUNTER_COUNT,
  COUNTER_DOORBELLS,
  COUNTER_DROPPED,
  COUNTER_FAULTS,
  COUNTER_INTERRUPTS,
  COUNTER_REQUESTS,
  COUNTER_STARTS,
} from '../util/counters.js';
import { fromWire, type LkvmError } from '../util/errors.js';
import type { Log } from '../util/ports.js';
import { f64At } from '../util/typed.js';
import type { HvlLayout } from '../virtio/transport/hvl/layout.js';
import { shutdownGuard } from '../workers/guard.js';
import type { ThreadEnd, WorkerThread } from '../workers/host.js';
import type { IoService } from '../workers/io/service.js';
import type { MainMessage } from '../workers/reactor/messages.js';
import type { PmmConfig } from './config.js';
import type { PmmReactorMessage } from './messages.js';
import type { Pool } from './pool.js';
import type { Remote, RemoteEvent, RemoteOwner } from './remote/remote.js';

/** How a PMM ended. */
export interface PmmExit {
  /**
   * "stopped": by {@link Pmm.stop}; "escape": by the person at the console; "remote": the other side that was started with
   * the PMM has switched itself off; "failed": see `error`.
   */
  readonly reason: 'stopped' | 'escape' | 'remote' | 'failed';
  readonly error: LkvmError | undefined;
}

/** A device's driver started it, is gone or starts again, or broke the protocol. */
export interface PmmDeviceEvent {
  readonly slot: number;
  readonly name: string;
  readonly event: 'started' | 'reset' | 'fault';
  /** What was wrong, for "fault"; else "". */
  readonly text: string;
}

interface PmmEvents {
  device: [PmmDeviceEvent];
  /** The doorbell's peer connected (true) or went away. Only doorbells with connections say. */
  peer: [boolean];
  /** Something happened to the other side that was started with the PMM. */
  remote: [RemoteEvent];
}

/** What a device has done since the PMM started. */
export interface PmmDeviceCounters {
  readonly slot: number;
  readonly name: string;
  readonly requests: number;
  readonly bytes: number;
  readonly interrupts: number;
  readonly doorbells: number;
  readonly dropped: number;
  readonly faults: number;
  readonly starts: number;
}

/** What a {@link Pmm} holds. */
export interface PmmParts {
  readonly layout: HvlLayout;
  readonly pool: Pool;
  readonly counters: SharedArrayBuffer;
  readonly console: ConsoleStream | undefined;
  readonly io: IoService;
  readonly log: Log;
}

/** A running PMM. Thread: main. */
export class Pmm extends EventEmitter<PmmEvents> implements AsyncDisposable {
  readonly layout: HvlLayout;
  /** Names of the host taps, in NIC order. */
  taps: readonly string[] = [];
  /** Resolves once, when the PMM has ended and everything is closed. Never rejects. */
  readonly exited: Promise<PmmExit>;
  readonly #parts: PmmParts;
  readonly #counters: Float64Array;
  #thread: WorkerThread | undefined;
  #reason: PmmExit['reason'] = 'failed';
  #resolveExited: (exit: PmmExit) => void = () => undefined;
  #restoreTerminal: () => void = () => undefined;
  #beforeStop: (() => void) | undefined;
  #remote: Remote | undefined;
  #failure: LkvmError | undefined;
  #unguard: (() => void) | undefined;

  constructor(parts: PmmParts) {
    super();
    this.layout = parts.layout;
    this.#parts = parts;
    this.#counters = new Float64Array(parts.counters);
    this.exited = new Promise((resolve) => {
      this.#resolveExited = resolve;
    });
  }

  /** The console's host end, when asked for (`consoleStream`). */
  get console(): Duplex | undefined {
    return this.#parts.console?.stream;
  }

  /** All devices' counters, in slot order. Cheap; may be called at any time. */
  counters(): PmmDeviceCounters[] {
    return this.layout.slots.map(({ index, request }) => {
      const value = (counter: number) => f64At(this.#counters, index * COUNTER_COUNT + counter);
      return {
        slot: index,
        name: request.name,
        requests: value(COUNTER_REQUESTS),
        bytes: value(COUNTER_BYTES),
        interrupts: value(COUNTER_INTERRUPTS),
        doorbells: value(COUNTER_DOORBELLS),
        dropped: value(COUNTER_DROPPED),
        faults: value(COUNTER_FAULTS),
        starts: value(COUNTER_STARTS),
      };
    });
  }

  /** Stops the devices, waits for the reactor, unmaps and closes. May be called more than once. */
  async stop(): Promise<void> {
    if (this.#reason === 'failed') this.#reason = 'stopped';
    this.#runBeforeStop();
    await this.#remote?.stop();
    await this.#thread?.stop();
    await this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** @internal The reactor worker, once it is started. */
  attach(thread: WorkerThread): void {
    this.#thread = thread;
  }

  /** @internal Starts the other side, which ends with the PMM. Errors: StartError; then the PMM has to be stopped. */
  async startRemote(make: (owner: RemoteOwner) => Remote): Promise<void> {
    const remote = make({
      event: (event) => {
        if (event.event === 'gone') this.#parts.log.warn(event.text);
        else this.#parts.log.info(event.text);
        this.emit('remote', event);
      },
      ended: (error) => {
        this.#failure = error;
        if (error === undefined && this.#reason === 'failed') this.#reason = 'remote';
        this.#runBeforeStop();
        this.#thread?.requestStop();
      },
    });
    this.#remote = remote;
    const forget = shutdownGuard.onExit(() => remote.kill());
    void this.exited.then(forget);
    await remote.start();
  }

  /** @internal Something to do once, synchronously, while the devices are still there: on stop, escape and exit. */
  beforeStop(action: () => void): void {
    this.#beforeStop = action;
    this.#unguard = shutdownGuard.onExit(() => this.#runBeforeStop());
  }

  #runBeforeStop(): void {
    const action = this.#beforeStop;
    this.#beforeStop = undefined;
    action?.();
  }

  /** @internal A message of the reactor, other than "ready" and "tree". */
  handle(message: PmmReactorMessage): void {
    switch (message.type) {
      case 'log':
        this.#parts.log[message.level]?.(message.text);
        break;
      case 'peer':
        if (message.up) this.#remote?.peerUp();
        this.emit('peer', message.up);
        break;
      case 'device': {
        if (message.event === 'started') this.#remote?.deviceStarted();
        const name = this.layout.slots[message.slot]?.request.name ?? '';
        this.emit('device', { slot: message.slot, name, event: message.event, text: message.text });
        break;
      }
      case 'escape':
        this.#reason = 'escape';
        this.#runBeforeStop();
        this.#thread?.requestStop();
        break;
      default:
        break;
    }
  }

  /** @internal The console's terminal, if it has one, passes every key on; it is put back on every way out. Its size is the driver's. */
  takeTerminal(config: PmmConfig): void {
    const console = config.devices.find((spec) => spec.name === 'console');
    if (console === undefined) return;
    const windowChanged = () => this.#thread?.post({ type: 'window' } satisfies MainMessage);
    this.#restoreTerminal = consoleTerminal(console, shutdownGuard, windowChanged);
  }

  /** @internal The reactor has exited: nobody uses the pool any more, but perhaps a call that still waits for a disk. */
  async ended(end: ThreadEnd): Promise<void> {
    this.#unguard?.();
    this.#restoreTerminal();
    this.#parts.console?.close();
    await this.#remote?.stop();
    try {
      await this.#parts.io.stop();
      this.#parts.pool.close();
    } catch (error) {
      // The pool stays mapped: the kernel may still write into it.
      this.#parts.log.warn(error instanceof Error ? error.message : String(error));
    }
    const error = end.error === undefined ? this.#failure : fromWire(end.error);
    this.#resolveExited({ reason: error === undefined ? this.#reason : 'failed', error });
  }
}
