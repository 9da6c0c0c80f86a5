/**
 * What a user of the library gives to `createPmm`: typed, with defaults. {@link resolveOptions} turns it into a complete
 * {@link PmmConfig}, or into one clear error. The command line goes through the same door.
 */
import { HVL_DEVICE_TYPES, type HvlDeviceType } from '../abi/hvl.js';
import { ConfigError } from '../util/errors.js';
import type { Features } from '../virtio/core/features.js';
import { inSlotOrder } from '../virtio/transport/hvl/layout.js';
import type { DeviceSettings, DeviceSpec, TreeSpec } from '../workers/reactor/device-spec.js';
import type { NotifySpec, PmmConfig, PollSpec, PoolSpec } from './config.js';

/** Settings of any device; each overrides the setting for its type. */
export interface CommonDeviceOptions {
  /** Bytes of its region, a multiple of 4096. */
  readonly regionBytes?: number;
  /** Largest size of each queue, by index: powers of two. */
  readonly queueSizes?: readonly number[];
  /** Offer exactly these features. */
  readonly features?: Features;
  /** Let the driver attach without a handshake. */
  readonly static?: boolean;
}

/** A 9p share: a host directory, a tree in a module, or a tree object. Exactly one of the three. */
export interface P9Options extends CommonDeviceOptions {
  readonly type: '9p';
  /** Mount tag, 1 ... 32 bytes; default "kvm_9p". */
  readonly tag?: string;
  readonly directory?: string;
  /** With `directory`; default false. */
  readonly readOnly?: boolean;
  /** A tree made in JavaScript, loaded into the reactor: fast. `module` is a URL or a package name. */
  readonly tree?: { readonly module: string; readonly export: string; readonly options?: unknown };
  /** A tree object of this thread: slower, but it can use everything the program has. */
  readonly remoteTree?: object;
}

export interface RngOptions extends CommonDeviceOptions {
  readonly type: 'rng';
}

export interface NetOptions extends CommonDeviceOptions {
  readonly type: 'net';
  /** "user": a built-in gateway, no privileges; "tap": a host interface. */
  readonly mode: 'user' | 'tap';
  /** Six bytes; default 02:15:15:15:15:15 with the number of the NIC added to the last byte. */
  readonly mac?: readonly number[];
  readonly hostIp?: string;
  readonly guestIp?: string;
  /** With "tap": name of an existing interface, or of the one to make; default: the kernel chooses. */
  readonly tapif?: string;
  /** With "tap": an open tap descriptor. */
  readonly fd?: number;
  readonly script?: string;
  readonly downscript?: string;
}

export interface ConsoleOptions extends CommonDeviceOptions {
  readonly type: 'console';
  /** "terminal": this process' stdin and stdout (default); "stream": `pmm.console`. */
  readonly host?: 'terminal' | 'stream';
  /** With "terminal": the keys that end the machine; default "ctrl-a" (Ctrl-A x and Ctrl-B x). */
  readonly escape?: 'ctrl-a' | 'ctrl-c' | 'none';
}

export type PmmDeviceOptions = P9Options | RngOptions | NetOptions | ConsoleOptions;

/** Everything about a PMM. Only `shmem` has no default. */
export interface PmmOptions {
  readonly shmem: {
    /** The pool's address as the driver sees it, a multiple of 4096, not 0. */
    readonly address: number;
    /** Its length in bytes, a multiple of 4096. */
    readonly bytes: number;
  };
  /** Publish a device tree at the pool's start; default true. */
  readonly dtb?: boolean;
  /** Default: map 0 of /dev/uio0. */
  readonly pool?: PoolSpec;
  /** Default: /dev/umb. */
  readonly notify?: NotifySpec;
  /** Default: adaptive. */
  readonly poll?: PollSpec;
  /** Put into slot order by type; within a type in the order given. */
  readonly devices: readonly PmmDeviceOptions[];
  /** Confine each driver to its device's own region (needs `dtb`); default false. */
  readonly confine?: boolean;
  /** Notice a driver's restart by the page-size register; default true. */
  readonly restartDetector?: boolean;
}

/** A checked configuration, and what cannot be sent to a worker. */
export interface ResolvedOptions {
  readonly config: PmmConfig;
  /** Trees of this thread; `TreeSpec` of kind "remote" holds the index. */
  readonly trees: readonly object[];
}

/** Most bytes of a 9p mount tag. */
export const TAG_MAX_BYTES = 32;
const DEFAULT_MAC = [0x02, 0x15, 0x15, 0x15, 0x15, 0x15];
const DEFAULT_HOST_IP = '192.168.33.1';
const DEFAULT_GUEST_IP = '192.168.33.15';

/** Fills in the defaults and checks everything that can be checked without touching the machine. Errors: ConfigError. */
export function resolveOptions(options: PmmOptions): ResolvedOptions {
  const trees: object[] = [];
  const named = options.devices.map((device) => ({ name: typeOf(device).name, device }));
  // Slot order reverses 9p shares (as the original does); a library user's order is kept by reversing first.
  const shares = named.filter((each) => each.name === 'p9').reverse();
  const ordered = inSlotOrder([...shares, ...named.filter((each) => each.name !== 'p9')]);
  const nics = ordered.filter(({ name }) => name === 'net');
  const devices = ordered.map((each) => resolveDevice(each.device, nics.indexOf(each), trees));
  const config: PmmConfig = {
    shmemAddr: options.shmem.address,
    shmemSize: options.shmem.bytes,
    withDtb: options.dtb ?? true,
    pool: options.pool ?? { kind: 'uio', path: '/dev/uio0', map: 0, sysfs: '/sys' },
    notify: options.notify ?? { kind: 'umb', path: '/dev/umb' },
    poll: options.poll ?? { kind: 'adaptive' },
    devices,
    confine: options.confine ?? false,
    restartDetector: options.restartDetector ?? true,
  };
  checkConfig(config);
  return { config, trees };
}

