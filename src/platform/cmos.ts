/**
 * Real-time clock and CMOS RAM. The time is the host's, in UTC, plus what the guest has made of it. There are no interrupts
 * and no alarms; "update in progress" is shown before each full second, as the chip does.
 *
 * Spec: Motorola MC146818; for the RAM-size bytes the conventions of PC firmware, as SeaBIOS reads them.
 */
import * as pc from '../abi/pc.js';
import type { BusDevice } from '../bus/bus.js';
import { type ByteRegisters, readBytes, writeBytes } from '../bus/byte-registers.js';
import { SharedLock } from '../util/shared-lock.js';
import { i32At, u8At } from '../util/typed.js';
import type { Clock } from './ports.js';

// Words, then one double, then the RAM. Read and written with the lock held.
const LOCK = 0;
/** Register chosen through port 0x70. */
const INDEX = 1;
const WORDS = 2;
/** Double: the guest's time minus the host's, milliseconds. */
const SHIFT_OFFSET = WORDS * 4;
const RAM_OFFSET = SHIFT_OFFSET + 8;

/** The chip shows "update in progress" from 244 us before the update, which takes 1984 us. */
const UPDATE_MS = 2.228;
const KIB = 1024;
const MIB = 1024 * KIB;
const UNIT = 64 * KIB;

/** What firmware would have stored about the machine. */
export interface CmosSpec {
  /** RAM below 4 GiB, bytes. */
  readonly lowBytes: number;
  /** RAM from 4 GiB on, bytes. */
  readonly highBytes: number;
  readonly cpus: number;
}

/** The chip's memory. Thread: main, once. */
export function createCmos(spec: CmosSpec): SharedArrayBuffer {
  const shared = new SharedArrayBuffer(RAM_OFFSET + pc.CMOS_BYTES);
  const ram = new Uint8Array(shared, RAM_OFFSET, pc.CMOS_BYTES);
  const extended = Math.max(0, Math.min(0xffff, Math.floor((spec.lowBytes - MIB) / KIB)));
  ram[pc.RTC_REG_A] = pc.RTC_REF_CLCK_32KHZ | pc.RTC_RATE_1024HZ;
  ram[pc.RTC_REG_B] = pc.RTC_24H;
  ram[pc.CMOS_EQUIPMENT] = 0x02; // a coprocessor, no floppy drive
  put(ram, pc.CMOS_BASE_MEMORY, 2, Math.min(640, Math.floor(spec.lowBytes / KIB)));
  put(ram, pc.CMOS_EXTENDED_MEMORY, 2, extended);
  put(ram, pc.CMOS_EXTENDED_MEMORY_COPY, 2, extended);
  put(ram, pc.CMOS_MEMORY_ABOVE_16M, 2, Math.max(0, Math.floor((spec.lowBytes - 16 * MIB) / UNIT)));
  put(ram, pc.CMOS_MEMORY_ABOVE_4G, 3, Math.floor(spec.highBytes / UNIT));
  put(ram, pc.CMOS_BOOT_ORDER, 1, 0x32);
  put(ram, pc.CMOS_PROCESSORS, 1, Math.min(255, spec.cpus - 1));
  return shared;
}

function put(ram: Uint8Array, at: number, bytes: number, value: number): void {
  for (let i = 0; i < bytes; i++) ram[at + i] = Math.floor(value / 0x100 ** i) & 0xff;
}

/** Ports 0x70 and 0x71. Thread: any; one object per thread over the same memory. */
export class Cmos implements BusDevice, ByteRegisters {
  readonly #words: Int32Array;
  readonly #shift: Float64Array;
  readonly #ram: Uint8Array;
  readonly #lock: SharedLock;
  readonly #clock: Clock;
  /** Scratch. */
  readonly #date = new Date(0);

  /** @param shared from {@link createCmos} */
  constructor(shared: SharedArrayBuffer, clock: Clock) {
    this.#words = new Int32Array(shared, 0, WORDS);
    this.#shift = new Float64Array(shared, SHIFT_OFFSET, 1);
    this.#ram = new Uint8Array(shared, RAM_OFFSET, pc.CMOS_BYTES);
    this.#lock = new SharedLock(this.#words, LOCK);
    this.#clock = clock;
  }

  read(offset: number, bytes: number): number {
    return readBytes(this, offset, bytes);
  }

  write(offset: number, bytes: number, value: number): void {
    writeBytes(this, offset, bytes, value);
  }

  readByte(offset: number): number {
    if (offset === 0) return 0xff; // the index cannot be read
    this.#lock.lock();
    const value = this.#readRegister(i32At(this.#words, INDEX));
    this.#lock.unlock();
    return value;
  }

  writeByte(offset: number, value: number): void {
    this.#lock.lock();
    // Bit 7 of the index masks NMIs, which there are none of.
    if (offset === 0) this.#words[INDEX] = value & (pc.CMOS_BYTES - 1);
    else this.#writeRegister(i32At(this.#words, INDEX), value);
    this.#lock.unlock();
  }

  #readRegister(index: number): number {
    const stored = u8At(this.#ram, index);
    if (isTime(index)) return this.#frozen ? stored : this.#encode(index);
    switch (index) {
      case pc.RTC_REG_A:
        return this.#updating() ? stored | pc.RTC_UIP : stored;
      case pc.RTC_REG_C:
        return 0;
      case pc.RTC_REG_D:
        return pc.RTC_VRT;
      default:
        return stored;
    }
  }

