/** Pure parts of a 16550: modem lines and the receive trigger. Hot path. */
import * as u from '../abi/uart.js';

/** The cable's other end is there and ready. */
const CABLE = u.UART_MSR_DCD | u.UART_MSR_DSR | u.UART_MSR_CTS;

/** The four input lines as MSR shows them; in loopback they are the four outputs. @param mcr register MCR */
export function modemInputs(mcr: number): number {
  if ((mcr & u.UART_MCR_LOOP) === 0) return CABLE;
  let inputs = 0;
  if ((mcr & u.UART_MCR_RTS) !== 0) inputs |= u.UART_MSR_CTS;
  if ((mcr & u.UART_MCR_DTR) !== 0) inputs |= u.UART_MSR_DSR;
  if ((mcr & u.UART_MCR_OUT1) !== 0) inputs |= u.UART_MSR_RI;
  if ((mcr & u.UART_MCR_OUT2) !== 0) inputs |= u.UART_MSR_DCD;
  return inputs;
}

/** Delta bits that a change of the inputs sets. The ring indicator has its end only. */
export function modemDeltas(before: number, after: number): number {
  const changed = (before ^ after) >>> 4; // each input lies four above its delta bit
  const deltas = changed & (u.UART_MSR_DCTS | u.UART_MSR_DDSR | u.UART_MSR_DDCD);
  return (before & ~after & u.UART_MSR_RI) !== 0 ? deltas | u.UART_MSR_TERI : deltas;
}

/** Bytes in the FIFO from which on "data ready" is said instead of "timeout". @param fcr register FCR */
export function receiveTrigger(fcr: number): number {
  switch (fcr & u.UART_FCR_TRIGGER_MASK) {
    case u.UART_FCR_TRIGGER_4:
      return 4;
    case u.UART_FCR_TRIGGER_8:
      return 8;
    case u.UART_FCR_TRIGGER_14:
      return 14;
    default:
      return 1;
  }
}
