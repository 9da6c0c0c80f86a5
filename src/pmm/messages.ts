/** What main and the PMM's reactor worker tell each other. Set-up and events only; never on a data path. */
import type { IvshmemPlace } from '../backends/doorbell/ivshmem-peer.js';
import type { HvlLayout } from '../virtio/transport/hvl/layout.js';
import type { IoInit } from '../workers/io/ring.js';
import type { ReactorMessage } from '../workers/reactor/messages.js';
import type { PmmConfig } from './config.js';

/**
 * How often memory is looked at when we are not peer 0 of an ivshmem server, which drivers ring: the machine has joined
 * before us, or we have started again.
 */
export const FOREIGN_ID_LOOK_US = 10_000;

/** Given to the worker when it starts. */
export interface PmmReactorData {
  readonly config: PmmConfig;
  readonly layout: HvlLayout;
  /** The pool: host address, and ACCESS_DIRECT or ACCESS_WORD. */
  readonly poolAddress: number;
  readonly poolAccess: number;
  /** memfd to hand to the peer, or -1. */
  readonly poolFd: number;
  /** Our place at an ivshmem server, if the pool is its memory. */
  readonly ivshmem: IvshmemPlace | undefined;
  /** The published device tree; empty without one. */
  readonly fdt: Uint8Array;
  /** The reactor's end of the I/O worker. */
  readonly io: IoInit;
  /** Static mode: this start's random non-zero number. */
  readonly epoch: number;
  /** One row of COUNTER_COUNT doubles per device, then one for the pool itself. */
  readonly counters: SharedArrayBuffer;
}

/** Worker to main. */
export type PmmReactorMessage =
  | ReactorMessage
  | { readonly type: 'peer'; readonly up: boolean }
  | {
      readonly type: 'device';
      readonly slot: number;
      readonly event: 'started' | 'reset' | 'fault';
      readonly text: string;
    };
