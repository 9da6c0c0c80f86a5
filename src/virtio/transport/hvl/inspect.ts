/**
 * Decodes a pool from outside: what is published, how far each driver has come, and what each side is waiting for. Reads
 * a copy or a live mapping, writes nothing, needs no PMM. All of it may be garbage; nothing here throws because of it.
 */
import {
  HVL_BLOCK_BYTES,
  HVL_FDT_BYTES,
  HVL_MAX_BLOCKS,
  HVL_QUEUE_ACK,
  HVL_SENTINEL,
  HVLS_ATTACH_OFF,
  HVLS_BUF_LEN_OFF,
  HVLS_BUF_OFF_OFF,
  HVLS_EPOCH_OFF,
  HVLS_F_FRESH,
  HVLS_FEATURES_HIGH_OFF,
  HVLS_FEATURES_LOW_OFF,
  HVLS_FLAGS_OFF,
  HVLS_MAGIC,
  HVLS_MAGIC_OFF,
  HVLS_MAX_QUEUES,
  HVLS_NQUEUES_OFF,
  HVLS_QUEUE_ALIGN_OFF,
  HVLS_QUEUE_BYTES,
  HVLS_QUEUE_F_NOTE,
  HVLS_QUEUE_FLAGS_OFF,
  HVLS_QUEUE_NUM_OFF,
  HVLS_QUEUE_OFF,
  HVLS_QUEUE_RING_OFF,
  VIRTIO_MMIO_DEVICE_ID,
  VIRTIO_MMIO_GUEST_FEATURES,
  VIRTIO_MMIO_HOST_FEATURES,
  VIRTIO_MMIO_MAGIC,
  VIRTIO_MMIO_MAGIC_VALUE,
  VIRTIO_MMIO_QUEUE_ALIGN,
  VIRTIO_MMIO_QUEUE_NUM,
  VIRTIO_MMIO_QUEUE_NUM_MAX,
  VIRTIO_MMIO_QUEUE_PFN,
  VIRTIO_MMIO_QUEUE_SEL,
  VIRTIO_MMIO_SHM_BASE_LOW,
  VIRTIO_MMIO_SHM_LEN_LOW,
  VIRTIO_MMIO_STATUS,
} from '../../../abi/hvl.js';
import { VIRTIO_CONFIG_S_DRIVER_OK } from '../../../abi/virtio.js';
import { VIRTQ_SIZE_MAX } from '../../../abi/virtio-ring.js';
import { fdtTotalBytes, readFdt } from '../../../fdt/reader.js';
import { findProperty, u64sOf } from '../../../fdt/tree.js';
import { isPowerOfTwo } from '../../../util/numbers.js';
import { legacyRingBytes, legacyRingLayout } from '../../queue/ring-layout.js';
import { configText } from './inspect-config.js';
import { waitingFor } from './inspect-waiting.js';
import { deviceName, featureNames, statusNames } from './names.js';
import { HVL_REGISTERS, HVLS_REGISTERS, type HvlRegister, registerValue } from './registers.js';

/** A register and its value. */
export interface RegisterReport {
  readonly register: HvlRegister;
  readonly value: number;
}

/** A ring whose place can be seen. */
export interface RingReport {
  readonly queue: number;
  /** Driver-visible address. */
  readonly gpa: number;
  readonly size: number;
  readonly availFlags: number;
  readonly availIdx: number;
  readonly usedFlags: number;
  readonly usedIdx: number;
  /** Chains made available and not used yet, modulo 2^16; more than `size` means garbage. */
  readonly inFlight: number;
}

/** The static descriptor. */
export interface StaticReport {
  readonly epoch: number;
  readonly fresh: boolean;
  readonly attach: number;
  readonly features: readonly string[];
  /** Offset from SHM_BASE and length. */
  readonly arenaOffset: number;
  readonly arenaBytes: number;
}

/** One register block. */
export interface SlotReport {
  readonly index: number;
  /** Driver-visible address of the block. */
  readonly block: number;
  readonly valid: boolean;
  readonly name: string;
  readonly deviceId: number;
  readonly registers: readonly RegisterReport[];
  readonly offered: readonly string[];
  readonly accepted: readonly string[];
  readonly status: readonly string[];
  /** Config space in words: a MAC, a mount tag, a size; "" if there is nothing to say. */
  readonly config: string;
  readonly shmBase: number;
  readonly shmBytes: number;
  readonly static: StaticReport | undefined;
  readonly rings: readonly RingReport[];
  /** Why `rings` is empty or not complete; "" if it is complete. */
  readonly ringsNote: string;
  /** What the PMM waits for. */
  readonly device: string;
  /** What the driver waits for, or has to do. */
  readonly driver: string;
}

/** A whole pool. */
export interface PoolReport {
  readonly layout: 'with device tree' | 'without device tree' | 'nothing published';
  /** Driver-visible address of the pool, as given or as found in it; 0 if unknown. */
  readonly base: number;
  readonly bytes: number;
  /** Size of the device tree, 0 if there is none. */
  readonly fdtBytes: number;
  readonly slots: readonly SlotReport[];
  /** What is odd about the pool as a whole. */
  readonly notes: readonly string[];
}

