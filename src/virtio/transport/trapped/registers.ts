/**
 * The register file of a trapped virtio device, as its driver sees it: what the two skins (virtio-pci, virtio-mmio) have
 * in common. State is in shared words, and whichever vCPU makes an access handles it here; only what needs the device
 * itself (start, reset, queue reset) is asked of the reactor, and waited for.
 *
 * Device status: ACKNOWLEDGE -> DRIVER -> FEATURES_OK -> DRIVER_OK.
 *
 * * A bit once set stays until a reset: writes that leave it out do not clear it.
 * * FEATURES_OK is refused, that is, reads back as 0, if the driver accepted a bit that is not offered, or not VERSION_1.
 *   From then on the accepted features do not change.
 * * DRIVER_OK is refused without FEATURES_OK, and after FAILED.
 * * NEEDS_RESET is the device's alone. Writing 0 resets: the write ends when the device is quiet.
 *
 * Registers of a queue that is enabled do not change; after DRIVER_OK, those of no queue, unless it was reset by itself.
 *
 * Everything comes from a guest: any value, any order, several vCPUs at once. Nothing throws, and what makes no sense is
 * ignored. Spec: virtio 1.2 sections 2.1, 2.2, 2.4, 2.6.1, 4.1.4.3, 4.2.2. Thread: any, one object per thread. Only
 * {@link DeviceRegisters.writeStatus} and the switching of queues need a thread that may wait: a vCPU's.
 */
import {
  VIRTIO_CONFIG_S_DRIVER_OK,
  VIRTIO_CONFIG_S_FAILED,
  VIRTIO_CONFIG_S_FEATURES_OK,
  VIRTIO_CONFIG_S_NEEDS_RESET,
  VIRTIO_F_RING_RESET,
  VIRTIO_F_VERSION_1,
} from '../../../abi/virtio.js';
import { SharedLock } from '../../../util/shared-lock.js';
import { i32At, u8At } from '../../../util/typed.js';
import { InterruptStatus } from './interrupt-status.js';
import {
  CALL_DRIVER_OK,
  CALL_QUEUE_ENABLE,
  CALL_QUEUE_RESET,
  CALL_QUEUE_SHIFT,
  CALL_RESET,
  type DeviceCalls,
} from './ports.js';
import {
  CONFIG_OFFSET,
  MAX_CONFIG_BYTES,
  QUEUE_ADDRESSES,
  QUEUE_IS_OFF,
  QUEUE_IS_ON,
  QUEUE_IS_RESET,
  QUEUE_MAX_SIZE,
  QUEUE_SIZE,
  QUEUE_STATE,
  queueWord,
  REG_ACCEPTED,
  REG_CONFIG_BYTES,
  REG_DEVICE_FEATURE_SELECT,
  REG_DEVICE_ID,
  REG_DRIVER_FEATURE_SELECT,
  REG_GENERATION,
  REG_LOCK,
  REG_OFFERED,
  REG_QUEUE_COUNT,
  REG_QUEUE_SELECT,
  REG_STATUS,
  REG_TRANSITION,
} from './words.js';

export { createDeviceRegisters, MAX_QUEUES, PART_AVAIL, PART_DESC, PART_USED } from './words.js';

/** Words of offered features; further ones read 0. */
const OFFERED_WORDS = 2;
/** Words of accepted features that are kept; drivers write 0 into those that are never offered. */
const ACCEPTED_WORDS = 4;
const VERSION_1_HIGH = 1 << (VIRTIO_F_VERSION_1 - 32);
const RING_RESET_HIGH = 1 << (VIRTIO_F_RING_RESET - 32);
/** {@link DeviceRegisters} at a selector that names no queue. */
const NO_QUEUE = -1;

/** What the registers of a device need around them. */
export interface RegisterPorts {
  /** The device's number in the machine, for {@link DeviceCalls}. */
  readonly device: number;
  readonly calls: DeviceCalls;
  /**
   * The driver resets the device, which is quiet by now; Status does not read 0 yet. The skin forgets its own registers
   * (MSI-X vectors) and lowers its line. It must not wait for the reactor.
   */
  readonly onReset?: () => void;
}

