/**
 * blk-4k, blk-1m: reads through the block device (ring, io_uring, page cache) against `pread` of the same places into the
 * same memory. Driver and device share one thread, so this is what a request costs the reactor; kicks and interrupts come
 * on top. Passes of both ways alternate; of each the best counts.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Reactor } from '#lkvm/reactor/reactor.js';
import { O_RDONLY } from '#lkvm/sys/arch.js';
import { close, fdatasync, open, preadv } from '#lkvm/sys/fd.js';
import { IoUring } from '#lkvm/sys/io-uring.js';
import { errnoName, must } from '#lkvm/sys/libc.js';
import { NativeBuffer } from '#lkvm/sys/map.js';
import type { Bench, BenchOptions, Measurement, Skipped } from './bench.js';
import { BlockLoop } from './support/block-loop.js';

const MIB = 1 << 20;
const FILE_BYTES = 256 * MIB;
const QUICK_FILE_BYTES = 16 * MIB;
const PASSES = 5;

interface Job {
  readonly bytes: number;
  readonly depth: number;
  readonly count: number;
}

function makeFile(folder: string, bytes: number): string {
  const path = join(folder, 'disk.img');
  const piece = new Uint8Array(MIB).fill(0x5a);
  const fd = openSync(path, 'w');
  for (let at = 0; at < bytes; at += MIB) writeSync(fd, piece);
  fdatasync(fd);
  closeSync(fd);
  return path;
}

/** Places in a fixed pseudo-random order, the same for both ways. */
class Places {
  #state = 1;
  readonly #bytes: number;
  readonly #count: number;

  constructor(diskBytes: number, bytes: number) {
    this.#bytes = bytes;
    this.#count = diskBytes / bytes;
  }

  readonly next = (): number => {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.#state / 0x1_0000_0000) * this.#count) * this.#bytes;
  };
}

function timed(job: () => void): number {
  const start = performance.now();
  job();
  return (performance.now() - start) * 1000;
}

/** @returns microseconds per request: device, pread, and the device with one request at a time */
function measure(
  path: string,
  { bytes, depth, count }: Job,
): { ours: number; floor: number; single: number; write: number } {
  const reactor = new Reactor();
  const loop = new BlockLoop(reactor, { path, direct: false, bytes, depth, engine: 'io_uring' });
  const fd = must(open(path, O_RDONLY), 'open', path);
  const iov = new NativeBuffer(16);
  iov.view.setBigUint64(0, BigInt(loop.dataAddress), true);
  iov.view.setBigUint64(8, BigInt(bytes), true);
  const places = () => new Places(loop.diskBytes, bytes).next;
  const direct = () => {
    const next = places();
    for (let i = 0; i < count; i++) must(preadv(fd, iov.address, 1, next()), 'pread');
  };
  let ours = Number.POSITIVE_INFINITY;
  let floor = Number.POSITIVE_INFINITY;
  let write = Number.POSITIVE_INFINITY;
  for (let pass = 0; pass < PASSES; pass++) {
    floor = Math.min(floor, timed(direct));
    ours = Math.min(
      ours,
      timed(() => loop.run(count, false, places())),
    );
    write = Math.min(
      write,
      timed(() => loop.run(count, true, places())),
    );
  }
  loop.close();
  const one = new BlockLoop(reactor, { path, direct: false, bytes, depth: 1, engine: 'io_uring' });
  let single = Number.POSITIVE_INFINITY;
  for (let pass = 0; pass < PASSES; pass++) {
    single = Math.min(
      single,
      timed(() => one.run(count, false, places())),
    );
  }
  one.close();
  close(fd);
  reactor.close();
  return { ours: ours / count, floor: floor / count, single: single / count, write: write / count };
}

/** Requests one at a time on a file in memory: calls made on the reactor, and by io_uring. @returns us per request */
function inMemory(path: string, { bytes, count }: Job): { here: number; uring: number } {
  const reactor = new Reactor();
  const least = (engine: 'memory' | 'io_uring'): number => {
    const loop = new BlockLoop(reactor, { path, direct: false, bytes, depth: 1, engine });
    const { next } = new Places(loop.diskBytes, bytes);
    let us = Number.POSITIVE_INFINITY;
    for (let pass = 0; pass < PASSES; pass++)
      us = Math.min(
        us,
        timed(() => loop.run(count, false, next)),
      );
    loop.close();
    return us / count;
  };
  const result = { here: least('memory'), uring: least('io_uring') };
  reactor.close();
  return result;
}

function run({ quick, folder, memoryFolder }: BenchOptions, job: Job): Measurement | Skipped {
  const ring = IoUring.create(1);
  if (typeof ring === 'number') return { skipped: `no io_uring: ${errnoName(-ring)}` };
  ring.close();
  const fileBytes = quick ? QUICK_FILE_BYTES : FILE_BYTES;
  const path = makeFile(folder, fileBytes);
  const count = quick ? Math.ceil(job.count / 20) : job.count;
  const { ours, floor, single, write } = measure(path, { ...job, count });
  const memory = inMemory(makeFile(memoryFolder, fileBytes), { ...job, count: Math.ceil(count / 4) });
  const rate = (us: number) => job.bytes / us;
  return {
    value: rate(ours),
    floor: rate(floor),
    extra: {
      depth: job.depth,
      us_per_request: ours,
      depth_1_us_per_request: single,
      floor_us: floor,
      write_MB_s: rate(write),
      memory_depth_1_us: memory.here,
      memory_by_io_uring_depth_1_us: memory.uring,
    },
  };
}

/** See the file's head. */
export const small: Bench = {
  name: 'blk-4k',
  unit: 'MB/s',
  about: '4 KiB reads at random places, 32 in flight, page cache; floor: pread, one after the other',
  goal: { of: 'ratio', atLeast: 0.7 },
  run: (options) => run(options, { bytes: 4096, depth: 32, count: 100_000 }),
};

export const large: Bench = {
  name: 'blk-1m',
  unit: 'MB/s',
  about: '1 MiB reads at random places, 4 in flight, page cache; floor: pread, one after the other',
  goal: { of: 'ratio', atLeast: 0.9 },
  run: (options) => run(options, { bytes: MIB, depth: 4, count: 1000 }),
};
