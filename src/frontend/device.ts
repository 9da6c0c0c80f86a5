/**
 * One virtio device as its driver sees it: registers, negotiated features, queues, interrupts. The drivers of this
 * folder are built on it, and so is a driver of your own:
 *
 *     const features = device.open(wantedFeatures, [16, 16]);   // reset, negotiate, queues
 *     ... fill the receive queue ...
 *     device.handler = this;                                    // onUsed() when something was used
 *     device.run();                                             // DRIVER_OK
 */
import {
  HVL_QUEUE_ALIGN,
  HVLS_EPOCH_OFF,
  VIRTIO_MMIO_INTERRUPT_ACK,
  VIRTIO_MMIO_INTERRUPT_STATUS,
  VIRTIO_MMIO_QUEUE_NOTIFY,
  VIRTIO_MMIO_STATUS,
} from '../abi/hvl.js';
import {
  VIRTIO_CONFIG_S_DRIVER_OK,
  VIRTIO_ID_9P,
  VIRTIO_ID_CONSOLE,
  VIRTIO_ID_ENTROPY,
  VIRTIO_ID_NET,
} from '../abi/virtio.js';
import { alignUp } from '../util/numbers.js';
import { at } from '../util/typed.js';
import { Arena, DeviceMemory } from './allocator.js';
import type { FoundDevice } from './discovery.js';
import { DriverQueue, ringBytes } from './driver-queue.js';
import { HandshakeError } from './errors.js';
import { type HandshakeTiming, LegacyHandshake, resetDevice, type StepHook } from './handshake.js';
import type { FrontEndPool } from './pool.js';
import type { PeerLine } from './ports.js';
import { Registers } from './registers.js';
import { attachStatic, detachStatic, hasStatic, readStatic, type StaticDescriptor } from './static-attach.js';

const PAGE = 4096;

/** What a driver hears from its device. Thread: the front end's only one. */
export interface UsedHandler {
  /** The device may have used buffers of any queue. Also called when it has not. */
  onUsed(): void;
}

/** Everything a device is made from. */
export interface DeviceOptions {
  readonly pool: FrontEndPool;
  readonly found: FoundDevice;
  readonly line: PeerLine;
  /** The arena of all devices. */
  readonly common: Arena;
  /** The arena at a place; the same one for all devices that are given the same place. */
  readonly arenaAt: (start: number, bytes: number) => Arena;
  /** True: the region holds the block and then free memory; false: the region is the whole pool, use `common` only. */
  readonly ownRegion: boolean;
  /** Do the handshake even if the PMM offers static mode. */
  readonly forceHandshake: boolean;
  readonly timing: HandshakeTiming;
  readonly step: StepHook;
}

const IDLE: UsedHandler = { onUsed() {} };

/** Short name of a device type, as in the options of the PMM. */
export function deviceName(deviceId: number): string {
  switch (deviceId) {
    case VIRTIO_ID_NET:
      return 'net';
    case VIRTIO_ID_CONSOLE:
      return 'console';
    case VIRTIO_ID_ENTROPY:
      return 'rng';
    case VIRTIO_ID_9P:
      return 'p9';
    default:
      return `device ${deviceId}`;
  }
}

/** See the file's head. */
export class Device {
  readonly found: FoundDevice;
  readonly name: string;
  readonly registers: Registers;
  readonly line: PeerLine;
  /** Where rings and buffers come from; valid after {@link open}. */
  memory: DeviceMemory;
  handler: UsedHandler = IDLE;
  features = 0;
  running = false;
  /** True if attached without a handshake. */
  attachedStatic = false;
  /** Times an interrupt found something to acknowledge. */
  interrupts = 0;

  readonly #options: DeviceOptions;
  #static: StaticDescriptor | undefined;
  #handshake: LegacyHandshake | undefined;
  #queues: readonly DriverQueue[] = [];
  #edge = false;
  #epoch = 0;

  constructor(options: DeviceOptions) {
    const { pool, found } = options;
    this.#options = options;
    this.found = found;
    this.name = deviceName(found.deviceId);
    this.line = options.line;
    this.registers = new Registers(pool, found.block);
    this.memory = this.#regionMemory();
  }

  /** By index; empty before {@link open}. */
  get queues(): readonly DriverQueue[] {
    return this.#queues;
  }

  /**
   * Stops what an earlier driver left running. Do this for all devices before memory is given to any: until then an
   * old receive buffer may still be written.
   * @returns false if the PMM did not show that it has seen it
   */
  reset(): boolean {
    const { line, timing } = this.#options;
    this.running = false;
    let done = true;
    if (hasStatic(this.registers)) done = detachStatic(this.registers, line, timing);
    return resetDevice(this.registers, line, timing) && done;
  }

  /**
   * Negotiates features and sets up the queues; the device does not run yet. After {@link reset}.
   * @param wanted features the driver can use, bits 0 ... 31
   * @param sizes wished size of each queue, powers of two; the device's maximum (or fixed size) counts if it is smaller
   * Errors: HandshakeError, PoolExhaustedError.
   */
  open(wanted: number, sizes: readonly number[]): void {
    const { pool, found, forceHandshake } = this.#options;
    const descriptor = forceHandshake ? undefined : readStatic(pool, this.registers, found.shmBase);
    const usable = descriptor !== undefined && (descriptor.features & ~wanted) === 0;
    if (usable && descriptor.rings.length >= sizes.length) this.#openStatic(descriptor);
    else this.#openLegacy(wanted, sizes);
  }

