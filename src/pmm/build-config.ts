/**
 * From options to a checked configuration: every default and every rule that can be decided from the options alone.
 * What depends on the machine (does the directory exist, is the pool locked) is decided when things are opened.
 *
 * Every error is one line: what is wrong, the value given, what is allowed, what to do. Thread: main.
 */
import { checkTags, consoleSpec, p9Spec, queueSettings } from '../machine/device-config.js';
import type { DeviceName } from '../machine/device-facts.js';
import { netSpecs } from '../machine/net-config.js';
import { ConfigError } from '../util/errors.js';
import type { DeviceSettings, HvlDeviceSpec, RngSpec } from '../workers/reactor/device-spec.js';
import type { NotifySpec, PmmConfig, PollSpec, PoolSpec } from './config.js';
import { DEVICE_TYPES, deviceType } from './device-table.js';
import { pmmLayout } from './memory-map.js';
import type { PmmCommonDeviceOptions, PmmDeviceOptions, PmmOptions, PmmPoolOptions } from './options.js';

const PAGE_BYTES = 4096;
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
  const { address, bytes } = options.shmem;
  checkAddress(address);
  checkSize(bytes);
  const withDtb = options.dtb ?? true;
  const confine = options.confine ?? false;
  if (confine && !withDtb) {
    throw new ConfigError(
      '--confine and --no-dtb exclude each other: without a device tree no device has a region',
    );
  }
  const devices = deviceSpecs(options.devices);
  checkStatic(devices, withDtb);
  const config: PmmConfig = {
    shmemAddr: address,
    shmemSize: bytes,
    withDtb,
    pool: poolSpec(options.pool ?? { kind: 'uio', path: DEFAULT_UIO }),
    notify: options.notify ?? { kind: 'umb', path: DEFAULT_UMB },
    poll: options.poll ?? { kind: 'adaptive' },
    devices,
    confine,
    restartDetector: options.restartDetector ?? true,
  };
  checkSignals(config.pool, config.notify, config.poll);
  pmmLayout(config); // refuses what does not fit
  return config;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

function checkAddress(address: number): void {
  if (address === 0) {
    throw new ConfigError(
      '--shmem-addr is missing or 0: give the address at which the peer sees the pool, e.g. --shmem-addr 0x37000000',
    );
  }
  checkAligned('--shmem-addr', address);
}

function checkSize(bytes: number): void {
  if (bytes === 0) {
    throw new ConfigError(
      '--shmem-size is missing or 0: give the size of the pool in bytes, e.g. --shmem-size 0x1000000',
    );
  }
  checkAligned('--shmem-size', bytes);
}

function checkAligned(option: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new ConfigError(`${option} ${value} is not a number below 2^53`);
  if (value % PAGE_BYTES === 0) return;
  const below = value - (value % PAGE_BYTES);
  const advice =
    below === 0 ? `nearest is ${hex(PAGE_BYTES)}` : `nearest are ${hex(below)} or ${hex(below + PAGE_BYTES)}`;
  throw new ConfigError(`${option} ${hex(value)} is not a multiple of 4096 (0x1000); the ${advice}`);
}

function poolSpec(pool: PmmPoolOptions): PoolSpec {
  switch (pool.kind) {
    case 'file':
      return { kind: 'file', path: pool.path, force: pool.force ?? false };
    case 'memfd':
      return pool;
    case 'uio':
      return { kind: 'uio', path: pool.path, map: pool.map ?? 0, sysfs: pool.sysfs ?? '/sys' };
    case 'devmem':
      return { kind: 'devmem', path: pool.path ?? DEFAULT_MEM };
  }
}

function checkSignals(pool: PoolSpec, notify: NotifySpec, poll: PollSpec): void {
  if (pool.kind === 'memfd' && notify.kind !== 'eventfd') {
    throw new ConfigError(
      `--shmem-backend memfd needs --notify eventfd:PATH, over which the peer receives the memory; not ${notify.kind}`,
    );
  }
  if (notify.kind === 'socket' || notify.kind === 'eventfd') checkSocketPath(notify);
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

function checkSocketPath({ kind, path }: { readonly kind: string; readonly path: string }): void {
  const bytes = new TextEncoder().encode(path).length;
  if (bytes < 1 || bytes > MAX_SOCKET_PATH) {
    throw new ConfigError(
      `--notify ${kind}:${path}: a socket path has 1 ... ${MAX_SOCKET_PATH} bytes, and this one has ${bytes}`,
    );
  }
}

function checkInterval(option: string, us: number): void {
  if (!Number.isInteger(us) || us < 1 || us > MAX_INTERVAL_US) {
    throw new ConfigError(`${option} ${us}: the interval is 1 ... ${MAX_INTERVAL_US} microseconds`);
  }
}

function checkStatic(devices: readonly HvlDeviceSpec[], withDtb: boolean): void {
  const fixed = devices.filter((device) => device.static);
  if (withDtb || fixed.length === 0 || fixed.length === devices.length) return;
  const names = devices.filter((device) => !device.static).map((device) => deviceType(device.name).word);
  throw new ConfigError(
    `--static with --no-dtb is for all devices or none, and ${[...new Set(names)].join(', ')} would not be static; give --static without a list`,
  );
}

function deviceSpecs(devices: readonly PmmDeviceOptions[]): HvlDeviceSpec[] {
  const ofType = <T extends PmmDeviceOptions['type']>(type: T) =>
    devices.filter(
      (device): device is Extract<PmmDeviceOptions, { readonly type: T }> => device.type === type,
    );
  const shares = ofType('9p').map((share) => p9Spec(share, deviceSettings));
  checkTags(shares);
  const rngs = ofType('rng').map((rng): RngSpec => ({ name: 'rng', ...deviceSettings(rng, 'rng') }));
  const consoles = ofType('console').map((console) => consoleSpec(console, deviceSettings));
  for (const { length, 0: first } of [rngs, consoles]) {
    if (length > 1) throw new ConfigError(`${length} ${first?.name} devices; there can be one`);
  }
  const specs = [...shares, ...rngs, ...netSpecs(ofType('net'), deviceSettings), ...consoles];
  return DEVICE_TYPES.flatMap(({ name }) => specs.filter((spec) => spec.name === name));
}

/** Settings every device has, checked. */
function deviceSettings(options: PmmCommonDeviceOptions, name: DeviceName): DeviceSettings {
  const type = deviceType(name);
  const regionBytes = options.regionBytes ?? type.regionBytes;
  if (regionBytes < PAGE_BYTES) {
    throw new ConfigError(
      `--region ${type.word}=${regionBytes}: a region has at least 0x1000 bytes, its register page`,
    );
  }
  checkAligned(`--region ${type.word}`, regionBytes);
  return {
    regionBytes,
    ...queueSettings(options, type, type.queueMaxSizes),
    static: options.static ?? false,
  };
}
