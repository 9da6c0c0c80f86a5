/**
 * What the devices of a machine are made of: plain data, sent to the reactor worker, which builds them from it
 * (`make-device.ts`). The same for every kind of machine.
 */
import type { Features } from '../../virtio/core/features.js';

/** Settings every device has. */
export interface DeviceSettings {
  /** Bytes of the device's region, a multiple of 4096. */
  readonly regionBytes: number;
  /** Largest size of each queue, by index. */
  readonly queueSizes: readonly number[];
  /** Predefined feature list: offered instead of the device's own; undefined = the device's own. */
  readonly features: Features | undefined;
  readonly static: boolean;
}

/** What a 9p share shows. */
export type TreeSpec =
  | { readonly kind: 'directory'; readonly path: string; readonly readOnly: boolean }
  /** A `FileTree` made in JavaScript, loaded in the reactor: `(await import(module))[export](options)`. */
  | { readonly kind: 'module'; readonly module: string; readonly export: string; readonly options: unknown }
  /** A `FileTree` object that lives on the main thread. @param id index into the trees given to `createPmm` */
  | { readonly kind: 'remote'; readonly id: number };

export interface P9Spec extends DeviceSettings {
  readonly name: 'p9';
  /** Mount tag, 1 ... 32 bytes. */
  readonly tag: string;
  readonly tree: TreeSpec;
}

export interface RngSpec extends DeviceSettings {
  readonly name: 'rng';
}

export interface NetSpec extends DeviceSettings {
  readonly name: 'net';
  /** Six bytes as numbers. */
  readonly mac: readonly number[];
  readonly backend:
    | { readonly kind: 'user'; readonly hostIp: string; readonly guestIp: string }
    /**
     * @param tapif name of the tap, or undefined to let the kernel choose; @param fd an inherited tap fd, or undefined;
     * @param hostIp address to give to the tap, or undefined to leave its configuration alone
     */
    | {
        readonly kind: 'tap';
        readonly tapif: string | undefined;
        readonly fd: number | undefined;
        readonly hostIp: string | undefined;
      }
    /** A `JsNetwork` loaded in the reactor: `(await import(module))[export](options)`. */
    | { readonly kind: 'module'; readonly module: string; readonly export: string; readonly options: unknown }
    /** A `JsNetwork` on the main thread. @param id index into the networks given with the machine */
    | { readonly kind: 'remote'; readonly id: number };
  /** Programs run as `script TAPNAME` after the tap is set up and before it goes; undefined = none. */
  readonly script: string | undefined;
  readonly downscript: string | undefined;
}

export interface ConsoleSpec extends DeviceSettings {
  readonly name: 'console';
  /** File descriptors of the host end; 0 and 1 for the command. */
  readonly inputFd: number;
  readonly outputFd: number;
  /** What ends the machine from the keyboard: Ctrl-A x / Ctrl-B x if "ctrl-a", Ctrl-C if "ctrl-c". */
  readonly escape: 'ctrl-a' | 'ctrl-c' | 'none';
  /** Offer SIZE if the output is a terminal and no features are predefined. */
  readonly offerSize: boolean;
}

export interface BlkSpec extends DeviceSettings {
  readonly name: 'blk';
  /** Raw image file or block device of the host. */
  readonly path: string;
  readonly readOnly: boolean;
  /** Around the host's page cache (O_DIRECT). */
  readonly direct: boolean;
}

/** Devices that hypervisorless mode has, too. */
export type HvlDeviceSpec = P9Spec | RngSpec | NetSpec | ConsoleSpec;

export type DeviceSpec = HvlDeviceSpec | BlkSpec;
