/**
 * One slot: the device state machine behind a register block in shared memory. Nobody tells us what the driver wrote, so
 * every look compares the words with what we acted upon last.
 *
 *              queue requests: check, ACK                queues: process
 *     +--------+   STATUS gets DRIVER_OK     +---------+   ring broken     +--------+
 *     |  idle  | --------------------------> | running | ----------------> | broken |
 *     +--------+   or a static attach        +---------+                   +--------+
 *          ^          restart noticed             |                             |
 *          +--------------------------------------+-----------------------------+
 *
 * A restart shows as STATUS going down, or (drivers that only OR into STATUS) as GUEST_PAGE_SIZE being written again: we
 * park 0 there while the driver waits for the ACK of its first queue. In that second case STATUS still shows the old
 * DRIVER_OK; it is *stale* until the driver can be told, which is at the next ACK.
 *
 * Spec: docs/hvl.md. Thread: reactor. Hot path: {@link HvlDevice.look}.
 */
import {
  HVLS_STATUS,
  VIRTIO_MMIO_GUEST_FEATURES,
  VIRTIO_MMIO_GUEST_PAGE_SIZE,
  VIRTIO_MMIO_INT_CONFIG,
  VIRTIO_MMIO_INT_VRING,
  VIRTIO_MMIO_INTERRUPT_ACK,
  VIRTIO_MMIO_STATUS,
} from '../../../abi/hvl.js';
import {
  VIRTIO_CONFIG_S_ACKNOWLEDGE,
  VIRTIO_CONFIG_S_DRIVER,
  VIRTIO_CONFIG_S_DRIVER_OK,
  VIRTIO_CONFIG_S_FAILED,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
} from '../../../abi/virtio.js';
import type { GuestMemory } from '../../../memory/guest-memory.js';
import { COUNTER_DOORBELLS, COUNTER_INTERRUPTS, COUNTER_STARTS, count } from '../../../util/counters.js';
import { at, i32At, u8At } from '../../../util/typed.js';
import type { Notifier, VirtioDevice } from '../../core/device.js';
import { type Features, hasFeature } from '../../core/features.js';
import { activateQueue, type QueueConfig } from '../../queue/queue-config.js';
import { chainFaultText, type VirtQueue } from '../../queue/virt-queue.js';
import type { RegisterBlock } from './block.js';
import { InterruptWord } from './interrupts.js';
import type { HvlSlot } from './layout.js';
import { QueueRequests } from './queue-requests.js';
import { zeroRings } from './ring-memory.js';
import { RingNotes } from './ring-notes.js';
import type { SlotPort } from './slot-port.js';
import { STATIC_ATTACH, STATIC_NONE, type StaticMode } from './static-mode.js';

const IDLE = 0;
const RUNNING = 1;
/** The driver broke a ring's structure: nothing is touched until it starts again. */
const BROKEN = 2;

const STATUS_MASK = 0xff;
const ACK_AND_DRIVER = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;

/** What a slot is made of. */
export interface HvlDeviceParts {
  readonly slot: HvlSlot;
  readonly device: VirtioDevice;
  readonly block: RegisterBlock;
  /** Where rings and buffers may lie. */
  readonly memory: GuestMemory;
  /** Offered features. */
  readonly features: Features;
  readonly static: StaticMode | undefined;
  /** Take a rewritten GUEST_PAGE_SIZE for a restart. */
  readonly restartDetector: boolean;
  readonly port: SlotPort;
}

/** QUEUE_NUM_MAX is one register for all queues of a device, so it is the smallest of their limits. */
export function queueNumMax(queueMaxSizes: readonly number[]): number {
  return Math.min(...queueMaxSizes);
}

