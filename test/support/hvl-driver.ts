/**
 * The front-end (driver) side of the hypervisorless protocol for tests, written from the protocol text; it shares no code
 * and no constants with src/. One object drives one device through its register block. `generation` chooses between the
 * front ends in the field:
 *
 * | generation | STATUS values | doorbell after QUEUE_NUM | QUEUE_PFN again after the ACK | junk in GUEST_FEATURES_SEL |
 * |---|---|---|---|---|
 * | 0 | 1, 2, 4 | yes | no  | no  |
 * | 1 | 1, 2, 4 | yes | no  | yes |
 * | 2 | 1, 2, 4 | no  | yes | no  |
 * | 3 | 1, 3, 7 | no  | yes | no  |
 */
import { HvlRing } from './hvl-ring.js';

export type Generation = 0 | 1 | 2 | 3;
export const GENERATIONS: readonly Generation[] = [0, 1, 2, 3];

/** Register offsets, from the protocol text. */
export const R = {
  MAGIC: 0x00,
  VERSION: 0x04,
  DEVICE_ID: 0x08,
  VENDOR_ID: 0x0c,
  HOST_FEATURES: 0x10,
  HOST_FEATURES_SEL: 0x14,
  GUEST_FEATURES: 0x20,
  GUEST_FEATURES_SEL: 0x24,
  GUEST_PAGE_SIZE: 0x28,
  QUEUE_SEL: 0x30,
  QUEUE_NUM_MAX: 0x34,
  QUEUE_NUM: 0x38,
  QUEUE_ALIGN: 0x3c,
  QUEUE_PFN: 0x40,
  QUEUE_NOTIFY: 0x50,
  INTERRUPT_STATUS: 0x60,
  INTERRUPT_ACK: 0x64,
  STATUS: 0x70,
  SHM_LEN_LOW: 0xb0,
  SHM_LEN_HIGH: 0xb4,
  SHM_BASE_LOW: 0xb8,
  SHM_BASE_HIGH: 0xbc,
  CONFIG: 0x100,
  STATIC_MAGIC: 0x180,
  STATIC_VERSION: 0x184,
  STATIC_FEATURES_LOW: 0x188,
  STATIC_FEATURES_HIGH: 0x18c,
  STATIC_EPOCH: 0x190,
  STATIC_FLAGS: 0x194,
  STATIC_ATTACH: 0x198,
  STATIC_BUF_OFF: 0x19c,
  STATIC_BUF_LEN: 0x1a0,
  STATIC_QUEUES: 0x1c0,
} as const;

export const ACK_WORD = 0xaabbaabb;
export const SENTINEL = 0x00ff00ff;
export const MAGIC = 0x74726976;
export const STATIC_MAGIC = 0x534c5648;

/** A ring of the driver's own choice. */
export interface RingPlan {
  readonly at: number;
  readonly size: number;
}

/** Where a driver may stop (die) in its initialisation; in order. "queue-N" ends with the ACK of queue N. */
export const STEPS = [
  'acknowledge',
  'page-size',
  'driver',
  'features',
  'sel-0',
  'num-0',
  'pfn-0',
  'queue-0',
  'sel-1',
  'num-1',
  'pfn-1',
  'queue-1',
  'driver-ok',
] as const;
export type Step = (typeof STEPS)[number];

export interface HvlDriverOptions {
  /** All of the pool's bytes. */
  readonly pool: Uint8Array;
  /** Driver-visible address of the pool. */
  readonly base: number;
  /** Driver-visible address of the register block. */
  readonly block: number;
  readonly generation: Generation;
  /** Rings by queue index. */
  readonly rings: readonly RingPlan[];
  /** Features wanted; the driver takes those that are offered. */
  readonly features?: number;
  /** Rings the doorbell. */
  readonly doorbell: () => void;
  /** Lets time pass while the driver waits for an ACK. */
  readonly wait: () => void;
  /** Called after every register write: the device side may look at any moment. */
  readonly onWrite?: () => void;
  /** Interrupt handler found bit 0 set. */
  readonly onUsed?: () => void;
}

/** Thrown by {@link HvlDriver.start} where the driver dies. */
class Died extends Error {}

export class HvlDriver {
  readonly options: HvlDriverOptions;
  rings: HvlRing[] = [];
  /** Interrupts whose handler found a bit set. */
  served = 0;
  #waiting = false;
  readonly #words: Uint32Array;
  readonly #at: number;
  #lastStep: Step | undefined;

  constructor(options: HvlDriverOptions) {
    this.options = options;
    const { pool, block, base } = options;
    this.#words = new Uint32Array(pool.buffer, pool.byteOffset, pool.byteLength >>> 2);
    this.#at = (block - base) / 4;
  }

