/** The driver's side of a block device: requests by method calls. */
import type { Features } from '#lkvm/virtio/core/features.js';
import type { BlkDevice } from '#lkvm/virtio/devices/blk/device.js';
import { activateQueue } from '#lkvm/virtio/queue/queue-config.js';
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

/** How the driver is. */
export interface BlkDriverOptions {
  /** Queue size, default 64. */
  readonly size?: number;
  /** What the driver accepts; default: all that is offered. */
  readonly accept?: Features;
  /** Bytes of shared memory, default 8 MiB. */
  readonly bytes?: number;
  readonly access?: number;
}

/** Starts the device when it is made. */
export class BlkDriver {
  readonly device: BlkDevice;
  readonly rig: DeviceRig;
  readonly #waiting = new Map<number, Waiting>();
  /** Answers by head, until they are taken. */
  readonly #answers = new Map<number, Answer>();

  constructor(device: BlkDevice, options: BlkDriverOptions = {}) {
    this.device = device;
    this.rig = new DeviceRig(device, {
      sizes: [options.size ?? 64],
      features: options.accept ?? device.features,
      bytes: options.bytes ?? 0x80_0000,
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
    this.rig.memory.u8.fill(0);
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
    const lead = Math.max(align, 16);
    const readAt = memory.alloc(lead + data.length, align) + lead - header.length;
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

  /** The answer to `head`, if it is there; once. */
  take(head: number): Answer | undefined {
    const answer = this.#answers.get(head);
    this.#answers.delete(head);
    return answer;
  }

  /** One request that a back end answers at once. */
  now(type: number, options: RequestOptions = {}): Answer {
    const head = this.add(type, options);
    this.send();
    const answer = this.take(head);
    if (answer === undefined) throw new Error('BlkDriver: not answered at once');
    return answer;
  }

  /** All requests are answered: their memory, everything behind the rings, is free again. */
  forget(): void {
    const { memory } = this.rig;
    memory.rewind();
    memory.alloc(this.driver.layout.end - memory.gpa);
  }

  /** The queue at a new place, after a virtqueue reset. */
  renewQueue(): void {
    const { rig, device } = this;
    rig.prepare();
    const driver = rig.driver(0);
    const config = { index: 0, size: driver.size, maxSize: driver.size, layout: driver.layout };
    const queue = activateQueue(config, rig.memory.memory, { indirect: false, eventIdx: false });
    if (typeof queue === 'string') throw new Error(queue);
    rig.queues = [queue];
    this.#waiting.clear();
    device.enableQueue(0, queue);
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
