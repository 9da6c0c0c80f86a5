/**
 * Joins virtio-net to a tap of the host, so that two network namespaces (or two machines) talk through the PMM with
 * their kernels' own TCP/IP. One system call per frame, straight between the tap and the pool; everything a round brings
 * is published and signalled once. With offloads on both taps a "frame" is up to 64 KiB of a TCP stream.
 *
 * Backpressure both ways: no free transmit slot, and the tap is not read; the tap full, and the receive ring waits.
 * Thread: main. Hot path: allocates nothing per frame.
 */
import { EAGAIN, EINTR } from '../abi/errno.js';
import { EPOLLERR, EPOLLIN, EPOLLOUT } from '../abi/linux.js';
import { TUN_F_CSUM, TUN_F_TSO_ECN, TUN_F_TSO4, TUN_F_TSO6 } from '../abi/tun.js';
import {
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_HOST_ECN,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_HOST_TSO6,
} from '../abi/virtio.js';
import type { UsedHandler } from '../frontend/device.js';
import { hasBit, type NetDriver } from '../frontend/net.js';
import { close, readTo, writeFrom } from '../sys/fd.js';
import { errnoName } from '../sys/libc.js';
import { NativeBuffer } from '../sys/map.js';
import { setTapHeaderBytes, setTapOffloads, type Tap } from '../sys/tap.js';
import { StartError } from '../util/errors.js';
import type { EventLoop, FdHandler, Watch } from '../util/ports.js';

/** Frames moved in one go and one direction. */
const BUDGET = 128;
const SCRATCH_BYTES = 0x1_1000;
/** A segment of 64 KiB and headers; a slot at least this long can take whatever the tap gives. */
const WHOLE_SEGMENT_BYTES = 0x1_0100;

/** Covers a header of 10 or 12 bytes, a multiple of 4. */
const ZEROED_HEADER_BYTES = 12;

/** One tap, one driver. Made for each session; {@link TapBridge.stop} before the next. */
export class TapBridge implements UsedHandler, FdHandler {
  /** Frames and bytes from the tap to the PMM, and the other way. */
  sent = 0;
  sentBytes = 0;
  received = 0;
  receivedBytes = 0;
  /** Frames the tap refused for good. */
  dropped = 0;
  readonly #net: NetDriver;
  readonly #fd: number;
  readonly #vnetHeader: boolean;
  readonly #watch: Watch;
  readonly #scratch = new NativeBuffer(SCRATCH_BYTES);
  readonly #word: boolean;
  #events = EPOLLIN;
  /** A frame that the tap did not take yet: address and length; its receive slot, or -1 if it is in scratch memory. */
  #heldAddress = 0;
  #heldBytes = 0;
  #heldHead = -1;

  constructor(loop: EventLoop, net: NetDriver, tap: Tap) {
    this.#net = net;
    this.#fd = tap.fd;
    this.#vnetHeader = tap.vnetHeader;
    this.#word = net.device.memory.pool.word;
    if (tap.vnetHeader) {
      const sized = setTapHeaderBytes(tap.fd, net.headerBytes);
      if (sized < 0)
        throw new StartError(`${tap.name}: a header of ${net.headerBytes} bytes: ${errnoName(-sized)}`);
      if (setTapOffloads(tap.fd, tapOffloads(net)) < 0) setTapOffloads(tap.fd, 0);
    }
    this.#watch = loop.watch(tap.fd, EPOLLIN, this);
    net.device.handler = this;
  }

  /** Stops moving frames; the tap stays open. */
  stop(): void {
    this.#watch.close();
  }

  /** The device used buffers: frames for the tap, and transmit slots that are free again. */
  onUsed(): void {
    this.#toTap();
    this.#resumeInput();
  }

  /** The tap has frames, or room for them. */
  onReady(events: number): void {
    if ((events & EPOLLERR) !== 0 && (events & (EPOLLIN | EPOLLOUT)) === 0) {
      throw new StartError('the tap interface is gone');
    }
    if ((events & EPOLLOUT) !== 0 && this.#heldBytes > 0) {
      if (!this.#write()) return;
      this.#net.rx.queue.wanted = true;
      this.#setEvents(this.#events & ~EPOLLOUT);
      this.#toTap();
    }
    if ((events & EPOLLIN) !== 0) this.#fromTap();
  }

  #fromTap(): void {
    const { tx, device } = this.#net;
    const before = this.sent;
    this.#net.collect();
    for (let i = 0; i < BUDGET; i++) {
      const head = tx.begin();
      if (head < 0) {
        this.#pauseInput();
        break;
      }
      const bytes = this.#readFrame(tx.slotOffset(head));
      if (bytes <= 0) {
        tx.release(head);
        break;
      }
      tx.submitSlot(head, bytes, false);
      this.sent++;
      this.sentBytes += bytes;
    }
    if (this.sent !== before) device.flush(tx.queue);
  }

