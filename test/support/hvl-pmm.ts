/**
 * A whole PMM (reactor worker, real devices, pool file, doorbell socket) with test drivers that map the same file and
 * hold the other end of the socket. The drivers are synchronous: they block this thread while they wait, as a real driver
 * blocks its processor; the PMM's devices live in another thread.
 */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { createPmm } from '#lkvm/pmm/create-pmm.js';
import type { PmmDeviceOptions } from '#lkvm/pmm/options.js';
import type { Pmm } from '#lkvm/pmm/pmm.js';
import { close, open } from '#lkvm/sys/fd.js';
import { viewOf } from '#lkvm/sys/libc.js';
import { mapShared } from '#lkvm/sys/map.js';
import { connectUnix, recv, send } from '#lkvm/sys/socket.js';
import { type Generation, HvlDriver, type HvlDriverOptions, type RingPlan } from './hvl-driver.js';
import { tempDir } from './temp.js';

export const PMM_BASE = 0x3700_0000;
const O_RDWR = 2;
const ONE = new Uint8Array(1);
/** Generous: only a failing test waits that long. Known drivers give up after 4 s. */
const LIMIT_MS = 20_000;

const sleepCell = new Int32Array(new SharedArrayBuffer(4));

/** Blocks this thread. */
export function block(ms: number): void {
  Atomics.wait(sleepCell, 0, 0, ms);
}

export interface PmmRigOptions {
  readonly devices: readonly PmmDeviceOptions[];
  readonly withDtb?: boolean;
  readonly bytes?: number;
  /** Access kind of the pool: a file, or a file that stands in for UIO. */
  readonly word?: boolean;
  /** What the file holds before. */
  readonly contents?: Uint8Array;
  readonly poll?: 'none' | 'adaptive' | 'spin';
}

export class PmmRig {
  readonly pmm: Pmm;
  /** The pool as the drivers see it. */
  readonly pool: Uint8Array;
  readonly events: string[] = [];
  readonly drivers: HvlDriver[] = [];
  /** Signals from the PMM since the start. */
  interrupts = 0;
  readonly #bell: string;
  #socket = -1;
  readonly #buffer = new Uint8Array(256);

  private constructor(pmm: Pmm, pool: Uint8Array, bell: string) {
    this.pmm = pmm;
    this.pool = pool;
    this.#bell = bell;
    pmm.on('device', ({ slot, event }) => this.events.push(`${event} ${slot}`));
  }

  /** Starts a PMM; it is stopped after the test. */
  static async start(t: TestContext, options: PmmRigOptions): Promise<PmmRig> {
    const folder = tempDir(t);
    const bytes = options.bytes ?? 0x20_0000;
    const path = join(folder, 'pool');
    const bell = join(folder, 'bell');
    writeFileSync(path, options.contents ?? Buffer.alloc(bytes, options.word === true ? 0xaa : 0));
    const pmm = await createPmm(
      {
        shmem: { address: PMM_BASE, bytes },
        dtb: options.withDtb ?? false,
        pool:
          options.word === true
            ? { kind: 'uio', path, sysfs: standInSysfs(folder, bytes) }
            : { kind: 'file', path },
        notify: { kind: 'socket', path: bell },
        poll: { kind: options.poll ?? 'none' },
        devices: options.devices,
      },
      { consoleStream: true },
    );
    const fd = open(path, O_RDWR);
    assert.ok(fd >= 0);
    // Not unmapped: views of it may be anywhere.
    const pool = new Uint8Array(viewOf(mapShared(fd, bytes).address, bytes));
    close(fd);
    const rig = new PmmRig(pmm, pool, bell);
    rig.connect();
    t.after(async () => {
      rig.disconnect();
      await pmm.stop();
    });
    return rig;
  }

  connect(): void {
    this.#socket = connectUnix(this.#bell);
    assert.ok(this.#socket >= 0, 'the doorbell socket can be connected');
  }

  disconnect(): void {
    if (this.#socket >= 0) close(this.#socket);
    this.#socket = -1;
  }

  driver(
    slot: number,
    generation: Generation,
    rings: readonly RingPlan[],
    more: Partial<HvlDriverOptions> = {},
  ): HvlDriver {
    const driver = new HvlDriver({
      pool: this.pool,
      base: PMM_BASE,
      block: this.pmm.layout.slots[slot]?.block ?? 0,
      generation,
      rings,
      doorbell: () => this.ring(),
      wait: () => this.until(() => !driver.waiting || driver.isAcked),
      ...more,
    });
    this.drivers[slot] = driver;
    return driver;
  }

  ring(): void {
    if (this.#socket >= 0) send(this.#socket, ONE);
  }

  /** Takes the signals that have arrived and runs the drivers' interrupt handlers. @returns how many signals */
  serve(): number {
    const n = this.#socket < 0 ? 0 : recv(this.#socket, this.#buffer);
    if (n <= 0) return 0;
    this.interrupts += n;
    for (const driver of this.drivers) driver?.interrupt();
    return n;
  }

  /** Serves interrupts until `done`. @returns false if that never happens */
  until(done: () => boolean): boolean {
    for (const end = performance.now() + LIMIT_MS; performance.now() < end; ) {
      if (done()) return true;
      if (this.serve() === 0) block(1);
    }
    return done();
  }

  /** A copy of bytes of the pool. */
  bytesAt(gpa: number, bytes: number): Uint8Array {
    return this.pool.slice(gpa - PMM_BASE, gpa - PMM_BASE + bytes);
  }
}

/** What the kernel says of a UIO device, in a folder. The device is called after the pool file. */
function standInSysfs(folder: string, bytes: number): string {
  const map = join(folder, 'class/uio/pool/maps/map0');
  mkdirSync(map, { recursive: true });
  writeFileSync(join(map, 'addr'), `0x${PMM_BASE.toString(16)}\n`);
  writeFileSync(join(map, 'size'), `0x${bytes.toString(16)}\n`);
  return folder;
}
