/**
 * The reactor's half of one trapped virtio device.
 *
 *              CALL_DRIVER_OK               ring broken
 *     +------+ --------------> +---------+ ------------> +--------+
 *     | idle |                 | running |               | broken |  NEEDS_RESET
 *     +------+ <-------------- +---------+               +--------+
 *         ^      CALL_RESET                   CALL_RESET     |
 *         +--------------------------------------------------+
 *
 * The driver's registers are read at CALL_DRIVER_OK and when a queue is enabled, into a copy that is checked; a queue that
 * cannot be used breaks the device, and only this one. While a device is idle or broken, kicks mean nothing.
 *
 * Thread: reactor. Hot path: {@link TrappedDevice.kicked}, {@link TrappedDevice.poll}, {@link TrappedDevice.flush}.
 */
import { VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC } from '../../../abi/virtio.js';
import type { GuestMemory } from '../../../memory/guest-memory.js';
import { COUNTER_DOORBELLS, COUNTER_INTERRUPTS, COUNTER_STARTS, count } from '../../../util/counters.js';
import { PENDING } from '../../../util/pending.js';
import { at, i32At, u8At } from '../../../util/typed.js';
import type { Notifier, VirtioDevice } from '../../core/device.js';
import { hasFeature } from '../../core/features.js';
import { activateQueue, type RingFeatures } from '../../queue/queue-config.js';
import { chainFaultText, type VirtQueue } from '../../queue/virt-queue.js';
import {
  CALL_DRIVER_OK,
  CALL_QUEUE_ENABLE,
  CALL_QUEUE_RESET,
  CALL_QUEUE_SHIFT,
  CALL_RESET,
  type TrappedInterrupts,
} from './ports.js';
import { offeredFeatures, PublishedRegisters } from './published.js';

const IDLE = 0;
const RUNNING = 1;
const BROKEN = 2;

const NO_RINGS: RingFeatures = { indirect: false, eventIdx: false };

/** What a device tells its transport. */
export interface TrappedPort {
  /** {@link TrappedDevice.flush} has something to do at the end of this round. */
  flushWanted(): void;
  /** {@link TrappedDevice.poll} has something to do in the next round. */
  moreToDo(): void;
  /** A vCPU waits for the end of a reset; it is there. */
  answer(): void;
  started(): void;
  reset(): void;
  fault(text: string): void;
}

/** What a device is made of. */
export interface TrappedDeviceParts {
  readonly device: VirtioDevice;
  /** From `createDeviceRegisters`. */
  readonly registers: SharedArrayBuffer;
  readonly interrupts: TrappedInterrupts;
  /** Where rings and buffers may lie. */
  readonly memory: GuestMemory;
  readonly port: TrappedPort;
}

/** See the file's head. Shows the device in its registers when it is made. */
export class TrappedDevice implements Notifier {
  readonly #device: VirtioDevice;
  readonly #registers: PublishedRegisters;
  readonly #interrupts: TrappedInterrupts;
  readonly #memory: GuestMemory;
  readonly #port: TrappedPort;
  readonly #queueCount: number;
  readonly #ringReset: boolean;
  /** Running queues. A new array per start: the device keeps it. */
  #queues: (VirtQueue | undefined)[] = [];
  #rings = NO_RINGS;
  /** `avail.idx` when the queue was last processed. */
  readonly #seenAvail: Int32Array;
  /** 1: process the queue in the next round: it is new, or the device's budget ran out. */
  readonly #more: Uint8Array;
  #state = IDLE;
  #quiet = false;
  /** Interrupts of this round: a bit per queue. */
  #wantedQueues = 0;
  #wantedConfig = false;
  /** A vCPU waits until the device is quiet. */
  #answerDue = false;