/** See the file's head. */
export class HvlDevice implements Notifier {
  readonly #device: VirtioDevice;
  readonly #block: RegisterBlock;
  readonly #memory: GuestMemory;
  readonly #offered: Features;
  readonly #static: StaticMode | undefined;
  readonly #restartDetector: boolean;
  readonly #port: SlotPort;
  readonly #interrupts: InterruptWord;
  readonly #requests: QueueRequests;
  /** For observers; undefined with a static descriptor, whose table says it. */
  readonly #notes: RingNotes | undefined;
  readonly #queueCount: number;
  /** Accepted queues of the handshake under way. */
  readonly #configs: (QueueConfig | undefined)[];
  /** Running queues. A new array per start: the device keeps it. */
  #queues: (VirtQueue | undefined)[] = [];
  /** `avail.idx` when the queue was last processed; -1 = not yet. */
  readonly #seenAvail: Int32Array;
  /** 1: the device's budget ran out, process the queue again. */
  readonly #more: Uint8Array;
  #state = IDLE;
  /** STATUS as last read. */
  #raw = 0;
  /** STATUS as acted upon: without a stale DRIVER_OK. */
  #status = 0;
  #stale = false;
  /** GUEST_PAGE_SIZE holds our 0. */
  #armed = false;
  #resets = 0;
  #quiet = false;

  constructor(parts: HvlDeviceParts) {
    const { block, device, memory, port, slot } = parts;
    const { queueMaxSizes } = slot.request;
    this.#device = device;
    this.#block = block;
    this.#memory = memory;
    this.#offered = parts.features;
    this.#static = parts.static;
    this.#restartDetector = parts.restartDetector;
    this.#port = port;
    this.#interrupts = new InterruptWord(block);
    this.#queueCount = queueMaxSizes.length;
    this.#requests = new QueueRequests(block, memory, this.#queueCount, queueNumMax(queueMaxSizes), port);
    this.#notes = parts.static === undefined ? new RingNotes(block, slot.shmBase) : undefined;
    this.#configs = queueMaxSizes.map(() => undefined);
    this.#seenAvail = new Int32Array(this.#queueCount);
    this.#more = new Uint8Array(this.#queueCount);
  }

  /** True if an interrupt was raised and not acknowledged. */
  get interruptOutstanding(): boolean {
    return this.#interrupts.outstanding;
  }

