/** What `lkvm aux` is told, and how the words of its options are read. Errors: ConfigError, one line. */
import { ConfigError } from '../util/errors.js';
import { INTERFACE_NAME_RULE, isInterfaceName } from '../util/interface-name.js';

/** Where the shared memory is. */
export type AuxPool =
  | { readonly kind: 'file'; readonly path: string }
  /** Handed over on the `eventfd:` connection. */
  | { readonly kind: 'memfd' }
  /** The memory of an ivshmem server, usually the PMM. */
  | { readonly kind: 'ivshmem'; readonly path: string }
  | { readonly kind: 'uio'; readonly path: string; readonly map: number; readonly sysfs: string }
  | { readonly kind: 'devmem'; readonly path: string };

/** The doorbell, seen from the peer: it connects where the PMM listens. */
export type AuxNotify =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'eventfd'; readonly path: string }
  | { readonly kind: 'umb'; readonly path: string }
  | { readonly kind: 'uio'; readonly path: string }
  | { readonly kind: 'poll'; readonly us: number }
  /** Of the server that the memory comes from. */
  | { readonly kind: 'ivshmem'; readonly path: string };

/** When to look at memory instead of sleeping. */
export type AuxPoll =
  | { readonly kind: 'none' }
  | { readonly kind: 'adaptive' }
  | { readonly kind: 'interval'; readonly us: number }
  | { readonly kind: 'spin' };

/** A checked configuration. */
export interface AuxOptions {
  readonly pool: AuxPool;
  readonly notify: AuxNotify;
  readonly poll: AuxPoll;
  /** PMM's address of the pool, if the pool does not tell. */
  readonly shmemAddr: number | undefined;
  /** Bytes of the pool, if less than the object. */
  readonly shmemSize: number | undefined;
  /** Do the handshake even where static mode is offered. */
  readonly handshake: boolean;
  /** Use each device's own region only. */
  readonly confine: boolean;
  /** Commands come from a program: no prompt, no echo, a mark after each command. */
  readonly script: boolean;
  /** Bridge virtio-net to this tap instead of running the shell. */
  readonly netTap: string | undefined;
  /** Our own address, dotted quad. */
  readonly ip: string;
  /** Name of a step of the start at which the process kills itself; for tests. */
  readonly dieAt: string | undefined;
}

/** The rest, when only pool and doorbell matter. */
export const AUX_DEFAULTS = {
  poll: { kind: 'adaptive' },
  shmemAddr: undefined,
  shmemSize: undefined,
  handshake: false,
  confine: false,
  script: false,
  netTap: undefined,
  ip: '192.168.33.15',
  dieAt: undefined,
} as const satisfies Omit<AuxOptions, 'pool' | 'notify'>;

const DEFAULT_POLL_US = 1000;
const MAX_POLL_US = 1_000_000;
const SYSFS = '/sys';

function split(text: string): [string, string | undefined] {
  const colon = text.indexOf(':');
  return colon < 0 ? [text, undefined] : [text.slice(0, colon), text.slice(colon + 1)];
}

function needPath(option: string, kind: string, path: string | undefined): string {
  if (path === undefined || path === '')
    throw new ConfigError(`${option} ${kind} needs a path: ${kind}:PATH`);
  return path;
}

/** `file:PATH`, `memfd`, `uio:DEV[,map=N]`, `devmem[:PATH]`, `ivshmem:PATH`; and the PMM's word for that, `ivshmem-server:PATH`. */
export function parseAuxPool(text: string): AuxPool {
  const option = '--shmem-backend';
  const [kind, rest] = split(text);
  switch (kind) {
    case 'file':
      return { kind, path: needPath(option, kind, rest) };
    case 'memfd':
      if (rest !== undefined)
        throw new ConfigError(`${option} memfd takes nothing behind it, but got "${text}"`);
      return { kind };
    case 'uio': {
      const [path = '', ...words] = needPath(option, kind, rest).split(',');
      let map = 0;
      for (const word of words) {
        const match = /^map=(\d+)$/.exec(word);
        if (match === null)
          throw new ConfigError(`${option} uio: "${word}" is not known; write uio:DEV[,map=N]`);
        map = Number(match[1]);
      }
      return { kind, path: needPath(option, kind, path), map, sysfs: SYSFS };
    }
    case 'devmem':
      return { kind, path: rest ?? '/dev/mem' };
    case 'ivshmem':
      return { kind, path: needPath(option, kind, rest) };
    case 'ivshmem-server':
      return { kind: 'ivshmem', path: needPath(option, kind, rest?.replace(/,vectors=\d+$/, '')) };
    default:
      throw new ConfigError(
        `${option} "${text}" is not known; it is one of file:PATH, memfd, uio:DEV[,map=N], devmem[:PATH], ivshmem:PATH`,
      );
  }
}

