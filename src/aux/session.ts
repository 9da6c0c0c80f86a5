/**
 * One attachment to a PMM, from "somebody is there" to "it has started anew or we leave": waits for the doorbell, maps
 * the pool, discovers, starts the drivers. Either side may start or restart first, so everything that can be explained
 * by a PMM that is not ready yet is tried again.
 */
import { existsSync } from 'node:fs';
import { VIRTIO_ID_9P, VIRTIO_ID_CONSOLE, VIRTIO_ID_ENTROPY, VIRTIO_ID_NET } from '../abi/virtio.js';
import { ConsoleDriver } from '../frontend/console.js';
import { DeviceError, DiscoveryError, HandshakeError, PeerRestartedError } from '../frontend/errors.js';
import { FrontEnd } from '../frontend/front-end.js';
import type { StepHook } from '../frontend/handshake.js';
import { NetDriver } from '../frontend/net.js';
import { P9Driver } from '../frontend/p9.js';
import type { Condition } from '../frontend/ports.js';
import { RngDriver } from '../frontend/rng.js';
import type { Log } from '../util/ports.js';
import type { AuxNotify, AuxOptions, AuxPool } from './options.js';
import { type AuxPoolMapping, openAuxPool } from './pool.js';
import type { Runtime } from './runtime.js';

const RETRY_MS = 20;
const FAILED_RETRY_MS = 200;
/** After this long, say what we are waiting for. */
const PATIENCE_MS = 3000;

/** The drivers of an attached pool; the first of each type, all 9p shares. */
export interface Drivers {
  readonly console: ConsoleDriver | undefined;
  readonly rng: RngDriver | undefined;
  readonly net: NetDriver | undefined;
  readonly p9: readonly P9Driver[];
}

/** Which drivers to start: those of the shell, or the network alone, with or without offloads. */
export type DriverChoice = 'shell' | 'net' | 'net-offloads';

/** An attachment. Close it before the next one. */
export class Session implements Disposable {
  readonly frontEnd: FrontEnd;
  readonly drivers: Drivers;
  readonly #runtime: Runtime;
  readonly #mapping: AuxPoolMapping;

  private constructor(runtime: Runtime, mapping: AuxPoolMapping, frontEnd: FrontEnd, drivers: Drivers) {
    this.#runtime = runtime;
    this.#mapping = mapping;
    this.frontEnd = frontEnd;
    this.drivers = drivers;
  }

  /**
   * Attaches, however long it takes.
   * Errors: StartError (not permitted), PoolExhaustedError.
   */
  static attach(runtime: Runtime, options: AuxOptions, choice: DriverChoice, log: Log): Session {
    const waiting = new WaitingNote(runtime, options, log);
    let lastFailure = '';
    for (;;) {
      waiting.check();
      if (!runtime.waitUntil(new DoorbellUp(runtime), PATIENCE_MS)) continue;
      const mapping = openAuxPool(options, runtime.doorbell.handed);
      if (mapping === undefined) {
        waiting.because(noPool(options));
        runtime.pause(RETRY_MS);
        continue;
      }
      try {
        return Session.#start(runtime, mapping, options, choice);
      } catch (error) {
        runtime.detach();
        mapping.close();
        if (error instanceof DiscoveryError) {
          waiting.because(error.message);
          runtime.pause(RETRY_MS);
          continue;
        }
        if (!isTransient(error)) throw error;
        if (error.message !== lastFailure) log.warn(`${error.message}; trying again`);
        lastFailure = error.message;
        runtime.pause(FAILED_RETRY_MS);
      }
    }
  }

  static #start(
    runtime: Runtime,
    mapping: AuxPoolMapping,
    options: AuxOptions,
    choice: DriverChoice,
  ): Session {
    const handed = runtime.doorbell.handed;
    const frontEnd = new FrontEnd(mapping.memory, runtime, {
      base: options.shmemAddr ?? handed?.address,
      bytes: options.shmemSize,
      forceHandshake: options.handshake,
      confine: options.confine,
      step: stepHook(options.dieAt),
    });
    runtime.attach(frontEnd, mapping.identity);
    const drivers = startDrivers(frontEnd, choice);
    frontEnd.interrupt();
    return new Session(runtime, mapping, frontEnd, drivers);
  }

  /** Forgets the pool, without a word to the PMM: for a PMM that is gone. */
  [Symbol.dispose](): void {
    this.#runtime.detach();
    this.#mapping.close();
  }

  /** Stops all devices first, so that the PMM knows we left. */
  leave(): void {
    this.frontEnd.close();
    this.#runtime.signal();
  }
}