  /**
   * One look at everything the driver can have changed, and what follows from it. A handful of loads when there is
   * nothing. @returns true if there was something
   */
  look(): boolean {
    const raw = this.#block.load(VIRTIO_MMIO_STATUS) & STATUS_MASK;
    const rewritten = this.#armed && this.#block.load(VIRTIO_MMIO_GUEST_PAGE_SIZE) !== 0;
    let busy = false;
    if (raw !== this.#raw || rewritten) {
      this.#statusMoved(raw, rewritten);
      busy = true;
    }
    if (this.#static !== undefined) {
      const event = this.#static.poll();
      if (event !== STATIC_NONE) {
        this.#attachMoved(this.#static, event);
        busy = true;
      }
    }
    if (this.#state === IDLE && this.#handshake()) busy = true;
    if (this.#state === RUNNING && this.#serve()) busy = true;
    return busy;
  }

  /**
   * As {@link look}, for a loop that polls: a running device is looked at properly only if plain loads show a change.
   * They are not ordered against anything, so before sleeping a proper look is needed.
   */
  glance(): boolean {
    if (this.#state === RUNNING && !this.#hasMoved()) return false;
    return this.look();
  }

  /** Shows the interrupts collected in this round. @returns true if the driver must be signalled */
  flushInterrupts(): boolean {
    return this.#interrupts.flush();
  }

  /** Asks for doorbells (before sleeping) or says that they are not needed (while polling). */
  wantDoorbells(wanted: boolean): void {
    this.#quiet = !wanted;
    if (this.#state !== RUNNING) return;
    for (let q = 0; q < this.#queueCount; q++) {
      const queue = at(this.#queues, q);
      if (queue === undefined) continue;
      queue.setPolled(!wanted);
      if (wanted) queue.enableKicks();
    }
  }

  /** The machine ends: no ring or buffer is touched any more. */
  stop(): void {
    if (this.#state === RUNNING) this.#device.reset();
    this.#state = IDLE;
    this.#queues = [];
  }

  // Notifier

  usedBuffers(_queueIndex: number): void {
    if (this.#state !== RUNNING) return;
    count(this.#device.counters, COUNTER_INTERRUPTS, 1);
    this.#interrupts.want(VIRTIO_MMIO_INT_VRING);
    this.#port.interruptWanted();
  }

  configChanged(): void {
    this.#block.writeConfig(this.#device.config);
    if (this.#state !== RUNNING) return;
    this.#interrupts.want(VIRTIO_MMIO_INT_CONFIG);
    this.#port.interruptWanted();
  }

  driverFault(queueIndex: number, code: number): void {
    if (this.#state !== RUNNING) return;
    this.#state = BROKEN;
    this.#device.reset();
    this.#queues = [];
    this.#interrupts.cancel();
    this.#port.fault(`queue ${queueIndex}: ${chainFaultText(code)}; stopped until the driver starts again`);
  }

  // Handshake

  #statusMoved(raw: number, rewritten: boolean): void {
    const failed = (raw & VIRTIO_CONFIG_S_FAILED) !== 0;
    if (raw < this.#status || rewritten || (failed && this.#state !== IDLE)) this.#reset(raw);
    if (raw !== 0) this.#static?.spoil();
    this.#raw = raw;
    if ((raw & VIRTIO_CONFIG_S_DRIVER_OK) === 0) this.#stale = false;
    this.#status = this.#stale ? raw & ~VIRTIO_CONFIG_S_DRIVER_OK : raw;
  }

  /** The driver starts again, or went away. @param raw STATUS now: a DRIVER_OK in it is from before */
  #reset(raw: number): void {
    const state = this.#state;
    this.#state = IDLE;
    if (state === RUNNING) this.#device.reset();
    this.#queues = [];
    this.#configs.fill(undefined);
    this.#armed = false;
    this.#stale = (raw & VIRTIO_CONFIG_S_DRIVER_OK) !== 0;
    this.#status = 0;
    this.#resets++;
    this.#interrupts.reset();
    this.#notes?.clear();
    this.#requests.restart();
    if (state !== IDLE) this.#port.reset();
  }

  /** @returns true if a queue was accepted or the device started */
  #handshake(): boolean {
    const config = this.#requests.poll();
    const accepted = config !== undefined && this.#accept(config);
    const ok = (this.#status & VIRTIO_CONFIG_S_DRIVER_OK) !== 0;
    if (!ok || (this.#status & VIRTIO_CONFIG_S_FAILED) !== 0) return accepted;
    this.#start();
    return true;
  }

  /**
   * The driver waits for the ACK word, so nothing written before it can collide with a write of the driver's; unless it
   * has died meanwhile, and the next one is already at work.
   * @returns false if that was noticed in time
   */
  #accept(config: QueueConfig): boolean {
    if (this.#hasRestarted()) return false; // first things first: the next look resets
    if (this.#resets > 0) zeroRings(this.#memory, config);
    if (this.#stale || (this.#raw & VIRTIO_CONFIG_S_FAILED) !== 0) this.#setStatus(ACK_AND_DRIVER);
    this.#arm();
    this.#notes?.add(config);
    if (!this.#requests.accept(config)) return false;
    this.#port.signal();
    if (this.#hasRestartedAfterAck()) {
      // The new driver was so fast that the ACK may have answered its own request: the same ring, or it would have failed.
      this.#reset(0);
      this.#requests.doubtAcceptance();
      this.#setStatus(ACK_AND_DRIVER);
      this.#arm();
      this.#notes?.add(config);
    }
    this.#configs[config.index] = config;
    return true;
  }

  /** True if the driver has started again since the look began. */
  #hasRestarted(): boolean {
    if ((this.#block.load(VIRTIO_MMIO_STATUS) & STATUS_MASK) !== this.#raw) return true;
    return this.#armed && this.#block.load(VIRTIO_MMIO_GUEST_PAGE_SIZE) !== 0;
  }

  /** As {@link #hasRestarted} once the driver is unblocked: STATUS going up is then its DRIVER_OK, not a restart. */
  #hasRestartedAfterAck(): boolean {
    if ((this.#block.load(VIRTIO_MMIO_STATUS) & STATUS_MASK) < this.#raw) return true;
    return this.#armed && this.#block.load(VIRTIO_MMIO_GUEST_PAGE_SIZE) !== 0;
  }

  #setStatus(status: number): void {
    this.#block.store(VIRTIO_MMIO_STATUS, status);
    this.#raw = status;
    this.#status = status;
    this.#stale = false;
  }

  #arm(): void {
    if (this.#armed || !this.#restartDetector) return;
    this.#block.store(VIRTIO_MMIO_GUEST_PAGE_SIZE, 0);
    this.#armed = true;
  }

  #start(): void {
    const accepted = this.#block.load(VIRTIO_MMIO_GUEST_FEATURES);
    const low = (accepted & this.#offered.low) >>> 0;
    if (low !== accepted)
      this.#port.warn(`features 0x${accepted.toString(16)} include some not offered; ignored`);
    this.#requests.close();
    this.#run(this.#configs, { low, high: 0 });
  }

  #run(configs: readonly (QueueConfig | undefined)[], features: Features): void {
    const rings = {
      indirect: hasFeature(features, VIRTIO_F_INDIRECT_DESC),
      eventIdx: hasFeature(features, VIRTIO_F_EVENT_IDX),
    };
    this.#queues = configs.map((config) => {
      if (config === undefined) return undefined;
      const queue = activateQueue(config, this.#memory, rings);
      if (typeof queue === 'string') return undefined;
      if (this.#quiet) queue.setPolled(true);
      return queue;
    });
    this.#state = RUNNING;
    this.#seenAvail.fill(-1); // examine every queue: buffers may have been added before DRIVER_OK
    this.#more.fill(0);
    count(this.#device.counters, COUNTER_STARTS, 1);
    this.#device.activate({ queues: this.#queues, features, memory: this.#memory, notifier: this });
    this.#port.started();
  }

  // Static mode

  #attachMoved(mode: StaticMode, event: number): void {
    this.#reset(0);
    if (event === STATIC_ATTACH) {
      mode.spoil();
      this.#setStatus(HVLS_STATUS);
      this.#arm();
      this.#run(mode.queues, this.#offered);
      return;
    }
    for (const config of mode.queues) zeroRings(this.#memory, config);
    this.#setStatus(0);
    mode.renew();
    this.#port.signal();
  }

  // Running

  #hasMoved(): boolean {
    const block = this.#block;
    if ((block.peek(VIRTIO_MMIO_STATUS) & STATUS_MASK) !== this.#raw) return true;
    if (block.peek(VIRTIO_MMIO_INTERRUPT_ACK) !== 0) return true;
    if (this.#armed && block.peek(VIRTIO_MMIO_GUEST_PAGE_SIZE) !== 0) return true;
    if (this.#static?.hasMoved() === true) return true;
    for (let q = 0; q < this.#queueCount; q++) {
      if (u8At(this.#more, q) !== 0) return true;
      const queue = at(this.#queues, q);
      if (queue !== undefined && queue.peekAvailIdx() !== i32At(this.#seenAvail, q)) return true;
    }
    return false;
  }

  /** @returns true if there was work */
  #serve(): boolean {
    let busy = false;
    if (this.#interrupts.acknowledge()) {
      busy = true;
      this.#port.interruptWanted(); // it may have to be raised again
    }
    let kicked = false;
    for (let q = 0; q < this.#queueCount; q++) {
      const queue = at(this.#queues, q);
      if (queue === undefined) continue;
      const avail = queue.loadAvailIdx();
      if (avail === i32At(this.#seenAvail, q) && u8At(this.#more, q) === 0) continue;
      this.#seenAvail[q] = avail; // before processing: what is added meanwhile is seen as a new movement
      this.#more[q] = 0;
      kicked = true;
      const more = this.#device.processQueue(q);
      if (this.#state !== RUNNING) return true;
      if (more) this.#more[q] = 1;
    }
    if (kicked) count(this.#device.counters, COUNTER_DOORBELLS, 1);
    return busy || kicked;
  }
}
