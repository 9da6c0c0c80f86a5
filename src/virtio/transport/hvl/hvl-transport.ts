/**
 * The hypervisorless transport: all devices of a pool, one doorbell in each direction.
 *
 * The driver writes registers and rings into shared memory and rings the doorbell: {@link HvlTransport.pass}. A loop that
 * polls calls {@link HvlTransport.poll}, which does the same at less cost while nothing changes. Everything published in a round leads to one signal, in
 * {@link HvlTransport.flush}.
 *
 * Spec: docs/hvl.md. Thread: reactor ({@link HvlTransport.publish}: before the loop starts).
 */
import { VIRTIO_F_EVENT_IDX } from '../../../abi/virtio.js';
import type { GuestMemory } from '../../../memory/guest-memory.js';
import { ConfigError, invariant } from '../../../util/errors.js';
import type { EventLoop, Log } from '../../../util/ports.js';
import { RateLimit, RateLimitedLog } from '../../../util/rate-limit.js';
import type { VirtioDevice } from '../../core/device.js';
import type { Features } from '../../core/features.js';
import { RegisterBlock } from './block.js';
import { HvlDevice } from './hvl-device.js';
import type { HvlLayout, HvlSlot } from './layout.js';
import { publishBlock, publishMagic, publishTree, publishTreeMagic } from './publish.js';
import { confinedRingMemory, sharedRingMemory } from './ring-memory.js';
import type { SlotPort } from './slot-port.js';
import { StaticMode } from './static-mode.js';

/** A slot's log lines: a burst, then silence. A hostile driver must not fill the disk. */
const LOG_BURST = 10;
const LOG_WINDOW_US = 10_000_000;

/** The line to the driver. */
export interface Doorbell {
  /** "Something changed, look." May be dropped when nobody listens. Hot path. */
  signal(): void;
}

/** Told of what the driver side does. Thread: reactor. */
export interface HvlObserver {
  /** A driver has started the device in this slot. */
  deviceStarted(slot: number): void;
  /** The driver of a running (or broken) device starts again or has gone. */
  deviceReset(slot: number): void;
  /** The driver broke a ring; the device is stopped until the driver starts again. */
  deviceFault(slot: number, text: string): void;
}

export interface HvlOptions {
  /** Take a rewritten GUEST_PAGE_SIZE for a restart of the driver. Off only for drivers that read that register. */
  readonly restartDetector: boolean;
  /** Confine each device's rings and buffers to its own region; with a device tree only. */
  readonly confine: boolean;
  /** Features offered instead of the device's own, by slot. */
  readonly features: readonly (Features | undefined)[];
  readonly observer?: HvlObserver;
  /** For looking again at a doubtful request; without it that waits for the next doorbell or scan. */
  readonly loop?: EventLoop;
  /** Static mode: identifies this start of the PMM, 1 ... 0xfffffffe. Default: random. */
  readonly epoch?: number;
}

/** What a transport is made of. */
export interface HvlTransportParts {
  readonly layout: HvlLayout;
  /** The pool, in the layout's address space; zeroed. */
  readonly memory: GuestMemory;
  /** In slot order. */
  readonly devices: readonly VirtioDevice[];
  readonly doorbell: Doorbell;
  readonly log: Log;
  readonly options: HvlOptions;
}

interface Published {
  readonly slot: HvlSlot;
  readonly device: VirtioDevice;
  readonly block: RegisterBlock;
  readonly features: Features;
  readonly static: StaticMode | undefined;
}

/** @param own features that the device has by itself */
function offered({ request }: HvlSlot, own: Features): Features {
  if (request.eventIdx !== true) return own;
  return { ...own, low: (own.low | (1 << VIRTIO_F_EVENT_IDX)) >>> 0 };
}

/** See the file's head. Implements the reactor's `Pollable`. */
export class HvlTransport {
  readonly #parts: HvlTransportParts;
  readonly #devices: readonly HvlDevice[];
  readonly #published: readonly Published[];
  #interruptWanted = false;
  #signal = false;
  /** The driver was told that doorbells are not needed. */
  #quiet = false;
  #timer = 0;

