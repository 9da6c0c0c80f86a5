/**
 * Finds the devices in a pool, knowing nothing but its memory.
 *
 * With a device tree: it lies at offset 0 and names every register block. Without: blocks follow each other from
 * offset 0, 0x200 bytes apart, as long as a magic and a device id are there. The PMM's address of the pool comes from
 * the first region (0x10000 bytes into the pool) or from SHM_BASE.
 *
 * Everything read is checked: the pool may hold anything, and may be in the middle of being wiped.
 */

import {
  HVL_BLOCK_BYTES,
  HVL_BLOCK_PAGE_BYTES,
  HVL_FDT_BYTES,
  HVL_MAX_BLOCKS,
  HVL_VERSION,
  VIRTIO_MMIO_DEVICE_ID,
  VIRTIO_MMIO_MAGIC,
  VIRTIO_MMIO_MAGIC_VALUE,
  VIRTIO_MMIO_SHM_BASE_HIGH,
  VIRTIO_MMIO_SHM_BASE_LOW,
  VIRTIO_MMIO_SHM_LEN_HIGH,
  VIRTIO_MMIO_SHM_LEN_LOW,
  VIRTIO_MMIO_VERSION,
} from '../abi/hvl.js';
import { readFdt } from '../fdt/reader.js';
import { FdtError, type FdtNode, findProperty, stringsOf, u64sOf } from '../fdt/tree.js';
import type { GuestMemory } from '../memory/guest-memory.js';
import { hex } from '../util/numbers.js';
import { DiscoveryError } from './errors.js';
import { FrontEndPool } from './pool.js';
import { Registers } from './registers.js';

/** The FDT magic d00dfeed, big-endian, read as a little-endian word. */
const FDT_MAGIC_LE = 0xedfe0dd0;
const FDT_TOTALSIZE_OFF = 4;
const PAGE = 4096;

/** What the caller knows better than the pool. */
export interface DiscoveryHints {
  /** PMM address of the pool; multiple of 4096. */
  readonly base?: number | undefined;
  /** Bytes of the pool, not more than the memory has. */
  readonly bytes?: number | undefined;
}

/** One device found. Offsets in the pool, bytes. */
export interface FoundDevice {
  readonly index: number;
  /** VIRTIO_ID_... */
  readonly deviceId: number;
  readonly block: number;
  /** The published shared-memory region. */
  readonly shmBase: number;
  readonly shmBytes: number;
}

/** What a pool holds. */
export interface Discovery {
  readonly pool: FrontEndPool;
  readonly withDtb: boolean;
  readonly devices: readonly FoundDevice[];
  /** The common arena: memory that belongs to no device. */
  readonly tail: number;
  readonly tailBytes: number;
}

/**
 * Looks at a pool once.
 * @param memory one region at gpa 0
 * Errors: DiscoveryError: nothing there yet, or not usable. Trying again later may help.
 */
export function discover(memory: GuestMemory, hints: DiscoveryHints): Discovery {
  const size = memory.regions[0]?.bytes ?? 0;
  const bytes = Math.min(size, hints.bytes ?? size);
  if (bytes < HVL_BLOCK_PAGE_BYTES) throw new DiscoveryError(`the pool has only ${bytes} bytes`);
  const raw = new FrontEndPool(memory, 0, bytes);
  const first = new Registers(raw, 0).load(0);
  if (first === FDT_MAGIC_LE) return fromTree(raw, hints);
  if (first === VIRTIO_MMIO_MAGIC) return fromBlocks(raw, hints);
  throw new DiscoveryError('no device tree and no register block at the start of the pool');
}

function fromTree(raw: FrontEndPool, hints: DiscoveryHints): Discovery {
  const addresses = blockAddresses(copyTree(raw));
  const first = addresses[0];
  if (first === undefined) throw new DiscoveryError('the device tree names no virtio,mmio device');
  const pool = new FrontEndPool(raw.memory, hints.base ?? first - HVL_FDT_BYTES, raw.bytes);
  if (pool.base < 0 || pool.base % PAGE !== 0) {
    throw new DiscoveryError(`the pool's address ${hex(pool.base)} is not a multiple of 4096`);
  }
  const devices = addresses
    .map((address, index) => readDevice(pool, index, pool.offsetOf(address, HVL_BLOCK_BYTES), address))
    .filter((device) => device.deviceId !== 0);
  let tail = HVL_FDT_BYTES;
  for (const device of devices) tail = Math.max(tail, device.shmBase + device.shmBytes);
  tail = Math.ceil(tail / PAGE) * PAGE;
  return { pool, withDtb: true, devices, tail, tailBytes: Math.max(0, pool.bytes - tail) };
}

