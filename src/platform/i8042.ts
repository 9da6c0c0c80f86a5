/**
 * Keyboard controller with a keyboard on which nobody types (except Ctrl-Alt-Del), and without a mouse port. What matters
 * is that a guest's probe ends at once, since every answer that is missing costs Linux half a second, and that command 0xfe
 * resets the machine.
 *
 * Spec: Intel 8042; IBM PS/2 hardware interface technical reference, keyboard and auxiliary device controller.
 */
import * as pc from '../abi/pc.js';
import type { BusDevice } from '../bus/bus.js';
import type { LineSink } from '../bus/lines.js';
import { SharedLock } from '../util/shared-lock.js';
import { i32At } from '../util/typed.js';
import type { MachineEnd } from './ports.js';

// Words. Read and written with the lock held.
const LOCK = 0;
/** The command byte. */
const CONTROL = 1;
/** Status bits besides OBF: was the last write a command? */
const STATUS = 2;
/** The output buffer, and whether there is something in it. */
const DATA = 3;
const FULL = 4;
/** Controller command that waits for its parameter, or NONE. */
const COMMAND = 5;
/** Keyboard command that waits for its parameter, or NONE. */
const KEY_COMMAND = 6;
/** 1 = the keyboard sends keys. */
const SCANNING = 7;
/** 1 = our interrupt line is up. */
const LINE = 8;
/** Bytes the keyboard has to send: put and taken, free-running; then their places. */
const QUEUE_GIVEN = 9;
const QUEUE_TAKEN = 10;
const QUEUE = 11;
const QUEUE_BYTES = 32;
const WORDS = QUEUE + QUEUE_BYTES;

/** No command waits: all real ones are above it. */
const NONE = 0;
/** As firmware leaves it: keyboard on, with interrupt and translation to set 1; no mouse. */
const CONTROL_AT_START = pc.I8042_CTR_KBDINT | pc.I8042_CTR_SYSTEM | pc.I8042_CTR_AUXDIS | pc.I8042_CTR_XLATE;
/** Output port: processor not in reset, A20 open. */
const OUTPUT_PORT = 0x03;
/** Input port: keyboard not locked. */
const INPUT_PORT = 0x80;
/** Identity byte 2 after translation. */
const KBD_ID_2_TRANSLATED = 0x41;
/** Scan code set in use, and what translation makes of that number. */
const CURRENT_SET = 0x02;
const CURRENT_SET_TRANSLATED = 0x41;
/** Control, alt, delete: down and up again, in scan code sets 1 and 2. */
const CTRL_ALT_DEL_1 = [0x1d, 0x38, 0xe0, 0x53, 0xe0, 0xd3, 0xb8, 0x9d] as const;
const CTRL_ALT_DEL_2 = [0x14, 0x11, 0xe0, 0x71, 0xe0, 0xf0, 0x71, 0xf0, 0x11, 0xf0, 0x14] as const;

/** What the controller needs of its surroundings. */
export interface I8042Ports {
  readonly lines: LineSink;
  readonly gsi: number;
  readonly source: number;
  readonly end: MachineEnd;
}

/** The controller's memory. Thread: main, once. */
export function createI8042(): SharedArrayBuffer {
  const shared = new SharedArrayBuffer(WORDS * 4);
  const words = new Int32Array(shared);
  words[CONTROL] = CONTROL_AT_START;
  words[STATUS] = pc.I8042_STR_SYSTEM | pc.I8042_STR_KEYLOCK;
  words[SCANNING] = 1;
  return shared;
}

/** See the file's head. Thread: any; one object per thread over the same memory. */
export class I8042 {
  /** Port 0x60. */
  readonly data: BusDevice;
  /** Port 0x64. */
  readonly command: BusDevice;
  readonly #words: Int32Array;
  readonly #lock: SharedLock;
  readonly #ports: I8042Ports;
  /** Reset the machine after releasing the lock. */
  #reset = false;

  /** @param shared from {@link createI8042} */
  constructor(shared: SharedArrayBuffer, ports: I8042Ports) {
    this.#words = new Int32Array(shared);
    this.#lock = new SharedLock(this.#words, LOCK);
    this.#ports = ports;
    this.data = new DataPort(this);
    this.command = new CommandPort(this);
  }