  /** One frame from the tap to a transmit slot. @returns its length with the header, or <= 0 */
  #readFrame(slot: number): number {
    const { tx, headerBytes } = this.#net;
    const gap = this.#vnetHeader ? 0 : headerBytes;
    if (this.#word) {
      const n = readTo(this.#fd, this.#scratch.address + gap, Math.min(tx.slotBytes, SCRATCH_BYTES) - gap);
      if (n <= 0) return n;
      this.#scratch.u8.fill(0, 0, gap);
      tx.slots.write(slot, this.#scratch.u8, 0, gap + n);
      return gap + n;
    }
    if (gap > 0) tx.slots.zero(slot, ZEROED_HEADER_BYTES); // before the read: it may reach into the frame
    const n = readTo(this.#fd, tx.slots.hva + slot + gap, tx.slotBytes - gap);
    return n > 0 ? gap + n : n;
  }

  /** No transmit slot is free: hear of completions, and leave the tap alone until there are some. */
  #pauseInput(): void {
    const { queue } = this.#net.tx;
    queue.wanted = true;
    this.#setEvents(this.#events & ~EPOLLIN);
  }

  #resumeInput(): void {
    const { tx } = this.#net;
    if ((this.#events & EPOLLIN) !== 0) return;
    this.#net.collect();
    if (tx.free * 4 < tx.slotCount) return; // a batch, not one frame at a time
    tx.queue.wanted = false;
    this.#setEvents(this.#events | EPOLLIN);
  }

  #toTap(): void {
    const { rx, device } = this.#net;
    const before = this.received;
    for (let i = 0; i < BUDGET && this.#heldBytes === 0; i++) {
      const head = this.#net.pop();
      if (head < 0) break;
      this.received++;
      const pieces = this.#net.pieces(head);
      if (pieces > 1 || this.#word) this.#gather(head, pieces);
      else this.#point(head);
      if (!this.#write()) {
        rx.queue.wanted = false;
        this.#setEvents(this.#events | EPOLLOUT);
      }
    }
    if (this.received !== before) device.flush(rx.queue);
  }

  /** The frame in one slot is written from there. */
  #point(head: number): void {
    const { rx, headerBytes } = this.#net;
    const skip = this.#vnetHeader ? 0 : headerBytes;
    this.#heldHead = head;
    this.#heldAddress = rx.slots.hva + rx.slotOffset(head) + skip;
    this.#heldBytes = Math.max(0, rx.queue.usedBytes - skip);
  }

  /** A frame in several slots (or in device memory) is put together in scratch memory. */
  #gather(first: number, pieces: number): void {
    const { rx, headerBytes } = this.#net;
    const skip = this.#vnetHeader ? 0 : headerBytes;
    let total = 0;
    let head = first;
    for (let i = 0; ; ) {
      const bytes = Math.min(rx.queue.usedBytes, SCRATCH_BYTES - total);
      rx.read(head, 0, this.#scratch.u8, total, bytes);
      total += bytes;
      rx.repost(head);
      if (++i >= pieces) break;
      head = this.#net.pop();
      if (head >= 0) continue;
      total = 0; // the rest never came
      break;
    }
    this.#heldHead = -1;
    this.#heldAddress = this.#scratch.address + skip;
    this.#heldBytes = Math.max(0, total - skip);
  }

  /** Gives the held frame to the tap. @returns false if it has no room now */
  #write(): boolean {
    const bytes = this.#heldBytes;
    const n = bytes === 0 ? 0 : writeFrom(this.#fd, this.#heldAddress, bytes);
    if (n === -EAGAIN || n === -EINTR) return false;
    if (n < 0) this.dropped++;
    else this.receivedBytes += bytes;
    this.#heldBytes = 0;
    if (this.#heldHead >= 0) this.#net.rx.repost(this.#heldHead);
    this.#heldHead = -1;
    return true;
  }

  #setEvents(events: number): void {
    this.#events = events;
    this.#watch.setEvents(events);
  }
}

/** TUN_F_ bits: what the device accepts from us, the tap may hand to us. */
function tapOffloads(net: NetDriver): number {
  const { features } = net.device;
  if (!hasBit(features, VIRTIO_NET_F_CSUM)) return 0;
  let flags = TUN_F_CSUM;
  if (net.tx.slotBytes < WHOLE_SEGMENT_BYTES) return flags;
  if (hasBit(features, VIRTIO_NET_F_HOST_TSO4)) flags |= TUN_F_TSO4;
  if (hasBit(features, VIRTIO_NET_F_HOST_TSO6)) flags |= TUN_F_TSO6;
  if (hasBit(features, VIRTIO_NET_F_HOST_ECN)) flags |= TUN_F_TSO_ECN;
  return flags;
}

/** Closes a tap opened with `openTap`. */
export function closeTap(tap: Tap): void {
  close(tap.fd);
}