/** `socket:PATH`, `eventfd:PATH`, `umb:DEV`, `uio:DEV`, `poll[:US]`. */
export function parseAuxNotify(text: string): AuxNotify {
  const option = '--notify';
  const [kind, rest] = split(text);
  switch (kind) {
    case 'socket':
    case 'eventfd':
    case 'umb':
    case 'uio':
      return { kind, path: needPath(option, kind, rest) };
    case 'poll':
      return { kind, us: rest === undefined ? DEFAULT_POLL_US : microseconds(`${option} poll`, rest) };
    default:
      throw new ConfigError(
        `${option} "${text}" is not known; it is one of socket:PATH, eventfd:PATH, umb:DEV, uio:DEV, poll[:US]`,
      );
  }
}

/** `none`, `adaptive`, `interval=US`, `spin`. */
export function parseAuxPoll(text: string): AuxPoll {
  if (text === 'none' || text === 'adaptive' || text === 'spin') return { kind: text };
  if (text.startsWith('interval=')) {
    return { kind: 'interval', us: microseconds('--poll interval', text.slice('interval='.length)) };
  }
  throw new ConfigError(`--poll "${text}" is not known; it is one of none, adaptive, interval=US, spin`);
}

function microseconds(option: string, text: string): number {
  const us = /^\d+$/.test(text) ? Number(text) : 0;
  if (us < 1 || us > MAX_POLL_US) {
    throw new ConfigError(`${option} "${text}" is not a number of microseconds from 1 to ${MAX_POLL_US}`);
  }
  return us;
}

/** Checks what excludes each other. @returns the same options */
export function checkAuxOptions(options: AuxOptions): AuxOptions {
  const { pool, notify, poll, shmemAddr, shmemSize, netTap, script } = options;
  if (pool.kind === 'memfd' && notify.kind !== 'eventfd') {
    throw new ConfigError(
      '--shmem-backend memfd is handed over on the doorbell: it needs --notify eventfd:PATH',
    );
  }
  if ((pool.kind === 'ivshmem') !== (notify.kind === 'ivshmem')) {
    throw new ConfigError('an ivshmem pool comes with its doorbell, and only with that: leave --notify out');
  }
  if (pool.kind === 'devmem' && (shmemAddr === undefined || shmemSize === undefined)) {
    throw new ConfigError('--shmem-backend devmem needs --shmem-addr and --shmem-size');
  }
  if (notify.kind === 'poll' && poll.kind === 'none') {
    throw new ConfigError('--notify poll and --poll none together would never look; leave one out');
  }
  if (netTap !== undefined && script) {
    throw new ConfigError('--net-tap replaces the shell, so there is nothing for --script to do');
  }
  if (netTap !== undefined && !netTap.startsWith('/') && !isInterfaceName(netTap)) {
    throw new ConfigError(`--net-tap "${netTap}": ${INTERFACE_NAME_RULE}`);
  }
  for (const [name, value] of [
    ['--shmem-addr', shmemAddr],
    ['--shmem-size', shmemSize],
  ] as const) {
    if (value !== undefined && (value === 0 || value % 4096 !== 0)) {
      throw new ConfigError(`${name} 0x${value.toString(16)} is not a multiple of 4096 above 0`);
    }
  }
  parseIp('--ip', options.ip);
  return options;
}

/** A dotted quad as four bytes. @param example for the error @returns 4 bytes; errors: ConfigError */
export function parseIp(what: string, text: string, example: string = AUX_DEFAULTS.ip): Uint8Array {
  const parts = text.split('.');
  const ok = parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255);
  if (!ok) throw new ConfigError(`${what} "${text}" is not an IPv4 address; write ${example}`);
  return Uint8Array.from(parts.map(Number));
}
