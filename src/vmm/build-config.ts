/**
 * From options to a checked configuration of a KVM machine: every default and every rule that can be decided from the
 * options and the size of the host. What depends on files and devices is decided when they are opened.
 *
 * Every error is one line: what is wrong, the value given, what is allowed, what to do. Thread: main.
 */
import { availableParallelism, totalmem } from 'node:os';
import { COMMAND_LINE_BYTES, VIRTIO_MMIO_GSIS, VXWORKS_BOOT_LINE_BYTES } from '../arch/x86_64/memory-map.js';
import { PCI_SLOTS } from '../bus/pci/words.js';
import { checkTags, consoleSpec, p9Spec, queueSettings } from '../machine/device-config.js';
import { type DeviceName, deviceFacts } from '../machine/device-facts.js';
import type {
  CommonDeviceOptions,
  ConsoleOptions,
  NetOptions,
  ShareOptions,
} from '../machine/device-options.js';
import type { HvlDeviceOptions } from '../machine/hvl-options.js';
import { netSpecs } from '../machine/net-config.js';
import { checkDebugExitPort } from '../platform/platform.js';
import { ConfigError } from '../util/errors.js';
import type { DeviceSettings, DeviceSpec, P9Spec } from '../workers/reactor/device-spec.js';
import { generateBootLine, generateCommandLine, ROOT_TAG } from './command-line.js';
import {
  allDeviceSpecs,
  type BootSpec,
  type SerialSpec,
  type TransportKind,
  type VmConfig,
  type VmDeviceSpec,
} from './config.js';
import { buildVmHvlConfig } from './hvl-config.js';
import type { VmDeviceOptions, VmDiskOptions, VmOptions } from './options.js';
import { PLATFORM_LAYOUT } from './platform-layout.js';

const PAGE_BYTES = 4096;
const MIB = 0x10_0000;
/** Real-mode memory and our tables take the first; a guest needs something above it. */
export const MIN_RAM_BYTES = 2 * MIB;
/** What processors with 46 bits of physical address could have. */
export const MAX_RAM_BYTES = 2 ** 46;
/** APIC identifiers of 8 bits; 255 means all processors. */
export const MAX_CPUS = 255;
const SERIAL_PORTS = 4;
const MAX_INTERVAL_US = 1_000_000;
const MAX_NAME_BYTES = 64;

/** Largest size of each queue if nothing is said. */
const QUEUE_SIZES: Readonly<Record<DeviceName, readonly number[]>> = {
  p9: [128],
  rng: [128],
  net: [256, 256],
  console: [128, 128],
  blk: [256],
};

const NOWHERE: SerialSpec = { inputFd: -1, outputFd: -1, escape: 'none' };

/** What defaults depend on. */
export interface HostFacts {
  /** Processors this process may use. */
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly pid: number;
}

/** This host. */
export function hostFacts(): HostFacts {
  return { cpus: availableParallelism(), memoryBytes: totalmem(), pid: process.pid };
}

/**
 * Checks options and fills in the defaults.
 *
 * @returns the configuration; the root directory has the first slot, a console that `console` asked for the last, the
 *   other devices are in the order given; those of a pool are in its order of slots
 * Errors: ConfigError.
 */
export function buildVmConfig(options: VmOptions, host: HostFacts = hostFacts()): VmConfig {
  const cpus = options.cpus ?? Math.min(host.cpus, MAX_CPUS);
  checkCpus(cpus);
  const ramBytes = options.memoryBytes ?? defaultRamBytes(cpus, host.memoryBytes);
  checkRam(ramBytes);
  const poll = options.poll ?? { kind: 'adaptive' };
  if (poll.kind === 'interval') checkInterval(poll.us);
  const devices = deviceSpecs(options);
  const vxworks = options.vxworks ?? false;
  const hvl =
    options.hvl && buildVmHvlConfig({ ...options.hvl, devices: pooledDevices(options) }, ramBytes, vxworks);
  const serial = serialSpecs(options);
  const specs = allDeviceSpecs({ devices, hvl });
  checkOnce(specs);
  checkInputs(serial, specs);
  if (options.debugExitPort !== undefined) checkDebugExitPort(options.debugExitPort, PLATFORM_LAYOUT);
  return {
    name: checkedName(options.name ?? `guest-${host.pid}`),
    kvmPath: checkedPath('--dev', options.kvmPath ?? '/dev/kvm'),
    cpus,
    ramBytes,
    hugetlbfs: options.hugetlbfs === undefined ? undefined : checkedPath('--hugetlbfs', options.hugetlbfs),
    boot: bootSpec(options, devices, hvl),
    serial,
    devices,
    hvl,
    debugExitPort: options.debugExitPort,
    debug: {
      ioport: options.debug?.ioport ?? false,
      mmio: options.debug?.mmio ?? false,
      singleStep: options.debug?.singleStep ?? false,
    },
    poll,
  };
}

