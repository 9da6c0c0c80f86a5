/**
 * From options to a checked configuration: every default and every rule that can be decided from the options alone.
 * What depends on the machine (does the directory exist, is the pool locked) is decided when things are opened.
 *
 * Every error is one line: what is wrong, the value given, what is allowed, what to do. Thread: main.
 */
import { IVSHMEM_MAX_VECTORS } from '../backends/doorbell/ivshmem-limits.js';
import { buildHvlConfig } from '../machine/hvl-config.js';
import { ConfigError } from '../util/errors.js';
import { checkRemotePool, defaultPool, remoteSpec } from './build-remote.js';
import type { NotifySpec, PmmConfig, PollSpec, PoolSpec, SignalSpec } from './config.js';
import type { PmmOptions, PmmPoolOptions } from './options.js';

/** Longest interval of `--poll interval` and `--notify poll`. */
export const MAX_INTERVAL_US = 1_000_000;
/** sockaddr_un.sun_path without the NUL. */
const MAX_SOCKET_PATH = 107;
export const DEFAULT_UIO = '/dev/uio0';
export const DEFAULT_UMB = '/dev/umb';
export const DEFAULT_MEM = '/dev/mem';

/**
 * Checks options and fills in the defaults.
 *
 * @returns the configuration; its devices are in slot order
 * Errors: ConfigError.
 */
export function buildPmmConfig(options: PmmOptions): PmmConfig {
  const remote = remoteSpec(options.remote, options.pool);
  const pool = poolSpec(options.pool ?? defaultPool(remote) ?? { kind: 'uio', path: DEFAULT_UIO });
  const config: PmmConfig = {
    ...buildHvlConfig({ ...options, eventIdx: options.eventIdx ?? remote?.kind === 'qemu' }),
    pool,
    notify: signalSpec(pool, options.notify),
    poll: options.poll ?? { kind: 'adaptive' },
    ...(remote === undefined ? {} : { remote }),
  };
  checkRemotePool(remote, pool);
  checkSignals(config.pool, config.notify, config.poll);
  return config;
}

function poolSpec(pool: PmmPoolOptions): PoolSpec {
  switch (pool.kind) {
    case 'file':
      return { kind: 'file', path: pool.path, force: pool.force ?? false };
    case 'memfd':
      return pool;
    case 'uio':
      return {
        kind: 'uio',
        path: pool.path,
        map: pool.map ?? 0,
        sysfs: pool.sysfs ?? '/sys',
        force: pool.force ?? false,
      };
    case 'devmem':
      return { kind: 'devmem', path: pool.path ?? DEFAULT_MEM, force: pool.force ?? false };
    case 'ivshmem-server':
      return { kind: 'ivshmem-server', path: pool.path, vectors: vectorsOf(pool.vectors ?? 1) };
    case 'ivshmem':
      return { kind: 'ivshmem', path: pool.path, force: pool.force ?? false };
  }
}

function vectorsOf(vectors: number): number {
  if (Number.isInteger(vectors) && vectors >= 1 && vectors <= IVSHMEM_MAX_VECTORS) return vectors;
  throw new ConfigError(
    `--shmem-backend ivshmem-server vectors=${vectors}: a peer has 1 ... ${IVSHMEM_MAX_VECTORS} interrupt vectors`,
  );
}

/** The doorbell: what was asked for, or what comes with the memory. */
function signalSpec(pool: PoolSpec, notify: NotifySpec | undefined): SignalSpec {
  if (pool.kind !== 'ivshmem-server' && pool.kind !== 'ivshmem') {
    return notify ?? { kind: 'umb', path: DEFAULT_UMB };
  }
  if (notify === undefined) return { kind: pool.kind, path: pool.path };
  throw new ConfigError(
    `--notify ${notify.kind} does not go with --shmem-backend ${pool.kind}: there the doorbells come with the memory; leave --notify out`,
  );
}

function checkSignals(pool: PoolSpec, notify: SignalSpec, poll: PollSpec): void {
  if (pool.kind === 'memfd' && notify.kind !== 'eventfd') {
    throw new ConfigError(
      `--shmem-backend memfd needs --notify eventfd:PATH, over which the peer receives the memory; not ${notify.kind}`,
    );
  }
  if (notify.kind === 'socket' || notify.kind === 'eventfd') checkSocketPath('--notify', notify);
  if (pool.kind === 'ivshmem-server' || pool.kind === 'ivshmem') checkSocketPath('--shmem-backend', pool);
  if (notify.kind === 'poll') {
    checkInterval('--notify poll', notify.us);
    if (poll.kind === 'none') {
      throw new ConfigError(
        '--notify poll and --poll none exclude each other: nobody would ever look at the pool',
      );
    }
  }
  if (poll.kind === 'interval') checkInterval('--poll interval', poll.us);
}

/** QEMU and others put it into a `sockaddr_un`. Errors: ConfigError. */
export function checkSocketPath(
  option: string,
  { kind, path }: { readonly kind: string; readonly path: string },
): void {
  const bytes = new TextEncoder().encode(path).length;
  if (bytes < 1 || bytes > MAX_SOCKET_PATH) {
    throw new ConfigError(
      `${option} ${kind}:${path}: a socket path has 1 ... ${MAX_SOCKET_PATH} bytes, and this one has ${bytes}`,
    );
  }
}

function checkInterval(option: string, us: number): void {
  if (!Number.isInteger(us) || us < 1 || us > MAX_INTERVAL_US) {
    throw new ConfigError(`${option} ${us}: the interval is 1 ... ${MAX_INTERVAL_US} microseconds`);
  }
}
