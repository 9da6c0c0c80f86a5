/**
 * What a PMM is made of: plain data, so that it can be built by the command line or by a library user, checked once,
 * and sent to the reactor worker.
 */
import type { HvlDeviceSpec } from '../workers/reactor/device-spec.js';
import type { PollSpec } from '../workers/reactor/poll-of.js';

/** Where the shared memory comes from. */
export type PoolSpec =
  | { readonly kind: 'file'; readonly path: string; readonly force: boolean }
  | { readonly kind: 'memfd' }
  /** @param map index of the UIO map; `sysfs` is "/sys" (tests put a stand-in there) */
  | { readonly kind: 'uio'; readonly path: string; readonly map: number; readonly sysfs: string }
  | { readonly kind: 'devmem'; readonly path: string };

/** How the two sides signal each other. */
export type NotifySpec =
  | { readonly kind: 'umb'; readonly path: string }
  | { readonly kind: 'uio'; readonly path: string }
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'eventfd'; readonly path: string }
  /** No doorbell at all: look every `us` microseconds. */
  | { readonly kind: 'poll'; readonly us: number };

export type { PollSpec };

/** A checked configuration. Devices are in slot order (protocol order, not command-line order). */
export interface PmmConfig {
  /** Driver-visible address of the pool, a multiple of 4096, not 0. */
  readonly shmemAddr: number;
  /** Bytes, a multiple of 4096. */
  readonly shmemSize: number;
  readonly withDtb: boolean;
  readonly pool: PoolSpec;
  readonly notify: NotifySpec;
  readonly poll: PollSpec;
  readonly devices: readonly HvlDeviceSpec[];
  /** Confine each device's rings and buffers to its own region (with-DTB only). */
  readonly confine: boolean;
  /** Detect a restart by the GUEST_PAGE_SIZE register; on unless a driver reads that register. */
  readonly restartDetector: boolean;
}
