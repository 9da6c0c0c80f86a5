/**
 * What a virtio device is, to any transport; and what a transport is, to any device. Neither knows more of the other.
 * Spec: virtio 1.2 section 2.
 */
import type { GuestMemory } from '../../memory/guest-memory.js';
import type { Counters } from '../../util/counters.js';
import type { VirtQueue } from '../queue/virt-queue.js';
import type { Features } from './features.js';

/** How a device reaches its driver. Implemented by the transport. Thread: reactor. */
export interface Notifier {
  /**
   * Used buffer notification: call after `queue.publish()` when `queue.needsInterrupt()` said yes. May be called inside
   * or outside a pass; the transport collects and sends at most one signal per event-loop round.
   */
  usedBuffers(queueIndex: number): void;
  /** The device changed its config space. */
  configChanged(): void;
  /**
   * The driver broke the ring's structure. The transport stops the device (calls `reset()` on it, now) and shows
   * NEEDS_RESET where that exists. Return from the drain loop at once.
   * @param code a CHAIN_BAD_... code
   */
  driverFault(queueIndex: number, code: number): void;
}

/** Everything a running device has. It exists from `activate` to `reset`. */
export interface ActiveDevice {
  /** By queue index; undefined where the driver did not set a queue up. */
  readonly queues: readonly (VirtQueue | undefined)[];
  /** What the driver accepted; a subset of the offered features. */
  readonly features: Features;
  readonly memory: GuestMemory;
  readonly notifier: Notifier;
}

/** A virtio device. Thread: reactor. */
export interface VirtioDevice {
  /** VIRTIO_ID_... */
  readonly deviceId: number;
  /** Short name, also the key of its counters and of `--region`, `--queue-size`, `--features`: "net", "console", ... */
  readonly name: string;
  /** Offered features, without the ring features a transport adds. */
  readonly features: Features;
  /** Largest size of each queue, by index; its length is the number of queues. */
  readonly queueMaxSizes: readonly number[];
  /** Device-specific config space, little-endian; read-only for the driver. */
  readonly config: Uint8Array;
  /** Counters of this device; the transport counts interrupts, doorbells and starts. */
  readonly counters: Counters;

  /** DRIVER_OK. Not called twice without a `reset` in between. The transport examines all queues right afterwards. */
  activate(active: ActiveDevice): void;

  /** The driver is gone or starts again: touch no ring or buffer any more, now. Also called when never activated. */
  reset(): void;

  /**
   * Whether nothing reads or writes the driver's memory on this device's behalf any more. Asked after `reset` and
   * `resetQueue`, and at the end of each of the event loop's rounds until it is true; only then a trapped transport tells
   * the driver that the reset is over. So a device whose host I/O cannot be called back returns from `reset` at once, says
   * false here while some of it is under way, and sees its end as an event of the loop. Absent: always true.
   */
  quiesced?(): boolean;

  /**
   * The driver takes one queue back (VIRTIO_F_RING_RESET, offered where this and `enableQueue` are there): touch neither
   * it nor its chains any more, now. The other queues go on.
   */
  resetQueue?(queueIndex: number): void;

  /** The driver has set that queue up anew. The transport examines it right afterwards. */
  enableQueue?(queueIndex: number, queue: VirtQueue): void;

  /**
   * A queue may have new available buffers. Drains it, within a budget.
   * @returns true if the budget ran out and there is more to do: call again in the next round
   * Hot path: does not throw because of anything the driver wrote.
   */
  processQueue(queueIndex: number): boolean;

  /** Frees host resources when the machine ends. Not called before `reset`. */
  close(): void;
}
