/**
 * A machine of QEMU as the other side of a PMM: started when the devices are there, watched, and ended with the PMM.
 *
 * - The machine switches itself off (QEMU's exit code is 0): that is the end of the other side.
 * - It restarts itself: QEMU stays, and the PMM's devices see a new driver.
 * - QEMU crashes or is killed: the peer is gone; QEMU is started again. If it does not get far enough to start a
 *   device, a few times in a row or the first time, it is given up.
 * - The PMM ends in whatever way, and be it killed: QEMU ends.
 *
 * Thread: main.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { Readable } from 'node:stream';
import { StartError } from '../../util/errors.js';
import type { Log } from '../../util/ports.js';
import type { PoolSpec, QemuSpec } from '../config.js';
import { qemuProgram, qemuWords } from './qemu-words.js';
import type { Remote, RemoteOwner } from './remote.js';
import { Sentry } from './sentry.js';

/** Starts in a row that came to nothing, until it is given up. */
const MAX_FAILURES = 5;
/** Wait before the second of them; the wait doubles. */
const RETRY_MS = 200;
/** How long QEMU may take to end when asked to. */
const PATIENCE_MS = 2000;
/** Characters of its messages that are kept, for the reason of its end. */
const KEPT = 4096;

/** What a {@link QemuRemote} is made of. */
export interface QemuParts {
  readonly spec: QemuSpec;
  readonly pool: PoolSpec;
  readonly owner: RemoteOwner;
  readonly log: Log;
  /** Gets what comes out of the serial port. */
  readonly output: ((bytes: Uint8Array) => void) | undefined;
}

type Child = ChildProcessByStdio<null, Readable, Readable>;