/** The hungriest last: 9p takes what is left for its messages. */
function startDrivers(frontEnd: FrontEnd, choice: DriverChoice): Drivers {
  const [net] = frontEnd.ofType(VIRTIO_ID_NET);
  if (choice !== 'shell') {
    const options = { bulk: true, offloads: choice === 'net-offloads' };
    const driver = net === undefined ? undefined : new NetDriver(net, options);
    return { console: undefined, rng: undefined, net: driver, p9: [] };
  }
  const [tty] = frontEnd.ofType(VIRTIO_ID_CONSOLE);
  const [rng] = frontEnd.ofType(VIRTIO_ID_ENTROPY);
  return {
    console: tty === undefined ? undefined : new ConsoleDriver(tty),
    rng: rng === undefined ? undefined : new RngDriver(rng),
    net: net === undefined ? undefined : new NetDriver(net, { bulk: false, offloads: false }),
    p9: frontEnd.ofType(VIRTIO_ID_9P).map((device) => new P9Driver(device)),
  };
}

/** Kills this process at a step, without any clean-up: how tests find out whether the PMM survives it. */
function stepHook(dieAt: string | undefined): StepHook {
  if (dieAt === undefined) return () => undefined;
  const [name, nth = '1'] = dieAt.split('#');
  let left = Number(nth);
  return (step) => {
    if (step === name && --left === 0) process.kill(process.pid, 'SIGKILL');
  };
}

class DoorbellUp implements Condition {
  readonly #runtime: Runtime;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  ready(): boolean {
    return this.#runtime.doorbell.up;
  }
}

/** Why there was no pool to map. */
function noPool({ pool }: AuxOptions): string {
  if (pool.kind !== 'file') return 'it has handed over no memory';
  return existsSync(pool.path) ? `the pool file ${pool.path} is empty` : `there is no pool file ${pool.path}`;
}

/** Says once what we are waiting for, if it takes long. */
class WaitingNote {
  readonly #runtime: Runtime;
  readonly #options: AuxOptions;
  readonly #log: Log;
  readonly #startUs: number;
  #reason = 'nobody answers on the doorbell';
  #said = false;

  constructor(runtime: Runtime, options: AuxOptions, log: Log) {
    this.#runtime = runtime;
    this.#options = options;
    this.#log = log;
    this.#startUs = runtime.nowUs();
  }

  /** @param reason why there is nothing to attach to, although the doorbell is up */
  because(reason: string): void {
    this.#reason = reason;
  }

  check(): void {
    if (this.#said || this.#runtime.nowUs() - this.#startUs < PATIENCE_MS * 1000) return;
    this.#said = true;
    const { pool, notify } = this.#options;
    const { up, trouble } = this.#runtime.doorbell;
    const { what, advice } = (up ? undefined : trouble) ?? { what: this.#reason, advice: undefined };
    const start =
      pool.kind === 'ivshmem' ? `--shmem-backend ivshmem-server:${pool.path}` : 'the same two options';
    const notifyWords = notify.kind === 'ivshmem' ? '' : ` --notify ${wordsOf(notify)}`;
    this.#log.info(
      `waiting for a PMM at --shmem-backend ${wordsOf(pool)}${notifyWords}: ${what}; ${advice ?? `start lkvm pmm with ${start}`}`,
    );
  }
}

/** A pool or a doorbell as it is written on the command line. */
function wordsOf(place: AuxPool | AuxNotify): string {
  if ('path' in place) return `${place.kind}:${place.path}`;
  return 'us' in place ? `${place.kind}:${place.us}` : place.kind;
}

/** What a PMM that starts, ends or starts anew under us can look like. */
function isTransient(error: unknown): error is Error {
  return (
    error instanceof HandshakeError || error instanceof PeerRestartedError || error instanceof DeviceError
  );
}
