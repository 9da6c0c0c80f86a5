/** ttyS0 of a platform, by register names. */
import * as u from '#lkvm/abi/uart.js';
import type { Serial8250 } from '#lkvm/platform/serial.js';
import { PlatformRig } from './platform-rig.js';

export const TTYS0 = 0x3f8;
const GSI = 4;

/** See the file's head. */
export class SerialRig extends PlatformRig {
  readonly serial: Serial8250;

  constructor() {
    super();
    this.serial = this.platform.serial[0] as Serial8250;
  }

  /** Reads a register. */
  get(register: number): number {
    return this.in(TTYS0 + register);
  }

  /** Writes values into a register. */
  set(register: number, ...values: number[]): void {
    this.out(TTYS0 + register, ...values);
  }

  /** Our line's level. */
  get irq(): boolean {
    return this.level(GSI);
  }

  /** Host input. @returns bytes taken */
  type(text: string): number {
    return this.serial.receive(Buffer.from(text, 'latin1'), text.length);
  }

  /** Reads like a driver: as long as LSR says that there is something. */
  readAll(): string {
    const bytes: number[] = [];
    while ((this.get(u.UART_LSR) & u.UART_LSR_DR) !== 0) bytes.push(this.get(u.UART_RX));
    return Buffer.from(bytes).toString('latin1');
  }

  /** What was sent and not taken yet; taken now, as the pump does it. */
  sent(): string {
    const text = this.output(this.serial);
    this.serial.outputTaken();
    return text;
  }
}