  /** Errors: InvariantError if the device does not fit into its registers. */
  constructor(parts: TrappedDeviceParts) {
    const { device } = parts;
    this.#device = device;
    this.#registers = new PublishedRegisters(parts.registers);
    this.#interrupts = parts.interrupts;
    this.#memory = parts.memory;
    this.#port = parts.port;
    this.#queueCount = device.queueMaxSizes.length;
    this.#ringReset = device.resetQueue !== undefined && device.enableQueue !== undefined;
    this.#seenAvail = new Int32Array(this.#queueCount);
    this.#more = new Uint8Array(this.#queueCount);
    this.#registers.publish(device, offeredFeatures(device.features, this.#ringReset));
  }

  // Calls

  /** @param what as of `DeviceCalls` @returns 0, or PENDING: {@link TrappedPort.answer} follows */
  onCall(what: number): number {
    const queue = what >>> CALL_QUEUE_SHIFT;
    switch (what & ((1 << CALL_QUEUE_SHIFT) - 1)) {
      case CALL_RESET:
        this.stop();
        this.#port.reset();
        return this.#whenQuiet();
      case CALL_DRIVER_OK:
        if (this.#state === IDLE) this.#start();
        return 0;
      case CALL_QUEUE_RESET:
        this.#resetQueue(queue);
        return this.#whenQuiet();
      case CALL_QUEUE_ENABLE:
        this.#enableQueue(queue);
        return 0;
      default:
        return 0;
    }
  }

  /** No ring or buffer is touched any more, as far as the device can help it; nothing is sent any more. */
  stop(): void {
    if (this.#state !== IDLE) this.#device.reset();
    this.#state = IDLE;
    this.#queues = [];
    this.#wantedQueues = 0;
    this.#wantedConfig = false;
  }

  // Work

  /** A kick. @param q any number */
  kicked(q: number): void {
    if (this.#state !== RUNNING || this.#queues[q] === undefined) return;
    count(this.#device.counters, COUNTER_DOORBELLS, 1);
    this.#process(q);
  }

  /** Processes queues that have more to do or whose `avail.idx` has moved, by plain loads. @returns true if any did */
  poll(): boolean {
    if (this.#state !== RUNNING) return false;
    let busy = false;
    for (let q = 0; q < this.#queueCount && this.#state === RUNNING; q++) {
      const queue = at(this.#queues, q);
      if (queue === undefined) continue;
      if (u8At(this.#more, q) === 0 && queue.peekAvailIdx() === i32At(this.#seenAvail, q)) continue;
      this.#process(q);
      busy = true;
    }
    return busy;
  }

  /** Kicks are wanted (before sleeping), or not (while polling). @returns true if there is work already */
  wantKicks(wanted: boolean): boolean {
    this.#quiet = !wanted;
    if (this.#state !== RUNNING) return false;
    let work = false;
    for (let q = 0; q < this.#queueCount; q++) {
      const queue = at(this.#queues, q);
      if (queue === undefined) continue;
      queue.setPolled(!wanted);
      if (!wanted) continue;
      queue.enableKicks();
      // Loaded after the request for kicks can be seen: what comes later is kicked for.
      if (queue.loadAvailIdx() !== i32At(this.#seenAvail, q) || u8At(this.#more, q) !== 0) work = true;
    }
    return work;
  }

  /** End of a round. @returns true to be called again at the end of the next one */
  flush(): boolean {
    const queues = this.#wantedQueues;
    if (queues !== 0) {
      this.#wantedQueues = 0;
      for (let q = 0; q < this.#queueCount; q++) {
        if ((queues & (1 << q)) !== 0) this.#interrupts.queue(q);
      }
    }
    if (this.#wantedConfig) {
      this.#wantedConfig = false;
      this.#interrupts.config();
    }
    if (this.#answerDue && this.#isQuiet()) {
      this.#answerDue = false;
      this.#port.answer();
    }
    return this.#answerDue;
  }

  // Notifier

  usedBuffers(queueIndex: number): void {
    if (this.#state !== RUNNING) return;
    count(this.#device.counters, COUNTER_INTERRUPTS, 1);
    this.#wantedQueues |= 1 << queueIndex;
    this.#port.flushWanted();
  }

  configChanged(): void {
    this.#registers.changeConfig(this.#device.config);
    if (this.#state === RUNNING) this.#tellConfig();
  }

  driverFault(queueIndex: number, code: number): void {
    if (this.#state !== RUNNING) return;
    this.#break(`queue ${queueIndex}: ${chainFaultText(code)}`);
  }

  #process(q: number): void {
    const queue = this.#queues[q] as VirtQueue; // callers have looked
    this.#seenAvail[q] = queue.loadAvailIdx(); // before processing: what is added meanwhile is seen as a new movement
    this.#more[q] = 0;
    const more = this.#device.processQueue(q);
    if (this.#queues[q] !== queue) return; // broken
    if (!more) return;
    this.#more[q] = 1;
    this.#port.moreToDo();
  }

  #start(): void {
    const features = this.#registers.accepted();
    this.#rings = {
      indirect: hasFeature(features, VIRTIO_F_INDIRECT_DESC),
      eventIdx: hasFeature(features, VIRTIO_F_EVENT_IDX),
    };
    const queues: (VirtQueue | undefined)[] = [];
    for (let q = 0; q < this.#queueCount; q++) {
      const queue = this.#makeQueue(q);
      if (typeof queue === 'string') {
        this.#break(`queue ${q} cannot be used: ${queue}`);
        return;
      }
      queues.push(queue);
    }
    this.#queues = queues;
    this.#state = RUNNING;
    for (let q = 0; q < this.#queueCount; q++) this.#examine(q);
    count(this.#device.counters, COUNTER_STARTS, 1);
    this.#device.activate({ queues, features, memory: this.#memory, notifier: this });
    this.#port.started();
  }

  /** @returns undefined if the driver has not enabled it; a text if its registers are wrong */
  #makeQueue(q: number): VirtQueue | string | undefined {
    const config = this.#registers.queue(q);
    if (config === undefined) return undefined;
    const queue = activateQueue(config, this.#memory, this.#rings);
    if (typeof queue !== 'string' && this.#quiet) queue.setPolled(true);
    return queue;
  }

  /** Has {@link poll} process the queue: buffers may have been added before there was anybody to be kicked. */
  #examine(q: number): void {
    this.#more[q] = this.#queues[q] === undefined ? 0 : 1;
    this.#port.moreToDo();
  }

  #resetQueue(q: number): void {
    if (this.#state !== RUNNING || this.#queues[q] === undefined) return;
    if (this.#device.resetQueue === undefined) {
      // Only virtio-mmio gets here, by QueueReady = 0 while the device runs. One that cannot stop a part of itself stops.
      this.#break(`queue ${q} was taken away while the device runs`);
      return;
    }
    this.#device.resetQueue(q);
    this.#queues[q] = undefined;
    this.#wantedQueues &= ~(1 << q);
  }

  #enableQueue(q: number): void {
    if (this.#state !== RUNNING || q >= this.#queueCount || this.#queues[q] !== undefined) return;
    const queue = this.#makeQueue(q);
    if (typeof queue === 'string') {
      this.#break(`queue ${q} cannot be used: ${queue}`);
      return;
    }
    if (queue === undefined) return;
    this.#queues[q] = queue;
    this.#examine(q);
    this.#device.enableQueue?.(q, queue);
  }

  /** Stops the device and shows NEEDS_RESET. Interrupts for what was completed before are still sent. */
  #break(text: string): void {
    if (this.#state === RUNNING) this.#device.reset();
    this.#state = BROKEN;
    this.#queues = [];
    if (this.#registers.needReset()) this.#tellConfig();
    this.#port.fault(text);
  }

  #tellConfig(): void {
    this.#wantedConfig = true;
    this.#port.flushWanted();
  }

  #isQuiet(): boolean {
    return this.#device.quiesced === undefined || this.#device.quiesced();
  }

  #whenQuiet(): number {
    if (this.#isQuiet()) return 0;
    this.#answerDue = true;
    this.#port.flushWanted();
    return PENDING;
  }
}
