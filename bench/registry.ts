/** All benches, in the order of the report. A bench's file is loaded in the process that runs it. */
import type { Bench } from './bench.js';

/** Where a bench is, and what the runner needs to know before it is loaded. */
export interface BenchEntry {
  readonly name: string;
  /** For the whole bench, seconds; then it is ended and counts as failed. */
  readonly limitSeconds: number;
  load(): Promise<Bench>;
}

export const BENCHES: readonly BenchEntry[] = [
  {
    name: 'rtt-spin',
    limitSeconds: 40,
    load: async () => (await import('./round-trip.js')).spinning,
  },
  {
    name: 'rtt-adaptive',
    limitSeconds: 40,
    load: async () => (await import('./round-trip.js')).adaptive,
  },
  {
    name: 'rtt-interrupt',
    limitSeconds: 40,
    load: async () => (await import('./round-trip.js')).interrupts,
  },
];