/** See the file's head. */
export class DeviceRegisters {
  /** InterruptStatus, ISR. */
  readonly interrupts: InterruptStatus;
  readonly #words: Int32Array;
  readonly #config: Uint8Array;
  readonly #lock: SharedLock;
  readonly #transition: SharedLock;
  readonly #device: number;
  readonly #calls: DeviceCalls;
  readonly #onReset: (() => void) | undefined;

  /** @param shared from `createDeviceRegisters` */
  constructor(shared: SharedArrayBuffer, ports: RegisterPorts) {
    this.interrupts = new InterruptStatus(shared);
    this.#words = new Int32Array(shared);
    this.#config = new Uint8Array(shared, CONFIG_OFFSET, MAX_CONFIG_BYTES);
    this.#lock = new SharedLock(this.#words, REG_LOCK);
    this.#transition = new SharedLock(this.#words, REG_TRANSITION);
    this.#device = ports.device;
    this.#calls = ports.calls;
    this.#onReset = ports.onReset;
  }

  // What the device is

  /** VIRTIO_ID_ of the device. */
  deviceId(): number {
    return Atomics.load(this.#words, REG_DEVICE_ID);
  }

  /** Number of queues, 0 ... MAX_QUEUES. */
  queueCount(): number {
    return Atomics.load(this.#words, REG_QUEUE_COUNT);
  }

  // Features

  /** Offered bits 32 x `word` ... 32 x `word` + 31, unsigned. @param word any; 0 from 2 on */
  deviceFeatures(word: number): number {
    return word < OFFERED_WORDS ? Atomics.load(this.#words, REG_OFFERED + word) >>> 0 : 0;
  }

  /** Accepted bits, as {@link deviceFeatures}. */
  driverFeatures(word: number): number {
    return word < ACCEPTED_WORDS ? Atomics.load(this.#words, REG_ACCEPTED + word) >>> 0 : 0;
  }

  /** Ignored once FEATURES_OK is set. */
  setDriverFeatures(word: number, value: number): void {
    if (word >= ACCEPTED_WORDS) return;
    this.#lock.lock();
    if ((i32At(this.#words, REG_STATUS) & VIRTIO_CONFIG_S_FEATURES_OK) === 0) {
      Atomics.store(this.#words, REG_ACCEPTED + word, value | 0);
    }
    this.#lock.unlock();
  }

  /** Selectors are plain registers: any 32-bit value, unsigned. */
  deviceFeatureSelect(): number {
    return Atomics.load(this.#words, REG_DEVICE_FEATURE_SELECT) >>> 0;
  }

  setDeviceFeatureSelect(value: number): void {
    Atomics.store(this.#words, REG_DEVICE_FEATURE_SELECT, value | 0);
  }

  driverFeatureSelect(): number {
    return Atomics.load(this.#words, REG_DRIVER_FEATURE_SELECT) >>> 0;
  }

  setDriverFeatureSelect(value: number): void {
    Atomics.store(this.#words, REG_DRIVER_FEATURE_SELECT, value | 0);
  }

  // Device status

  /** Device status, 8 bits. */
  status(): number {
    return Atomics.load(this.#words, REG_STATUS);
  }

  /**
   * See the file's head. Waits for the reactor at 0 and at DRIVER_OK.
   * @param value of its low 8 bits
   */
  writeStatus(value: number): void {
    this.#transition.lock();
    if ((value & 0xff) === 0) this.#reset();
    else if (this.#advance(value & 0xff)) this.#calls.call(this.#device, CALL_DRIVER_OK);
    this.#transition.unlock();
  }

  // Queues: of the one that is selected. Without such a queue reads are 0 and writes are ignored.

  queueSelect(): number {
    return Atomics.load(this.#words, REG_QUEUE_SELECT) >>> 0;
  }

  setQueueSelect(value: number): void {
    Atomics.store(this.#words, REG_QUEUE_SELECT, value | 0);
  }

  /** Largest size, 1 ... 32768; 0 = there is no such queue. */
  queueMaxSize(): number {
    return this.#queueRegister(QUEUE_MAX_SIZE);
  }

  /** Size in use: the largest until the driver chooses another. */
  queueSize(): number {
    return this.#queueRegister(QUEUE_SIZE);
  }

  /** @param value a power of two up to the largest size; anything else is ignored */
  setQueueSize(value: number): void {
    const queue = this.#selected();
    if (queue === NO_QUEUE || value < 1 || (value & (value - 1)) !== 0) return;
    if (value <= i32At(this.#words, queue + QUEUE_MAX_SIZE)) this.#setQueueRegister(queue, QUEUE_SIZE, value);
  }

  /** @param part PART_ constant @param word 0 = low, 1 = high @returns unsigned */
  queueAddress(part: number, word: number): number {
    return this.#queueRegister(QUEUE_ADDRESSES + 2 * part + word);
  }

  /** As {@link queueAddress}. Addresses are checked when the device starts. */
  setQueueAddress(part: number, word: number, value: number): void {
    const queue = this.#selected();
    if (queue !== NO_QUEUE) this.#setQueueRegister(queue, QUEUE_ADDRESSES + 2 * part + word, value);
  }

  /** True if the driver has enabled the queue. */
  queueEnabled(): boolean {
    return this.#queueRegister(QUEUE_STATE) === QUEUE_IS_ON;
  }

  /** Before DRIVER_OK, or, while the device runs, after a reset of this queue: then it waits for the reactor. */
  enableQueue(): void {
    const queue = this.#selected();
    if (queue === NO_QUEUE) return;
    this.#transition.lock();
    const running = this.#running();
    if (this.#mayChange(queue)) {
      Atomics.store(this.#words, queue + QUEUE_STATE, QUEUE_IS_ON);
      if (running) this.#callQueue(CALL_QUEUE_ENABLE, queue);
    }
    this.#transition.unlock();
  }

  /** QueueReset, queue_reset: stops a running queue and clears its registers. Ignored unless RING_RESET was accepted. */
  resetQueue(): void {
    if ((this.driverFeatures(1) & RING_RESET_HIGH) === 0) return;
    const queue = this.#selected();
    if (queue === NO_QUEUE) return;
    this.#transition.lock();
    if (this.#running() && i32At(this.#words, queue + QUEUE_STATE) === QUEUE_IS_ON) {
      this.#callQueue(CALL_QUEUE_RESET, queue);
      this.#clearQueue(queue, QUEUE_IS_RESET);
    }
    this.#transition.unlock();
  }

  /** QueueReady = 0 of virtio-mmio: the queue is not used any more. Its other registers stay. */
  disableQueue(): void {
    const queue = this.#selected();
    if (queue === NO_QUEUE) return;
    this.#transition.lock();
    if (i32At(this.#words, queue + QUEUE_STATE) === QUEUE_IS_ON) {
      const running = this.#running();
      if (running) this.#callQueue(CALL_QUEUE_RESET, queue);
      const again = running && (this.driverFeatures(1) & RING_RESET_HIGH) !== 0;
      Atomics.store(this.#words, queue + QUEUE_STATE, again ? QUEUE_IS_RESET : QUEUE_IS_OFF);
    }
    this.#transition.unlock();
  }

  // Config space

  /**
   * Reads the device-specific config space; 0 past its end. One read is consistent in itself; over several, the driver
   * compares {@link configGeneration}. Writes have no effect: no device has a writable field.
   * @param offset any @param bytes 1, 2 or 4 @returns unsigned, little-endian
   */
  configRead(offset: number, bytes: number): number {
    const config = this.#config;
    this.#lock.lock();
    const end = Math.min(offset + bytes, i32At(this.#words, REG_CONFIG_BYTES));
    let value = 0;
    for (let at = end - 1; at >= offset; at--) value = (value << 8) | u8At(config, at);
    this.#lock.unlock();
    return value >>> 0;
  }

  /** Counts changes of the config space, unsigned; a skin shows as many bits as it has. */
  configGeneration(): number {
    return Atomics.load(this.#words, REG_GENERATION) >>> 0;
  }

  /** @returns word of the selected queue's registers, or NO_QUEUE */
  #selected(): number {
    const select = this.queueSelect();
    return select < this.queueCount() ? queueWord(select) : NO_QUEUE;
  }

  #queueRegister(register: number): number {
    const queue = this.#selected();
    return queue === NO_QUEUE ? 0 : Atomics.load(this.#words, queue + register) >>> 0;
  }

  #setQueueRegister(queue: number, register: number, value: number): void {
    this.#lock.lock();
    if (this.#mayChange(queue)) Atomics.store(this.#words, queue + register, value | 0);
    this.#lock.unlock();
  }

  #mayChange(queue: number): boolean {
    const state = i32At(this.#words, queue + QUEUE_STATE);
    return state === QUEUE_IS_RESET || (state === QUEUE_IS_OFF && !this.#running());
  }

  #running(): boolean {
    return (Atomics.load(this.#words, REG_STATUS) & VIRTIO_CONFIG_S_DRIVER_OK) !== 0;
  }

  #callQueue(what: number, queue: number): void {
    const index = (queue - queueWord(0)) / (queueWord(1) - queueWord(0));
    this.#calls.call(this.#device, what | (index << CALL_QUEUE_SHIFT));
  }

  #clearQueue(queue: number, state: number): void {
    const words = this.#words;
    this.#lock.lock();
    Atomics.store(words, queue + QUEUE_SIZE, i32At(words, queue + QUEUE_MAX_SIZE));
    for (let i = 0; i < 6; i++) Atomics.store(words, queue + QUEUE_ADDRESSES + i, 0);
    Atomics.store(words, queue + QUEUE_STATE, state);
    this.#lock.unlock();
  }

  /** Sets the bits of `value` that may be set now. @returns true if DRIVER_OK is one of them */
  #advance(value: number): boolean {
    const words = this.#words;
    this.#lock.lock();
    const before = i32At(words, REG_STATUS);
    let status =
      before |
      (value & ~(VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK));
    if ((value & VIRTIO_CONFIG_S_FEATURES_OK) !== 0 && this.#acceptable())
      status |= VIRTIO_CONFIG_S_FEATURES_OK;
    const may =
      (status & (VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_FAILED)) === VIRTIO_CONFIG_S_FEATURES_OK;
    if ((value & VIRTIO_CONFIG_S_DRIVER_OK) !== 0 && may) status |= VIRTIO_CONFIG_S_DRIVER_OK;
    Atomics.store(words, REG_STATUS, status);
    this.#lock.unlock();
    return (status & ~before & VIRTIO_CONFIG_S_DRIVER_OK) !== 0;
  }

  #acceptable(): boolean {
    const words = this.#words;
    for (let i = 0; i < ACCEPTED_WORDS; i++) {
      const offered = i < OFFERED_WORDS ? i32At(words, REG_OFFERED + i) : 0;
      if ((i32At(words, REG_ACCEPTED + i) & ~offered) !== 0) return false;
    }
    return (i32At(words, REG_ACCEPTED + 1) & VERSION_1_HIGH) !== 0;
  }

  #reset(): void {
    const words = this.#words;
    // A device that was never started has nothing to stop.
    if (this.#running()) this.#calls.call(this.#device, CALL_RESET);
    const count = this.queueCount();
    for (let i = 0; i < count; i++) this.#clearQueue(queueWord(i), QUEUE_IS_OFF);
    this.#lock.lock();
    for (let i = 0; i < ACCEPTED_WORDS; i++) Atomics.store(words, REG_ACCEPTED + i, 0);
    Atomics.store(words, REG_DEVICE_FEATURE_SELECT, 0);
    Atomics.store(words, REG_DRIVER_FEATURE_SELECT, 0);
    Atomics.store(words, REG_QUEUE_SELECT, 0);
    this.#lock.unlock();
    this.interrupts.take();
    this.#onReset?.();
    this.#lock.lock();
    // Last: another vCPU may wait for it, and set the device up at once.
    Atomics.store(words, REG_STATUS, 0);
    this.#lock.unlock();
  }
}
