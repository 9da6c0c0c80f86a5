/** A block device over a real file or device, with a driver's side: requests by method calls. */
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { FileDisk } from '#lkvm/backends/block/disk.js';
import { openDisk } from '#lkvm/backends/block/open-disk.js';
import { Reactor } from '#lkvm/reactor/reactor.js';
import { IoUring } from '#lkvm/sys/io-uring.js';
import { errnoName } from '#lkvm/sys/libc.js';
import { COUNTER_COUNT } from '#lkvm/util/counters.js';
import type { Features } from '#lkvm/virtio/core/features.js';
import { BlkDevice } from '#lkvm/virtio/devices/blk/device.js';
import { ShutdownGuard } from '#lkvm/workers/guard.js';
import { IoClient } from '#lkvm/workers/io/client.js';
import { IoService } from '#lkvm/workers/io/service.js';
import { DeviceRig } from './device-rig.js';
import type { DriverBuffer, DriverQueue } from './driver-sim.js';

// virtio 1.2 section 5.2.6, written down once more
export const T_IN = 0;
export const T_OUT = 1;
export const T_FLUSH = 4;
export const T_GET_ID = 8;
export const T_DISCARD = 11;
export const T_WRITE_ZEROES = 13;
export const S_OK = 0;
export const S_IOERR = 1;
export const S_UNSUPP = 2;

/** What the status byte holds before the device writes it. */
export const S_NONE = 0xaa;
const LIMIT_MS = 60_000;
/** One for all: each has hooks on the process. */
const guard = new ShutdownGuard();

export interface BlockRigOptions {
  readonly path: string;
  readonly readOnly?: boolean;
  readonly direct?: boolean;
  /** What the driver accepts; default: all that is offered. */
  readonly accept?: Features;
  /** Queue size, default 64. */
  readonly size?: number;
  /** Bytes of shared memory, default 4 MiB. */
  readonly bytes?: number;
  readonly access?: number;
  /** Whose system calls; default io_uring. */
  readonly engine?: Engine | undefined;
}

/** Who makes the system calls. */
export type Engine = 'io_uring' | 'worker';

/** Why io_uring cannot be tested here, or false. */
export function noIoUring(): string | false {
  const ring = IoUring.create(1);
  if (typeof ring === 'number') return `io_uring: ${errnoName(-ring)}`;
  ring.close();
  return false;
}

/** Registers a test once for each engine. */
export function engineTest(title: string, body: (t: TestContext, engine: Engine) => Promise<void>): void {
  test(`${title} (io_uring)`, { skip: noIoUring() }, (t) => body(t, 'io_uring'));
  test(`${title} (worker)`, (t) => body(t, 'worker'));
}

export interface RequestOptions {
  /** Sector number; a bigint for any u64. */
  readonly sector?: number | bigint;
  /** Device-readable data behind the header. */
  readonly data?: Uint8Array;
  /** Bytes of device-writable data before the status. */
  readonly room?: number;
  /** Lengths the readable and the writable part are cut into; the last piece takes what is left. */
  readonly cuts?: readonly number[];
  /** Sent instead of the 16 bytes of the header. */
  readonly header?: Uint8Array;
  /** Leaves the status byte out. */
  readonly noStatus?: boolean;
  /** Alignment of data in memory, default 512. */
  readonly align?: number;
}

export interface Answer {
  readonly status: number;
  readonly written: number;
  readonly data: Uint8Array;
}

interface Waiting {
  readonly roomAt: number;
  readonly room: number;
}

/** The header of a request. */
export function requestHeader(type: number, sector: number | bigint): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  view.setUint32(0, type, true);
  view.setBigUint64(8, BigInt(sector), true);
  return new Uint8Array(view.buffer);
}

/** The data of a discard or write-zeroes request. */
export function ranges(
  ...list: readonly [sector: number | bigint, sectors: number, flags: number][]
): Uint8Array {
  const view = new DataView(new ArrayBuffer(16 * list.length));
  for (const [i, [sector, sectors, flags]] of list.entries()) {
    view.setBigUint64(16 * i, BigInt(sector), true);
    view.setUint32(16 * i + 8, sectors, true);
    view.setUint32(16 * i + 12, flags, true);
  }
  return new Uint8Array(view.buffer);
}

/** See the file's head. */
export class BlockRig {
  readonly reactor: Reactor;
  readonly disk: FileDisk;
  readonly device: BlkDevice;
  readonly rig: DeviceRig;
  readonly #waiting = new Map<number, Waiting>();
  /** Answers by head, until they are taken. */
  readonly #answers = new Map<number, Answer>();

