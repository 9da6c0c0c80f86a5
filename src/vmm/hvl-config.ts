/**
 * Hypervisorless devices of a KVM machine: is the pool where nothing else is, and does nobody else have the line?
 *
 * Every error is one line: what is wrong, the value given, what is allowed. Thread: main.
 */
import * as map from '../arch/x86_64/memory-map.js';
import { deviceFacts } from '../machine/device-facts.js';
import { buildHvlConfig } from '../machine/hvl-config.js';
import { ConfigError } from '../util/errors.js';
import { hex } from '../util/numbers.js';
import type { VmHvlConfig } from './config.js';
import type { VmHvlOptions } from './options.js';

const PAGE_BYTES = 0x1000;
/** So many devices can be in a pool, and each has a window with a doorbell. */
const MAX_WINDOWS = 256;

interface Taken {
  readonly start: number;
  readonly end: number;
  readonly what: string;
}

/** What is always there between RAM and 4 GiB. */
const TAKEN: readonly Taken[] = [
  taken(map.VIRTIO_MMIO_BASE, MAX_WINDOWS * map.VIRTIO_MMIO_STRIDE, "the devices' own doorbells"),
  taken(map.HVL_DOORBELL, PAGE_BYTES, 'the doorbell'),
  taken(map.PCI_ECAM, map.PCI_ECAM_BYTES, "PCI's configuration space"),
  taken(map.PCI_MEMORY, map.PCI_MEMORY_BYTES, 'the memory of PCI devices'),
  taken(map.IOAPIC_ADDRESS, map.FOUR_GIB - map.IOAPIC_ADDRESS, 'interrupt controllers and firmware'),
];

/** Who has a line for good. */
const LINE_OWNERS: ReadonlyMap<number, string> = new Map([
  [0, 'the timer'],
  [map.KEYBOARD_GSI, 'the keyboard controller'],
  [2, 'the cascade of the interrupt controllers'],
  ...map.SERIAL_GSIS.map((gsi): [number, string] => [gsi, 'the serial ports']),
  [map.RTC_GSI, 'the real-time clock'],
  [map.SCI_GSI, 'ACPI'],
  ...map.PCI_INTX_GSIS.map((gsi): [number, string] => [gsi, 'PCI devices']),
]);

/** Those of virtio-mmio are free: a machine with a pool has its other devices on PCI. */
const FREE_LINES = '5, 6, 7, 12 ... 23';
const LINES = 24;

/**
 * Checks options and fills in the defaults.
 * @param ramBytes the guest's RAM @param storesWait see `VmHvlConfig.storesWait` Errors: ConfigError.
 */
export function buildVmHvlConfig(options: VmHvlOptions, ramBytes: number, storesWait: boolean): VmHvlConfig {
  const irq = options.irq ?? map.HVL_GSI;
  checkLine(irq);
  const { address } = options.shmem;
  if (address === 0) {
    throw new ConfigError(
      `--shmem-addr is missing or 0: give the address at which the guest sees the pool, e.g. --shmem-addr ${hex(map.HVL_POOL_START)}`,
    );
  }
  const config = buildHvlConfig({ ...options, eventIdx: options.eventIdx ?? !storesWait });
  checkPlace(config.shmemAddr, config.shmemSize, ramBytes);
  return { ...config, irq, storesWait };
}

/** One line for the user: what is where. */
export function poolText({ devices, shmemAddr, irq }: VmHvlConfig): string {
  const names = devices.map(({ name }) => deviceFacts(name).word).join(', ') || 'no devices';
  return `hypervisorless: ${names} at ${hex(shmemAddr)}; doorbell ${hex(map.HVL_DOORBELL)}, interrupt ${irq}`;
}

function checkLine(irq: number): void {
  const owner = LINE_OWNERS.get(irq);
  if (owner !== undefined) {
    throw new ConfigError(`--irq ${irq}: this line belongs to ${owner}; free are ${FREE_LINES}`);
  }
  if (!Number.isInteger(irq) || irq < 0 || irq >= LINES) {
    throw new ConfigError(`--irq ${irq}: there is no such line; free are ${FREE_LINES}`);
  }
}

function checkPlace(start: number, bytes: number, ramBytes: number): void {
  const end = start + bytes;
  const pool = `the pool at ${hex(start)} ... ${hex(end - 1)}`;
  const last = hex(map.HVL_DOORBELL - 1);
  const advice = `the place for pools is ${hex(map.HVL_POOL_START)} ... ${last} (--shmem-addr, --shmem-size)`;
  const lowEnd = Math.min(ramBytes, map.HOLE_START);
  if (start < lowEnd) {
    throw new ConfigError(`${pool} overlaps the guest's RAM at 0x0 ... ${hex(lowEnd - 1)}; ${advice}`);
  }
  const over = TAKEN.find((each) => start < each.end && each.start < end);
  if (over !== undefined) {
    throw new ConfigError(`${pool} overlaps ${over.what} at ${hex(over.start)}; ${advice}`);
  }
  if (start >= map.FOUR_GIB) {
    throw new ConfigError(`${pool} lies above 4 GiB, where RAM may be; ${advice}`);
  }
}

function taken(start: number, bytes: number, what: string): Taken {
  return { start, end: start + bytes, what };
}
