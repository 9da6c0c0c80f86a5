/**
 * What a library user (or the command line) says about a PMM: only what differs from the defaults.
 * `buildPmmConfig` checks it and fills in the rest. Plain data.
 */
import type { Features } from '../virtio/core/features.js';
import type { NotifySpec, PollSpec } from './config.js';

/** Where the shared memory comes from; default: `uio`, `/dev/uio0`, map 0. */
export type PmmPoolOptions =
  /** @param force take the file over although another PMM holds its lock */
  | { readonly kind: 'file'; readonly path: string; readonly force?: boolean | undefined }
  /** Anonymous memory, handed to the peer over the doorbell socket (needs notify kind `eventfd`). */
  | { readonly kind: 'memfd' }
  /** @param map index of the map, default 0; @param sysfs default "/sys" */
  | {
      readonly kind: 'uio';
      readonly path: string;
      readonly map?: number | undefined;
      readonly sysfs?: string | undefined;
    }
  /** @param path default "/dev/mem" */
  | { readonly kind: 'devmem'; readonly path?: string | undefined };

/** What may be fixed beforehand for any device. */
export interface PmmCommonDeviceOptions {
  /** Bytes of the device's region, a multiple of 4096; default by type (protocol section 2.2). */
  readonly regionBytes?: number | undefined;
  /** Largest queue sizes, powers of two: one for all queues, or one for each. */
  readonly queueSizes?: readonly number[] | undefined;
  /** The exact list of features to offer. */
  readonly features?: Features | undefined;
  /** Rings placed by the PMM, so that the driver attaches without a handshake. */
  readonly static?: boolean | undefined;
}

/** A directory of the host, or a tree made in JavaScript, shown over 9p. */
export interface PmmShareOptions extends PmmCommonDeviceOptions {
  readonly type: '9p';
  /** Mount tag, 1 ... 32 bytes; default "kvm_9p". */
  readonly tag?: string | undefined;
  /** Host directory. Exactly one of `directory`, `module` and `remote` is given. */
  readonly directory?: string | undefined;
  readonly readOnly?: boolean | undefined;
  /** A `FileTree` loaded in the reactor: `(await import(module))[export](options)`. `module` is an absolute URL. */
  readonly module?:
    | { readonly module: string; readonly export: string; readonly options?: unknown }
    | undefined;
  /** A `FileTree` on the main thread: index into the trees given to `createPmm`. */
  readonly remote?: number | undefined;
}

/** Entropy. */
export interface PmmRngOptions extends PmmCommonDeviceOptions {
  readonly type: 'rng';
}

/** A network card. */
export interface PmmNetOptions extends PmmCommonDeviceOptions {
  readonly type: 'net';
  /** `user`: built-in gateway, no privileges needed, one such card at most. `tap`: a tap of the host. Default "user". */
  readonly mode?: 'user' | 'tap' | undefined;
  /** "aa:bb:cc:dd:ee:ff"; default 02:15:15:15:15:15 plus the card's number. */
  readonly mac?: string | undefined;
  /** Dotted quads; default 192.168.33.15 and 192.168.33.1. */
  readonly guestIp?: string | undefined;
  readonly hostIp?: string | undefined;
  /** Name of an existing tap, or of the one to make; default: the kernel chooses. */
  readonly tapif?: string | undefined;
  /** An inherited, configured tap. */
  readonly fd?: number | undefined;
  /** Programs run as `script TAPNAME` at the start and the end. */
  readonly script?: string | undefined;
  readonly downscript?: string | undefined;
}

/** A console. */
export interface PmmConsoleOptions extends PmmCommonDeviceOptions {
  readonly type: 'console';
  /** Host end; default 0 and 1. */
  readonly inputFd?: number | undefined;
  readonly outputFd?: number | undefined;
  /** What ends the machine from the keyboard; default "ctrl-a" (Ctrl-A x). */
  readonly escape?: 'ctrl-a' | 'ctrl-c' | 'none' | undefined;
}

export type PmmDeviceOptions = PmmShareOptions | PmmRngOptions | PmmNetOptions | PmmConsoleOptions;

/** Options of a PMM. */
export interface PmmOptions {
  /** The pool as the driver sees it: both multiples of 4096. */
  readonly shmem: { readonly address: number; readonly bytes: number };
  /** Publish a device tree at the pool's start (default), or pack the register blocks at 0x200 distance. */
  readonly dtb?: boolean | undefined;
  readonly pool?: PmmPoolOptions | undefined;
  /** Default: mailbox device /dev/umb. */
  readonly notify?: NotifySpec | undefined;
  /** Default: adaptive. */
  readonly poll?: PollSpec | undefined;
  /**
   * Slots are given in the protocol's order of types: 9p, rng, net, console; within a type in the order given. (The
   * command line turns its `--9p` round first: the last one given has the first slot, as in the original.)
   */
  readonly devices: readonly PmmDeviceOptions[];
  /** Confine rings and buffers of each device to its own region; only with a device tree. Default false. */
  readonly confine?: boolean | undefined;
  /** See `PmmConfig.restartDetector`. Default true. */
  readonly restartDetector?: boolean | undefined;
}