/** kvmtool's rule: 64 MiB x (cpus + 3), at most 80 % of the host's memory. */
function defaultRamBytes(cpus: number, hostBytes: number): number {
  const most = Math.floor((hostBytes * 0.8) / MIB) * MIB;
  return Math.max(MIN_RAM_BYTES, Math.min(64 * MIB * (cpus + 3), most));
}

function checkCpus(cpus: number): void {
  if (!Number.isInteger(cpus) || cpus < 1 || cpus > MAX_CPUS) {
    throw new ConfigError(`--cpus ${cpus}: a guest has 1 ... ${MAX_CPUS} processors`);
  }
}

function checkRam(bytes: number): void {
  if (!Number.isSafeInteger(bytes) || bytes < MIN_RAM_BYTES || bytes > MAX_RAM_BYTES) {
    throw new ConfigError(
      `--mem: ${sizeText(bytes)} of memory; a guest has 2M ... 64T, and Linux wants 96M or more`,
    );
  }
  if (bytes % PAGE_BYTES !== 0) {
    throw new ConfigError(`--mem: ${bytes} bytes is not a multiple of 4096`);
  }
}

/** "512 MiB", or bytes where that is not a whole number. */
function sizeText(bytes: number): string {
  return bytes % MIB === 0 ? `${bytes / MIB} MiB` : `${bytes} bytes`;
}

function checkInterval(us: number): void {
  if (!Number.isInteger(us) || us < 1 || us > MAX_INTERVAL_US) {
    throw new ConfigError(`--poll interval ${us}: the interval is 1 ... ${MAX_INTERVAL_US} microseconds`);
  }
}

/** It becomes a part of file names. */
function checkedName(name: string): string {
  const bytes = new TextEncoder().encode(name).length;
  if (bytes < 1 || bytes > MAX_NAME_BYTES || !/^[^./\p{C}][^/\p{C}]*$/u.test(name)) {
    throw new ConfigError(
      `--name "${name}": a name has 1 ... ${MAX_NAME_BYTES} bytes, no "/" and no control characters, and does not begin with "."`,
    );
  }
  return name;
}

function checkedPath(option: string, path: string): string {
  if (path === '') throw new ConfigError(`${option} "" is not a path`);
  return path;
}

function bootSpec(options: VmOptions, devices: VmConfig['devices'], hvl: VmConfig['hvl']): BootSpec {
  const { kernel, firmware, initrd } = options;
  if (kernel !== undefined && firmware !== undefined) {
    throw new ConfigError('Only one of --kernel and --firmware can be given');
  }
  if (kernel === undefined && firmware === undefined) {
    throw new ConfigError('there is nothing to start: give --kernel FILE or --firmware FILE');
  }
  for (const [option, path] of Object.entries({ kernel, firmware, initrd })) {
    if (path !== undefined) checkedPath(`--${option}`, path);
  }
  if (firmware !== undefined && initrd !== undefined) {
    throw new ConfigError(`--initrd ${initrd} goes with a kernel, not with --firmware`);
  }
  const vxworks = options.vxworks ?? false;
  if (vxworks && (firmware !== undefined || initrd !== undefined)) {
    throw new ConfigError('--vxworks starts a kernel alone, without --initrd or --firmware');
  }
  return { kernel, firmware, initrd, commandLine: commandLine(options, devices, hvl), vxworks };
}

function commandLine(options: VmOptions, devices: VmConfig['devices'], hvl: VmConfig['hvl']): string {
  const extra = options.commandLine ?? '';
  if (extra.includes('\0') || extra.includes('\n')) {
    throw new ConfigError('--params: a kernel command line is one line of text');
  }
  const disk = devices.map(({ spec }) => spec).find((spec) => spec.name === 'blk');
  const diskRoot = disk === undefined ? 'unknown' : disk.readOnly ? 'read-only disk' : 'disk';
  const root = options.rootDirectory === undefined ? diskRoot : 'directory';
  const vxworks = options.vxworks === true;
  const generate = (): string =>
    vxworks
      ? generateBootLine(hvl, extra)
      : generateCommandLine({ console: options.console ?? 'serial', root, hvl, extra });
  const text = options.noDefaults === true ? extra : generate();
  const bytes = new TextEncoder().encode(text).length;
  const room = vxworks ? VXWORKS_BOOT_LINE_BYTES : COMMAND_LINE_BYTES;
  if (bytes >= room) {
    throw new ConfigError(
      `--params: the kernel command line has ${bytes} bytes; there is room for ${room - 1}`,
    );
  }
  return text;
}