  constructor(reactor: Reactor, disk: FileDisk, options: BlockRigOptions) {
    const size = options.size ?? 64;
    this.reactor = reactor;
    this.disk = disk;
    this.device = new BlkDevice({
      backend: disk,
      counters: new Float64Array(COUNTER_COUNT),
      queueSizes: [size],
    });
    this.rig = new DeviceRig(this.device, {
      sizes: [size],
      features: options.accept ?? this.device.features,
      bytes: options.bytes ?? 0x40_0000,
      ...(options.access === undefined ? {} : { access: options.access }),
    });
    this.rig.start();
  }

  get driver(): DriverQueue {
    return this.rig.driver(0);
  }

  /** A driver that starts again. */
  restart(): void {
    this.device.reset();
    this.#waiting.clear();
    this.#answers.clear();
    this.rig.memory.rewind();
    this.rig.start();
  }

  /** Adds a request; the device sees it after {@link send}. @returns its head */
  add(type: number, options: RequestOptions = {}): number {
    const { memory } = this.rig;
    const header = options.header ?? requestHeader(type, options.sector ?? 0);
    const data = options.data ?? new Uint8Array(0);
    const room = (options.room ?? 0) + (options.noStatus === true ? 0 : 1);
    // The header ends where aligned data begins.
    const align = options.align ?? 512;
    const readAt = memory.alloc(align + data.length, align) + align - header.length;
    this.driver.write(readAt, header);
    this.driver.write(readAt + header.length, data);
    const roomAt = memory.alloc(Math.max(1, room), align);
    this.driver.write(roomAt, new Uint8Array(room).fill(S_NONE));
    const buffers = [
      ...cut(readAt, header.length + data.length, options.cuts, false),
      ...cut(roomAt, room, options.cuts, true),
    ];
    const head = this.driver.addChain(buffers);
    this.#waiting.set(head, { roomAt, room });
    return head;
  }

  /** Publishes and lets the device look. */
  send(): void {
    this.driver.publish();
    this.rig.kick();
    this.collect();
  }

  /** Takes what is complete. */
  collect(): void {
    for (const { head, written } of this.driver.takeAllUsed()) {
      const { roomAt, room } = this.#waiting.get(head) as Waiting;
      this.#waiting.delete(head);
      const bytes = this.driver.read(roomAt, room);
      const status = bytes[room - 1] ?? S_NONE;
      this.#answers.set(head, { status, written, data: bytes.slice(0, Math.max(0, room - 1)) });
    }
  }

  /** The answer to `head`, if it is there. */
  peek(head: number): Answer | undefined {
    return this.#answers.get(head);
  }

  /** Runs the event loop until `head` is answered. */
  async answer(head: number): Promise<Answer> {
    await this.until(() => this.#answers.has(head));
    const answer = this.#answers.get(head) as Answer;
    this.#answers.delete(head);
    return answer;
  }

  async until(condition: () => boolean): Promise<void> {
    const deadline = performance.now() + LIMIT_MS;
    while (!condition()) {
      if (performance.now() > deadline) throw new Error('BlockRig: waited too long');
      this.reactor.round(1000);
      this.collect();
      await nextTurn();
    }
  }

  /** One request from beginning to end; all memory is free again afterwards. */
  async request(type: number, options: RequestOptions = {}): Promise<Answer> {
    const head = this.add(type, options);
    this.send();
    return await this.answer(head);
  }
}

function cut(
  at: number,
  bytes: number,
  cuts: readonly number[] | undefined,
  writable: boolean,
): DriverBuffer[] {
  const buffers: DriverBuffer[] = [];
  let left = bytes;
  for (const piece of cuts ?? []) {
    const len = Math.min(piece, left);
    buffers.push({ addr: at + bytes - left, len, writable });
    left -= len;
  }
  if (left > 0) buffers.push({ addr: at + bytes - left, len: left, writable });
  return buffers;
}

/** A device over `options.path`. */
export async function blockRig(t: TestContext, options: BlockRigOptions): Promise<BlockRig> {
  const reactor = new Reactor();
  const errors: unknown[] = [];
  const service = new IoService(guard, (error) => errors.push(error));
  const blocking = new IoClient(service.init, reactor);
  const { path, engine } = options;
  const disk = openDisk(
    {
      path,
      readOnly: options.readOnly ?? false,
      direct: options.direct ?? false,
      requests: options.size ?? 64,
      ioUring: engine !== 'worker',
    },
    { loop: reactor, log: { info: () => {}, warn: () => {} }, blocking },
  );
  const rig = new BlockRig(reactor, disk, options);
  // The worker starts when this thread is idle, which it is not while it waits for a reset.
  if (engine === 'worker') {
    const lane = blocking.lane({ onDone: () => lane.close() });
    lane.fsync(-1, 0);
    await rig.until(() => lane.pending === 0);
  }
  t.after(async () => {
    rig.device.reset();
    rig.device.close();
    blocking.close();
    reactor.close();
    await service.stop();
    if (errors.length > 0) throw new Error(`I/O worker: ${String(errors[0])}`);
  });
  return rig;
}
