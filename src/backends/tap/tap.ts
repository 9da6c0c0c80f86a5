/**
 * The network behind a tap interface: the host's kernel. One `writev` and one `readv` per frame, straight between the
 * shared memory and the kernel; checksums and segmentation are left to it where the driver negotiated that.
 */
import { EAGAIN, EINTR } from '../../abi/errno.js';
import { EPOLLERR, EPOLLIN, EPOLLOUT } from '../../abi/linux.js';
import { TUN_F_CSUM, TUN_F_TSO_ECN, TUN_F_TSO4, TUN_F_TSO6, TUN_F_UFO } from '../../abi/tun.js';
import {
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_ECN,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_GUEST_TSO6,
  VIRTIO_NET_F_GUEST_UFO,
  VIRTIO_NET_F_HOST_ECN,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_HOST_TSO6,
  VIRTIO_NET_F_HOST_UFO,
} from '../../abi/virtio.js';
import type { IovArray } from '../../memory/iov-array.js';
import { close, readTo, readv, writev } from '../../sys/fd.js';
import { NativeBuffer } from '../../sys/map.js';
import { setTapHeaderBytes, setTapOffloads, type Tap } from '../../sys/tap.js';
import type { EventLoop, Watch } from '../../util/ports.js';
import type { NetBackend, NetListener } from '../../virtio/devices/net/backend.js';

/** Catches what does not fit the driver's buffers: a whole frame with segmentation offload, and more. */
const OVERFLOW_BYTES = 0x1_1000;
const HEADER_BYTES = 64;
/** Frames from before the driver's start that are thrown away; the kernel queues 1000 at most by default. */
const STALE_FRAMES = 1024;

const OFFERED =
  (1 << VIRTIO_NET_F_CSUM) |
  (1 << VIRTIO_NET_F_GUEST_CSUM) |
  (1 << VIRTIO_NET_F_GUEST_TSO4) |
  (1 << VIRTIO_NET_F_GUEST_TSO6) |
  (1 << VIRTIO_NET_F_HOST_TSO4) |
  (1 << VIRTIO_NET_F_HOST_TSO6);
const POSSIBLE =
  (1 << VIRTIO_NET_F_CSUM) |
  (1 << VIRTIO_NET_F_GUEST_CSUM) |
  (1 << VIRTIO_NET_F_GUEST_TSO4) |
  (1 << VIRTIO_NET_F_GUEST_TSO6) |
  (1 << VIRTIO_NET_F_GUEST_ECN) |
  (1 << VIRTIO_NET_F_GUEST_UFO) |
  (1 << VIRTIO_NET_F_HOST_TSO4) |
  (1 << VIRTIO_NET_F_HOST_TSO6) |
  (1 << VIRTIO_NET_F_HOST_ECN) |
  (1 << VIRTIO_NET_F_HOST_UFO);

/** Thread: reactor. Owns the tap's descriptor. */
export class TapBackend implements NetBackend {
  readonly offloads: number;
  readonly possibleOffloads: number;
  readonly pending = false;
  readonly overflow: Uint8Array;
  readonly #loop: EventLoop;
  readonly #tap: Tap;
  readonly #spare = new NativeBuffer(OVERFLOW_BYTES);
  /** A checked header, where the kernel can read it. */
  readonly #header = new NativeBuffer(HEADER_BYTES);
  #headerBytes = 0;
  #listener: NetListener | undefined;
  #watch: Watch | undefined;
  #wantsInput = false;
  #wantsOutput = false;
  #dead = false;

  constructor(loop: EventLoop, tap: Tap) {
    this.#loop = loop;
    this.#tap = tap;
    this.overflow = this.#spare.u8;
    this.offloads = tap.vnetHeader ? OFFERED : 0;
    this.possibleOffloads = tap.vnetHeader ? POSSIBLE : 0;
  }

  setListener(listener: NetListener): void {
    this.#listener = listener;
  }

