/** What a user says about a device, in whatever machine it will be: only what differs from the defaults. Plain data. */
import type { Features } from '../virtio/core/features.js';

/** What may be fixed beforehand for any device. */
export interface CommonDeviceOptions {
  /** Largest queue sizes, powers of two: one for all queues, or one for each. */
  readonly queueSizes?: readonly number[] | undefined;
  /** The exact list of features to offer. */
  readonly features?: Features | undefined;
}

/** A directory of the host, or a tree made in JavaScript, shown over 9p. */
export interface ShareOptions extends CommonDeviceOptions {
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
  /** A `FileTree` on the main thread: index into the trees given to `createPmm` or `createVm`. */
  readonly remote?: number | undefined;
}

/** Entropy. */
export interface RngOptions extends CommonDeviceOptions {
  readonly type: 'rng';
}

/** A network card. */
export interface NetOptions extends CommonDeviceOptions {
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
  /**
   * Instead of `mode`: a `JsNetwork` loaded in the reactor, `(await import(module))[export](options)`. `module` is an
   * absolute URL.
   */
  readonly module?:
    | { readonly module: string; readonly export: string; readonly options?: unknown }
    | undefined;
  /** Instead of `mode`: a `JsNetwork` on the main thread; index into the networks given to `createPmm` or `createVm`. */
  readonly remote?: number | undefined;
  /** Programs run as `script TAPNAME` at the start and the end. */
  readonly script?: string | undefined;
  readonly downscript?: string | undefined;
}

/** A console. */
export interface ConsoleOptions extends CommonDeviceOptions {
  readonly type: 'console';
  /** Host end; default 0 and 1. */
  readonly inputFd?: number | undefined;
  readonly outputFd?: number | undefined;
  /** What ends the machine from the keyboard; default "ctrl-a" (Ctrl-A x). */
  readonly escape?: 'ctrl-a' | 'ctrl-c' | 'none' | undefined;
}
