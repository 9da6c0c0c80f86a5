/**
 * What a library user (or the command line) says about a KVM machine: only what differs from the defaults.
 * `buildVmConfig` checks it and fills in the rest. Plain data.
 */
import type { ConsoleOptions, NetOptions, RngOptions, ShareOptions } from '../machine/device-options.js';
import type { HvlOptions } from '../machine/hvl-options.js';
import type { PollSpec } from '../workers/reactor/poll-of.js';
import type { TransportKind } from './config.js';

/** A disk. */
export interface VmDiskOptions {
  readonly type: 'blk';
  /** Raw image file or block device. */
  readonly path: string;
  readonly readOnly?: boolean | undefined;
  /** O_DIRECT. */
  readonly direct?: boolean | undefined;
}

/** A virtio device; its settings are those of the same device in a PMM. `transport` overrides the machine's. */
export type VmDeviceOptions = (VmDiskOptions | ShareOptions | RngOptions | NetOptions | ConsoleOptions) & {
  readonly transport?: TransportKind | undefined;
};

/** Hypervisorless devices: KVM starts the guest, and its driver finds them in shared memory. */
export interface VmHvlOptions extends HvlOptions {
  /** Interrupt line, a GSI below 24 that no other device has. Default 12. */
  readonly irq?: number | undefined;
}

/** Options of a KVM machine. */
export interface VmOptions {
  /** Default "guest-PID". */
  readonly name?: string | undefined;
  /** Default "/dev/kvm". */
  readonly kvmPath?: string | undefined;
  /** Default: the host's processors. */
  readonly cpus?: number | undefined;
  /** Default: 64 MiB x (cpus + 3), at most 80 % of the host's memory. */
  readonly memoryBytes?: number | undefined;
  /** Mount point of a hugetlbfs. */
  readonly hugetlbfs?: string | undefined;
  /** Exactly one of `kernel` and `firmware`. */
  readonly kernel?: string | undefined;
  readonly firmware?: string | undefined;
  readonly initrd?: string | undefined;
  /**
   * Load the kernel as the C tool loads VxWorks: flat at 0x408000, 32-bit protected mode, boot line at 0x101200. With
   * `hvl`, a store to a doorbell then waits until the devices have been looked at.
   */
  readonly vxworks?: boolean | undefined;
  /** Appended to the generated command line (before it with `vxworks`); with `noDefaults` it is the whole one. */
  readonly commandLine?: string | undefined;
  readonly noDefaults?: boolean | undefined;
  /** Directory of the host that becomes the guest's root over 9p. */
  readonly rootDirectory?: string | undefined;
  /** Which console the generated command line names; "virtio" also adds the device. Default "serial". */
  readonly console?: 'serial' | 'virtio' | 'none' | undefined;
  /**
   * Host ends of ttyS0 ... ttyS3; -1 = none. Default: ttyS0 on descriptors 0 and 1, with Ctrl-A x, if `console` is
   * "serial". `escape` is "none" if nothing is said.
   */
  readonly serial?:
    | readonly {
        readonly inputFd: number;
        readonly outputFd: number;
        readonly escape?: 'ctrl-a' | 'ctrl-c' | 'none' | undefined;
      }[]
    | undefined;
  /** Default "pci". */
  readonly transport?: TransportKind | undefined;
  readonly devices?: readonly VmDeviceOptions[] | undefined;
  /**
   * A pool with further devices. What `console` and `rootDirectory` ask for is then among them, and `devices` are on PCI.
   */
  readonly hvl?: VmHvlOptions | undefined;
  /** Port of the debug-exit device. */
  readonly debugExitPort?: number | undefined;
  readonly debug?:
    | {
        readonly ioport?: boolean | undefined;
        readonly mmio?: boolean | undefined;
        readonly singleStep?: boolean | undefined;
      }
    | undefined;
  /** Default: adaptive. */
  readonly poll?: PollSpec | undefined;
}
