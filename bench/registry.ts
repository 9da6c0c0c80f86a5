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
    name: 'ring',
    limitSeconds: 120,
    load: async () => (await import('./ring.js')).ring,
  },
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
  {
    name: 'p9-read',
    limitSeconds: 60,
    load: async () => (await import('./file-share.js')).reading,
  },
  {
    name: 'p9-meta',
    limitSeconds: 60,
    load: async () => (await import('./file-share.js')).metadataBench,
  },
  {
    name: 'blk-4k',
    limitSeconds: 60,
    load: async () => (await import('./blk.js')).small,
  },
  {
    name: 'blk-1m',
    limitSeconds: 60,
    load: async () => (await import('./blk.js')).large,
  },
  {
    name: 'kvm-kick',
    limitSeconds: 60,
    load: async () => (await import('./kvm/kick.js')).kick,
  },
  {
    name: 'net-gbps',
    limitSeconds: 60,
    load: async () => (await import('./network-pair.js')).netGbps,
  },
  {
    name: 'pmm-start',
    limitSeconds: 60,
    load: async () => (await import('./process.js')).pmmStart,
  },
  {
    name: 'pmm-rss',
    limitSeconds: 30,
    load: async () => (await import('./process.js')).pmmRss,
  },
  {
    name: 'idle-cpu',
    limitSeconds: 60,
    load: async () => (await import('./process.js')).idleCpu,
  },
];
