/** What a serial port keeps in shared memory. */
import { UART_LCR_WLEN8, UART_MCR_OUT2 } from '../abi/uart.js';
import { outputRingBytes } from './output-ring.js';

// Words of the register file. Unless said otherwise: read and written by any thread that holds the lock.
/** A SharedLock. */
export const SERIAL_LOCK = 0;
export const SERIAL_IER = 1;
/** FIFO enable and trigger bits. */
export const SERIAL_FCR = 2;
export const SERIAL_LCR = 3;
export const SERIAL_MCR = 4;
export const SERIAL_SCR = 5;
export const SERIAL_DLL = 6;
export const SERIAL_DLM = 7;
/** 1 = a byte was lost in loopback, not yet seen in LSR. */
export const SERIAL_OVERRUN = 8;
/** 1 = "transmitter empty" has happened and was not yet read from IIR. */
export const SERIAL_THRI = 9;
/** The delta bits of MSR. */
export const SERIAL_DELTA = 10;
/** 1 = our interrupt line is up. */
export const SERIAL_LINE = 11;
/** 1 = too little room in the output ring: LSR says "not empty". */
export const SERIAL_BLOCKED = 12;
/** 1 = a running driver has taken back RTS: no input until it shows it again. */
export const SERIAL_HELD = 13;
/** 1 = the pump wants a doorbell when there is room for input. */
export const SERIAL_WANTED = 14;
/** Entries put into and taken out of the input ring, free-running. */
export const SERIAL_RX_GIVEN = 15;
export const SERIAL_RX_TAKEN = 16;
/** Entries in the input ring that carry error bits. */
export const SERIAL_RX_ERRORS = 17;
/** The same two counters of the loopback FIFO. */
export const SERIAL_LOOP_GIVEN = 18;
export const SERIAL_LOOP_TAKEN = 19;
/** Bytes the host did not take in time and that were thrown away (wraps). */
export const SERIAL_LOST = 20;
export const SERIAL_WORDS = 24;

/** Depth of a 16550's FIFOs. */
export const FIFO_BYTES = 16;
/** Entries of the input ring: 16 bits each, the byte and above it its LSR error bits. */
export const RX_ENTRIES = 4096;
/** Size of the output ring. */
export const TX_BYTES = 0x4000;

export const RX_OFFSET = SERIAL_WORDS * 4;
export const LOOP_OFFSET = RX_OFFSET + RX_ENTRIES * 2;
export const TX_OFFSET = LOOP_OFFSET + FIFO_BYTES * 2;

/** Divisor for 9600 baud. Not 0: a kernel's early console divides by what it finds. */
const DIVISOR = 12;

/** Memory for one port, in the state firmware leaves it in: 9600 baud, 8 bits, FIFOs off, no interrupts. Thread: main, once. */
export function createSerial(): SharedArrayBuffer {
  const shared = new SharedArrayBuffer(TX_OFFSET + outputRingBytes(TX_BYTES));
  const words = new Int32Array(shared, 0, SERIAL_WORDS);
  words[SERIAL_LCR] = UART_LCR_WLEN8;
  words[SERIAL_MCR] = UART_MCR_OUT2;
  words[SERIAL_DLL] = DIVISOR;
  return shared;
}