  read(register: number): number {
    return Atomics.load(this.#words, this.#at + register / 4);
  }

  write(register: number, value: number): void {
    Atomics.store(this.#words, this.#at + register / 4, value >>> 0);
    this.options.onWrite?.();
  }

  configByte(offset: number): number {
    const { pool, block, base } = this.options;
    return pool[block - base + R.CONFIG + offset] as number;
  }

  /**
   * Runs the whole initialisation, as numbered in the protocol.
   * @param dieAfter stop dead after this step, as if the processor were reset
   * @returns true if the device runs (or the driver died as told); false if an ACK did not come
   */
  start(dieAfter?: Step): boolean {
    this.#lastStep = dieAfter;
    try {
      return this.#initialise();
    } catch (error) {
      if (error instanceof Died) return true;
      throw error;
    }
  }

  #done(step: string): void {
    if (step === this.#lastStep) throw new Died(step);
  }

  /** Gen 3 ORs into what it reads; the others write single bits. */
  setStatus(bit: number): void {
    this.write(R.STATUS, this.options.generation === 3 ? this.read(R.STATUS) | bit : bit);
    this.options.doorbell();
  }

  #initialise(): boolean {
    const { doorbell } = this.options;
    if (this.read(R.MAGIC) !== MAGIC || this.read(R.VERSION) !== 1 || this.read(R.DEVICE_ID) === 0)
      return false;
    const hasRegion = this.read(R.SHM_BASE_LOW) + this.read(R.SHM_BASE_HIGH) !== 0;
    if (!hasRegion || this.read(R.SHM_LEN_LOW) + this.read(R.SHM_LEN_HIGH) === 0) return false;
    this.setStatus(1);
    this.#done('acknowledge');
    this.write(R.GUEST_PAGE_SIZE, 0x1000);
    this.#done('page-size');
    this.setStatus(2);
    this.#done('driver');
    this.write(R.HOST_FEATURES_SEL, 0);
    this.write(R.GUEST_FEATURES, (this.options.features ?? 0) & this.read(R.HOST_FEATURES));
    doorbell();
    this.#done('features');
    this.rings = [];
    for (const [index, plan] of this.options.rings.entries()) {
      if (!this.setUpQueue(index, plan)) return false;
    }
    this.setStatus(4);
    this.#done('driver-ok');
    return true;
  }

  /** Step 6 of the initialisation. @returns true when ACKed */
  setUpQueue(index: number, plan: RingPlan): boolean {
    const { base, doorbell, generation, pool } = this.options;
    const ring = new HvlRing(pool, base, plan.at, plan.size);
    this.rings[index] = ring;
    if (generation === 1) this.write(R.GUEST_FEATURES_SEL, index);
    this.write(R.QUEUE_SEL, index);
    if (this.read(R.QUEUE_NUM_MAX) < plan.size) return false;
    this.write(R.QUEUE_SEL, index);
    this.#done(`sel-${index}`);
    this.write(R.QUEUE_NUM, plan.size);
    if (generation < 2) doorbell();
    this.#done(`num-${index}`);
    this.write(R.QUEUE_ALIGN, 0x1000);
    if (!this.requestQueue(plan.at / 4096, `pfn-${index}`)) return false;
    this.#afterAck(index, plan);
    return true;
  }

  #afterAck(index: number, plan: RingPlan): void {
    if (this.options.generation >= 2) this.write(R.QUEUE_PFN, plan.at / 4096);
    (this.rings[index] as HvlRing).noInterrupt = false;
    this.#done(`queue-${index}`);
  }

  /**
   * Goes on where {@link start} stopped after "pfn-0": waits for the ACK, and does the rest.
   * @returns as {@link start}
   */
  resume(): boolean {
    this.#lastStep = undefined;
    const [first, ...others] = this.options.rings;
    if (!this.isAcked) this.options.wait();
    if (first === undefined || !this.isAcked) return false;
    this.#afterAck(0, first);
    for (const [i, plan] of others.entries()) if (!this.setUpQueue(i + 1, plan)) return false;
    this.setStatus(4);
    return true;
  }

  /** Writes QUEUE_PFN, rings, waits. @returns true when ACKed */
  requestQueue(pfn: number, step = ''): boolean {
    const { doorbell, wait } = this.options;
    this.write(R.QUEUE_PFN, pfn);
    this.#waiting = true;
    doorbell();
    this.#done(step);
    if (this.read(R.QUEUE_PFN) !== ACK_WORD) wait();
    this.#waiting = false;
    return this.read(R.QUEUE_PFN) === ACK_WORD;
  }

  /** True while the driver is blocked in a queue request. */
  get waiting(): boolean {
    return this.#waiting;
  }

  /** True if QUEUE_PFN holds the ACK word. */
  get isAcked(): boolean {
    return this.read(R.QUEUE_PFN) === ACK_WORD;
  }

  /** QUEUE_NOTIFY and doorbell, if the device wants to hear. */
  kick(queue: number): void {
    if (((this.rings[queue] as HvlRing).usedFlags & 1) !== 0) return;
    this.write(R.QUEUE_NOTIFY, queue);
    this.options.doorbell();
  }

  /** First half of the interrupt handler: up to and with the ring callbacks. @returns INTERRUPT_STATUS as read */
  scanInterrupt(): number {
    const status = this.read(R.INTERRUPT_STATUS);
    if ((status & 1) !== 0) this.options.onUsed?.();
    return status;
  }

  /** Second half: the acknowledge, and a doorbell if it is not 0. */
  ackInterrupt(status: number): void {
    this.write(R.INTERRUPT_ACK, status);
    if (status === 0) return;
    this.served++;
    this.options.doorbell();
  }

  /** The handler of the shared line, for this device. */
  interrupt(): void {
    this.ackInterrupt(this.scanInterrupt());
  }
}
