/** What main and the reactor worker of a KVM machine tell each other. Set-up and events only; never on a data path. */
import type { ServiceMessage } from '../machine/remote-services.js';
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

/** Worker to main. */
export type VmReactorMessage =
  /** All devices are open and their registers filled in. */
  | { readonly type: 'ready'; readonly taps: readonly string[] }
  | { readonly type: 'log'; readonly level: 'info' | 'warn'; readonly text: string }
  /** The person at the console asked to end. */
  | { readonly type: 'escape' }
  /** For a tree or a network on the main thread. */
  | ServiceMessage;

/** Main to worker, read after a wake-up. */
export type VmMainMessage = ServiceMessage;
