/**
 * The memory map of a pool: which device has which slot, register block, region and (static mode) rings.
 * Pure arithmetic: used by the PMM before it touches anything, and by `lkvm layout`.
 *
 *      with a device tree                          without
 *     P  +---------------------------+          P  +---------------------------+
 *        | flattened device tree     |             | block 0, 1, ... 7         | one page of register blocks
 *     P+ +---------------------------+          P+ +---------------------------+
 *  64Ki  | region 0: block, (rings,  |        4Ki  | (rings placed by us)      |
 *        |           buffers)        |             +---------------------------+
 *        +---------------------------+             | one arena for all devices |
 *        | region 1 ...              |             |                           |
 *        +---------------------------+        P+L  +---------------------------+
 *        | common arena (tail)       |
 *   P+L  +---------------------------+
 */
import {
  HVL_ADDRESS_LIMIT,
  HVL_BLOCK_BYTES,
  HVL_BLOCK_PAGE_BYTES,
  HVL_CONFIG_MAX_BYTES,
  HVL_FDT_BYTES,
  HVL_MAX_BLOCKS,
  HVL_PAGE_BYTES,
  HVL_QUEUE_ALIGN,
  HVLS_MAX_QUEUES,
} from '../../../abi/hvl.js';
import { VIRTQ_SIZE_MAX } from '../../../abi/virtio-ring.js';
import { ConfigError } from '../../../util/errors.js';
import { alignUp, hex } from '../../../util/numbers.js';
import { legacyRingBytes } from '../../queue/ring-layout.js';

/** What a device needs in the pool. */
export interface HvlDeviceRequest {
  /** "p9", "vsock", "rng", "net", "console": the key of `--region`, `--queue-size`, `--features`, `--static`. */
  readonly name: string;
  /** VIRTIO_ID_... */
  readonly deviceId: number;
  /** What the user sees: a 9p tag, a NIC's MAC; "" if there is nothing to say. */
  readonly label: string;
  /** Largest size of each queue, by index. */
  readonly queueMaxSizes: readonly number[];
  readonly configBytes: number;
  /** Bytes of the device's region, a multiple of 4096. */
  readonly regionBytes: number;
  /** Publish a static descriptor (protocol extension) with PMM-placed rings. */
  readonly static: boolean;
  /** Offer EVENT_IDX beside what the device offers by itself. Default false. */
  readonly eventIdx?: boolean;
}

/** A ring placed by the PMM (static mode). */
export interface StaticRing {
  /** Driver-visible address, multiple of 4096. */
  readonly gpa: number;
  readonly size: number;
  readonly bytes: number;
}

/** One device's place in the pool. Addresses are driver-visible (gpa). */
export interface HvlSlot {
  readonly index: number;
  readonly request: HvlDeviceRequest;
  /** Register block, 0x200 bytes; config space at block + 0x100. */
  readonly block: number;
  /** Device region. Without a device tree devices have none: `region` is the pool's start, `regionBytes` 0. */
  readonly region: number;
  readonly regionBytes: number;
  /** Published in SHM_BASE and SHM_LEN. */
  readonly shmBase: number;
  readonly shmBytes: number;
  /** Static mode: rings by queue index; empty otherwise. */
  readonly rings: readonly StaticRing[];
  /**
   * Static mode: the driver's buffer arena, offset from shmBase and length; 0, 0 otherwise. Without a device tree all
   * devices name the same arena: there is one driver side, with one heap.
   */
  readonly arenaOffset: number;
  readonly arenaBytes: number;
}

/** The whole map. */
export interface HvlLayout {
  /** `--shmem-addr`: driver-visible address of the pool's first byte. */
  readonly base: number;
  /** `--shmem-size`. */
  readonly bytes: number;
  readonly withDtb: boolean;
  readonly slots: readonly HvlSlot[];
  /** Memory no device owns: the front end's common arena. */
  readonly tail: number;
  readonly tailBytes: number;
}

/** What {@link planLayout} starts from. */
export interface HvlLayoutRequest {
  /** `--shmem-addr`: a multiple of 4096, not 0. */
  readonly base: number;
  /** `--shmem-size` in bytes, a multiple of 4096. */
  readonly bytes: number;
  readonly withDtb: boolean;
  /** In slot order. */
  readonly devices: readonly HvlDeviceRequest[];
}

/** With a device tree: so many nodes always fit into the tree's 64 KiB. */
const MAX_DEVICES_DTB = 256;
/** The static descriptor has 32 bits for the arena's length. */
const MAX_ARENA = 0xffff_f000;

/**
 * Places every device in the pool.
 * Errors: ConfigError, one line, if an address or size is not allowed or something does not fit.
 * Spec: docs/hvl.md, memory layout.
 */
export function planLayout(request: HvlLayoutRequest): HvlLayout {
  checkPool(request);
  for (const device of request.devices) checkDevice(device);
  return request.withDtb ? planWithDtb(request) : planWithoutDtb(request);
}

function checkPool({ base, bytes }: HvlLayoutRequest): void {
  if (!Number.isSafeInteger(base) || base <= 0 || base % HVL_PAGE_BYTES !== 0) {
    throw new ConfigError(`--shmem-addr ${hex(base)}: must be a multiple of 4096 and not 0`);
  }
  if (!Number.isSafeInteger(bytes) || bytes <= 0 || bytes % HVL_PAGE_BYTES !== 0) {
    throw new ConfigError(`--shmem-size ${hex(bytes)}: must be a multiple of 4096 and not 0`);
  }
  if (base + bytes > HVL_ADDRESS_LIMIT) {
    const end = hex(base + bytes);
    throw new ConfigError(
      `the pool would end at ${end}: drivers can name rings below ${hex(HVL_ADDRESS_LIMIT)} only`,
    );
  }
}