  /**
   * Types Ctrl-Alt-Del: what ends guests that have no ACPI driver. Thread: any, main too.
   * @returns false if the guest does not listen to its keyboard
   */
  typeCtrlAltDel(): boolean {
    this.#lock.lock();
    const words = this.#words;
    const control = i32At(words, CONTROL);
    const listens = (control & pc.I8042_CTR_KBDINT) !== 0 && (control & pc.I8042_CTR_KBDDIS) === 0;
    const heard = listens && i32At(words, SCANNING) === 1;
    if (heard) {
      const codes = (control & pc.I8042_CTR_XLATE) !== 0 ? CTRL_ALT_DEL_1 : CTRL_ALT_DEL_2;
      for (const code of codes) this.#send(code);
    }
    this.#lock.unlock();
    return heard;
  }

  /** @internal Port 0x64. */
  readStatus(): number {
    this.#lock.lock();
    const words = this.#words;
    const full = i32At(words, FULL) !== 0 ? pc.I8042_STR_OBF : 0;
    const status = i32At(words, STATUS) | full;
    this.#lock.unlock();
    return status;
  }

  /** @internal Port 0x60. */
  readData(): number {
    this.#lock.lock();
    const words = this.#words;
    const byte = i32At(words, DATA);
    words[FULL] = 0;
    this.#update(); // down, so that the next byte is an edge
    this.#refill();
    this.#lock.unlock();
    return byte;
  }

  /** @internal Port 0x64. */
  writeCommand(command: number): void {
    this.#lock.lock();
    this.#words[STATUS] = i32At(this.#words, STATUS) | pc.I8042_STR_CMDDAT;
    this.#words[COMMAND] = NONE;
    this.#execute(command);
    this.#release();
  }

  /** @internal Port 0x60. */
  writeData(value: number): void {
    this.#lock.lock();
    const words = this.#words;
    words[STATUS] = i32At(words, STATUS) & ~pc.I8042_STR_CMDDAT;
    const command = i32At(words, COMMAND);
    words[COMMAND] = NONE;
    if (command === NONE) this.#keyboard(value);
    else this.#parameter(command, value);
    this.#release();
  }