function copyTree(raw: FrontEndPool): Uint8Array {
  const limit = Math.min(HVL_FDT_BYTES, raw.bytes);
  const window = raw.window(0, limit);
  const header = new DataView(new ArrayBuffer(8));
  window.read(0, new Uint8Array(header.buffer), 0, 8);
  const bytes = header.getUint32(FDT_TOTALSIZE_OFF);
  if (bytes > limit) throw new DiscoveryError(`the device tree claims ${bytes} bytes; at most ${limit} fit`);
  const blob = new Uint8Array(bytes);
  window.read(0, blob, 0, bytes);
  return blob;
}

/** Addresses of the virtio,mmio nodes, in tree order. */
function blockAddresses(blob: Uint8Array): number[] {
  try {
    return readFdt(blob)
      .root.children.filter(isVirtio)
      .map((node) => {
        const reg = findProperty(node, 'reg');
        const address = reg === undefined ? undefined : u64sOf(reg)[0];
        if (address === undefined) throw new DiscoveryError(`device tree node ${node.name} has no reg`);
        return address;
      });
  } catch (error) {
    if (error instanceof FdtError) throw new DiscoveryError(error.message);
    throw error;
  }
}

function isVirtio(node: FdtNode): boolean {
  const compatible = findProperty(node, 'compatible');
  return compatible !== undefined && stringsOf(compatible).includes('virtio,mmio');
}

function fromBlocks(raw: FrontEndPool, hints: DiscoveryHints): Discovery {
  const blocks: number[] = [];
  for (let i = 0; i < HVL_MAX_BLOCKS; i++) {
    const registers = new Registers(raw, i * HVL_BLOCK_BYTES);
    if (registers.load(VIRTIO_MMIO_MAGIC_VALUE) !== VIRTIO_MMIO_MAGIC) break;
    if (registers.load(VIRTIO_MMIO_DEVICE_ID) === 0) break;
    blocks.push(i * HVL_BLOCK_BYTES);
  }
  const registers = new Registers(raw, 0);
  const base = hints.base ?? registers.pair(VIRTIO_MMIO_SHM_BASE_LOW, VIRTIO_MMIO_SHM_BASE_HIGH);
  if (base === 0 || base % PAGE !== 0 || !Number.isSafeInteger(base)) {
    throw new DiscoveryError(`SHM_BASE ${hex(base)} is not the address of a pool`);
  }
  const bytes = hints.bytes ?? poolBytes(raw, blocks);
  const pool = new FrontEndPool(raw.memory, base, bytes);
  const devices = blocks.map((block, index) => readDevice(pool, index, block, base + block));
  const tail = HVL_BLOCK_PAGE_BYTES;
  return { pool, withDtb: false, devices, tail, tailBytes: Math.max(0, bytes - tail) };
}

/** With our PMM every block publishes the whole pool; an older one publishes different parts, and then only the mapping tells. */
function poolBytes(raw: FrontEndPool, blocks: readonly number[]): number {
  const published = blocks.map((block) => {
    const registers = new Registers(raw, block);
    const base = registers.pair(VIRTIO_MMIO_SHM_BASE_LOW, VIRTIO_MMIO_SHM_BASE_HIGH);
    const length = registers.pair(VIRTIO_MMIO_SHM_LEN_LOW, VIRTIO_MMIO_SHM_LEN_HIGH);
    return { base, length };
  });
  const [first] = published;
  const { base = 0, length = 0 } = first ?? {};
  const same = published.every((each) => each.base === base && each.length === length);
  return same && length > HVL_BLOCK_PAGE_BYTES ? Math.min(raw.bytes, length) : raw.bytes;
}

function readDevice(pool: FrontEndPool, index: number, block: number, address: number): FoundDevice {
  if (block < 0 || block % 4 !== 0) {
    throw new DiscoveryError(`register block ${index} at ${hex(address)} is outside the pool`);
  }
  const registers = new Registers(pool, block);
  const version = registers.load(VIRTIO_MMIO_VERSION);
  if (registers.load(VIRTIO_MMIO_MAGIC_VALUE) !== VIRTIO_MMIO_MAGIC) {
    throw new DiscoveryError(`register block ${index} has no magic (yet)`);
  }
  if (version !== HVL_VERSION)
    throw new DiscoveryError(`register block ${index} has version ${version}, not 1`);
  const shmAddress = registers.pair(VIRTIO_MMIO_SHM_BASE_LOW, VIRTIO_MMIO_SHM_BASE_HIGH);
  const shmBytes = registers.pair(VIRTIO_MMIO_SHM_LEN_LOW, VIRTIO_MMIO_SHM_LEN_HIGH);
  const shmBase = shmAddress - pool.base;
  if (shmAddress === 0 || shmBytes === 0 || shmBase < 0 || shmBase >= pool.bytes) {
    throw new DiscoveryError(`region of device ${index} at ${hex(shmAddress)} is outside the pool`);
  }
  return {
    index,
    deviceId: registers.load(VIRTIO_MMIO_DEVICE_ID),
    block,
    shmBase,
    shmBytes: Math.min(shmBytes, pool.bytes - shmBase),
  };
}