function checkDevice(device: HvlDeviceRequest): void {
  const { name, regionBytes, queueMaxSizes, configBytes } = device;
  if (!Number.isSafeInteger(regionBytes) || regionBytes <= 0 || regionBytes % HVL_PAGE_BYTES !== 0) {
    throw new ConfigError(`region of ${name} ${hex(regionBytes)}: must be a multiple of 4096 and not 0`);
  }
  for (const size of queueMaxSizes) {
    if (!Number.isInteger(size) || size < 1 || size > VIRTQ_SIZE_MAX || (size & (size - 1)) !== 0) {
      throw new ConfigError(
        `queue size of ${name} ${size}: must be a power of two from 1 to ${VIRTQ_SIZE_MAX}`,
      );
    }
  }
  if (configBytes > HVL_CONFIG_MAX_BYTES) {
    throw new ConfigError(
      `${name} has ${configBytes} bytes of config space: at most ${HVL_CONFIG_MAX_BYTES} fit`,
    );
  }
  if (device.static && queueMaxSizes.length > HVLS_MAX_QUEUES) {
    throw new ConfigError(
      `${name} has ${queueMaxSizes.length} queues: static mode allows ${HVLS_MAX_QUEUES}`,
    );
  }
}

function checkEnd({ base, bytes }: HvlLayoutRequest, end: number, what: string): void {
  const missing = end - (base + bytes);
  if (missing <= 0) return;
  const needed = hex(end - base);
  throw new ConfigError(
    `--shmem-size ${hex(bytes)} is too small by ${missing} bytes: ${what} need ${needed}`,
  );
}

/** Rings one after another from `start`. @returns them, and the first page boundary behind */
function placeRings(device: HvlDeviceRequest, start: number): { rings: StaticRing[]; end: number } {
  let cursor = start;
  const rings = device.queueMaxSizes.map((size) => {
    const ring = { gpa: cursor, size, bytes: legacyRingBytes(size, HVL_QUEUE_ALIGN) };
    cursor = alignUp(cursor + ring.bytes, HVL_QUEUE_ALIGN);
    return ring;
  });
  return { rings, end: cursor };
}

function planWithDtb(request: HvlLayoutRequest): HvlLayout {
  const { base, bytes, devices } = request;
  if (devices.length > MAX_DEVICES_DTB) {
    throw new ConfigError(`${devices.length} devices: at most ${MAX_DEVICES_DTB} fit into the device tree`);
  }
  let cursor = base + HVL_FDT_BYTES;
  const slots = devices.map((device, index): HvlSlot => {
    const region = cursor;
    cursor += device.regionBytes;
    const own = device.static ? placeInRegion(device, region) : NO_RINGS;
    return {
      index,
      request: device,
      block: region,
      region,
      regionBytes: device.regionBytes,
      shmBase: region,
      shmBytes: device.regionBytes,
      ...own,
    };
  });
  checkEnd(request, cursor, `the device tree and the regions of all devices`);
  return { base, bytes, withDtb: true, slots, tail: cursor, tailBytes: base + bytes - cursor };
}

const NO_RINGS = { rings: [] as readonly StaticRing[], arenaOffset: 0, arenaBytes: 0 };

function placeInRegion(device: HvlDeviceRequest, region: number): typeof NO_RINGS {
  const { rings, end } = placeRings(device, region + HVL_BLOCK_PAGE_BYTES);
  const missing = end - (region + device.regionBytes);
  if (missing > 0) {
    throw new ConfigError(
      `region of ${device.name} ${hex(device.regionBytes)} is too small by ${missing} bytes: its block page and rings need ${hex(end - region)}`,
    );
  }
  return {
    rings,
    arenaOffset: end - region,
    arenaBytes: Math.min(region + device.regionBytes - end, MAX_ARENA),
  };
}

function planWithoutDtb(request: HvlLayoutRequest): HvlLayout {
  const { base, bytes, devices } = request;
  if (devices.length > HVL_MAX_BLOCKS) {
    throw new ConfigError(
      `${devices.length} devices: at most ${HVL_MAX_BLOCKS} are possible without a device tree (--no-dtb)`,
    );
  }
  let cursor = base + HVL_BLOCK_PAGE_BYTES;
  const placed = devices.map((device) => {
    if (!device.static) return [];
    const { rings, end } = placeRings(device, cursor);
    cursor = end;
    return rings;
  });
  // One page at least must remain for what the driver places.
  checkEnd(request, cursor + HVL_PAGE_BYTES, 'the register blocks, rings and one page of buffers');
  const tailBytes = base + bytes - cursor;
  const slots = devices.map((device, index): HvlSlot => {
    const arena = device.static
      ? { arenaOffset: cursor - base, arenaBytes: Math.min(tailBytes, MAX_ARENA) }
      : NO_RINGS;
    return {
      index,
      request: device,
      block: base + index * HVL_BLOCK_BYTES,
      region: base,
      regionBytes: 0,
      shmBase: base,
      shmBytes: bytes,
      ...arena,
      rings: placed[index] ?? [],
    };
  });
  return { base, bytes, withDtb: false, slots, tail: cursor, tailBytes };
}
