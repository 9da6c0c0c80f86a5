/**
 * What a serial port has received: a ring filled by the host, of which the guest sees the first 16 entries as its FIFO, and
 * beside it the FIFO of the loopback mode, in which a port hears itself and nothing else. Host input is kept, unseen, until
 * the loopback ends.
 *
 * Every method is called with the port's lock held. Thread: any. Hot path.
 */
import { UART_FCR_ENABLE_FIFO, UART_MCR_LOOP } from '../abi/uart.js';
import { i32At, u16At } from '../util/typed.js';
import {
  FIFO_BYTES,
  LOOP_OFFSET,
  RX_ENTRIES,
  RX_OFFSET,
  SERIAL_FCR,
  SERIAL_LOOP_GIVEN,
  SERIAL_LOOP_TAKEN,
  SERIAL_MCR,
  SERIAL_OVERRUN,
  SERIAL_RX_ERRORS,
  SERIAL_RX_GIVEN,
  SERIAL_RX_TAKEN,
} from './serial-words.js';

/** See the file's head. */
export class SerialInput {
  readonly #words: Int32Array;
  readonly #ring: Uint16Array;
  readonly #loop: Uint16Array;

  /** @param shared from `createSerial` @param words its register file */
  constructor(shared: SharedArrayBuffer, words: Int32Array) {
    this.#words = words;
    this.#ring = new Uint16Array(shared, RX_OFFSET, RX_ENTRIES);
    this.#loop = new Uint16Array(shared, LOOP_OFFSET, FIFO_BYTES);
  }

  /** Entries the host's ring has room for. */
  room(): number {
    return RX_ENTRIES - this.#hostCount();
  }

  /** Bytes the guest sees waiting, 0 ... 16. */
  visible(): number {
    if (this.#inLoop()) return this.#loopCount();
    return Math.min(this.#hostCount(), this.#depth());
  }

  /** Error bits of the next byte. */
  errors(): number {
    if (this.visible() === 0) return 0;
    return (this.#inLoop() ? this.#loopEntry(0) : this.#hostEntry(0)) >>> 8;
  }

  /** True if any byte the guest could see has error bits. */
  anyErrors(): boolean {
    const loop = this.#inLoop();
    if (!loop && i32At(this.#words, SERIAL_RX_ERRORS) === 0) return false;
    const count = this.visible();
    for (let i = 0; i < count; i++) {
      if ((loop ? this.#loopEntry(i) : this.#hostEntry(i)) > 0xff) return true;
    }
    return false;
  }

  /** The next byte keeps its value and loses its error bits: the guest has seen them. */
  clearErrors(): void {
    if (this.errors() === 0) return;
    if (this.#inLoop()) {
      this.#loop[this.#loopPlace(0)] = this.#loopEntry(0) & 0xff;
    } else {
      this.#ring[this.#hostPlace(0)] = this.#hostEntry(0) & 0xff;
      this.#add(SERIAL_RX_ERRORS, -1);
    }
  }

  /** Takes the next byte. @returns 0 if there is none */
  pop(): number {
    if (this.visible() === 0) return 0;
    this.clearErrors();
    if (this.#inLoop()) {
      const byte = this.#loopEntry(0);
      this.#add(SERIAL_LOOP_TAKEN, 1);
      return byte;
    }
    const byte = this.#hostEntry(0);
    this.#add(SERIAL_RX_TAKEN, 1);
    return byte;
  }

  /** The guest clears its FIFO: what is in it, and not what still waits outside, is lost. */
  clear(): void {
    for (let left = this.visible(); left > 0; left--) this.pop();
  }

  /** The loopback mode has ended. */
  clearLoop(): void {
    this.#words[SERIAL_LOOP_TAKEN] = i32At(this.#words, SERIAL_LOOP_GIVEN);
  }

  /** From the host. @param entry byte, error bits above it; the caller has checked {@link SerialInput.room} */
  pushHost(entry: number): void {
    const given = i32At(this.#words, SERIAL_RX_GIVEN);
    this.#ring[given & (RX_ENTRIES - 1)] = entry;
    this.#words[SERIAL_RX_GIVEN] = (given + 1) | 0;
    if (entry > 0xff) this.#add(SERIAL_RX_ERRORS, 1);
  }

  /** From the port itself, in loopback. A byte too many overruns. */
  pushLoop(entry: number): void {
    const words = this.#words;
    const count = this.#loopCount();
    if (count < this.#depth()) {
      this.#loop[this.#loopPlace(count)] = entry;
      this.#add(SERIAL_LOOP_GIVEN, 1);
      return;
    }
    words[SERIAL_OVERRUN] = 1;
    // Without FIFO the new byte replaces the old one; a full FIFO keeps what it has.
    if (count === 1) this.#loop[this.#loopPlace(0)] = entry;
  }

  #inLoop(): boolean {
    return (i32At(this.#words, SERIAL_MCR) & UART_MCR_LOOP) !== 0;
  }

  #depth(): number {
    return (i32At(this.#words, SERIAL_FCR) & UART_FCR_ENABLE_FIFO) !== 0 ? FIFO_BYTES : 1;
  }

  #hostCount(): number {
    return (i32At(this.#words, SERIAL_RX_GIVEN) - i32At(this.#words, SERIAL_RX_TAKEN)) | 0;
  }

  #loopCount(): number {
    return (i32At(this.#words, SERIAL_LOOP_GIVEN) - i32At(this.#words, SERIAL_LOOP_TAKEN)) | 0;
  }

  #hostPlace(index: number): number {
    return (i32At(this.#words, SERIAL_RX_TAKEN) + index) & (RX_ENTRIES - 1);
  }

  #hostEntry(index: number): number {
    return u16At(this.#ring, this.#hostPlace(index));
  }

  #loopPlace(index: number): number {
    return (i32At(this.#words, SERIAL_LOOP_TAKEN) + index) & (FIFO_BYTES - 1);
  }

  #loopEntry(index: number): number {
    return u16At(this.#loop, this.#loopPlace(index));
  }

  #add(word: number, amount: number): void {
    this.#words[word] = (i32At(this.#words, word) + amount) | 0;
  }
}
