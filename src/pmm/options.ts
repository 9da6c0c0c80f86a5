/**
 * What a library user (or the command line) says about a PMM: only what differs from the defaults.
 * `buildPmmConfig` checks it and fills in the rest. Plain data.
 */
import type { HvlOptions } from '../machine/hvl-options.js';
import type { NotifySpec, PollSpec, QemuArch } from './config.js';

export type {
  HvlConsoleOptions as PmmConsoleOptions,
  HvlDeviceOptions as PmmDeviceOptions,
  HvlNetOptions as PmmNetOptions,
  HvlRngOptions as PmmRngOptions,
  HvlShareOptions as PmmShareOptions,
} from '../machine/hvl-options.js';

/** Where the shared memory comes from; default: `uio`, `/dev/uio0`, map 0. */
export type PmmPoolOptions =
  /** @param force take the file over although another PMM holds its lock */
  | { readonly kind: 'file'; readonly path: string; readonly force?: boolean | undefined }
  /** Anonymous memory, handed to the peer over the doorbell socket (needs notify kind `eventfd`). */
  | { readonly kind: 'memfd' }
  /** @param map index of the map, default 0; @param sysfs default "/sys" @param force as for `file` */
  | {
      readonly kind: 'uio';
      readonly path: string;
      readonly map?: number | undefined;
      readonly sysfs?: string | undefined;
      readonly force?: boolean | undefined;
    }
  /** @param path default "/dev/mem" @param force as for `file` */
  | {
      readonly kind: 'devmem';
      readonly path?: string | undefined;
      readonly force?: boolean | undefined;
    }
  /**
   * An ivshmem server of our own at the socket `path`: peers (QEMU) get the memory and the doorbells from it, so there is
   * no `notify`. @param vectors eventfds per peer, 1 ... 8, default 1
   */
  | { readonly kind: 'ivshmem-server'; readonly path: string; readonly vectors?: number | undefined }
  /**
   * The memory and the doorbells of an ivshmem server that runs already; no `notify`.
   * @param force take the memory over although another PMM holds it
   */
  | { readonly kind: 'ivshmem'; readonly path: string; readonly force?: boolean | undefined };

/** A machine of QEMU as the other side: started once the devices are there, watched, and ended with the PMM. */
export interface PmmQemuOptions {
  readonly kind: 'qemu';
  /** Default: the architecture of this machine. */
  readonly arch?: QemuArch | undefined;
  readonly kernel: string;
  readonly initrd?: string | undefined;
  /** Kernel command line; the console is put in front if it names none. */
  readonly append?: string | undefined;
  /** MiB, default 512. */
  readonly memory?: number | undefined;
  /** File its serial port is written to (made anew); see also `PmmExtras.remoteOutput`. */
  readonly log?: string | undefined;
}

/** A remote processor of this machine (remoteproc in sysfs): started once the devices are there, stopped with the PMM. */
export interface PmmRemoteprocOptions {
  readonly kind: 'remoteproc';
  /** N of /sys/class/remoteproc/remoteprocN. */
  readonly index: number;
  /** Name of the image, below the kernel's firmware path; default: what is set already. */
  readonly firmware?: string | undefined;
  /** Default "/sys". */
  readonly sysfs?: string | undefined;
}

export type PmmRemoteOptions = PmmQemuOptions | PmmRemoteprocOptions;

/** Options of a PMM. */
export interface PmmOptions extends HvlOptions {
  readonly pool?: PmmPoolOptions | undefined;
  /** Default: mailbox device /dev/umb; with an ivshmem pool: its own. */
  readonly notify?: NotifySpec | undefined;
  /** Default: adaptive. */
  readonly poll?: PollSpec | undefined;
  /**
   * The other side, if it is to start and end with the PMM. With `qemu` the pool is an ivshmem one; default: `ivshmem-server`
   * at a socket in the folder for temporary files.
   */
  readonly remote?: PmmRemoteOptions | undefined;
}
