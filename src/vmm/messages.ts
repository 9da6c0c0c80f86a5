/** What the reactor worker of a KVM machine is given. What it and main tell each other is in `workers/reactor/messages.ts`. */
import type { IoInit } from '../workers/io/ring.js';
import type { VmConfig } from './config.js';
import type { MachineParts } from './machine-parts.js';

/** Given to the worker when it starts. */
export interface VmReactorData {
  readonly config: VmConfig;
  readonly parts: MachineParts;
  /** The reactor's end of the I/O worker. */
  readonly io: IoInit;
  /** One row of COUNTER_COUNT doubles per virtio device. */
  readonly counters: SharedArrayBuffer;
}
