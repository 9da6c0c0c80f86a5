/**
 * A pool of hypervisorless devices: from options to a checked configuration, the same for a PMM and for a KVM machine.
 *
 * Every error is one line: what is wrong, the value given, what is allowed, what to do. Thread: main.
 */
import { ConfigError } from '../util/errors.js';
import { hex } from '../util/numbers.js';
import type { DeviceSettings, HvlDeviceSpec, RngSpec } from '../workers/reactor/device-spec.js';
import { checkTags, consoleSpec, p9Spec, queueSettings } from './device-config.js';
import type { DeviceName } from './device-facts.js';
import { DEVICE_TYPES, deviceType } from './device-table.js';
import type { HvlCommonOptions, HvlDeviceOptions, HvlOptions } from './hvl-options.js';
import { netSpecs } from './net-config.js';
import { poolLayout } from './pool-map.js';

const PAGE_BYTES = 4096;

/** A checked pool. Devices are in slot order (protocol order, not command-line order). */
export interface HvlConfig {
  /** Driver-visible address of the pool, a multiple of 4096, not 0. */
  readonly shmemAddr: number;
  /** Bytes, a multiple of 4096. */
  readonly shmemSize: number;
  readonly withDtb: boolean;
  readonly devices: readonly HvlDeviceSpec[];
  /** Confine each device's rings and buffers to its own region (with-DTB only). */
  readonly confine: boolean;
  /** Detect a restart by the GUEST_PAGE_SIZE register; on unless a driver reads that register. */
  readonly restartDetector: boolean;
  /** Offer EVENT_IDX with all devices that are not static and have no predefined features. */
  readonly eventIdx: boolean;
}

/**
 * Checks options and fills in the defaults.
 * @returns the configuration, and nothing else of `options`; its devices are in slot order, and all of them fit
 * Errors: ConfigError.
 */
export function buildHvlConfig(options: HvlOptions): HvlConfig {
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
  const config: HvlConfig = {
    shmemAddr: address,
    shmemSize: bytes,
    withDtb,
    devices,
    confine,
    restartDetector: options.restartDetector ?? true,
    eventIdx: options.eventIdx ?? false,
  };
  poolLayout(config); // refuses what does not fit
  return config;
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

function checkStatic(devices: readonly HvlDeviceSpec[], withDtb: boolean): void {
  const fixed = devices.filter((device) => device.static);
  if (withDtb || fixed.length === 0 || fixed.length === devices.length) return;
  const names = devices.filter((device) => !device.static).map((device) => deviceType(device.name).word);
  throw new ConfigError(
    `--static with --no-dtb is for all devices or none, and ${[...new Set(names)].join(', ')} would not be static; give --static without a list`,
  );
}

function deviceSpecs(devices: readonly HvlDeviceOptions[]): HvlDeviceSpec[] {
  const ofType = <T extends HvlDeviceOptions['type']>(type: T) =>
    devices.filter(
      (device): device is Extract<HvlDeviceOptions, { readonly type: T }> => device.type === type,
    );
  const shares = ofType('9p').map((share) => p9Spec(share, deviceSettings));
  checkTags(shares);
  const rngs = ofType('rng').map((rng): RngSpec => ({ name: 'rng', ...deviceSettings(rng, 'rng') }));
  // Without SIZE unless asked: there are drivers of pools that know no features at all.
  const consoles = ofType('console').map((console) => consoleSpec(console, deviceSettings, false));
  for (const { length, 0: first } of [rngs, consoles]) {
    if (length > 1) throw new ConfigError(`${length} ${first?.name} devices; there can be one`);
  }
  const specs = [...shares, ...rngs, ...netSpecs(ofType('net'), deviceSettings), ...consoles];
  return DEVICE_TYPES.flatMap(({ name }) => specs.filter((spec) => spec.name === name));
}

/** Settings every device has, checked. */
function deviceSettings(options: HvlCommonOptions, name: DeviceName): DeviceSettings {
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
