/**
 * pmm-start, pmm-rss, idle-cpu: what a PMM costs before it does anything. Four devices: console, rng, net with the
 * built-in gateway, 9p. The floors are Node.js itself, doing nothing.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync, truncateSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { GuestMemory } from '#lkvm/memory/guest-memory.js';
import { O_RDWR } from '#lkvm/sys/arch.js';
import { close, open } from '#lkvm/sys/fd.js';
import { must } from '#lkvm/sys/libc.js';
import { type Mapping, mapShared, unmap } from '#lkvm/sys/map.js';
import type { Bench, BenchOptions, Measurement } from './bench.js';
import { BenchDriver } from './support/driver.js';
import { fourDevices, PmmChild, PmmPlace, type Polling, startPmm } from './support/pmm-child.js';
import { processorMs, residentMib } from './support/process-facts.js';
import { median } from './support/series.js';

const STARTS = 9;
const QUICK_STARTS = 3;
const IDLE_MS = 5000;
const QUICK_IDLE_MS = 1000;
const POOL_BYTES = 16 << 20;
/** For a process to come to rest. */
const SETTLE_MS = 1000;
const IDLE_PROGRAM = 'setInterval(() => undefined, 1 << 30)';

/** Node.js with nothing to do, for ever. */
class IdleNode implements Disposable {
  readonly #process: ChildProcess = spawn(process.execPath, ['-e', IDLE_PROGRAM], { stdio: 'ignore' });

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  [Symbol.dispose](): void {
    this.#process.kill('SIGKILL');
  }
}

// pmm-start

/** From exec to exit of a program that does nothing, in milliseconds. */
async function emptyProgramMs(): Promise<number> {
  const start = performance.now();
  const child = spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' });
  await new Promise((resolve) => child.once('exit', resolve));
  return performance.now() - start;
}

/** The pool file, made and mapped beforehand, so that looking at it costs nothing. */
class WatchedPool implements Disposable {
  readonly #path: string;
  readonly #mapping: Mapping;
  readonly #words: Uint32Array;

  constructor(path: string) {
    writeFileSync(path, '');
    truncateSync(path, POOL_BYTES);
    const fd = must(open(path, O_RDWR), 'open', path);
    this.#path = path;
    this.#mapping = mapShared(fd, POOL_BYTES);
    close(fd);
    this.#words = new GuestMemory([{ gpa: 0, hva: this.#mapping.address, bytes: POOL_BYTES }]).chunk.u32;
  }

  /** True once the device tree's magic, the last word of all, is there. */
  published(): boolean {
    return Atomics.load(this.#words, 0) !== 0;
  }

  [Symbol.dispose](): void {
    unmap(this.#mapping);
    rmSync(this.#path);
  }
}

/** From exec to published devices, in milliseconds. */
async function startMs(place: PmmPlace, devices: readonly string[]): Promise<number> {
  using pool = new WatchedPool(place.poolPath);
  const start = performance.now();
  await using pmm = new PmmChild(place, { poll: 'adaptive', devices });
  while (!pool.published()) {
    if (pmm.ended) throw new Error('the PMM did not start');
    await sleep(1);
  }
  return performance.now() - start;
}

async function starts(options: BenchOptions): Promise<Measurement> {
  const place = new PmmPlace(options);
  const devices = fourDevices(options.folder);
  const ours: number[] = [];
  const floors: number[] = [];
  for (let i = 0; i < (options.quick ? QUICK_STARTS : STARTS); i++) {
    floors.push(await emptyProgramMs());
    ours.push(await startMs(place, devices));
  }
  return {
    value: median(ours),
    floor: median(floors),
    extra: { min_ms: Math.min(...ours), floor_min_ms: Math.min(...floors) },
  };
}

export const pmmStart: Bench = {
  name: 'pmm-start',
  unit: 'ms',
  about: 'from exec to published devices, median; floor: node -e 0 from exec to exit',
  goal: { of: 'value', atMost: 250 },
  run: starts,
};

// pmm-rss

export const pmmRss: Bench = {
  name: 'pmm-rss',
  unit: 'MiB',
  about: 'resident memory without the pool, with a driver attached; floor: an idle node',
  goal: { of: 'value', atMost: 90 },
  async run(options) {
    const place = new PmmPlace(options);
    await using pmm = await startPmm(place, { poll: 'adaptive', devices: fourDevices(options.folder) });
    const published = residentMib(pmm.pid);
    using _driver = new BenchDriver(place, 'adaptive');
    using idle = new IdleNode();
    await sleep(SETTLE_MS);
    const value = residentMib(pmm.pid);
    return { value, floor: residentMib(idle.pid), extra: { when_published_mib: published } };
  },
};

// idle-cpu

/** Per cent of one processor over some time. */
async function percentOf(pid: number, ms: number): Promise<number> {
  const before = processorMs(pid);
  const start = performance.now();
  await sleep(ms);
  return ((processorMs(pid) - before) / (performance.now() - start)) * 100;
}

/** The PMM under an attached driver that wants nothing. */
async function idlePercent(options: BenchOptions, poll: Polling, ms: number): Promise<number> {
  const place = new PmmPlace(options);
  await using pmm = await startPmm(place, { poll, devices: fourDevices(options.folder) });
  using _driver = new BenchDriver(place, poll);
  await sleep(SETTLE_MS);
  return await percentOf(pmm.pid, ms);
}

export const idleCpu: Bench = {
  name: 'idle-cpu',
  unit: '%',
  about:
    'of one processor, driver attached and idle, the worse of --poll none and adaptive; floor: an idle node',
  goal: { of: 'value', atMost: 1 },
  async run(options) {
    const ms = options.quick ? QUICK_IDLE_MS : IDLE_MS;
    const none = await idlePercent(options, 'none', ms);
    const adaptive = await idlePercent(options, 'adaptive', ms);
    using idle = new IdleNode();
    await sleep(SETTLE_MS);
    const floor = await percentOf(idle.pid, ms);
    return {
      value: Math.max(none, adaptive),
      floor,
      extra: { poll_none_percent: none, poll_adaptive_percent: adaptive },
    };
  },
};