  /** DRIVER_OK: the device serves what has been published so far, and from now on. */
  run(): void {
    if (this.#static !== undefined) {
      attachStatic(this.registers, this.line, this.#static.epoch);
      this.#epoch = this.#static.epoch;
      this.#options.step('attach');
    } else {
      if (this.#handshake === undefined) throw new HandshakeError(`${this.name}: open() comes before run()`);
      this.#handshake.run();
    }
    this.running = true;
  }

  /** Available buffer notification. Call when `queue.publish()` said so. Hot path. */
  kick(queueIndex: number): void {
    this.registers.store(VIRTIO_MMIO_QUEUE_NOTIFY, queueIndex);
    this.line.ring();
  }

  /** Publishes a queue and kicks if the device wants it. Hot path. */
  flush(queue: DriverQueue): void {
    if (queue.publish()) this.kick(queue.index);
  }

  /**
   * Serves the interrupt line, which all devices share: acknowledges, so that the PMM can tell whether something new
   * came after this, and then looks at the rings.
   * @returns true if there was something
   */
  interrupt(): boolean {
    if (!this.running) return false;
    let found = false;
    if (!this.#edge) {
      const status = this.registers.load(VIRTIO_MMIO_INTERRUPT_STATUS);
      if (status !== 0) {
        this.registers.store(VIRTIO_MMIO_INTERRUPT_ACK, status);
        this.line.ring();
        this.interrupts++;
        found = true;
      }
    }
    return this.poll() || found;
  }

  /** Looks at the rings whose owner waits for them. @returns true if something was used. Hot path. */
  poll(): boolean {
    if (!this.running) return false;
    const queues = this.#queues;
    for (let i = 0; i < queues.length; i++) {
      const queue = at(queues, i);
      if (!queue.wanted || !queue.hasUsed()) continue;
      this.handler.onUsed();
      return true;
    }
    return false;
  }

  /** About to sleep. @returns true if something is there already */
  arm(): boolean {
    let found = false;
    for (let i = 0; i < this.#queues.length; i++) {
      if (at(this.#queues, i).arm()) found = true;
    }
    return found && this.running;
  }

  /** Awake and looking: no interrupts needed. */
  disarm(): void {
    for (let i = 0; i < this.#queues.length; i++) at(this.#queues, i).disarm();
  }

  /** False if the PMM has started anew under us: our STATUS, or the epoch, is gone. */
  alive(): boolean {
    if (!this.running) return true;
    if (this.#static !== undefined) return this.registers.load(HVLS_EPOCH_OFF) === this.#epoch;
    return (this.registers.load(VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_DRIVER_OK) !== 0;
  }

  #openStatic(descriptor: StaticDescriptor): void {
    const { pool, found, common } = this.#options;
    this.#static = descriptor;
    this.#edge = descriptor.edge;
    this.attachedStatic = true;
    this.features = descriptor.features;
    this.#queues = descriptor.rings.map((ring, index) => {
      const window = pool.window(ring.offset, alignUp(ringBytes(ring.size, ring.align), 4));
      return new DriverQueue(index, window, ring.size, ring.align);
    });
    const own = this.#options.arenaAt(descriptor.arena, descriptor.arenaBytes);
    this.memory = new DeviceMemory(pool, deviceName(found.deviceId), own === common ? [own] : [own, common]);
    this.#options.step('static');
  }

  #openLegacy(wanted: number, sizes: readonly number[]): void {
    const { line, timing, step } = this.#options;
    this.#static = undefined;
    this.#edge = false;
    this.attachedStatic = false;
    this.memory = this.#regionMemory();
    const handshake = new LegacyHandshake(this.registers, line, timing, step);
    this.#handshake = handshake;
    this.features = handshake.begin(wanted);
    const queues: DriverQueue[] = [];
    for (let index = 0; index < sizes.length; index++) {
      const max = handshake.queueMax(index);
      if (max === 0) throw new HandshakeError(`${this.name}: the device has no queue ${index}`);
      const size = Math.min(at(sizes, index), powerOfTwoBelow(max));
      const bytes = alignUp(ringBytes(size, HVL_QUEUE_ALIGN), PAGE);
      const ring = this.memory.alloc(`the ring of queue ${index}`, bytes, PAGE);
      const queue = new DriverQueue(index, ring, size, HVL_QUEUE_ALIGN);
      handshake.queue(index, ring.address, size);
      queues.push(queue);
    }
    this.#queues = queues;
  }

  #regionMemory(): DeviceMemory {
    const { pool, found, common, ownRegion } = this.#options;
    const own = new Arena(found.shmBase + PAGE, ownRegion ? found.shmBytes - PAGE : 0);
    return new DeviceMemory(pool, this.name, ownRegion ? [own, common] : [common]);
  }
}

function powerOfTwoBelow(value: number): number {
  return 2 ** Math.floor(Math.log2(value));
}
