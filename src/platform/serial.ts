/**
 * A 16550A serial port. Its registers are words in shared memory, handled by whichever vCPU makes the access; output goes
 * through a ring to the reactor, input comes through a ring from it (`workers/reactor/serial-pump.ts`).
 *
 * Time is not modelled: a byte is sent as soon as it is in the ring, so the transmitter is empty as long as there is room,
 * and the receiver's timeout has always passed. OUT2 does not gate the interrupt. A guest that writes although LSR says
 * that it must not waits (its vCPU sleeps) until there is room: the real device would lose the byte, and a Linux console
 * does write after waiting for 10 ms.
 *
 * Spec: National Semiconductor PC16550D data sheet.
 */
import * as u from '../abi/uart.js';
import type { BusDevice } from '../bus/bus.js';
import { type ByteRegisters, readBytes, writeBytes } from '../bus/byte-registers.js';
import type { LineSink } from '../bus/lines.js';
import { SharedLock } from '../util/shared-lock.js';
import { i32At, u8At } from '../util/typed.js';
import { OutputRing, PUSH_FULL, PUSHED_RING } from './output-ring.js';
import { SerialInput } from './serial-input.js';
import { modemDeltas, modemInputs, receiveTrigger } from './serial-lines.js';
import * as w from './serial-words.js';

/** What a serial port needs of its surroundings. */
export interface SerialPorts {
  readonly lines: LineSink;
  readonly gsi: number;
  /** Number of this port among those on the same line. */
  readonly source: number;
  /** Tells the reactor: there is output, or room for input. Called without the lock. */
  doorbell(): void;
}

/** Room in the output ring below which LSR says "not empty": more than a FIFO for each of several vCPUs. */
const RESERVE = 256;
/** Input ring this empty: time to fetch more. */
const RX_LOW = w.RX_ENTRIES / 4;
const BREAK = u.UART_LSR_BI << 8;

/** One port. Thread: any; one object per thread over the same memory. Hot path. */
export class Serial8250 implements BusDevice, ByteRegisters {
  /** Output, for the reactor. */
  readonly output: OutputRing;
  readonly #words: Int32Array;
  readonly #lock: SharedLock;
  readonly #input: SerialInput;
  readonly #ports: SerialPorts;
  /** Ring the doorbell after releasing the lock. */
  #ring = false;

  /** @param shared from `createSerial` */
  constructor(shared: SharedArrayBuffer, ports: SerialPorts) {
    const words = new Int32Array(shared, 0, w.SERIAL_WORDS);
    this.output = new OutputRing(shared, w.TX_OFFSET, w.TX_BYTES);
    this.#words = words;
    this.#lock = new SharedLock(words, w.SERIAL_LOCK);
    this.#input = new SerialInput(shared, words);
    this.#ports = ports;
  }

  read(offset: number, bytes: number): number {
    return bytes === 1 ? this.readByte(offset) : readBytes(this, offset, bytes);
  }

  write(offset: number, bytes: number, value: number): void {
    if (bytes === 1) this.writeByte(offset, value & 0xff);
    else writeBytes(this, offset, bytes, value);
  }

  readByte(offset: number): number {
    this.#lock.lock();
    const value = this.#readRegister(offset);
    this.#release();
    return value;
  }

  writeByte(offset: number, value: number): void {
    this.#lock.lock();
    const dlab = this.#has(w.SERIAL_LCR, u.UART_LCR_DLAB);
    let taken = true;
    if (offset === u.UART_TX && !dlab) taken = this.#transmit(value);
    else this.#writeRegister(offset, value, dlab);
    this.#release();
    if (!taken) this.#transmitLate(value);
  }

