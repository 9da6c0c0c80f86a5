/**
 * The reactor's half of a machine's trapped virtio devices: virtio-pci and virtio-mmio alike.
 *
 * The wiring watches the kick eventfds, drains them and calls {@link TrappedTransport.kicked}; it hands the calls of vCPUs
 * to {@link TrappedTransport.onCall}. Whatever is published in a round leads to one interrupt per queue, in
 * {@link TrappedTransport.flush}.
 *
 * As the reactor's `Pollable` it looks at the rings themselves again and again while the loop polls, and drivers need not
 * kick then. Kicks are eventfds and never lost, so nothing is scanned for.
 *
 * Thread: reactor. Hot path.
 */
import type { GuestMemory } from '../../../memory/guest-memory.js';
import type { Log } from '../../../util/ports.js';
import { RateLimit, RateLimitedLog } from '../../../util/rate-limit.js';
import type { VirtioDevice } from '../../core/device.js';
import { TrappedDevice, type TrappedPort } from './device.js';
import type { TrappedInterrupts } from './ports.js';

/** A device's log lines: a burst, then silence. A hostile driver must not fill the disk. */
const LOG_BURST = 10;
const LOG_WINDOW_US = 10_000_000;

/** Told of what drivers do. Thread: reactor. */
export interface TrappedObserver {
  /** A driver has started this device. @param device its number */
  deviceStarted(device: number): void;
  /** The driver of a running (or broken) device has reset it. */
  deviceReset(device: number): void;
  /** The driver broke a ring; the device is stopped until the driver resets it. */
  deviceFault(device: number, text: string): void;
}

/** A device and what joins it to its driver. */
export interface TrappedDeviceSpec {
  readonly device: VirtioDevice;
  /** From `createDeviceRegisters`. */
  readonly registers: SharedArrayBuffer;
  readonly interrupts: TrappedInterrupts;
}

/** What a transport is made of. */
export interface TrappedTransportParts {
  /** A device's index is its number. */
  readonly devices: readonly TrappedDeviceSpec[];
  /** The guest's memory. */
  readonly memory: GuestMemory;
  readonly log: Log;
  /** The end of a call for which {@link TrappedTransport.onCall} returned PENDING. */
  readonly answer: (device: number, result: number) => void;
  readonly observer?: TrappedObserver;
}

/** See the file's head. Implements `Pollable`. */
export class TrappedTransport {
  /** Kicks are not lost: the loop need not scan. */
  readonly running = false;
  readonly #parts: TrappedTransportParts;
  readonly #devices: readonly TrappedDevice[];
  #flushWanted = false;
  /** Drivers were told that kicks are not needed. */
  #quiet = false;
  /** A device has queues to process without a kick: new ones, or what its budget left. */
  #more = false;

  /** Shows the devices in their registers: make it before a vCPU runs. Errors: InvariantError. */
  constructor(parts: TrappedTransportParts) {
    this.#parts = parts;
    this.#devices = parts.devices.map(
      (spec, index) =>
        new TrappedDevice({ ...spec, memory: parts.memory, port: this.#portOf(index, spec.device.name) }),
    );
  }

  /** A kick for a queue of a device; harmless if there is no such queue or it does not run. */
  kicked(device: number, queue: number): void {
    this.#devices[device]?.kicked(queue);
  }

  /**
   * Serves a call of a vCPU.
   * @param what as of `DeviceCalls`
   * @returns its result, or PENDING: `answer` gives it later
   */
  onCall(device: number, what: number): number {
    return this.#devices[device]?.onCall(what) ?? 0;
  }

  /** Stops every device. Their memory must stay until their host I/O has ended; no call is answered any more. */
  stop(): void {
    for (const device of this.#devices) device.stop();
  }

  // Pollable

  poll(): boolean {
    // Unless told otherwise, drivers have kicked for whatever they did, and those kicks are still to come.
    if (!this.#quiet && !this.#more) return false;
    this.#more = false;
    const devices = this.#devices;
    let busy = false;
    for (let i = 0; i < devices.length; i++) {
      if ((devices[i] as TrappedDevice).poll()) busy = true;
    }
    return busy;
  }

  arm(): boolean {
    if (!this.#quiet) return this.#more;
    this.#quiet = false;
    if (this.#wantKicks(true)) this.#more = true; // added while they need not kick
    return this.#more;
  }

  disarm(): void {
    this.#quiet = true;
    this.#wantKicks(false);
  }

  flush(): void {
    if (!this.#flushWanted) return;
    this.#flushWanted = false;
    const devices = this.#devices;
    for (let i = 0; i < devices.length; i++) {
      if ((devices[i] as TrappedDevice).flush()) this.#flushWanted = true;
    }
  }

  scan(): boolean {
    return this.poll();
  }

  #wantKicks(wanted: boolean): boolean {
    const devices = this.#devices;
    let work = false;
    for (let i = 0; i < devices.length; i++) {
      if ((devices[i] as TrappedDevice).wantKicks(wanted)) work = true;
    }
    return work;
  }

  #portOf(index: number, name: string): TrappedPort {
    const { answer, log, observer } = this.#parts;
    const limit = new RateLimit(LOG_BURST, LOG_WINDOW_US);
    const own = new RateLimitedLog(log, limit, () => performance.now() * 1000);
    return {
      flushWanted: () => {
        this.#flushWanted = true;
      },
      moreToDo: () => {
        this.#more = true;
      },
      answer: () => answer(index, 0),
      started: () => observer?.deviceStarted(index),
      reset: () => observer?.deviceReset(index),
      fault: (text) => {
        own.warn(`${name} (device ${index}): ${text}`);
        observer?.deviceFault(index, text);
      },
    };
  }
}
