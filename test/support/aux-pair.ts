/** A PMM of this process and `lkvm aux` as a child, over a pool and a doorbell of their own. Everything goes with the test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConsoleSession } from '#lkvm/cli/demo/demo-parts.js';
import type { CommandResult } from '#lkvm/cli/demo/script-session.js';
import { createPmm } from '#lkvm/pmm/create-pmm.js';
import type { PmmDeviceOptions, PmmOptions } from '#lkvm/pmm/options.js';
import type { Pmm } from '#lkvm/pmm/pmm.js';
import { MAIN } from './cli.js';
import { tempDir } from './temp.js';

const PATIENCE_MS = 120_000;

export interface AuxPairOptions {
  readonly memfd?: boolean;
  /** The PMM is an ivshmem server. */
  readonly ivshmem?: boolean;
  readonly dtb?: boolean;
  readonly fixed?: boolean;
  /** No doorbell: both sides poll. */
  readonly polled?: boolean;
  readonly bytes?: number;
}

/** How a child ended. */
export interface ChildEnd {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stderr: string;
}

export class AuxPair {
  /** The directory shown over 9p, writable. */
  readonly share: string;
  pmm: Pmm | undefined;
  /** The child started last. */
  child: ChildProcess | undefined;
  /** What the PMM said about its devices. */
  readonly events: string[] = [];
  readonly #peers: boolean[] = [];
  readonly #options: AuxPairOptions;
  readonly #pool: string;
  readonly #doorbell: string;
  #console: ConsoleSession | undefined;
  /** Events from before the child started last. */
  #before = 0;

  constructor(t: TestContext, options: AuxPairOptions = {}) {
    const folder = tempDir(t);
    const memory = mkdtempSync('/dev/shm/lkvm-test-');
    t.after(() => rmSync(memory, { recursive: true, force: true }));
    this.#options = options;
    this.#pool = join(memory, 'pool');
    this.#doorbell = join(folder, 'doorbell');
    this.share = join(folder, 'share');
    mkdirSync(this.share);
    t.after(async () => {
      this.child?.kill('SIGKILL');
      await this.pmm?.stop();
    });
  }

  async startPmm(): Promise<Pmm> {
    const pmm = await createPmm(this.#pmmOptions(), { consoleStream: true });
    pmm.on('device', ({ name, event, text }) => this.events.push(`${name} ${event}${text}`));
    pmm.on('peer', (up) => void this.#peers.push(up));
    const { console } = pmm;
    if (console === undefined) throw new Error('no console');
    this.#console = new ConsoleSession(console);
    this.pmm = pmm;
    return pmm;
  }

  async stopPmm(): Promise<void> {
    await this.pmm?.stop();
    this.pmm = undefined;
  }

  /** What a child is started with. */
  words(words: readonly string[]): string[] {
    if (this.#options.ivshmem) return [MAIN, 'aux', '--shmem-backend', `ivshmem:${this.#doorbell}`, ...words];
    const pool = this.#options.memfd ? 'memfd' : `file:${this.#pool}`;
    return [MAIN, 'aux', '--shmem-backend', pool, '--notify', this.#notify(), ...words];
  }

  /** Starts a child; an earlier one is left alone. */
  startAux(words: readonly string[] = ['--script'], env: Record<string, string> = {}): Promise<ChildEnd> {
    const args = this.words(words);
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...env },
    });
    this.child = child;
    this.#before = this.events.length;
    let stderr = '';
    child.stderr.on('data', (data) => {
      stderr += data;
    });
    return new Promise((resolve) => {
      child.on('close', (code, signal) => resolve({ code, signal, stderr }));
    });
  }

  /**
   * Until the PMM has seen everything that dead children left in the pool: it looks when a peer connects, and tells of
   * the connection's end only after that.
   */
  async settle(): Promise<void> {
    const before = this.#peers.length;
    const connection = connect(this.#doorbell);
    await once(connection, 'connect');
    connection.resume();
    while (!this.#peers.slice(before).includes(true)) await sleep(5);
    connection.destroy();
    while (this.#peers.at(-1) !== false) await sleep(5);
  }

  /** Until the child started last drives the console. What is typed before may go to a dead driver's buffers. */
  async attached(): Promise<void> {
    while (!this.events.slice(this.#before).includes('console started')) await sleep(10);
  }

  /** Until the PMM knows that the child, which has been attached, has stopped its console. */
  async left(): Promise<void> {
    while (!this.events.slice(this.events.lastIndexOf('console started')).includes('console reset')) {
      await sleep(10);
    }
  }

  /** Runs one command of the shell. Errors: if it does not end. */
  run(command: string): Promise<CommandResult> {
    if (this.#console === undefined) throw new Error('no PMM');
    return this.#console.run(command, PATIENCE_MS);
  }

  #notify(): string {
    if (this.#options.polled) return 'poll:500';
    return `${this.#options.memfd ? 'eventfd' : 'socket'}:${this.#doorbell}`;
  }

  #pmmOptions(): PmmOptions {
    const { memfd, dtb = true, fixed = false, polled, bytes = 8 << 20 } = this.#options;
    const devices: PmmDeviceOptions[] = [
      { type: '9p', tag: 'share', directory: this.share, static: fixed },
      { type: 'rng', static: fixed },
      { type: 'net', mode: 'user', static: fixed },
      { type: 'console', static: fixed },
    ];
    const path = this.#doorbell;
    const shmem = { address: 0x3700_0000, bytes };
    if (this.#options.ivshmem) return { shmem, dtb, devices, pool: { kind: 'ivshmem-server', path } };
    return {
      shmem,
      dtb,
      pool: memfd ? { kind: 'memfd' } : { kind: 'file', path: this.#pool },
      notify: polled ? { kind: 'poll', us: 500 } : { kind: memfd ? 'eventfd' : 'socket', path },
      devices,
    };
  }
}