  /** Errors: ConfigError if `confine` is asked for where it is not possible. */
  constructor(parts: HvlTransportParts) {
    const { devices, layout, options } = parts;
    invariant(devices.length === layout.slots.length, 'one device per slot');
    if (options.confine && !layout.withDtb) {
      throw new ConfigError('devices cannot be confined to their regions without a device tree');
    }
    this.#parts = parts;
    const shared = options.confine ? undefined : sharedRingMemory(layout, parts.memory);
    const epoch = options.epoch ?? 1 + Math.floor(Math.random() * 0xffff_fffe);
    this.#published = layout.slots.map((slot, index): Published => {
      const device = devices[index] as VirtioDevice;
      const block = new RegisterBlock(parts.memory, slot.block);
      const mode = slot.request.static ? new StaticMode(block, slot, epoch) : undefined;
      const features = options.features[index] ?? offered(slot, device.features);
      return { slot, device, block, features, static: mode };
    });
    this.#devices = this.#published.map(
      (each) =>
        new HvlDevice({
          ...each,
          memory: shared ?? confinedRingMemory(each.slot, parts.memory),
          restartDetector: options.restartDetector,
          port: this.#portOf(each.slot),
        }),
    );
  }

  /**
   * Makes the devices visible: registers and config space of every block, then the MAGIC words from the last slot to the
   * first, then the device tree's magic word. The pool must be zero.
   * @param fdt the device tree, exactly if the layout has one. Errors: ConfigError if it is too large
   */
  publish(fdt?: Uint8Array): void {
    const { layout, memory } = this.#parts;
    invariant((fdt !== undefined) === layout.withDtb, 'a device tree is given if the layout has one');
    if (fdt !== undefined) publishTree(memory, layout, fdt);
    const descending = [...this.#published].reverse();
    for (const each of descending) {
      publishBlock(each.block, each.slot, each.device.config, each.features.low);
      each.static?.publish(each.features);
    }
    for (const each of descending) publishMagic(each.block);
    if (fdt !== undefined) publishTreeMagic(memory, layout, fdt);
  }

  /**
   * A doorbell arrived: looks at every device. The signal, if any, is sent by {@link flush}.
   * @returns true if there was something to do
   */
  pass(): boolean {
    const devices = this.#devices;
    let busy = false;
    for (let i = 0; i < devices.length; i++) {
      if ((devices[i] as HvlDevice).look()) busy = true;
    }
    return busy;
  }

  /** The peer has connected: its doorbells until now are lost, and so are our signals. */
  peerConnected(): void {
    this.pass();
    for (const device of this.#devices) {
      if (device.interruptOutstanding) this.#signal = true;
    }
    this.flush();
  }

  /** Stops every running device. The pool is left as it is. */
  stop(): void {
    if (this.#timer !== 0) this.#parts.options.loop?.cancel(this.#timer);
    this.#timer = 0;
    for (const device of this.#devices) device.stop();
  }

  // Pollable

  poll(): boolean {
    const devices = this.#devices;
    let busy = false;
    for (let i = 0; i < devices.length; i++) {
      if ((devices[i] as HvlDevice).glance()) busy = true;
    }
    return busy;
  }

  arm(): boolean {
    // Unless told otherwise in between, the driver has rung for whatever it did, and that ring is still to come: what is
    // left is our own work that ran out of its budget, and a glance finds that.
    if (!this.#quiet) return this.poll();
    this.#quiet = false;
    this.#wantDoorbells(true);
    // What came before the driver could see that doorbells are wanted again.
    return this.pass();
  }

  disarm(): void {
    this.#quiet = true;
    this.#wantDoorbells(false);
  }

  flush(): void {
    if (this.#interruptWanted) {
      this.#interruptWanted = false;
      const devices = this.#devices;
      for (let i = 0; i < devices.length; i++) {
        if ((devices[i] as HvlDevice).flushInterrupts()) this.#signal = true;
      }
    }
    if (!this.#signal) return;
    this.#signal = false;
    this.#parts.doorbell.signal();
  }

  scan(): boolean {
    return this.pass();
  }

  /** Always, if there is a device at all: the first doorbell of a driver may get lost like any other. */
  get running(): boolean {
    return this.#devices.length > 0;
  }

  // TimerHandler

  onTimer(): void {
    this.#timer = 0;
    this.pass();
  }

  #wantDoorbells(wanted: boolean): void {
    for (let i = 0; i < this.#devices.length; i++) (this.#devices[i] as HvlDevice).wantDoorbells(wanted);
  }

  #lookAgain(us: number): void {
    const { loop } = this.#parts.options;
    if (loop === undefined || this.#timer !== 0) return;
    this.#timer = loop.after(us, this);
  }

  #nowUs(): number {
    return this.#parts.options.loop?.nowUs() ?? performance.now() * 1000;
  }

  #portOf(slot: HvlSlot): SlotPort {
    const { log, options } = this.#parts;
    const { index, request } = slot;
    const name = `${request.name} (slot ${index})`;
    const slotLog = new RateLimitedLog(log, new RateLimit(LOG_BURST, LOG_WINDOW_US), () => this.#nowUs());
    const warn = (text: string): void => slotLog.warn(`${name}: ${text}`);
    return {
      interruptWanted: () => {
        this.#interruptWanted = true;
      },
      signal: () => {
        this.#signal = true;
      },
      nowUs: () => this.#nowUs(),
      lookAgain: (us) => this.#lookAgain(us),
      warn,
      started: () => options.observer?.deviceStarted(index),
      reset: () => options.observer?.deviceReset(index),
      fault: (text) => {
        warn(text);
        options.observer?.deviceFault(index, text);
      },
    };
  }
}