/**
 * Decodes a pool.
 * @param pool its bytes, from the first
 * @param base its driver-visible address (`--shmem-addr`); default: what the pool itself says
 */
export function inspectPool(pool: Uint8Array, base?: number): PoolReport {
  const fdtBytes = fdtTotalBytes(pool);
  if (fdtBytes > 0) return inspectWithDtb(pool, fdtBytes, base);
  return inspectWithoutDtb(pool, base);
}

function inspectWithDtb(pool: Uint8Array, fdtBytes: number, given: number | undefined): PoolReport {
  const notes: string[] = [];
  const blocks = treeBlocks(pool, notes);
  const base = given ?? Math.max(0, (blocks[0] ?? HVL_FDT_BYTES) - HVL_FDT_BYTES);
  const slots: SlotReport[] = [];
  for (const [index, block] of blocks.entries()) {
    const at = block - base;
    if (at < 0 || at + HVL_BLOCK_BYTES > pool.length) {
      notes.push(`the device tree names a block at 0x${block.toString(16)}, which is outside the pool`);
    } else slots.push(inspectSlot(pool, base, at, index));
  }
  return { layout: 'with device tree', base, bytes: pool.length, fdtBytes, slots, notes };
}

/** Addresses of the register blocks a device tree names, in order. */
function treeBlocks(pool: Uint8Array, notes: string[]): number[] {
  try {
    return readFdt(pool.slice(0, HVL_FDT_BYTES)).root.children.flatMap((node) => {
      const reg = findProperty(node, 'reg');
      const block = node.name.startsWith('virtio@') && reg !== undefined ? u64sOf(reg)[0] : undefined;
      return block === undefined ? [] : [block];
    });
  } catch (error) {
    notes.push(`the device tree cannot be read: ${error instanceof Error ? error.message : String(error)}`);
    return [];
  }
}

function inspectWithoutDtb(pool: Uint8Array, given: number | undefined): PoolReport {
  const view = new DataView(pool.buffer, pool.byteOffset, pool.byteLength);
  const slots: SlotReport[] = [];
  let base = given ?? 0;
  for (let index = 0; index < HVL_MAX_BLOCKS; index++) {
    const at = index * HVL_BLOCK_BYTES;
    if (at + HVL_BLOCK_BYTES > pool.length) break;
    if (view.getUint32(at + VIRTIO_MMIO_MAGIC_VALUE, true) !== VIRTIO_MMIO_MAGIC) break;
    if (view.getUint32(at + VIRTIO_MMIO_DEVICE_ID, true) === 0) break;
    // Without a device tree every block publishes the whole pool.
    if (index === 0 && given === undefined) base = pairAt(view, VIRTIO_MMIO_SHM_BASE_LOW);
    slots.push(inspectSlot(pool, base, at, index));
  }
  const layout = slots.length > 0 ? 'without device tree' : 'nothing published';
  return { layout, base, bytes: pool.length, fdtBytes: 0, slots, notes: [] };
}

/** A low word and the high word behind it. */
function pairAt(view: DataView, offset: number): number {
  return view.getUint32(offset + 4, true) * 0x1_0000_0000 + view.getUint32(offset, true);
}

function inspectSlot(pool: Uint8Array, base: number, at: number, index: number): SlotReport {
  // One copy, so that all words of a report are of about the same moment.
  const bytes = pool.slice(at, at + HVL_BLOCK_BYTES);
  const block = new DataView(bytes.buffer);
  const value = (offset: number): number => block.getUint32(offset, true);
  const deviceId = value(VIRTIO_MMIO_DEVICE_ID);
  const fixed = staticReport(block, deviceId);
  const shmBase = pairAt(block, VIRTIO_MMIO_SHM_BASE_LOW);
  const visible = fixed === undefined ? handshakeRings(block, shmBase) : staticRings(block, shmBase);
  const rings = visible.flatMap((place) => ringReport(pool, base, place));
  const table = fixed === undefined ? HVL_REGISTERS : [...HVL_REGISTERS, ...HVLS_REGISTERS];
  return {
    index,
    block: base + at,
    valid: value(VIRTIO_MMIO_MAGIC_VALUE) === VIRTIO_MMIO_MAGIC,
    name: deviceName(deviceId),
    deviceId,
    registers: table.map((register) => ({ register, value: registerValue(block, register) })),
    offered: featureNames(deviceId, value(VIRTIO_MMIO_HOST_FEATURES), 0),
    accepted: featureNames(deviceId, value(VIRTIO_MMIO_GUEST_FEATURES), 0),
    status: statusNames(value(VIRTIO_MMIO_STATUS)),
    config: configText(deviceId, bytes),
    shmBase,
    shmBytes: pairAt(block, VIRTIO_MMIO_SHM_LEN_LOW),
    static: fixed,
    rings,
    ringsNote: ringsNote(fixed, value(VIRTIO_MMIO_STATUS), rings.length),
    ...waitingFor(block, fixed),
  };
}

