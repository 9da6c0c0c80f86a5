/**
 * A front end of tests at the PMM's ivshmem server: a peer with its memory mapped, its doorbell, and drivers of single devices. It
 * works synchronously, while the PMM's reactor runs on its own thread.
 */
import { strict as assert } from 'node:assert';
import { viewOf } from '#lkvm/sys/libc.js';
import { type Mapping, mapShared, unmap } from '#lkvm/sys/map.js';
import type { HvlSlot } from '#lkvm/virtio/transport/hvl/layout.js';
import { type Generation, HvlDriver, type RingPlan } from './hvl-driver.js';
import type { RingBuffer, RingUsed } from './hvl-ring.js';
import { IvshmemClient } from './ivshmem.js';

/** Only a hang takes longer. */
const PATIENCE_MS = 30_000;
const NAP_MS = 1;
const nap = new Int32Array(new SharedArrayBuffer(4));

function napUntil(done: () => boolean, what: string): void {
  for (const end = performance.now() + PATIENCE_MS; !done(); Atomics.wait(nap, 0, 0, NAP_MS)) {
    if (performance.now() > end) assert.fail(`${what} does not come`);
  }
}

/** A peer at the doorbell. */
export class DriverPeer implements Disposable {
  readonly client: IvshmemClient;
  readonly pool: Uint8Array;
  /** False: our rings get lost. */
  rings = true;
  /** Rings so far. */
  rung = 0;
  readonly #mapping: Mapping;
  readonly #ackMs: number;
  readonly #drivers = new Set<HvlDriver>();

  /** @param ackMs how long a driver waits for the ACK of a queue, before its start has failed */
  constructor(path: string, bytes: number, ackMs = PATIENCE_MS) {
    this.#ackMs = ackMs;
    this.client = new IvshmemClient(path);
    napUntil(() => {
      this.client.take();
      return this.client.lines(this.client.id).length > 0;
    }, 'the welcome of the server');
    this.#mapping = mapShared(this.client.memory, bytes);
    this.pool = new Uint8Array(viewOf(this.#mapping.address, bytes));
  }

  /** A driver of the device in a slot, with rings of 4 from the second page of the region on; not started. */
  driver(slot: HvlSlot, base: number, generation: Generation = 3): HvlDriver {
    const rings = slot.request.queueMaxSizes.map((_, i): RingPlan => ({ at: ringAt(slot, i), size: 4 }));
    const driver = new HvlDriver({
      pool: this.pool,
      base,
      block: slot.block,
      generation,
      rings,
      doorbell: () => this.ring(),
      wait: () => {
        const end = performance.now() + this.#ackMs;
        for (; !driver.isAcked && performance.now() < end; Atomics.wait(nap, 0, 0, NAP_MS)) this.interrupt();
      },
    });
    this.#drivers.add(driver);
    return driver;
  }

  ring(): void {
    this.rung++;
    if (this.rings) this.client.ring(0);
  }

  /** Serves an interrupt, if there is one. @returns whether there was */
  interrupt(): boolean {
    if (!this.client.interrupted()) return false;
    for (const driver of this.#drivers) driver.interrupt();
    return true;
  }

  /** Makes a chain available, rings, and sleeps until it is done. */
  request(driver: HvlDriver, ...buffers: readonly RingBuffer[]): RingUsed {
    const ring = driver.rings[0] ?? assert.fail('not started');
    ring.add(...buffers);
    driver.kick(0);
    let used: RingUsed | undefined;
    napUntil(() => {
      used = ring.take();
      this.interrupt();
      return used !== undefined;
    }, 'the answer');
    return used ?? assert.fail();
  }

  [Symbol.dispose](): void {
    this.client[Symbol.dispose]();
    unmap(this.#mapping);
  }
}

/** Driver-visible address of a queue's ring. */
function ringAt({ region }: HvlSlot, queue: number): number {
  return region + 0x1000 + queue * 0x2000;
}

/** Driver-visible address of room for buffers in a device's region: its last page. */
export function bufferAt({ region, regionBytes }: HvlSlot): number {
  return region + regionBytes - 0x1000;
}

/** 64 random bytes. @returns their sum */
export function askEntropy(peer: DriverPeer, driver: HvlDriver, slot: HvlSlot): number {
  const at = bufferAt(slot);
  const { base } = driver.options;
  peer.pool.fill(0, at - base, at - base + 64);
  assert.equal(peer.request(driver, { addr: at, len: 64, writable: true }).len, 64);
  return peer.pool.subarray(at - base, at - base + 64).reduce((sum, byte) => sum + byte);
}

/** Tversion: u32 size, u8 100, u16 tag, u32 msize, string version. */
const TVERSION = [19 + 2, 0, 0, 0, 100, 0xff, 0xff, 0, 0x20, 0, 0, 8, 0, ...Buffer.from('9P2000.L')];

/** One request to a 9p share, and its answer looked at. */
export function askShare(peer: DriverPeer, driver: HvlDriver, slot: HvlSlot): void {
  const at = bufferAt(slot);
  const { base } = driver.options;
  peer.pool.set(TVERSION, at - base);
  peer.pool.fill(0, at - base + 256, at - base + 512);
  const { len } = peer.request(
    driver,
    { addr: at, len: TVERSION.length },
    { addr: at + 256, len: 256, writable: true },
  );
  const answer = peer.pool.slice(at - base + 256, at - base + 256 + len);
  assert.deepEqual([len, answer[4], Buffer.from(answer.subarray(13)).toString()], [21, 101, '9P2000.L']);
}
