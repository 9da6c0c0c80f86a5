/**
 * Network device driver: receive and transmit ring, every buffer a persistent slot of the pool. A frame is preceded by
 * the virtio_net header: 10 bytes, or 12 with mergeable receive buffers. Spec: virtio 1.2 section 5.1, legacy.
 */
import {
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_ECN,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_GUEST_TSO6,
  VIRTIO_NET_F_HOST_ECN,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_HOST_TSO6,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_STATUS,
} from '../abi/virtio.js';
import type { Device } from './device.js';
import { USED_EMPTY } from './driver-queue.js';
import { DeviceError } from './errors.js';
import type { Condition } from './ports.js';
import { SlotQueue } from './slots.js';

const RX = 0;
const TX = 1;
const QUEUE_SIZE = 256;
/** Header and one Ethernet frame of 1514 bytes. */
const FRAME_SLOT_BYTES = 1536;
/** Header and one segment of 64 KiB that is still to be cut into frames. */
const SEGMENT_SLOT_BYTES = 0x10800;
const HEADER_BYTES = 10;
const MERGED_HEADER_BYTES = 12;
const NUM_BUFFERS_OFF = 10;
const LEAST_SLOTS = 4;
/** Enough for a shell. */
const FEW_SLOTS = 64;
/** Fewer than this many segment slots are slower than many frame slots. */
const LEAST_SEGMENT_SLOTS = 16;
const MOST_SEGMENT_SLOTS = 64;

/** How the driver is used. */
export interface NetDriverOptions {
  /** Many buffers, for throughput; else a few. */
  readonly bulk: boolean;
  /** Whoever makes and takes the frames can do checksums and segmentation (used if there is room for it). */
  readonly offloads: boolean;
}

/** True if `bit` (0 ... 31) is in a feature word. */
export function hasBit(features: number, bit: number): boolean {
  return ((features >>> bit) & 1) !== 0;
}

function bits(...list: readonly number[]): number {
  return list.reduce((word, bit) => word | (1 << bit), 0) >>> 0;
}

const BASIC = bits(VIRTIO_NET_F_MAC, VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_F_STATUS);
const OFFLOADS = bits(
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_GUEST_TSO6,
  VIRTIO_NET_F_GUEST_ECN,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_HOST_TSO6,
  VIRTIO_NET_F_HOST_ECN,
);

/** Thread: the front end's only one. */
export class NetDriver implements Condition {
  readonly device: Device;
  /** Six bytes. */
  readonly mac = new Uint8Array(6);
  readonly mergeable: boolean;
  /** Bytes before the frame, in both directions: 10 or 12. */
  readonly headerBytes: number;
  readonly rx: SlotQueue;
  readonly tx: SlotQueue;
  /** Received frames thrown away: longer than the reader's buffer, or in pieces that make no sense. */
  dropped = 0;
  readonly #zeros = new Uint8Array(MERGED_HEADER_BYTES);

  /** Opens and starts the device. Errors: HandshakeError, PoolExhaustedError. */
  constructor(device: Device, options: NetDriverOptions) {
    this.device = device;
    const room = device.memory.largest(4096);
    const segments = options.offloads && room >= 2.5 * LEAST_SEGMENT_SLOTS * SEGMENT_SLOT_BYTES;
    device.open(segments ? (BASIC | OFFLOADS) >>> 0 : BASIC, [QUEUE_SIZE, QUEUE_SIZE]);
    this.mergeable = hasBit(device.features, VIRTIO_NET_F_MRG_RXBUF);
    this.headerBytes = this.mergeable ? MERGED_HEADER_BYTES : HEADER_BYTES;
    this.rx = slotQueue(device, RX, segments, options.bulk);
    this.tx = slotQueue(device, TX, segments, options.bulk);
    this.tx.queue.wanted = false; // completions are collected when room is needed
    for (let i = 0; i < 6; i++) this.mac[i] = device.registers.config8(i);
    this.rx.postAll();
    this.rx.queue.publish(); // served at DRIVER_OK, no kick needed
    device.run();
  }

  /** True if a frame may have arrived. */
  ready(): boolean {
    return this.rx.queue.hasUsed();
  }

  /** Longest frame that one transmit slot carries. */
  get maxFrameBytes(): number {
    return this.tx.slotBytes - this.headerBytes;
  }