/** See the file's head. */
export class QemuRemote implements Remote {
  readonly #parts: QemuParts;
  readonly #program: string;
  readonly #words: readonly string[];
  #child: Child | undefined;
  /** Resolves when the child has ended. */
  #gone: Promise<void> = Promise.resolve();
  #logFd = -1;
  #messages = '';
  #failures = 0;
  /** First start: waits for the machine at the doorbell. */
  #starting: { resolve: () => void; reject: (error: StartError) => void } | undefined;
  /** This machine is at the doorbell. */
  #joined = false;
  /** A device was started by this machine. */
  #useful = false;
  #again = false;
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: QemuParts) {
    this.#parts = parts;
    this.#program = qemuProgram(parts.spec.arch).program;
    this.#words = qemuWords(parts.spec, parts.pool);
  }

  async start(): Promise<void> {
    const { spec } = this.#parts;
    await checkProgram(this.#program, qemuProgram(spec.arch).debian);
    await checkReadable('--remote-kernel', spec.kernel);
    if (spec.initrd !== undefined) await checkReadable('--remote-initrd', spec.initrd);
    if (this.#stopped) throw new StartError('the PMM was stopped while it started');
    this.#openLog();
    await new Promise<void>((resolve, reject) => {
      this.#starting = { resolve, reject };
      this.#spawn();
    });
    this.#parts.owner.event({ event: 'started', text: `remote machine started (${this.#program})` });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#starting?.reject(new StartError('the PMM was stopped while it started'));
    this.#starting = undefined;
    const child = this.#child;
    if (child !== undefined) {
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
      await this.#gone;
      clearTimeout(late);
    }
    if (this.#logFd >= 0) closeSync(this.#logFd);
    this.#logFd = -1;
  }

  kill(): void {
    this.#stopped = true;
    this.#child?.kill('SIGKILL');
  }

  peerUp(): void {
    if (this.#child === undefined || this.#joined) return;
    this.#joined = true;
    this.#starting?.resolve();
    this.#starting = undefined;
    if (!this.#again) return;
    this.#parts.owner.event({ event: 'back', text: 'remote machine: the peer is back' });
  }

  deviceStarted(): void {
    if (!this.#joined) return;
    this.#useful = true;
    this.#failures = 0;
  }

  #openLog(): void {
    const { log } = this.#parts.spec;
    if (log === undefined) return;
    try {
      this.#logFd = openSync(log, 'w', 0o644);
    } catch (error) {
      throw new StartError(`--remote-log ${log}: cannot write it: ${codeOf(error)}`, error);
    }
  }

  #spawn(): void {
    this.#joined = false;
    this.#useful = false;
    this.#messages = '';
    const { log } = this.#parts;
    log.debug?.(`remote machine: ${[this.#program, ...this.#words].join(' ')}`);
    // Detached: Ctrl-C is for the PMM, which ends QEMU in its order.
    const child: Child = spawn(this.#program, this.#words, {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#child = child;
    const sentry = child.pid === undefined ? undefined : this.#sentry(child.pid);
    child.stdout.on('data', (bytes: Buffer) => this.#serial(bytes));
    child.stderr.on('data', (bytes: Buffer) => {
      this.#messages = (this.#messages + bytes.toString('utf8')).slice(-KEPT);
    });
    this.#gone = new Promise((resolve) => {
      let failure = '';
      child.once('error', (error) => {
        failure = `cannot be started: ${codeOf(error)}`;
      });
      child.once('close', (code: number | null, signal: string | null) => {
        sentry?.dismiss();
        this.#child = undefined;
        resolve();
        this.#onEnd(code, failure !== '' ? failure : endText(code, signal));
      });
    });
  }

  /** Ends the machine if this process is killed, and removes the socket if nobody else could ever use or replace it. */
  #sentry(pid: number): Sentry {
    const { spec, pool, log } = this.#parts;
    if (!spec.ownSocket || !('path' in pool)) return new Sentry('kill -KILL "$0"', [`${pid}`], log);
    return new Sentry('kill -KILL "$0"; rm -f -- "$1"', [`${pid}`, pool.path], log);
  }

  #serial(bytes: Buffer): void {
    this.#parts.output?.(bytes);
    if (this.#logFd < 0) return;
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#logFd, bytes, done);
    } catch (error) {
      this.#parts.log.warn(`--remote-log: cannot write it: ${codeOf(error)}; the rest is left out`);
      closeSync(this.#logFd);
      this.#logFd = -1;
    }
  }

  #onEnd(code: number | null, how: string): void {
    const { log, owner } = this.#parts;
    if (this.#stopped) return;
    if (code === 0 && this.#starting === undefined) {
      owner.event({ event: 'off', text: 'remote machine: it has switched itself off' });
      owner.ended(undefined);
      return;
    }
    const said = this.#messages.trim().split('\n').at(-1) ?? '';
    const text = `${this.#program} ${how}${said === '' ? '' : `: ${said}`}`;
    if (this.#starting !== undefined) {
      this.#starting.reject(new StartError(text));
      this.#starting = undefined;
      return;
    }
    const first = !this.#again;
    if (!this.#useful) this.#failures++;
    if ((first && !this.#useful) || this.#failures >= MAX_FAILURES) {
      owner.ended(new StartError(`${text}; it did not start any device, and is given up`));
      return;
    }
    log.debug?.(`remote machine: ${this.#messages.trim()}`);
    owner.event({ event: 'gone', text: `remote machine: ${text}: the peer is gone; it is started again` });
    this.#again = true;
    this.#timer = setTimeout(() => this.#spawn(), RETRY_MS * 2 ** this.#failures);
  }
}

function endText(code: number | null, signal: string | null): string {
  return signal === null ? `has ended with exit code ${code}` : `was ended by ${signal}`;
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}

async function checkProgram(program: string, debian: string): Promise<void> {
  if ((await findProgram(program)) !== undefined) return;
  throw new StartError(`${program} is not installed; on Debian and Ubuntu: apt install ${debian}`);
}

/** Errors: StartError. */
async function checkReadable(option: string, path: string): Promise<void> {
  try {
    await access(path, constants.R_OK);
  } catch (error) {
    throw new StartError(`${option} ${path}: cannot read it: ${codeOf(error)}`, error);
  }
}

/** A program's place, as a shell would find it. */
async function findProgram(name: string): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, name);
    try {
      await access(path, constants.X_OK);
      return path;
    } catch {
      // the next one
    }
  }
  return undefined;
}