/** Rules that hold whatever the devices are. Errors: ConfigError. */
export function checkConfig(config: PmmConfig): void {
  const { pool, notify, poll, devices, withDtb } = config;
  if (pool.kind === 'memfd' && notify.kind !== 'eventfd') {
    throw new ConfigError(
      `--shmem-backend memfd with --notify ${notify.kind}: a memfd is handed to the peer over --notify eventfd:PATH only`,
    );
  }
  if (notify.kind === 'poll' && poll.kind === 'none') {
    throw new ConfigError(
      '--notify poll with --poll none: nobody would ever look; use --poll adaptive, interval=US or spin',
    );
  }
  if (config.confine && !withDtb) {
    throw new ConfigError(
      '--confine with --no-dtb: devices have no regions of their own there; leave one of the two out',
    );
  }
  const statics = devices.filter((device) => device.static).length;
  if (!withDtb && statics > 0 && statics < devices.length) {
    throw new ConfigError(
      `--static for ${statics} of ${devices.length} devices with --no-dtb: all devices or none`,
    );
  }
  const tags = devices.flatMap((device) => (device.name === 'p9' ? [device.tag] : []));
  const twice = tags.find((tag, index) => tags.indexOf(tag) !== index);
  if (twice !== undefined) throw new ConfigError(`two 9p shares with the tag "${twice}": each needs its own`);
  if (devices.filter((device) => device.name === 'console').length > 1) {
    throw new ConfigError('more than one console: at most one is possible');
  }
}

function typeOf(device: PmmDeviceOptions): HvlDeviceType {
  const name = device.type === '9p' ? 'p9' : device.type;
  const type = HVL_DEVICE_TYPES.find((each) => each.name === name);
  if (type === undefined)
    throw new ConfigError(`unknown device type "${name}": known are 9p, rng, net, console`);
  return type;
}

function settings(device: PmmDeviceOptions): DeviceSettings {
  const type = typeOf(device);
  const queueSizes = device.queueSizes ?? type.queueMaxSizes;
  if (queueSizes.length !== type.queueMaxSizes.length) {
    throw new ConfigError(
      `${queueSizes.length} queue sizes for ${type.name}: it has ${type.queueMaxSizes.length} queues`,
    );
  }
  return {
    regionBytes: device.regionBytes ?? type.regionBytes,
    queueSizes,
    features: device.features,
    static: device.static ?? false,
  };
}

function resolveDevice(device: PmmDeviceOptions, nic: number, trees: object[]): DeviceSpec {
  const common = settings(device);
  switch (device.type) {
    case 'rng':
      return { name: 'rng', ...common };
    case 'console':
      return {
        name: 'console',
        ...common,
        host: device.host ?? 'terminal',
        inputFd: 0,
        outputFd: 1,
        escape: device.host === 'stream' ? 'none' : (device.escape ?? 'ctrl-a'),
      };
    case '9p':
      return {
        name: 'p9',
        ...common,
        tag: checkTag(device.tag ?? 'kvm_9p'),
        tree: resolveTree(device, trees),
      };
    case 'net':
      return resolveNet(device, common, nic);
  }
}

function checkTag(tag: string): string {
  const bytes = Buffer.byteLength(tag);
  if (bytes >= 1 && bytes <= TAG_MAX_BYTES) return tag;
  throw new ConfigError(`9p tag "${tag}" has ${bytes} bytes: 1 to ${TAG_MAX_BYTES} are allowed`);
}

function resolveTree(device: P9Options, trees: object[]): TreeSpec {
  const given = [device.directory, device.tree, device.remoteTree].filter(
    (each) => each !== undefined,
  ).length;
  if (given !== 1) throw new ConfigError('a 9p share needs exactly one of: directory, tree, remoteTree');
  if (device.remoteTree !== undefined) return { kind: 'remote', id: trees.push(device.remoteTree) - 1 };
  if (device.tree !== undefined) {
    const { module, export: name, options } = device.tree;
    return { kind: 'module', module, export: name, options };
  }
  return { kind: 'directory', path: device.directory ?? '', readOnly: device.readOnly ?? false };
}

function resolveNet(device: NetOptions, common: DeviceSettings, nic: number): DeviceSpec {
  const mac = device.mac ?? DEFAULT_MAC.map((byte, i) => (i === 5 ? (byte + nic) & 0xff : byte));
  if (mac.length !== 6 || mac.some((byte) => !Number.isInteger(byte) || byte < 0 || byte > 255)) {
    throw new ConfigError(`MAC address ${mac.join(':')}: six bytes from 0 to 255 are needed`);
  }
  if (((mac[0] ?? 0) & 1) !== 0)
    throw new ConfigError('MAC address with the multicast bit set: give a unicast address');
  return {
    name: 'net',
    ...common,
    mac,
    backend:
      device.mode === 'tap'
        ? { kind: 'tap', tapif: device.tapif, fd: device.fd }
        : {
            kind: 'user',
            hostIp: device.hostIp ?? DEFAULT_HOST_IP,
            guestIp: device.guestIp ?? DEFAULT_GUEST_IP,
          },
    script: device.script,
    downscript: device.downscript,
  };
}
