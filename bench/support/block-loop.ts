/**
 * A block device and a driver in one thread: the driver keeps `depth` requests of one size in flight, the device serves
 * them through its ring and back end, the event loop waits where results come later. No kick and no interrupt: those are
 * the transport's, and have benches of their own.
 */
import { openDisk } from '#lkvm/backends/block/open-disk.js';
import { GuestMemory } from '#lkvm/memory/guest-memory.js';
import type { Reactor } from '#lkvm/reactor/reactor.js';
import { mapPrivate } from '#lkvm/sys/map.js';
import { COUNTER_COUNT } from '#lkvm/util/counters.js';
import type { BlockingCalls } from '#lkvm/util/ports.js';
import type { Notifier } from '#lkvm/virtio/core/device.js';
import { BlkDevice } from '#lkvm/virtio/devices/blk/device.js';
import { activateQueue } from '#lkvm/virtio/queue/queue-config.js';
import { legacyRingLayout } from '#lkvm/virtio/queue/ring-layout.js';
import { VirtQueue } from '#lkvm/virtio/queue/virt-queue.js';

const GPA = 0x1000_0000;
const PAGE = 4096;
const SIZE = 128;
/** Header, data, status. */
const PER_REQUEST = 3;
const NEXT = 1;
const WRITE = 2;
const T_IN = 0;
const T_OUT = 1;
const STATUS_OK = 0;
const SECTOR = 512;

export interface BlockLoopOptions {
  readonly path: string;
  readonly direct: boolean;
  /** Bytes of a request: a multiple of 4096. */
  readonly bytes: number;
  /** Requests in flight, 1 ... 42. */
  readonly depth: number;
  /** Whose system calls. */
  readonly engine: 'io_uring' | 'memory';
}

/** Calls nobody makes: where io_uring serves the disk. */
const NO_CALLS: BlockingCalls = {
  lane: () => {
    const never = () => {
      throw new Error('no I/O worker here');
    };
    return {
      fsync: never,
      fdatasync: never,
      preadv: never,
      pwritev: never,
      fallocate: never,
      discard: never,
      settle: () => true,
      pending: 0,
      close: () => {},
    };
  },
};

/** See the file's head. */
export class BlockLoop implements Notifier {
  /** Host address of the data of request 0; those of the others follow. */
  readonly dataAddress: number;
  readonly #reactor: Reactor;
  readonly #device: BlkDevice;
  readonly #memory: GuestMemory;
  readonly #bytes: number;
  readonly #depth: number;
  readonly #sectors: number;
  readonly #availIdxAt: number;
  readonly #usedIdxAt: number;
  readonly #usedRing: number;
  #added = 0;
  #done = 0;
  #signals = 0;

  constructor(reactor: Reactor, options: BlockLoopOptions) {
    const { bytes, depth } = options;
    const dataAt = 0x2_0000;
    const total = dataAt + depth * bytes;
    const hva = mapPrivate(total).address;
    this.#memory = new GuestMemory([{ gpa: GPA, hva, bytes: total }]);
    this.dataAddress = hva + dataAt;
    this.#bytes = bytes;
    this.#depth = depth;
    this.#reactor = reactor;
    const log = { info: () => {}, warn: () => {} };
    const { path, direct, engine } = options;
    const disk = openDisk(
      {
        path,
        direct,
        readOnly: false,
        requests: SIZE,
        engine,
      },
      { loop: reactor, log, blocking: NO_CALLS },
    );
    this.#sectors = disk.facts.sectors;
    this.#device = new BlkDevice({
      backend: disk,
      counters: new Float64Array(COUNTER_COUNT),
      queueSizes: [SIZE],
    });
    const layout = legacyRingLayout(GPA, SIZE, PAGE);
    this.#availIdxAt = (layout.avail - GPA) / 2 + 1;
    this.#usedIdxAt = (layout.used - GPA) / 2 + 1;
    this.#usedRing = (layout.used - GPA) / 4 + 1;
    for (let slot = 0; slot < depth; slot++) this.#describe(slot, dataAt + slot * bytes);
    const config = { index: 0, maxSize: SIZE, size: SIZE, layout };
    const queue = activateQueue(config, this.#memory, { indirect: false, eventIdx: false });
    if (!(queue instanceof VirtQueue)) throw new Error(queue);
    const features = this.#device.features;
    this.#device.activate({ queues: [queue], features, memory: this.#memory, notifier: this });
  }

  /**
   * Makes `count` requests, at places `next` names.
   * @param next byte offset of the next request, a multiple of 512
   */
  run(count: number, write: boolean, next: () => number): void {
    const { u16, u32, u8 } = this.#memory.chunk;
    const end = this.#done + count;
    let left = count;
    for (let slot = 0; slot < this.#depth && left > 0; slot++, left--) this.#add(slot, write, next());
    Atomics.store(u16, this.#availIdxAt, this.#added & 0xffff);
    let more = this.#device.processQueue(0);
    while (this.#done < end) {
      const fresh = (Atomics.load(u16, this.#usedIdxAt) - this.#done) & 0xffff;
      for (let i = 0; i < fresh; i++, this.#done++) {
        const slot = (u32[this.#usedRing + (this.#done & (SIZE - 1)) * 2] as number) / PER_REQUEST;
        if (u8[this.#statusAt(slot)] !== STATUS_OK) throw new Error('a request failed');
        if (left === 0) continue;
        left--;
        this.#add(slot, write, next());
      }
      Atomics.store(u16, this.#availIdxAt, this.#added & 0xffff);
      if (fresh > 0 || more) more = this.#device.processQueue(0);
      else this.#reactor.round();
    }
  }

  /** Bytes of the disk. */
  get diskBytes(): number {
    return this.#sectors * SECTOR;
  }

  close(): void {
    this.#device.reset();
    this.#device.close();
  }

  usedBuffers(): void {
    this.#signals++;
  }

  configChanged(): void {}

  driverFault(_queue: number, code: number): void {
    throw new Error(`driver fault ${code}, after ${this.#signals} signals`);
  }

  #describe(slot: number, dataAt: number): void {
    const head = slot * PER_REQUEST;
    this.#descriptor(head, this.#headerAt(slot), 16, NEXT, head + 1);
    this.#descriptor(head + 1, dataAt, this.#bytes, NEXT | WRITE, head + 2);
    this.#descriptor(head + 2, this.#statusAt(slot), 1, WRITE, 0);
  }

  #descriptor(index: number, offset: number, bytes: number, flags: number, next: number): void {
    this.#memory.chunk.u32.set([GPA + offset, 0, bytes, flags | (next << 16)], index * 4);
  }

  #headerAt(slot: number): number {
    return 0x1_0000 + slot * 64;
  }

  #statusAt(slot: number): number {
    return this.#headerAt(slot) + 32;
  }

  #add(slot: number, write: boolean, offset: number): void {
    const { u16, u32 } = this.#memory.chunk;
    const header = this.#headerAt(slot) / 4;
    u32[header] = write ? T_OUT : T_IN;
    u32[header + 2] = offset / SECTOR;
    u32[slot * PER_REQUEST * 4 + 7] = (write ? NEXT : NEXT | WRITE) | ((slot * PER_REQUEST + 2) << 16);
    u16[this.#availIdxAt + 1 + (this.#added & (SIZE - 1))] = slot * PER_REQUEST;
    this.#added++;
  }
}