  /**
   * Sends a plain frame (copied).
   * @param bytes 14 ... {@link maxFrameBytes}
   * @returns false if the ring is full: the frame is lost, as on any network
   * Errors: DeviceError (broken ring).
   */
  send(frame: Uint8Array, bytes: number): boolean {
    this.collect();
    const tx = this.tx;
    const head = tx.begin();
    if (head < 0) return false;
    const slot = tx.slotOffset(head);
    tx.slots.write(slot, this.#zeros, 0, this.headerBytes);
    tx.slots.write(slot + this.headerBytes, frame, 0, bytes);
    tx.submitSlot(head, this.headerBytes + bytes, false);
    this.device.flush(tx.queue);
    return true;
  }

  /**
   * Takes a received frame, without its header.
   * @returns its length, or 0 if there is none (or one that was dropped)
   * Errors: DeviceError (broken ring).
   */
  receive(to: Uint8Array): number {
    const rx = this.rx;
    let head = this.pop();
    if (head < 0) return 0;
    const pieces = this.pieces(head);
    let skip = this.headerBytes;
    let total = 0;
    for (let i = 0; ; ) {
      const bytes = Math.max(0, rx.queue.usedBytes - skip);
      if (total + bytes <= to.length) rx.read(head, skip, to, total, bytes);
      total += bytes;
      rx.repost(head);
      skip = 0;
      if (++i >= pieces) break;
      head = this.pop();
      if (head < 0) total = to.length + 1; // the rest never came
      if (head < 0) break;
    }
    this.device.flush(rx.queue);
    if (total <= to.length) return total;
    this.dropped++;
    return 0;
  }

  /** Next received slot, or -1. `rx.queue.usedBytes` is its length with the header. Errors: DeviceError. */
  pop(): number {
    const head = this.rx.queue.pop();
    if (head < USED_EMPTY) throw new DeviceError('net: the receive ring is broken');
    return head;
  }

  /** Slots that the frame starting in this slot fills, 1 ... ring size. */
  pieces(head: number): number {
    if (!this.mergeable || this.rx.queue.usedBytes < this.headerBytes) return 1;
    const count = this.rx.slots.u16(this.rx.slotOffset(head) + NUM_BUFFERS_OFF);
    return Math.min(Math.max(1, count), this.rx.slotCount);
  }

  /** Takes back transmitted slots. Errors: DeviceError (broken ring). */
  collect(): void {
    const queue = this.tx.queue;
    for (;;) {
      const head = queue.pop();
      if (head === USED_EMPTY) return;
      if (head < 0) throw new DeviceError('net: the transmit ring is broken');
      this.tx.release(head);
    }
  }
}

/** The best slots there is room for: segments if wanted, else frames, as many as sensible. */
function slotQueue(device: Device, index: number, segments: boolean, bulk: boolean): SlotQueue {
  const queue = device.queues[index];
  if (queue === undefined) throw new DeviceError(`net: the device has no queue ${index}`);
  if (segments) {
    const found = tryCounts(device, queue.size, SEGMENT_SLOT_BYTES, [
      MOST_SEGMENT_SLOTS,
      LEAST_SEGMENT_SLOTS,
    ]);
    if (found !== undefined) return new SlotQueue(queue, found, SEGMENT_SLOT_BYTES);
  }
  // Without mergeable buffers a receive slot must hold whatever the device may send.
  const whole = bits(VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_TSO6);
  const large =
    index === RX && (device.features & whole) !== 0 && !hasBit(device.features, VIRTIO_NET_F_MRG_RXBUF);
  const bytes = large ? SEGMENT_SLOT_BYTES : FRAME_SLOT_BYTES;
  // A small pool without a device tree is shared by all: leave most of it to the others.
  const share = Math.floor(device.memory.largest(64) / 4 / bytes);
  const most = bulk ? QUEUE_SIZE : Math.max(LEAST_SLOTS, Math.min(FEW_SLOTS, powerOfTwoUpTo(share)));
  const found = tryCounts(device, queue.size, bytes, [most, LEAST_SLOTS]);
  const what = index === RX ? 'receive buffers' : 'transmit buffers';
  return new SlotQueue(queue, found ?? device.memory.alloc(what, LEAST_SLOTS * bytes, 64), bytes);
}

function tryCounts(device: Device, size: number, bytes: number, range: readonly [number, number]) {
  const [most, least] = range;
  for (let count = Math.min(most, size); count >= Math.min(least, size); count /= 2) {
    const slots = device.memory.tryAlloc(count * bytes, 64);
    if (slots !== undefined) return slots;
  }
  return undefined;
}

function powerOfTwoUpTo(value: number): number {
  return value < 1 ? 0 : 2 ** Math.floor(Math.log2(value));
}
