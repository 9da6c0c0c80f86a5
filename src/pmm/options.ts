/**
 * What a library user (or the command line) says about a PMM: only what differs from the defaults.
 * `buildPmmConfig` checks it and fills in the rest. Plain data.
 */
import type {
  CommonDeviceOptions,
  ConsoleOptions,
  NetOptions,
  RngOptions,
  ShareOptions,
} from '../machine/device-options.js';
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

/** Where a device is in the pool, and how it starts. */
export interface PmmPlacement {
  /** Bytes of the device's region, a multiple of 4096; default by type (protocol section 2.2). */
  readonly regionBytes?: number | undefined;
  /** Rings placed by the PMM, so that the driver attaches without a handshake. */
  readonly static?: boolean | undefined;
}

/** What may be fixed beforehand for any device. */
export interface PmmCommonDeviceOptions extends CommonDeviceOptions, PmmPlacement {}

/** A directory of the host, or a tree made in JavaScript, shown over 9p. */
export interface PmmShareOptions extends ShareOptions, PmmPlacement {}

/** Entropy. */
export interface PmmRngOptions extends RngOptions, PmmPlacement {}

/** A network card. */
export interface PmmNetOptions extends NetOptions, PmmPlacement {}

/** A console. */
export interface PmmConsoleOptions extends ConsoleOptions, PmmPlacement {}

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