  /** Bytes thrown away because the host did not take them (wraps). */
  get lost(): number {
    return Atomics.load(this.#words, w.SERIAL_LOST);
  }

  /**
   * How many bytes {@link receive} takes now. If none, the doorbell is rung when it makes sense to ask again.
   * Thread: reactor.
   */
  inputRoom(): number {
    this.#lock.lock();
    const room = i32At(this.#words, w.SERIAL_HELD) !== 0 ? 0 : this.#input.room();
    this.#words[w.SERIAL_WANTED] = room === 0 ? 1 : 0;
    this.#lock.unlock();
    return room;
  }

  /** Input from the host. Thread: reactor. @returns bytes taken: fewer than given when the ring is full */
  receive(from: Uint8Array, bytes: number): number {
    this.#lock.lock();
    const n = Math.min(bytes, this.#input.room());
    for (let i = 0; i < n; i++) this.#input.pushHost(u8At(from, i));
    this.#update();
    this.#lock.unlock();
    return n;
  }

  /**
   * A BREAK on the line, and then a byte: to Linux "magic SysRq". Thread: any but vCPUs.
   * @param byte 0 ... 255, or -1 for the BREAK alone
   * @returns false if there was no room
   */
  receiveBreak(byte: number): boolean {
    this.#lock.lock();
    const fits = this.#input.room() >= 2;
    if (fits) {
      this.#input.pushHost(BREAK);
      if (byte >= 0) this.#input.pushHost(byte & 0xff);
      this.#update();
    }
    this.#lock.unlock();
    return fits;
  }

  /** The reactor has taken output out of the ring. Thread: reactor. */
  outputTaken(): void {
    this.#lock.lock();
    if (i32At(this.#words, w.SERIAL_BLOCKED) !== 0 && this.output.room() >= 2 * RESERVE) {
      this.#words[w.SERIAL_BLOCKED] = 0;
      this.#words[w.SERIAL_THRI] = 1;
      this.#update();
    }
    this.#lock.unlock();
  }

  #release(): void {
    const ring = this.#ring;
    this.#ring = false;
    this.#lock.unlock();
    if (ring) this.#ports.doorbell();
  }

  #readRegister(offset: number): number {
    const words = this.#words;
    const dlab = this.#has(w.SERIAL_LCR, u.UART_LCR_DLAB);
    switch (offset) {
      case u.UART_RX:
        return dlab ? i32At(words, w.SERIAL_DLL) : this.#receiveBuffer();
      case u.UART_IER:
        return i32At(words, dlab ? w.SERIAL_DLM : w.SERIAL_IER);
      case u.UART_IIR:
        return this.#interruptId();
      case u.UART_LCR:
        return i32At(words, w.SERIAL_LCR);
      case u.UART_MCR:
        return i32At(words, w.SERIAL_MCR);
      case u.UART_LSR:
        return this.#readLineStatus();
      case u.UART_MSR:
        return this.#modemStatus();
      default:
        return i32At(words, w.SERIAL_SCR);
    }
  }

  #writeRegister(offset: number, value: number, dlab: boolean): void {
    const words = this.#words;
    switch (offset) {
      case u.UART_DLL:
        words[w.SERIAL_DLL] = value;
        return;
      case u.UART_IER:
        if (dlab) words[w.SERIAL_DLM] = value;
        else this.#setInterruptEnable(value & 0x0f);
        return;
      case u.UART_FCR:
        this.#setFifoControl(value);
        return;
      case u.UART_LCR:
        this.#setLineControl(value);
        return;
      case u.UART_MCR:
        this.#setModemControl(value & 0x1f);
        return;
      case u.UART_SCR:
        words[w.SERIAL_SCR] = value;
        return;
      default: // LSR and MSR are read-only
    }
  }

  /** True if any of the bits of a register is set. */
  #has(register: number, bits: number): boolean {
    return (i32At(this.#words, register) & bits) !== 0;
  }

  #loop(): boolean {
    return this.#has(w.SERIAL_MCR, u.UART_MCR_LOOP);
  }

  #transmitterEmpty(): boolean {
    return this.#loop() || i32At(this.#words, w.SERIAL_BLOCKED) === 0;
  }

