/**
 * ACPI's fixed power management registers: PM1 event and control, PM timer. The machine is always in ACPI mode (there is no
 * SMI command port), so SCI_EN is always set. Of the events only the power button happens.
 *
 * Spec: ACPI 6.5 section 4.8.3.
 */
import * as pm from '../abi/acpi-pm.js';
import type { BusDevice } from '../bus/bus.js';
import { type ByteRegisters, readBytes, writeBytes } from '../bus/byte-registers.js';
import type { LineSink } from '../bus/lines.js';
import { SharedLock } from '../util/shared-lock.js';
import { i32At } from '../util/typed.js';
import type { Clock, MachineEnd } from './ports.js';

// Words. Read and written with the lock held, unless said otherwise.
const LOCK = 0;
const STATUS = 1;
const ENABLE = 2;
const CONTROL = 3;
/** 1 = the SCI is pulled up by us. */
const LINE = 4;
/** Ticks last read from the timer, 32 bits: it never goes back, although threads read the clock a little differently. */
const TICKS = 5;
const WORDS = 8;

const ENABLE_BITS = pm.PM1_TIMER | pm.PM1_GLOBAL | pm.PM1_POWER_BUTTON | pm.PM1_SLEEP_BUTTON | pm.PM1_RTC;
/** What PM1 control keeps: everything but SLP_EN, which reads 0, and SCI_EN, which is fixed. */
const CONTROL_BITS = 0x1c06;

/** The registers' memory. Thread: main, once. */
export function createAcpiPm(): SharedArrayBuffer {
  return new SharedArrayBuffer(WORDS * 4);
}

/** What the registers need of their surroundings. */
export interface AcpiPmPorts {
  readonly lines: LineSink;
  readonly gsi: number;
  readonly source: number;
  readonly end: MachineEnd;
  readonly clock: Clock;
  /** SLP_TYP that means power off, 0 ... 7. */
  readonly sleepTypeOff: number;
}

/** The registers. Thread: any; one object per thread over the same memory. */
export class AcpiPm {
  /** PM1 event block, four bytes. */
  readonly event: BusDevice = new EventBlock(this);
  /** PM1 control, two bytes. */
  readonly control: BusDevice = new ControlBlock(this);
  /** PM timer, four bytes, 32 bits wide. */
  readonly timer: BusDevice = new TimerBlock(this);
  readonly #words: Int32Array;
  readonly #lock: SharedLock;
  readonly #ports: AcpiPmPorts;

  /** @param shared from {@link createAcpiPm} */
  constructor(shared: SharedArrayBuffer, ports: AcpiPmPorts) {
    this.#words = new Int32Array(shared);
    this.#lock = new SharedLock(this.#words, LOCK);
    this.#ports = ports;
  }

  /**
   * Presses the power button, as far as the guest can tell. Thread: any, main too.
   * @returns false if the guest has not asked to hear of it (no ACPI driver): then nobody will react
   */
  pressPowerButton(): boolean {
    this.#lock.lock();
    this.#words[STATUS] = i32At(this.#words, STATUS) | pm.PM1_POWER_BUTTON;
    const heard = (i32At(this.#words, ENABLE) & pm.PM1_POWER_BUTTON) !== 0;
    this.#update();
    this.#lock.unlock();
    return heard;
  }

  /** @internal One byte of status (0, 1) or enable (2, 3). */
  readEvent(offset: number): number {
    const word = offset < pm.PM1_ENABLE_OFF ? STATUS : ENABLE;
    return (Atomics.load(this.#words, word) >>> (8 * (offset & 1))) & 0xff;
  }

  /** @internal Status bits are cleared by writing 1. */
  writeEvent(offset: number, value: number): void {
    const shift = 8 * (offset & 1);
    const words = this.#words;
    this.#lock.lock();
    if (offset < pm.PM1_ENABLE_OFF) {
      words[STATUS] = i32At(words, STATUS) & ~(value << shift);
    } else {
      const kept = i32At(words, ENABLE) & ~(0xff << shift);
      words[ENABLE] = (kept | (value << shift)) & ENABLE_BITS;
    }
    this.#update();
    this.#lock.unlock();
  }

  /** @internal */
  readControl(offset: number): number {
    return ((Atomics.load(this.#words, CONTROL) | pm.PM1_SCI_ENABLE) >>> (8 * offset)) & 0xff;
  }

  /** @internal */
  writeControl(offset: number, value: number): void {
    const shift = 8 * offset;
    this.#lock.lock();
    const kept = i32At(this.#words, CONTROL) & ~(0xff << shift);
    const all = kept | (value << shift);
    this.#words[CONTROL] = all & CONTROL_BITS;
    this.#lock.unlock();
    const type = (all & pm.PM1_SLEEP_TYPE_MASK) >>> pm.PM1_SLEEP_TYPE_SHIFT;
    if ((all & pm.PM1_SLEEP_ENABLE) !== 0 && type === this.#ports.sleepTypeOff) this.#ports.end.powerOff();
  }

  /** @internal The 32-bit timer. */
  readTimer(): number {
    const now = ((this.#ports.clock.monotonicUs() * (pm.PM_TIMER_HZ / 1e6)) % 0x1_0000_0000) | 0;
    const words = this.#words;
    this.#lock.lock();
    const last = i32At(words, TICKS);
    // The distance as a signed number: small and negative when another thread's clock is a little ahead of ours.
    const behind = (now - last) | 0;
    const value = behind < 0 && behind > -SKEW_TICKS ? last : now;
    words[TICKS] = value;
    this.#lock.unlock();
    return value >>> 0;
  }

  #update(): void {
    const words = this.#words;
    const level = (i32At(words, STATUS) & i32At(words, ENABLE)) !== 0 ? 1 : 0;
    if (level === i32At(words, LINE)) return;
    words[LINE] = level;
    this.#ports.lines.setLevel(this.#ports.gsi, this.#ports.source, level === 1);
  }
}

/** Two threads' clocks differ by far less than this: 10 ms. */
const SKEW_TICKS = 35_795;

class EventBlock implements BusDevice, ByteRegisters {
  readonly #pm: AcpiPm;

  constructor(registers: AcpiPm) {
    this.#pm = registers;
  }

  read(offset: number, bytes: number): number {
    return readBytes(this, offset, bytes);
  }

  write(offset: number, bytes: number, value: number): void {
    writeBytes(this, offset, bytes, value);
  }

  readByte(offset: number): number {
    return this.#pm.readEvent(offset);
  }

  writeByte(offset: number, value: number): void {
    this.#pm.writeEvent(offset, value);
  }
}

class ControlBlock implements BusDevice, ByteRegisters {
  readonly #pm: AcpiPm;

  constructor(registers: AcpiPm) {
    this.#pm = registers;
  }

  read(offset: number, bytes: number): number {
    return readBytes(this, offset, bytes);
  }

  write(offset: number, bytes: number, value: number): void {
    writeBytes(this, offset, bytes, value);
  }

  readByte(offset: number): number {
    return this.#pm.readControl(offset);
  }

  writeByte(offset: number, value: number): void {
    this.#pm.writeControl(offset, value);
  }
}

class TimerBlock implements BusDevice {
  readonly #pm: AcpiPm;

  constructor(registers: AcpiPm) {
    this.#pm = registers;
  }

  read(offset: number): number {
    return this.#pm.readTimer() >>> (8 * offset);
  }

  write(): void {}
}
