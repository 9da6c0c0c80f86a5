/** What a user says about a pool of hypervisorless devices, in whatever machine serves it. Plain data. */
import type {
  CommonDeviceOptions,
  ConsoleOptions,
  NetOptions,
  RngOptions,
  ShareOptions,
} from './device-options.js';

/** Where a device is in the pool, and how it starts. */
export interface HvlPlacement {
  /** Bytes of the device's region, a multiple of 4096; default by type (protocol section 2.2). */
  readonly regionBytes?: number | undefined;
  /** Rings placed by the PMM, so that the driver attaches without a handshake. */
  readonly static?: boolean | undefined;
}

/** What may be fixed beforehand for any device. */
export interface HvlCommonOptions extends CommonDeviceOptions, HvlPlacement {}

/** A directory of the host, or a tree made in JavaScript, shown over 9p. */
export interface HvlShareOptions extends ShareOptions, HvlPlacement {}

/** Entropy. */
export interface HvlRngOptions extends RngOptions, HvlPlacement {}

/** A network card. */
export interface HvlNetOptions extends NetOptions, HvlPlacement {}

/** A console. */
export interface HvlConsoleOptions extends ConsoleOptions, HvlPlacement {}

export type HvlDeviceOptions = HvlShareOptions | HvlRngOptions | HvlNetOptions | HvlConsoleOptions;

/** A pool and its devices. */
export interface HvlOptions {
  /** The pool as the driver sees it: both multiples of 4096. */
  readonly shmem: { readonly address: number; readonly bytes: number };
  /** Publish a device tree at the pool's start (default), or pack the register blocks at 0x200 distance. */
  readonly dtb?: boolean | undefined;
  /**
   * Slots are given in the protocol's order of types: 9p, rng, net, console; within a type in the order given. (The
   * command line turns its `--9p` round first: the last one given has the first slot, as in the original.)
   */
  readonly devices: readonly HvlDeviceOptions[];
  /** Confine rings and buffers of each device to its own region; only with a device tree. Default false. */
  readonly confine?: boolean | undefined;
  /** See `HvlConfig.restartDetector`. Default true. */
  readonly restartDetector?: boolean | undefined;
  /**
   * Offer EVENT_IDX: with it either side says more exactly when it wants to hear of the other, which is fewer signals under
   * load. Only with devices that are not static and whose features are not given. Default false, since front ends written
   * for the C tool never meet it; true with a Linux that the machine starts itself.
   */
  readonly eventIdx?: boolean | undefined;
}