function serialSpecs({ serial, console }: VmOptions): SerialSpec[] {
  const onTerminal: SerialSpec = { inputFd: 0, outputFd: 1, escape: 'ctrl-a' };
  const given = serial ?? ((console ?? 'serial') === 'serial' ? [onTerminal] : []);
  if (given.length > SERIAL_PORTS) {
    throw new ConfigError(`${given.length} serial ports; there are ${SERIAL_PORTS}, ttyS0 ... ttyS3`);
  }
  return Array.from({ length: SERIAL_PORTS }, (_, port) => {
    const end = given[port] ?? NOWHERE;
    return { inputFd: end.inputFd, outputFd: end.outputFd, escape: end.escape ?? 'none' };
  });
}

/** Two readers of one terminal would each get half of what is typed. */
function checkInputs(serial: readonly SerialSpec[], specs: readonly DeviceSpec[]): void {
  const consoles = specs.flatMap((spec) => (spec.name === 'console' ? [spec.inputFd] : []));
  const inputs = [...serial.map(({ inputFd }) => inputFd), ...consoles].filter((fd) => fd >= 0);
  const twice = inputs.find((fd, index) => inputs.indexOf(fd) !== index);
  if (twice !== undefined) {
    throw new ConfigError(`two consoles read from descriptor ${twice}; each needs an input of its own`);
  }
}

function deviceSpecs(options: VmOptions): VmDeviceSpec[] {
  const devices = allDevices(options);
  const machine = options.transport ?? 'pci';
  const nets = devices.filter((device): device is VmDeviceOptions & NetOptions => device.type === 'net');
  const cards = netSpecs(nets, settings);
  const specs = devices.map((device): VmDeviceSpec => {
    const { transport = machine } = device;
    if (device.type !== 'net') return { transport, spec: deviceSpec(device) };
    return { transport, spec: cards[nets.indexOf(device)] as DeviceSpec };
  });
  checkPlaces(specs, 'pci', PCI_SLOTS - 1);
  // Their registers would lie where the devices of a pool have their doorbells.
  checkPlaces(specs, 'mmio', options.hvl === undefined ? VIRTIO_MMIO_GSIS.length : 0);
  return specs;
}

/** The devices behind traps: those given, and without a pool those that other options ask for. */
function allDevices(options: VmOptions): VmDeviceOptions[] {
  const given = options.devices ?? [];
  return options.hvl === undefined ? withWanted(given, options) : [...given];
}

/** The devices in the pool. */
function pooledDevices(options: VmOptions): HvlDeviceOptions[] {
  return withWanted(options.hvl?.devices ?? [], options);
}

/** The devices given, and those that other options ask for. */
function withWanted<T extends { readonly type: string }>(
  devices: readonly T[],
  { rootDirectory, console }: VmOptions,
): (T | ShareOptions | ConsoleOptions)[] {
  const all: (T | ShareOptions | ConsoleOptions)[] = [...devices];
  if (rootDirectory !== undefined) all.unshift({ type: '9p', directory: rootDirectory, tag: ROOT_TAG });
  if (console === 'virtio' && !devices.some(({ type }) => type === 'console')) all.push({ type: 'console' });
  return all;
}

/** What a guest could not tell apart, or is there only once. */
function checkOnce(specs: readonly DeviceSpec[]): void {
  checkTags(specs.filter((spec): spec is P9Spec => spec.name === 'p9'));
  for (const type of ['rng', 'console'] as const) {
    const count = specs.filter(({ name }) => name === type).length;
    if (count > 1) throw new ConfigError(`${count} ${type} devices; there can be one`);
  }
}

function deviceSpec(device: Exclude<VmDeviceOptions, NetOptions>): DeviceSpec {
  switch (device.type) {
    case 'blk':
      return blkSpec(device);
    case '9p':
      return p9Spec(device, settings);
    case 'rng':
      return { name: 'rng', ...settings(device, 'rng') };
    case 'console':
      return consoleSpec(device, settings, true);
  }
}

function blkSpec({ path, readOnly, direct }: VmDiskOptions): DeviceSpec {
  return {
    name: 'blk',
    ...settings({}, 'blk'),
    path: checkedPath('--disk', path),
    readOnly: readOnly ?? false,
    direct: direct ?? false,
  };
}

function settings(options: CommonDeviceOptions, name: DeviceName): DeviceSettings {
  // Only shared memory has regions and predefined rings.
  return { regionBytes: 0, static: false, ...queueSettings(options, deviceFacts(name), QUEUE_SIZES[name]) };
}

function checkPlaces(specs: readonly VmDeviceSpec[], transport: TransportKind, most: number): void {
  const count = specs.filter((spec) => spec.transport === transport).length;
  if (count > 0 && most === 0) {
    throw new ConfigError(
      'a guest with a pool of hypervisorless devices has its other devices on PCI, not mmio',
    );
  }
  if (count > most) {
    throw new ConfigError(`${count} devices over ${transport}; there is room for ${most}`);
  }
}