  /** @returns false if there is no room */
  #transmit(byte: number): boolean {
    const words = this.#words;
    if (this.#loop()) {
      this.#input.pushLoop(byte);
      words[w.SERIAL_THRI] = 1;
      this.#update();
      return true;
    }
    const pushed = this.output.push(byte);
    if (pushed === PUSH_FULL) return false;
    if (pushed === PUSHED_RING) this.#ring = true;
    const blocked = this.output.room() < RESERVE;
    words[w.SERIAL_BLOCKED] = blocked ? 1 : 0;
    words[w.SERIAL_THRI] = blocked ? 0 : 1;
    this.#update();
    return true;
  }

  /** Without the lock: waits for room. */
  #transmitLate(byte: number): void {
    while (this.output.waitForRoom()) {
      this.#lock.lock();
      const taken = this.#transmit(byte);
      this.#release();
      if (taken) return;
    }
    Atomics.add(this.#words, w.SERIAL_LOST, 1);
  }

  #receiveBuffer(): number {
    const byte = this.#input.pop();
    if (w.RX_ENTRIES - this.#input.room() <= RX_LOW) this.#askForInput();
    this.#update();
    return byte;
  }

  /** Lets the pump know that there is room, if it waits for that. */
  #askForInput(): void {
    if (i32At(this.#words, w.SERIAL_WANTED) === 0 || i32At(this.#words, w.SERIAL_HELD) !== 0) return;
    this.#words[w.SERIAL_WANTED] = 0;
    this.#ring = true;
  }

  #lineStatus(): number {
    const words = this.#words;
    let status = this.#input.errors();
    if (this.#input.visible() > 0) status |= u.UART_LSR_DR;
    if (i32At(words, w.SERIAL_OVERRUN) !== 0) status |= u.UART_LSR_OE;
    if (this.#transmitterEmpty()) status |= u.UART_LSR_THRE | u.UART_LSR_TEMT;
    return status;
  }

  #readLineStatus(): number {
    let status = this.#lineStatus();
    if (this.#has(w.SERIAL_FCR, u.UART_FCR_ENABLE_FIFO) && this.#input.anyErrors())
      status |= u.UART_LSR_FIFOE;
    if ((status & u.UART_LSR_BRK_ERROR_BITS) !== 0) {
      this.#words[w.SERIAL_OVERRUN] = 0;
      this.#input.clearErrors();
      this.#update();
    }
    return status;
  }

  #interruptId(): number {
    const id = this.#pending();
    if (id === u.UART_IIR_THRI) {
      this.#words[w.SERIAL_THRI] = 0;
      this.#update();
    }
    return this.#has(w.SERIAL_FCR, u.UART_FCR_ENABLE_FIFO) ? id | u.UART_IIR_FIFO_ENABLED : id;
  }

  /** The pending interrupt of the highest priority. */
  #pending(): number {
    const words = this.#words;
    const enabled = i32At(words, w.SERIAL_IER);
    if (enabled === 0) return u.UART_IIR_NO_INT;
    if ((enabled & u.UART_IER_RLSI) !== 0 && (this.#lineStatus() & u.UART_LSR_BRK_ERROR_BITS) !== 0) {
      return u.UART_IIR_RLSI;
    }
    const waiting = this.#input.visible();
    if ((enabled & u.UART_IER_RDI) !== 0 && waiting > 0) {
      return waiting >= receiveTrigger(i32At(words, w.SERIAL_FCR)) ? u.UART_IIR_RDI : u.UART_IIR_RX_TIMEOUT;
    }
    if ((enabled & u.UART_IER_THRI) !== 0 && i32At(words, w.SERIAL_THRI) !== 0) return u.UART_IIR_THRI;
    if ((enabled & u.UART_IER_MSI) !== 0 && i32At(words, w.SERIAL_DELTA) !== 0) return u.UART_IIR_MSI;
    return u.UART_IIR_NO_INT;
  }

  #modemStatus(): number {
    const status = modemInputs(i32At(this.#words, w.SERIAL_MCR)) | i32At(this.#words, w.SERIAL_DELTA);
    this.#words[w.SERIAL_DELTA] = 0;
    this.#update();
    return status;
  }

  #setInterruptEnable(value: number): void {
    const words = this.#words;
    const enabled = value & ~i32At(words, w.SERIAL_IER);
    words[w.SERIAL_IER] = value;
    // Enabling it while the transmitter is empty raises it, although it was read from IIR before.
    if ((enabled & u.UART_IER_THRI) !== 0) words[w.SERIAL_THRI] = this.#transmitterEmpty() ? 1 : 0;
    if ((value & u.UART_IER_RDI) === 0) this.#unhold();
    this.#update();
  }

  #setFifoControl(value: number): void {
    const words = this.#words;
    const toggled = ((value ^ i32At(words, w.SERIAL_FCR)) & u.UART_FCR_ENABLE_FIFO) !== 0;
    const enable = (value & u.UART_FCR_ENABLE_FIFO) !== 0; // without it the other bits are not looked at
    if (toggled || (enable && (value & u.UART_FCR_CLEAR_RCVR) !== 0)) {
      this.#input.clear();
      this.#askForInput();
    }
    // What was sent is in the ring and counts as gone: there is nothing to clear, but the interrupt comes.
    if (enable && (value & u.UART_FCR_CLEAR_XMIT) !== 0 && this.#transmitterEmpty()) words[w.SERIAL_THRI] = 1;
    words[w.SERIAL_FCR] = enable ? value & (u.UART_FCR_TRIGGER_MASK | u.UART_FCR_ENABLE_FIFO) : 0;
    this.#update();
  }

  #setLineControl(value: number): void {
    const begun = value & ~i32At(this.#words, w.SERIAL_LCR);
    this.#words[w.SERIAL_LCR] = value;
    // Outside of loopback a BREAK has no meaning for files and terminals.
    if ((begun & u.UART_LCR_SBC) === 0 || !this.#loop()) return;
    this.#input.pushLoop(BREAK);
    this.#update();
  }

  #setModemControl(value: number): void {
    const words = this.#words;
    const old = i32At(words, w.SERIAL_MCR);
    words[w.SERIAL_MCR] = value;
    words[w.SERIAL_DELTA] = i32At(words, w.SERIAL_DELTA) | modemDeltas(modemInputs(old), modemInputs(value));
    if ((old & ~value & u.UART_MCR_LOOP) !== 0) this.#input.clearLoop();
    if (((old | value) & u.UART_MCR_LOOP) === 0) this.#followRts(old, value);
    this.#update();
  }

  /**
   * Taking back RTS while receiving is how a driver says "stop". A port whose driver never showed RTS, or is not running,
   * says nothing by it.
   */
  #followRts(old: number, value: number): void {
    if ((value & u.UART_MCR_RTS) !== 0) this.#unhold();
    else if ((old & u.UART_MCR_RTS) !== 0 && this.#has(w.SERIAL_IER, u.UART_IER_RDI)) {
      this.#words[w.SERIAL_HELD] = 1;
    }
  }

  #unhold(): void {
    if (i32At(this.#words, w.SERIAL_HELD) === 0) return;
    this.#words[w.SERIAL_HELD] = 0;
    this.#askForInput();
  }

  /** Shows the level of the interrupt line, if it has changed. */
  #update(): void {
    const level = this.#pending() === u.UART_IIR_NO_INT ? 0 : 1;
    if (level === i32At(this.#words, w.SERIAL_LINE)) return;
    this.#words[w.SERIAL_LINE] = level;
    this.#ports.lines.setLevel(this.#ports.gsi, this.#ports.source, level === 1);
  }
}