function ringsNote(fixed: StaticReport | undefined, status: number, visible: number): string {
  if (fixed === undefined) return visible > 0 ? '' : 'none: the driver has not set up a queue';
  const attached = fixed.attach === fixed.epoch;
  if (attached || (status & VIRTIO_CONFIG_S_DRIVER_OK) === 0) return '';
  return 'these, placed beforehand, are not in use: the driver came by the handshake and named others';
}

interface RingPlace {
  readonly queue: number;
  readonly gpa: number;
  readonly size: number;
  readonly align: number;
}

/** Rings the PMM has accepted and noted, and the one QUEUE_PFN names at this moment, if it does. */
function handshakeRings(block: DataView, shmBase: number): RingPlace[] {
  const places: RingPlace[] = [];
  for (let queue = 0; queue < HVLS_MAX_QUEUES; queue++) {
    const at = HVLS_QUEUE_OFF + queue * HVLS_QUEUE_BYTES;
    if (block.getUint32(at + HVLS_QUEUE_FLAGS_OFF, true) !== HVLS_QUEUE_F_NOTE) continue;
    places.push({
      queue,
      gpa: shmBase + block.getInt32(at + HVLS_QUEUE_RING_OFF, true), // signed: it may lie before the region
      size: block.getUint32(at + HVLS_QUEUE_NUM_OFF, true),
      align: block.getUint32(at + HVLS_QUEUE_ALIGN_OFF, true),
    });
  }
  const asked = requestedRing(block);
  if (asked !== undefined && !places.some(({ queue }) => queue === asked.queue)) places.push(asked);
  return places;
}

function requestedRing(block: DataView): RingPlace | undefined {
  const pfn = block.getUint32(VIRTIO_MMIO_QUEUE_PFN, true);
  const queue = block.getUint32(VIRTIO_MMIO_QUEUE_SEL, true);
  const num = block.getUint32(VIRTIO_MMIO_QUEUE_NUM, true);
  if (pfn === 0 || pfn === HVL_QUEUE_ACK || queue === HVL_SENTINEL) return undefined;
  const size = num === HVL_SENTINEL ? block.getUint32(VIRTIO_MMIO_QUEUE_NUM_MAX, true) : num;
  return { queue, gpa: pfn * 4096, size, align: block.getUint32(VIRTIO_MMIO_QUEUE_ALIGN, true) };
}

function staticRings(block: DataView, shmBase: number): RingPlace[] {
  const count = Math.min(block.getUint16(HVLS_NQUEUES_OFF, true), HVLS_MAX_QUEUES);
  return Array.from({ length: count }, (_, queue) => {
    const at = HVLS_QUEUE_OFF + queue * HVLS_QUEUE_BYTES;
    return {
      queue,
      gpa: shmBase + block.getUint32(at + HVLS_QUEUE_RING_OFF, true),
      size: block.getUint32(at + HVLS_QUEUE_NUM_OFF, true),
      align: block.getUint32(at + HVLS_QUEUE_ALIGN_OFF, true),
    };
  });
}

function ringReport(pool: Uint8Array, base: number, place: RingPlace): RingReport[] {
  const { queue, gpa, size, align } = place;
  if (!isPowerOfTwo(size) || size > VIRTQ_SIZE_MAX) return [];
  if (align < 4 || !isPowerOfTwo(align)) return [];
  const at = gpa - base;
  if (at < 0 || at + legacyRingBytes(size, align) > pool.length) return [];
  const { avail, used } = legacyRingLayout(at, size, align);
  const view = new DataView(pool.buffer, pool.byteOffset, pool.byteLength);
  const availIdx = view.getUint16(avail + 2, true);
  const usedIdx = view.getUint16(used + 2, true);
  return [
    {
      queue,
      gpa,
      size,
      availFlags: view.getUint16(avail, true),
      availIdx,
      usedFlags: view.getUint16(used, true),
      usedIdx,
      inFlight: (availIdx - usedIdx) & 0xffff,
    },
  ];
}

function staticReport(block: DataView, deviceId: number): StaticReport | undefined {
  const value = (offset: number): number => block.getUint32(offset, true);
  if (value(HVLS_MAGIC_OFF) !== HVLS_MAGIC) return undefined;
  return {
    epoch: value(HVLS_EPOCH_OFF),
    fresh: (value(HVLS_FLAGS_OFF) & HVLS_F_FRESH) !== 0,
    attach: value(HVLS_ATTACH_OFF),
    features: featureNames(deviceId, value(HVLS_FEATURES_LOW_OFF), value(HVLS_FEATURES_HIGH_OFF)),
    arenaOffset: value(HVLS_BUF_OFF_OFF),
    arenaBytes: value(HVLS_BUF_LEN_OFF),
  };
}
