/**
 * What a PMM is made of: plain data, so that it can be built by the command line or by a library user, checked once,
 * and sent to the reactor worker.
 */
import type { HvlConfig } from '../machine/hvl-config.js';
import type { PollSpec } from '../workers/reactor/poll-of.js';

/** Where the shared memory comes from. */
export type PoolSpec =
  | { readonly kind: 'file'; readonly path: string; readonly force: boolean }
  | { readonly kind: 'memfd' }
  /** @param map index of the UIO map; `sysfs` is "/sys" (tests put a stand-in there) */
  | {
      readonly kind: 'uio';
      readonly path: string;
      readonly map: number;
      readonly sysfs: string;
      readonly force: boolean;
    }
  | { readonly kind: 'devmem'; readonly path: string; readonly force: boolean }
  /** Anonymous memory, given to ivshmem peers that connect to us. @param vectors eventfds per peer, 1 ... 8 */
  | { readonly kind: 'ivshmem-server'; readonly path: string; readonly vectors: number }
  /** The memory of an ivshmem server, whose peer we are. */
  | { readonly kind: 'ivshmem'; readonly path: string; readonly force: boolean };

/** How the two sides signal each other. */
export type NotifySpec =
  | { readonly kind: 'umb'; readonly path: string }
  | { readonly kind: 'uio'; readonly path: string }
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'eventfd'; readonly path: string }
  /** No doorbell at all: look every `us` microseconds. */
  | { readonly kind: 'poll'; readonly us: number };

/** As {@link NotifySpec}, and what comes with the memory of an ivshmem pool. */
export type SignalSpec = NotifySpec | { readonly kind: 'ivshmem-server' | 'ivshmem'; readonly path: string };

export type { PollSpec };

/** A machine of QEMU that is the other side. */
export interface QemuSpec {
  readonly kind: 'qemu';
  readonly arch: QemuArch;
  readonly kernel: string;
  readonly initrd: string | undefined;
  /** Kernel command line. */
  readonly append: string;
  /** MiB. */
  readonly memory: number;
  /** Where its serial port is written to, besides `PmmExtras.remoteOutput`. */
  readonly log: string | undefined;
  /** The socket of the pool has a name made up for this start: nobody else is there, and it goes with the machine. */
  readonly ownSocket: boolean;
}

/** Processors that {@link QemuSpec} can have. */
export type QemuArch = 'x86_64' | 'aarch64';

/** A remote processor of this machine, under the kernel's remoteproc framework. `sysfs` is "/sys". */
export interface RemoteprocSpec {
  readonly kind: 'remoteproc';
  readonly index: number;
  /** Name below the firmware path; undefined: what is set already. */
  readonly firmware: string | undefined;
  readonly sysfs: string;
}

/** What starts and ends with the PMM, on the other side. */
export type RemoteSpec = QemuSpec | RemoteprocSpec;

/** A checked configuration. */
export interface PmmConfig extends HvlConfig {
  readonly pool: PoolSpec;
  readonly notify: SignalSpec;
  readonly poll: PollSpec;
  readonly remote?: RemoteSpec | undefined;
}
