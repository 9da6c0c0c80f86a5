/**
 * A remote processor of this machine as the other side of a PMM, by the files of the kernel's remoteproc framework:
 * `firmware` (which image) and `state` (write "start" or "stop"; read what it is).
 *
 * It is started when the devices are there, since most front ends look once, and stopped with the PMM, even if that is
 * killed. One that runs already is left alone: it has not seen these devices, and somebody else may need it.
 *
 * Spec: Linux Documentation/ABI/testing/sysfs-class-remoteproc. Thread: main.
 */
import { writeFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { StartError } from '../../util/errors.js';
import type { Log } from '../../util/ports.js';
import type { RemoteprocSpec } from '../config.js';
import type { Remote, RemoteOwner } from './remote.js';
import { Sentry } from './sentry.js';

/** How often its state is looked at. */
const LOOK_MS = 1000;
/** How long it may take until it says that it runs; usually it does when the write that starts it returns. */
const PATIENCE_MS = 5000;
/** How long one that still runs may take to stop: the PMM before this one may just have been killed. */
const LEFT_MS = 2000;
const RETRY_MS = 10;

/** See the file's head. */
export class Remoteproc implements Remote {
  readonly #spec: RemoteprocSpec;
  readonly #owner: RemoteOwner;
  readonly #log: Log;
  readonly #name: string;
  readonly #folder: string;
  #sentry: Sentry | undefined;
  #ended = false;
  #started = false;
  #gone = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(spec: RemoteprocSpec, owner: RemoteOwner, log: Log) {
    this.#spec = spec;
    this.#owner = owner;
    this.#log = log;
    this.#name = `remoteproc${spec.index}`;
    this.#folder = join(spec.sysfs, 'class', 'remoteproc', this.#name);
  }

  async start(): Promise<void> {
    const { firmware } = this.#spec;
    const state = await this.#becomes('offline', LEFT_MS);
    if (state !== 'offline') {
      throw new StartError(
        `${this.#name} is ${state} already, without having seen these devices; stop it first: echo stop > ${this.#stateFile}`,
      );
    }
    if (firmware !== undefined) {
      await this.#write('firmware', firmware, `cannot set the firmware of ${this.#name} to ${firmware}`);
    }
    this.#sentry = new Sentry('echo stop > "$0"', [this.#stateFile], this.#log);
    this.#started = true; // before the write, which may take long: a stop that comes meanwhile has to follow it
    try {
      await this.#write('state', 'start', `cannot start ${this.#name}`);
    } catch (error) {
      this.#started = false;
      throw error;
    }
    const started = await this.#becomes('running', PATIENCE_MS);
    if (started !== 'running')
      throw new StartError(`${this.#name} does not run after its start: it is ${started}`);
    this.#owner.event({ event: 'started', text: `${this.#name} started` });
    this.#timer = setInterval(() => void this.#look(), LOOK_MS);
  }

  async stop(): Promise<void> {
    try {
      if (this.#end()) await writeFile(this.#stateFile, 'stop', { flag: 'r+' });
    } catch (error) {
      this.#log.warn(`cannot stop ${this.#name}: ${codeOf(error)}`);
    }
    this.#sentry?.dismiss();
  }

  kill(): void {
    try {
      if (this.#end()) writeFileSync(this.#stateFile, 'stop', { flag: 'r+' });
    } finally {
      this.#sentry?.dismiss();
    }
  }

  peerUp(): void {
    // It has no connection that could come.
  }

  deviceStarted(): void {
    // Its state says whether it runs.
  }

  get #stateFile(): string {
    return join(this.#folder, 'state');
  }

  /** Waits for a state. @returns the last one seen Errors: StartError. */
  async #becomes(wanted: string, limitMs: number): Promise<string> {
    const deadline = performance.now() + limitMs;
    for (;;) {
      const now = await this.#state();
      if (this.#ended) throw new StartError('the PMM was stopped while it started');
      if (now === wanted || performance.now() > deadline) return now;
      await sleep(RETRY_MS);
    }
  }

  /** @returns true the first time, if it was started */
  #end(): boolean {
    clearInterval(this.#timer);
    this.#ended = true;
    const started = this.#started;
    this.#started = false;
    return started;
  }

  /** The kernel restarts a crashed processor by itself; here it is only told. */
  async #look(): Promise<void> {
    let state: string;
    try {
      state = await this.#state();
    } catch {
      state = 'gone';
    }
    const gone = state !== 'running';
    if (!this.#started || gone === this.#gone) return;
    this.#gone = gone;
    const event = gone ? 'gone' : 'back';
    this.#owner.event({ event, text: `${this.#name} is ${state}: the peer is ${event}` });
  }

  /** Errors: StartError. */
  async #state(): Promise<string> {
    const file = this.#stateFile;
    try {
      return (await readFile(file, 'ascii')).trim();
    } catch (error) {
      throw new StartError(`there is no ${this.#name}: cannot read ${file}: ${codeOf(error)}`, error);
    }
  }

  async #write(file: string, text: string, failure: string): Promise<void> {
    try {
      await writeFile(join(this.#folder, file), text, { flag: 'r+' });
    } catch (error) {
      throw new StartError(`${failure}: ${codeOf(error)}`, error);
    }
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
