/**
 * Receive queue of the network device: frames from the host into the driver's buffers.
 *
 * Buffers first: a frame is read from the host only when there is a chain to put it into, and while there is none the
 * host is not watched, so that frames pile up where there is a limit for them. A frame goes into one chain; over several
 * only with MRG_RXBUF, because a driver without it would take the pieces for frames. What does not fit is dropped.
 */
import {
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_HDR_BYTES,
  VIRTIO_NET_HDR_MRG_BYTES,
  VIRTIO_NET_HDR_NUM_BUFFERS_OFF,
} from '../../../abi/virtio.js';
import {
  COUNTER_BYTES,
  COUNTER_DROPPED,
  COUNTER_REQUESTS,
  type Counters,
  count,
} from '../../../util/counters.js';
import { type Features, hasFeature } from '../../core/features.js';
import { CHAIN_EMPTY } from '../../queue/virt-queue.js';
import type { QueueEnd } from '../queue-end.js';
import { RxBuffers } from '../rx-buffers.js';
import type { NetBackend } from './backend.js';
import { netHeaderBytes } from './wire.js';

/** The longest packet: header, Ethernet header with a VLAN tag, 64 KiB of IP. */
export const MAX_PACKET_BYTES = VIRTIO_NET_HDR_MRG_BYTES + 18 + 0xffff;
/** Frames per round. */
const BUDGET = 64;

// What one step did: something; nothing, there is no frame; nothing, there is no buffer.
const PROGRESS = 0;
const IDLE = 1;
const STARVED = 2;

/** Exists from `activate` to `reset`. Thread: reactor. */
export class Receiver {
  readonly #end: QueueEnd;
  readonly #backend: NetBackend;
  readonly #counters: Counters;
  readonly #buffers: RxBuffers;
  readonly #headerBytes: number;
  readonly #mergeable: boolean;
  /** No offloads: the header is ours to write, all zero but `num_buffers`. */
  readonly #plain: boolean;
  readonly #header = new Uint8Array(VIRTIO_NET_HDR_MRG_BYTES);
  /** Most bytes the driver ever had posted: a longer frame will never fit. */
  #mostBytes = 0;
  /** A frame that waits for more buffers: its bytes, and how many of them are in the buffers already; 0 = none. */
  #parked = 0;
  #parkedDone = 0;

  constructor(end: QueueEnd, backend: NetBackend, features: Features, counters: Counters) {
    this.#end = end;
    this.#backend = backend;
    this.#counters = counters;
    this.#buffers = new RxBuffers(end, MAX_PACKET_BYTES);
    this.#headerBytes = netHeaderBytes(features);
    this.#mergeable = hasFeature(features, VIRTIO_NET_F_MRG_RXBUF);
    this.#plain = !hasFeature(features, VIRTIO_NET_F_GUEST_CSUM);
  }

  /**
   * Takes new buffers, then frames.
   * @param event true: the back end has reported that there are frames; false: only if it says so by itself
   * @returns true if the budget ran out
   */
  run(event: boolean): boolean {
    const { queue } = this.#end;
    const buffers = this.#buffers;
    for (let budget = BUDGET; budget > 0; budget--) {
      queue.disableKicks();
      const status = buffers.take();
      if (status < 0) {
        this.#end.fault(status);
        return false;
      }
      if (buffers.bytes > this.#mostBytes) this.#mostBytes = buffers.bytes;
      const step = this.#parked === 0 ? this.#receive(event) : this.#unpark();
      if (step === PROGRESS) continue;
      // With buffers in hand no kick is wanted: more are looked for when a frame comes.
      if (step === STARVED) {
        this.#backend.watch(false);
        queue.publish();
        if (status !== CHAIN_EMPTY || queue.enableKicks()) continue;
      }
      this.#end.settle();
      return false;
    }
    this.#end.settle();
    return true;
  }

  /** Takes one frame from the host. */
  #receive(event: boolean): number {
    const buffers = this.#buffers;
    if (buffers.chains === 0) return STARVED;
    this.#backend.watch(true);
    if (!event && !this.#backend.pending) return IDLE;
    // If the frame turns out to be longer than what is there, the rest waits for buffers, and the list stays where it is.
    if (this.#mergeable && buffers.bytes < MAX_PACKET_BYTES) buffers.makeRoom();
    // Not more than one packet can fill: every buffer named costs time on the way into the kernel.
    const limit = Math.min(this.#mergeable ? buffers.bytes : buffers.firstBytes, MAX_PACKET_BYTES);
    const n = this.#backend.receive(this.#end.iov, buffers.first, limit);
    if (n <= 0) return IDLE;
    if (n <= limit) {
      this.#deliver(n);
    } else if (this.#mergeable && n <= this.#mostBytes && limit >= this.#headerBytes) {
      this.#parked = n;
      this.#parkedDone = limit;
      buffers.pinned = true;
    } else {
      count(this.#counters, COUNTER_DROPPED, 1);
    }
    return PROGRESS;
  }

  /** Puts the rest of the frame that waits into buffers that came since. */
  #unpark(): number {
    const buffers = this.#buffers;
    const n = this.#parked;
    if (buffers.bytes < n && !buffers.full) return STARVED;
    this.#parked = 0;
    buffers.pinned = false;
    if (buffers.bytes < n) {
      count(this.#counters, COUNTER_DROPPED, 1);
      return PROGRESS;
    }
    const done = this.#parkedDone;
    this.#end.iov.scatter(this.#backend.overflow, 0, done, n - done, buffers.first);
    this.#deliver(n);
    return PROGRESS;
  }

  /** The first `bytes` bytes of the buffers hold a packet: completes its chains. */
  #deliver(bytes: number): void {
    const { iov } = this.#end;
    const buffers = this.#buffers;
    const header = this.#header;
    header[VIRTIO_NET_HDR_NUM_BUFFERS_OFF] = 1;
    if (this.#mergeable) {
      const chains = buffers.chainsFor(bytes);
      header[VIRTIO_NET_HDR_NUM_BUFFERS_OFF] = chains & 0xff;
      header[VIRTIO_NET_HDR_NUM_BUFFERS_OFF + 1] = chains >>> 8;
    }
    const from = this.#plain ? 0 : VIRTIO_NET_HDR_BYTES;
    iov.scatter(header, from, from, this.#headerBytes - from, buffers.first);
    iov.commit(bytes, buffers.first);
    buffers.deliver(bytes);
    count(this.#counters, COUNTER_REQUESTS, 1);
    count(this.#counters, COUNTER_BYTES, bytes - this.#headerBytes);
  }
}