  #release(): void {
    const reset = this.#reset;
    this.#reset = false;
    this.#lock.unlock();
    if (reset) this.#ports.end.reset();
  }

  #execute(command: number): void {
    switch (command) {
      case pc.I8042_CMD_READ_RAM:
        this.#answer(i32At(this.#words, CONTROL));
        return;
      case pc.I8042_CMD_AUX_TEST: // no mouse port: its clock line does not move
        this.#answer(pc.I8042_RET_STUCK);
        return;
      case pc.I8042_CMD_CTL_TEST:
        this.#answer(pc.I8042_RET_CTL_TEST);
        return;
      case pc.I8042_CMD_KBD_TEST:
        this.#answer(0);
        return;
      case pc.I8042_CMD_KBD_DISABLE:
        this.#setControl(i32At(this.#words, CONTROL) | pc.I8042_CTR_KBDDIS);
        return;
      case pc.I8042_CMD_KBD_ENABLE:
        this.#setControl(i32At(this.#words, CONTROL) & ~pc.I8042_CTR_KBDDIS);
        return;
      case pc.I8042_CMD_READ_INPUT_PORT:
        this.#answer(INPUT_PORT);
        return;
      case pc.I8042_CMD_READ_OUTPUT_PORT:
        this.#answer(OUTPUT_PORT);
        return;
      case pc.I8042_CMD_WRITE_RAM:
      case pc.I8042_CMD_WRITE_OUTPUT_PORT:
      case pc.I8042_CMD_KBD_LOOP:
      case pc.I8042_CMD_AUX_LOOP:
      case pc.I8042_CMD_AUX_SEND:
        this.#words[COMMAND] = command;
        return;
      default: // mouse on and off, A20, and all that does not exist: nothing to do, nothing to say
        if (command >= pc.I8042_CMD_PULSE && (command & 1) === 0) this.#reset = true;
    }
  }

  #parameter(command: number, value: number): void {
    switch (command) {
      case pc.I8042_CMD_WRITE_RAM:
        this.#setControl(value);
        return;
      case pc.I8042_CMD_WRITE_OUTPUT_PORT:
        if ((value & 1) === 0) this.#reset = true;
        return;
      case pc.I8042_CMD_KBD_LOOP:
      case pc.I8042_CMD_AUX_LOOP: // comes back as the keyboard's: to Linux the sign that there is no mouse port
        this.#answer(value);
        return;
      default: // to the mouse
    }
  }

  /** A byte for the keyboard. */
  #keyboard(value: number): void {
    const words = this.#words;
    const before = i32At(words, KEY_COMMAND);
    words[KEY_COMMAND] = NONE;
    if (before !== NONE) {
      this.#send(pc.KBD_RET_ACK);
      if (before === pc.KBD_CMD_SCANCODE_SET && value === 0) {
        this.#send(this.#translates ? CURRENT_SET_TRANSLATED : CURRENT_SET);
      }
      return;
    }
    switch (value) {
      case pc.KBD_CMD_SET_LEDS:
      case pc.KBD_CMD_SCANCODE_SET:
      case pc.KBD_CMD_SET_RATE:
        words[KEY_COMMAND] = value;
        this.#send(pc.KBD_RET_ACK);
        return;
      case pc.KBD_CMD_ECHO:
        this.#send(pc.KBD_CMD_ECHO);
        return;
      case pc.KBD_CMD_GET_ID:
        this.#send(pc.KBD_RET_ACK);
        this.#send(pc.KBD_ID_1);
        this.#send(this.#translates ? KBD_ID_2_TRANSLATED : pc.KBD_ID_2);
        return;
      case pc.KBD_CMD_ENABLE:
      case pc.KBD_CMD_DISABLE:
      case pc.KBD_CMD_DEFAULTS:
        words[SCANNING] = value === pc.KBD_CMD_DISABLE ? 0 : 1;
        this.#send(pc.KBD_RET_ACK);
        return;
      case pc.KBD_CMD_RESET:
        words[QUEUE_TAKEN] = i32At(words, QUEUE_GIVEN);
        words[SCANNING] = 1;
        this.#send(pc.KBD_RET_ACK);
        this.#send(pc.KBD_RET_BAT);
        return;
      default:
        this.#send(pc.KBD_RET_NAK);
    }
  }

  get #translates(): boolean {
    return (i32At(this.#words, CONTROL) & pc.I8042_CTR_XLATE) !== 0;
  }

  #setControl(value: number): void {
    this.#words[CONTROL] = value;
    this.#refill();
    this.#update();
  }

  /** The controller's own answer: it goes ahead of what the keyboard sends, and replaces what was not read. */
  #answer(byte: number): void {
    this.#words[DATA] = byte;
    this.#words[FULL] = 1;
    this.#update();
  }

  /** The keyboard sends a byte. What does not fit is lost: a guest that reads nothing wants nothing. */
  #send(byte: number): void {
    const words = this.#words;
    const given = i32At(words, QUEUE_GIVEN);
    if (((given - i32At(words, QUEUE_TAKEN)) | 0) < QUEUE_BYTES) {
      words[QUEUE + (given & (QUEUE_BYTES - 1))] = byte;
      words[QUEUE_GIVEN] = (given + 1) | 0;
    }
    this.#refill();
  }

  /** Moves the keyboard's next byte into the output buffer. */
  #refill(): void {
    const words = this.#words;
    const taken = i32At(words, QUEUE_TAKEN);
    const off = (i32At(words, CONTROL) & pc.I8042_CTR_KBDDIS) !== 0;
    if (off || i32At(words, FULL) !== 0 || taken === i32At(words, QUEUE_GIVEN)) return;
    words[DATA] = i32At(words, QUEUE + (taken & (QUEUE_BYTES - 1)));
    words[QUEUE_TAKEN] = (taken + 1) | 0;
    words[FULL] = 1;
    this.#update();
  }

  #update(): void {
    const words = this.#words;
    const wanted = (i32At(words, CONTROL) & pc.I8042_CTR_KBDINT) !== 0;
    const level = wanted && i32At(words, FULL) !== 0 ? 1 : 0;
    if (level === i32At(words, LINE)) return;
    words[LINE] = level;
    this.#ports.lines.setLevel(this.#ports.gsi, this.#ports.source, level === 1);
  }
}

class DataPort implements BusDevice {
  readonly #controller: I8042;

  constructor(controller: I8042) {
    this.#controller = controller;
  }

  read(): number {
    return this.#controller.readData();
  }

  write(_offset: number, _bytes: number, value: number): void {
    this.#controller.writeData(value & 0xff);
  }
}

class CommandPort implements BusDevice {
  readonly #controller: I8042;

  constructor(controller: I8042) {
    this.#controller = controller;
  }

  read(): number {
    return this.#controller.readStatus();
  }

  write(_offset: number, _bytes: number, value: number): void {
    this.#controller.writeCommand(value & 0xff);
  }
}
