/**
 * Starting a device with the legacy registers in shared memory. Nothing traps, so each step is a store, a doorbell and,
 * where the protocol has an answer, a wait with an end.
 *
 * What we do beyond the existing front ends: reset first and see it done, clear a request an earlier driver may have
 * left in QUEUE_PFN, ring again while waiting (a doorbell may have been lost), and notice at once when the PMM started
 * anew meanwhile (our STATUS is gone).
 */
import {
  HVL_PAGE_BYTES,
  HVL_QUEUE_ACK,
  HVL_QUEUE_ALIGN,
  VIRTIO_MMIO_GUEST_FEATURES,
  VIRTIO_MMIO_GUEST_FEATURES_SEL,
  VIRTIO_MMIO_GUEST_PAGE_SIZE,
  VIRTIO_MMIO_HOST_FEATURES,
  VIRTIO_MMIO_HOST_FEATURES_SEL,
  VIRTIO_MMIO_INTERRUPT_ACK,
  VIRTIO_MMIO_QUEUE_ALIGN,
  VIRTIO_MMIO_QUEUE_NUM,
  VIRTIO_MMIO_QUEUE_NUM_MAX,
  VIRTIO_MMIO_QUEUE_PFN,
  VIRTIO_MMIO_QUEUE_SEL,
  VIRTIO_MMIO_STATUS,
} from '../abi/hvl.js';
import {
  VIRTIO_CONFIG_S_ACKNOWLEDGE,
  VIRTIO_CONFIG_S_DRIVER,
  VIRTIO_CONFIG_S_DRIVER_OK,
} from '../abi/virtio.js';
import { HandshakeError } from './errors.js';
import type { Condition, PeerLine } from './ports.js';
import type { Registers } from './registers.js';

/** How long to wait for the PMM, in milliseconds. */
export interface HandshakeTiming {
  /** For a queue to be acknowledged, and for static rings to become fresh. The protocol allows 4000. */
  readonly answerMs: number;
  /** For a reset to be seen; afterwards we go on, since not every PMM shows it. */
  readonly resetMs: number;
  /** Ring again this often while waiting. */
  readonly againMs: number;
}

export const DEFAULT_TIMING: HandshakeTiming = { answerMs: 4000, resetMs: 200, againMs: 100 };

/** Called after each step, by name; for tests that kill the front end there. */
export type StepHook = (step: string) => void;

const STATUS_DRIVER = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
const STATUS_RUNNING = STATUS_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK;
/**
 * Written into INTERRUPT_ACK right after STATUS: a PMM that resets the device clears the word, and so tells that it
 * has. No interrupt has this bit.
 */
const RESET_MARK = 0x8000_0000;

/** True once a register has (or has lost) a value, or our STATUS is gone. */
class RegisterWait implements Condition {
  readonly #registers: Registers;
  readonly #register: number;
  readonly #value: number;
  readonly #status: number;

  constructor(registers: Registers, register: number, value: number, status: number) {
    this.#registers = registers;
    this.#register = register;
    this.#value = value;
    this.#status = status;
  }

  ready(): boolean {
    return this.#registers.load(this.#register) === this.#value || this.lost();
  }

  /** The PMM wiped the pool, or somebody else drives this device. */
  lost(): boolean {
    return this.#registers.load(VIRTIO_MMIO_STATUS) !== this.#status;
  }
}

/** Rings and waits, ringing again every `againMs`. @returns whether the condition came true in time */
export function ringAndWait(line: PeerLine, condition: Condition, totalMs: number, againMs: number): boolean {
  for (let left = totalMs; left > 0; left -= againMs) {
    line.ring();
    if (line.waitUntil(condition, Math.min(left, againMs))) return true;
  }
  return condition.ready();
}

/** As {@link ringAndWait}, for answers that come without an interrupt: looks every millisecond. */
export function ringAndLook(line: PeerLine, condition: Condition, totalMs: number, againMs: number): boolean {
  for (let waited = 0; waited < totalMs; waited++) {
    if (waited % againMs === 0) line.ring();
    if (line.waitUntil(condition, 1)) return true;
  }
  return condition.ready();
}

/**
 * Stops whatever an earlier driver left running, so that the memory of its rings and buffers is ours.
 * @returns false if the PMM did not show that it has seen it (an older PMM never does; or it is not there)
 */
