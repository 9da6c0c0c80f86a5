/** The PMM under test: the compiled command in a process of its own, over a pool file and a doorbell. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { AUX_DEFAULTS, type AuxOptions } from '#lkvm/aux/options.js';
import type { BenchOptions } from '../bench.js';

const POOL_ADDRESS = '0x37000000';
const FDT_MAGIC = 0xd00dfeed;
const START_LIMIT_MS = 20_000;

function findRoot(start: string): string {
  return existsSync(join(start, 'package-lock.json')) ? start : findRoot(dirname(start));
}

/** The checkout's top folder. */
export const ROOT = findRoot(dirname(fileURLToPath(import.meta.url)));
/** The compiled command. */
export const MAIN = join(ROOT, 'dist', 'cli', 'main.js');

/** When both sides look at memory instead of sleeping. */
export type Polling = 'none' | 'adaptive' | 'spin';

/** What a PMM is started with. */
export interface PmmPlan {
  readonly poll: Polling;
  /** Size of the pool, for example "16M". */
  readonly size?: string;
  /** Options that choose the devices. */
  readonly devices: readonly string[];
  /** A program and its words in front of `node`, for example to change the network namespace. */
  readonly prefix?: readonly string[];
}

/** One of each: console, rng, net with the built-in gateway, 9p. */
export function fourDevices(share: string): string[] {
  return ['--console', 'virtio', '--rng', '--network', 'mode=user', '--9p', `${share},bench`];
}

/** Paths of a bench's pool and doorbell, and the words that name them. */
export class PmmPlace {
  readonly poolPath: string;
  readonly socketPath: string;

  constructor({ folder, memoryFolder }: BenchOptions) {
    this.poolPath = join(memoryFolder, 'pool');
    this.socketPath = join(folder, 'doorbell');
  }

  /** Options that `pmm` and `aux` share. */
  get words(): string[] {
    return ['--shmem-backend', `file:${this.poolPath}`, '--notify', `eventfd:${this.socketPath}`];
  }

  /** What the driver side is told. */
  auxOptions(poll: Polling): AuxOptions {
    return {
      ...AUX_DEFAULTS,
      pool: { kind: 'file', path: this.poolPath },
      notify: { kind: 'eventfd', path: this.socketPath },
      poll: { kind: poll },
    };
  }

  /** Words of a complete `lkvm pmm` command line. */
  pmmWords(plan: PmmPlan): string[] {
    const { poll, size = '16M', devices } = plan;
    const memory = ['--shmem-addr', POOL_ADDRESS, '--shmem-size', size];
    return [MAIN, 'pmm', ...memory, ...this.words, '--poll', poll, '--loglevel', 'warning', ...devices];
  }

  /** True once the devices are published: the tree's magic is the last word written. */
  published(): boolean {
    if (!existsSync(this.poolPath)) return false;
    const fd = openSync(this.poolPath, 'r');
    const word = Buffer.alloc(4);
    readSync(fd, word, 0, 4, 0);
    closeSync(fd);
    return word.readUInt32BE(0) === FDT_MAGIC;
  }
}

/** Starts a PMM and waits until its devices are published. */
export async function startPmm(place: PmmPlace, plan: PmmPlan): Promise<PmmChild> {
  const child = new PmmChild(place, plan);
  for (const end = Date.now() + START_LIMIT_MS; !place.published(); await sleep(5)) {
    if (child.ended || Date.now() > end) throw new Error('the PMM did not start');
  }
  return child;
}

/** A running PMM. */
export class PmmChild implements AsyncDisposable {
  readonly #process: ChildProcess;

  constructor(place: PmmPlace, plan: PmmPlan) {
    const [program = '', ...words] = [...(plan.prefix ?? []), process.execPath, ...place.pmmWords(plan)];
    this.#process = spawn(program, words, { stdio: ['ignore', 'ignore', 'inherit'] });
  }

  /** Its process id; -1 if it could not be started. */
  get pid(): number {
    return this.#process.pid ?? -1;
  }

  get ended(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  /** Stops it in its tracks, so that it takes no processor time from what is measured next. */
  pause(): void {
    this.#process.kill('SIGSTOP');
  }

  /** Lets it go on. */
  resume(): void {
    this.#process.kill('SIGCONT');
  }

  /** Ends it in order. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.ended) return;
    const exited = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGTERM');
    await exited;
  }
}
