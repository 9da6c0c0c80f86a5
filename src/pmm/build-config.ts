/**
 * From options to a checked configuration: every default and every rule that can be decided from the options alone.
 * What depends on the machine (does the directory exist, is the pool locked) is decided when things are opened.
 *
 * Every error is one line: what is wrong, the value given, what is allowed, what to do. Thread: main.
 */
import { VIRTQ_SIZE_MAX } from '../abi/virtio-ring.js';
import { ConfigError } from '../util/errors.js';
import { type Features, hasFeature } from '../virtio/core/features.js';
import type {
  ConsoleSpec,
  DeviceSettings,
  HvlDeviceSpec,
  P9Spec,
  RngSpec,
  TreeSpec,
} from '../workers/reactor/device-spec.js';
import type { NotifySpec, PmmConfig, PollSpec, PoolSpec } from './config.js';
import { DEVICE_TYPES, type DeviceType, deviceType } from './device-table.js';
import { pmmLayout } from './memory-map.js';
import { netSpecs } from './net-config.js';
import type {
  PmmCommonDeviceOptions,
  PmmConsoleOptions,
  PmmDeviceOptions,
  PmmOptions,
  PmmPoolOptions,
  PmmShareOptions,
} from './options.js';

const PAGE_BYTES = 4096;
/** Longest interval of `--poll interval` and `--notify poll`. */
export const MAX_INTERVAL_US = 1_000_000;
export const DEFAULT_TAG = 'kvm_9p';
const MAX_TAG_BYTES = 32;
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
  const shares = ofType('9p').map(p9Spec);
  checkTags(shares);
  const rngs = ofType('rng').map(
    (rng): RngSpec => ({ name: 'rng', ...deviceSettings(rng, deviceType('rng')) }),
  );
  const consoles = ofType('console').map(consoleSpec);
  for (const { length, 0: first } of [rngs, consoles]) {
    if (length > 1) throw new ConfigError(`${length} ${first?.name} devices; there can be one`);
  }
  const specs = [...shares, ...rngs, ...netSpecs(ofType('net'), deviceSettings), ...consoles];
  return DEVICE_TYPES.flatMap(({ name }) => specs.filter((spec) => spec.name === name));
}

function consoleSpec(console: PmmConsoleOptions): ConsoleSpec {
  return {
    name: 'console',
    ...deviceSettings(console, deviceType('console')),
    inputFd: console.inputFd ?? 0,
    outputFd: console.outputFd ?? 1,
    escape: console.escape ?? 'ctrl-a',
  };
}

function p9Spec(share: PmmShareOptions): P9Spec {
  const tag = share.tag ?? DEFAULT_TAG;
  const bytes = new TextEncoder().encode(tag).length;
  if (bytes < 1 || bytes > MAX_TAG_BYTES) {
    throw new ConfigError(`--9p tag "${tag}" has ${bytes} bytes; a mount tag has 1 ... ${MAX_TAG_BYTES}`);
  }
  return { name: 'p9', ...deviceSettings(share, deviceType('p9')), tag, tree: treeSpec(share) };
}

function treeSpec(share: PmmShareOptions): TreeSpec {
  const { directory, module, remote } = share;
  const given = [directory, module, remote].filter((each) => each !== undefined);
  if (given.length !== 1) {
    throw new ConfigError(
      `a 9p device shows exactly one of directory, module and remote; ${given.length} are given`,
    );
  }
  if (module !== undefined) return { kind: 'module', ...module, options: module.options };
  if (remote !== undefined) return { kind: 'remote', id: remote };
  return { kind: 'directory', path: directory ?? '', readOnly: share.readOnly ?? false };
}

function checkTags(shares: readonly P9Spec[]): void {
  const seen = new Set<string>();
  for (const { tag } of shares) {
    if (seen.has(tag)) {
      throw new ConfigError(`two --9p shares have the tag "${tag}"; give each its own: --9p DIR,TAG`);
    }
    seen.add(tag);
  }
}

/** Settings every device has, checked. */
function deviceSettings(options: PmmCommonDeviceOptions, type: DeviceType): DeviceSettings {
  const regionBytes = options.regionBytes ?? type.regionBytes;
  if (regionBytes < PAGE_BYTES) {
    throw new ConfigError(
      `--region ${type.word}=${regionBytes}: a region has at least 0x1000 bytes, its register page`,
    );
  }
  checkAligned(`--region ${type.word}`, regionBytes);
  const { features } = options;
  if (features !== undefined) checkFeatures(features, type);
  return {
    regionBytes,
    queueSizes: queueSizes(options.queueSizes, type),
    features,
    static: options.static ?? false,
  };
}

function queueSizes(given: readonly number[] | undefined, type: DeviceType): readonly number[] {
  if (given === undefined) return type.queueMaxSizes;
  const queues = type.queueMaxSizes.length;
  if (given.length !== 1 && given.length !== queues) {
    throw new ConfigError(
      `--queue-size ${type.word}=${given.join(',')}: ${given.length} sizes, but it has ${queues} (${type.queueNames.join(', ')}); give one for all, or one for each`,
    );
  }
  for (const size of given) {
    if (!Number.isInteger(size) || size < 1 || size > VIRTQ_SIZE_MAX || (size & (size - 1)) !== 0) {
      throw new ConfigError(
        `--queue-size ${type.word}=${size}: a queue size is a power of two, 1 ... ${VIRTQ_SIZE_MAX}`,
      );
    }
  }
  return type.queueMaxSizes.map((_, index) => given[given.length === 1 ? 0 : index] as number);
}

function checkFeatures(features: Features, type: DeviceType): void {
  for (let bit = 0; bit < 64; bit++) {
    if (!hasFeature(features, bit) || type.features.some((each) => each.bit === bit)) continue;
    const known = type.features.map(({ name, bit: number }) => `${name} (${number})`).join(', ');
    throw new ConfigError(`--features ${type.word}: feature bit ${bit} is not known; known are ${known}`);
  }
}