  #writeRegister(index: number, value: number): void {
    if (isTime(index)) {
      if (this.#frozen) this.#ram[index] = value;
      else this.#change(index, value);
      return;
    }
    switch (index) {
      case pc.RTC_REG_A:
        this.#ram[index] = value & ~pc.RTC_UIP;
        return;
      case pc.RTC_REG_B:
        this.#setModes(value);
        return;
      case pc.RTC_REG_C:
      case pc.RTC_REG_D:
        return;
      default:
        this.#ram[index] = value;
    }
  }

  /** True while the guest sets the clock: the registers stand still and keep what is written. */
  get #frozen(): boolean {
    return (u8At(this.#ram, pc.RTC_REG_B) & pc.RTC_SET) !== 0;
  }

  get #now(): number {
    return this.#clock.wallMs() + (this.#shift[0] as number);
  }

  #updating(): boolean {
    if (this.#frozen) return false;
    const intoSecond = this.#now - Math.floor(this.#now / 1000) * 1000;
    return intoSecond >= 1000 - UPDATE_MS;
  }

  #setModes(value: number): void {
    const was = this.#frozen;
    const will = (value & pc.RTC_SET) !== 0;
    if (!was && will) this.#freeze();
    this.#ram[pc.RTC_REG_B] = value;
    if (was && !will) this.#thaw();
  }

  /** Copies the running time into the registers. */
  #freeze(): void {
    for (const index of TIME_REGISTERS) this.#ram[index] = this.#encode(index);
  }

  /** Goes on from what is in the registers. */
  #thaw(): void {
    const field = (index: number): number => this.#decode(u8At(this.#ram, index));
    const hour = this.#decodeHour(u8At(this.#ram, pc.RTC_HOURS));
    const year = field(pc.RTC_CENTURY) * 100 + field(pc.RTC_YEAR);
    this.#date.setTime(0);
    this.#date.setUTCFullYear(year, field(pc.RTC_MONTH) - 1, field(pc.RTC_DAY_OF_MONTH));
    this.#date.setUTCHours(hour, field(pc.RTC_MINUTES), field(pc.RTC_SECONDS), 0);
    this.#shift[0] = this.#date.getTime() - this.#clock.wallMs();
  }

  /** Changes one register of the running clock. */
  #change(index: number, value: number): void {
    this.#freeze();
    this.#ram[index] = value;
    this.#thaw();
  }

  /** A register of the running time. */
  #encode(index: number): number {
    const date = this.#date;
    date.setTime(this.#now);
    switch (index) {
      case pc.RTC_SECONDS:
        return this.#digits(date.getUTCSeconds());
      case pc.RTC_MINUTES:
        return this.#digits(date.getUTCMinutes());
      case pc.RTC_HOURS:
        return this.#encodeHour(date.getUTCHours());
      case pc.RTC_DAY_OF_WEEK:
        return this.#digits(date.getUTCDay() + 1);
      case pc.RTC_DAY_OF_MONTH:
        return this.#digits(date.getUTCDate());
      case pc.RTC_MONTH:
        return this.#digits(date.getUTCMonth() + 1);
      case pc.RTC_YEAR:
        return this.#digits(date.getUTCFullYear() % 100);
      default:
        return this.#digits(Math.floor(date.getUTCFullYear() / 100) % 100);
    }
  }

  #encodeHour(hour: number): number {
    if ((u8At(this.#ram, pc.RTC_REG_B) & pc.RTC_24H) !== 0) return this.#digits(hour);
    return this.#digits(hour % 12 === 0 ? 12 : hour % 12) | (hour >= 12 ? pc.RTC_PM : 0);
  }

  #decodeHour(value: number): number {
    if ((u8At(this.#ram, pc.RTC_REG_B) & pc.RTC_24H) !== 0) return this.#decode(value);
    return (this.#decode(value & ~pc.RTC_PM) % 12) + ((value & pc.RTC_PM) !== 0 ? 12 : 0);
  }

  get #binary(): boolean {
    return (u8At(this.#ram, pc.RTC_REG_B) & pc.RTC_DM_BINARY) !== 0;
  }

  /** @param value 0 ... 99 */
  #digits(value: number): number {
    return this.#binary ? value : (Math.floor(value / 10) << 4) | (value % 10);
  }

  #decode(value: number): number {
    return this.#binary ? value : (value >>> 4) * 10 + (value & 0x0f);
  }
}

const TIME_REGISTERS = [
  pc.RTC_SECONDS,
  pc.RTC_MINUTES,
  pc.RTC_HOURS,
  pc.RTC_DAY_OF_WEEK,
  pc.RTC_DAY_OF_MONTH,
  pc.RTC_MONTH,
  pc.RTC_YEAR,
  pc.RTC_CENTURY,
] as const;

function isTime(index: number): boolean {
  switch (index) {
    case pc.RTC_SECONDS:
    case pc.RTC_MINUTES:
    case pc.RTC_HOURS:
    case pc.RTC_DAY_OF_WEEK:
    case pc.RTC_DAY_OF_MONTH:
    case pc.RTC_MONTH:
    case pc.RTC_YEAR:
    case pc.RTC_CENTURY:
      return true;
    default:
      return false;
  }
}