  start(headerBytes: number, features: number): void {
    const { fd, vnetHeader } = this.#tap;
    this.#headerBytes = headerBytes;
    if (vnetHeader) {
      setTapHeaderBytes(fd, headerBytes);
      // Without offloads in the driver the kernel must hand out ordinary frames, whatever an earlier driver could do.
      if (setTapOffloads(fd, tapOffloads(features)) < 0) setTapOffloads(fd, 0);
    }
    for (let i = 0; i < STALE_FRAMES; i++) {
      if (readTo(fd, this.#spare.address, OVERFLOW_BYTES) <= 0) break;
    }
    if (this.#watch === undefined && !this.#dead) this.#watch = this.#loop.watch(fd, 0, this);
  }

  stop(): void {
    this.#wantsInput = false;
    this.#wantsOutput = false;
    this.#watch?.close();
    this.#watch = undefined;
  }

  send(header: Uint8Array, iov: IovArray): number {
    const bytes = this.#headerBytes;
    iov.window(bytes, iov.bytes - bytes);
    if (this.#tap.vnetHeader) {
      const copy = this.#header.u8;
      for (let i = 0; i < bytes; i++) copy[i] = header[i] as number;
      iov.prefix(this.#header.address, bytes);
    }
    const n = writev(this.#tap.fd, iov.windowAddress, iov.windowCount);
    if (n !== -EAGAIN && n !== -EINTR) return n;
    this.#wantsOutput = true;
    this.#update();
    return -EAGAIN;
  }

  receive(iov: IovArray, first: number, limit: number): number {
    const gap = this.#tap.vnetHeader ? 0 : this.#headerBytes;
    iov.window(gap, Math.max(0, limit - gap), first);
    iov.suffix(this.#spare.address, OVERFLOW_BYTES);
    const n = readv(this.#tap.fd, iov.windowAddress, iov.windowCount);
    return n > 0 ? n + gap : 0;
  }

  watch(on: boolean): void {
    if (on === this.#wantsInput) return;
    this.#wantsInput = on;
    this.#update();
  }

  /** Event: frames, room for frames, or the interface is gone. */
  onReady(events: number): void {
    if ((events & EPOLLERR) !== 0 && (events & (EPOLLIN | EPOLLOUT)) === 0) {
      // Removed under us; epoll would report that for ever. What is sent from now on is dropped.
      this.#dead = true;
      this.stop();
      return;
    }
    if (this.#wantsOutput && (events & EPOLLOUT) !== 0) {
      this.#wantsOutput = false;
      this.#update();
      // If there is more than one round may do, the queue is writable still: the event comes again.
      if (this.#listener?.sendReady() === true) {
        this.#wantsOutput = true;
        this.#update();
      }
    }
    if (this.#wantsInput && (events & EPOLLIN) !== 0) this.#listener?.receiveReady();
  }

  close(): void {
    this.stop();
    this.#dead = true;
    close(this.#tap.fd);
  }

  #update(): void {
    this.#watch?.setEvents((this.#wantsInput ? EPOLLIN : 0) | (this.#wantsOutput ? EPOLLOUT : 0));
  }
}

function has(features: number, bit: number): boolean {
  return (features & (1 << bit)) !== 0;
}

/** TUN_F_ bits for what the driver can receive. Segmentation without checksums is refused by the kernel. */
function tapOffloads(features: number): number {
  if (!has(features, VIRTIO_NET_F_GUEST_CSUM)) return 0;
  let flags = TUN_F_CSUM;
  if (has(features, VIRTIO_NET_F_GUEST_TSO4)) flags |= TUN_F_TSO4;
  if (has(features, VIRTIO_NET_F_GUEST_TSO6)) flags |= TUN_F_TSO6;
  if (has(features, VIRTIO_NET_F_GUEST_ECN)) flags |= TUN_F_TSO_ECN;
  if (has(features, VIRTIO_NET_F_GUEST_UFO)) flags |= TUN_F_UFO;
  return flags;
}