export function resetDevice(registers: Registers, line: PeerLine, timing: HandshakeTiming): boolean {
  if (registers.load(VIRTIO_MMIO_STATUS) === 0) return true;
  const done = new RegisterWait(registers, VIRTIO_MMIO_INTERRUPT_ACK, 0, 0);
  const slice = timing.resetMs / 2;
  for (let attempt = 0; attempt < 2; attempt++) {
    // The second time, let the PMM see a non-zero STATUS first: it may have been so quick that it saw the zero, and
    // reset, before the mark was there; then only another change makes it clear the mark.
    if (attempt > 0) {
      registers.store(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
      line.ring();
      line.waitUntil(NEVER, Math.min(5, slice));
    }
    registers.store(VIRTIO_MMIO_STATUS, 0);
    registers.store(VIRTIO_MMIO_INTERRUPT_ACK, RESET_MARK);
    if (ringAndLook(line, done, slice, timing.againMs)) return true;
  }
  registers.store(VIRTIO_MMIO_INTERRUPT_ACK, 0);
  return false;
}

const NEVER: Condition = { ready: () => false };

/** One device's way from reset to DRIVER_OK. */
export class LegacyHandshake {
  readonly #registers: Registers;
  readonly #line: PeerLine;
  readonly #timing: HandshakeTiming;
  readonly #step: StepHook;

  constructor(registers: Registers, line: PeerLine, timing: HandshakeTiming, step: StepHook) {
    this.#registers = registers;
    this.#line = line;
    this.#timing = timing;
    this.#step = step;
  }

  /**
   * ACKNOWLEDGE, DRIVER, features.
   * @param wanted features we can use, bits 0 ... 31
   * @returns the features both sides have
   */
  begin(wanted: number): number {
    const registers = this.#registers;
    registers.store(VIRTIO_MMIO_QUEUE_PFN, 0);
    this.#status(VIRTIO_CONFIG_S_ACKNOWLEDGE);
    registers.store(VIRTIO_MMIO_GUEST_PAGE_SIZE, HVL_PAGE_BYTES);
    this.#step('acknowledge');
    this.#status(STATUS_DRIVER);
    this.#step('driver');
    registers.store(VIRTIO_MMIO_HOST_FEATURES_SEL, 0);
    const features = (registers.load(VIRTIO_MMIO_HOST_FEATURES) & wanted) >>> 0;
    registers.store(VIRTIO_MMIO_GUEST_FEATURES_SEL, 0);
    registers.store(VIRTIO_MMIO_GUEST_FEATURES, features);
    this.#line.ring();
    this.#step('features');
    return features;
  }

  /** Largest size the device allows for a queue. */
  queueMax(index: number): number {
    this.#registers.store(VIRTIO_MMIO_QUEUE_SEL, index);
    return this.#registers.load(VIRTIO_MMIO_QUEUE_NUM_MAX);
  }

  /**
   * Asks for one queue and waits for the acknowledge word. Afterwards the PMM does not touch the ring's memory until
   * DRIVER_OK.
   * @param address of the ring for the PMM, multiple of 4096 @param size a power of two
   * Errors: HandshakeError.
   */
  queue(index: number, address: number, size: number): void {
    const registers = this.#registers;
    registers.store(VIRTIO_MMIO_QUEUE_SEL, index);
    registers.store(VIRTIO_MMIO_QUEUE_NUM, size);
    registers.store(VIRTIO_MMIO_QUEUE_ALIGN, HVL_QUEUE_ALIGN);
    registers.store(VIRTIO_MMIO_QUEUE_PFN, address / HVL_PAGE_BYTES);
    const answer = new RegisterWait(registers, VIRTIO_MMIO_QUEUE_PFN, HVL_QUEUE_ACK, STATUS_DRIVER);
    const answered = ringAndWait(this.#line, answer, this.#timing.answerMs, this.#timing.againMs);
    if (answer.lost()) throw new HandshakeError('STATUS changed during the handshake: the PMM started anew');
    if (!answered) {
      const ms = this.#timing.answerMs;
      throw new HandshakeError(`queue ${index} (${size} entries) was not acknowledged within ${ms} ms`);
    }
    this.#step(`queue${index}`);
  }

  /** DRIVER_OK. */
  run(): void {
    this.#status(STATUS_RUNNING);
    this.#step('driver-ok');
  }

  #status(value: number): void {
    this.#registers.store(VIRTIO_MMIO_STATUS, value);
    this.#line.ring();
  }
}
