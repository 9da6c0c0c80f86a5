/**
 * Counters of one device, in shared memory: written by the reactor, read by main at any time. Doubles, so that bytes
 * do not wrap; each has one writer, and an aligned 8-byte store is not torn on the processors we run on.
 */
export const COUNTER_REQUESTS = 0;
export const COUNTER_BYTES = 1;
/** Used buffer notifications asked for by this device. */
export const COUNTER_INTERRUPTS = 2;
/** Passes in which this device had been kicked and had work. */
export const COUNTER_DOORBELLS = 3;
/** Frames or bytes thrown away because they did not fit or nobody took them. */
export const COUNTER_DROPPED = 4;
/** Chains answered with length 0 (data faults). */
export const COUNTER_FAULTS = 5;
/** Times the driver started the device. */
export const COUNTER_STARTS = 6;
export const COUNTER_COUNT = 8;

/** A device's row of counters. Index with the COUNTER_ constants. */
export type Counters = Float64Array;

/** Adds to a counter. Hot path. */
export function count(counters: Counters, index: number, amount: number): void {
  counters[index] = (counters[index] as number) + amount;
}
