/**
 * The block device's structures: config space, request header, ranges to discard or to zero, and the place of the
 * status byte. Spec: virtio 1.2 sections 5.2.4 and 5.2.6.
 *
 * A chain is header (16 bytes, readable), data, status (1 byte, writable); where one part ends and the next begins has
 * nothing to do with descriptors. So the header is the first 16 readable bytes, the status the last writable byte, and
 * data is what is left.
 */
import {
  VIRTIO_BLK_CONFIG_BLK_SIZE_OFF,
  VIRTIO_BLK_CONFIG_CAPACITY_OFF,
  VIRTIO_BLK_CONFIG_DISCARD_SECTOR_ALIGNMENT_OFF,
  VIRTIO_BLK_CONFIG_MAX_DISCARD_SECTORS_OFF,
  VIRTIO_BLK_CONFIG_MAX_DISCARD_SEG_OFF,
  VIRTIO_BLK_CONFIG_MAX_WRITE_ZEROES_SECTORS_OFF,
  VIRTIO_BLK_CONFIG_MAX_WRITE_ZEROES_SEG_OFF,
  VIRTIO_BLK_CONFIG_MIN_IO_SIZE_OFF,
  VIRTIO_BLK_CONFIG_NUM_QUEUES_OFF,
  VIRTIO_BLK_CONFIG_OPT_IO_SIZE_OFF,
  VIRTIO_BLK_CONFIG_PHYSICAL_BLOCK_EXP_OFF,
  VIRTIO_BLK_CONFIG_SEG_MAX_OFF,
  VIRTIO_BLK_CONFIG_USED_BYTES,
  VIRTIO_BLK_CONFIG_WCE_OFF,
  VIRTIO_BLK_CONFIG_WRITE_ZEROES_MAY_UNMAP_OFF,
  VIRTIO_BLK_OUTHDR_BYTES,
  VIRTIO_BLK_OUTHDR_SECTOR_OFF,
  VIRTIO_BLK_OUTHDR_TYPE_OFF,
  VIRTIO_BLK_RANGE_BYTES,
  VIRTIO_BLK_RANGE_FLAGS_OFF,
  VIRTIO_BLK_RANGE_NUM_SECTORS_OFF,
  VIRTIO_BLK_RANGE_SECTOR_OFF,
  VIRTIO_BLK_SECTOR_BYTES,
} from '../../../abi/virtio-blk.js';
import type { GuestMemory } from '../../../memory/guest-memory.js';
import type { IovArray } from '../../../memory/iov-array.js';
import { at, f64At, i32At, u8At } from '../../../util/typed.js';
import { getU64, setU64 } from '../../../util/u64.js';
import type { DescChain } from '../../queue/desc-chain.js';
import type { BlockFacts } from './backend.js';

/** Most ranges of one discard or write-zeroes request. */
export const MAX_RANGES = 16;
/** Most sectors of one range: 1 GiB, so that no single call keeps the host busy for very long. */
export const MAX_RANGE_SECTORS = 0x20_0000;

/** @param segments most data descriptors of one request */
export function blkConfig(facts: BlockFacts, segments: number): Uint8Array {
  const config = new Uint8Array(VIRTIO_BLK_CONFIG_USED_BYTES);
  const view = new DataView(config.buffer);
  const { blockBytes } = facts;
  const exponent = Math.max(0, Math.floor(Math.log2(facts.physicalBlockBytes / blockBytes)));
  setU64(view, VIRTIO_BLK_CONFIG_CAPACITY_OFF, facts.sectors);
  view.setUint32(VIRTIO_BLK_CONFIG_SEG_MAX_OFF, segments, true);
  view.setUint32(VIRTIO_BLK_CONFIG_BLK_SIZE_OFF, blockBytes, true);
  view.setUint8(VIRTIO_BLK_CONFIG_PHYSICAL_BLOCK_EXP_OFF, exponent);
  view.setUint16(VIRTIO_BLK_CONFIG_MIN_IO_SIZE_OFF, Math.min(0xffff, 2 ** exponent), true);
  view.setUint32(VIRTIO_BLK_CONFIG_OPT_IO_SIZE_OFF, Math.floor(facts.optimalBytes / blockBytes), true);
  view.setUint8(VIRTIO_BLK_CONFIG_WCE_OFF, 1);
  view.setUint16(VIRTIO_BLK_CONFIG_NUM_QUEUES_OFF, 1, true);
  if (facts.readOnly) return config;
  if (facts.canDiscard) {
    const align = facts.discardAlignBytes / VIRTIO_BLK_SECTOR_BYTES;
    view.setUint32(VIRTIO_BLK_CONFIG_MAX_DISCARD_SECTORS_OFF, MAX_RANGE_SECTORS, true);
    view.setUint32(VIRTIO_BLK_CONFIG_MAX_DISCARD_SEG_OFF, MAX_RANGES, true);
    view.setUint32(VIRTIO_BLK_CONFIG_DISCARD_SECTOR_ALIGNMENT_OFF, align, true);
  }
  view.setUint32(VIRTIO_BLK_CONFIG_MAX_WRITE_ZEROES_SECTORS_OFF, MAX_RANGE_SECTORS, true);
  view.setUint32(VIRTIO_BLK_CONFIG_MAX_WRITE_ZEROES_SEG_OFF, MAX_RANGES, true);
  view.setUint8(VIRTIO_BLK_CONFIG_WRITE_ZEROES_MAY_UNMAP_OFF, facts.canDiscard ? 1 : 0);
  return config;
}

/** A request's header, copied out of the driver's memory once. Reused. */
export class BlkHeader {
  type = 0;
  /** Exact below 2^53; above that it is only certain to be beyond any disk. */
  sector = 0;
  readonly #bytes = new Uint8Array(VIRTIO_BLK_OUTHDR_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);

  /** @returns false if the readable part is shorter than a header. Hot path. */
  read(chain: DescChain, memory: GuestMemory): boolean {
    if (chain.readableBytes < VIRTIO_BLK_OUTHDR_BYTES) return false;
    const bytes = this.#bytes;
    let have = 0;
    for (let d = 0; have < VIRTIO_BLK_OUTHDR_BYTES; d++) {
      const u8 = at(memory.chunks, i32At(chain.chunk, d)).u8;
      const from = f64At(chain.offset, d);
      const take = Math.min(f64At(chain.length, d), VIRTIO_BLK_OUTHDR_BYTES - have);
      for (let i = 0; i < take; i++) bytes[have + i] = u8At(u8, from + i);
      have += take;
    }
    this.type = this.#view.getUint32(VIRTIO_BLK_OUTHDR_TYPE_OFF, true);
    this.sector = getU64(this.#view, VIRTIO_BLK_OUTHDR_SECTOR_OFF);
    return true;
  }
}

/** Index of the descriptor whose last byte is the status. The chain has at least one writable byte. Hot path. */
export function statusDescriptor(chain: DescChain): number {
  let d = chain.count - 1;
  while (f64At(chain.length, d) === 0) d--;
  return d;
}

/** The ranges of one request, copied out of the driver's memory once. */
export class BlkRanges {
  count = 0;
  readonly #bytes = new Uint8Array(MAX_RANGES * VIRTIO_BLK_RANGE_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);

  /** @param bytes of the list from `skip`: 1 ... MAX_RANGES whole ranges @returns false if it is not that */
  read(iov: IovArray, skip: number, bytes: number): boolean {
    if (bytes === 0 || bytes % VIRTIO_BLK_RANGE_BYTES !== 0 || bytes > this.#bytes.length) return false;
    iov.gather(this.#bytes, 0, skip, bytes);
    this.count = bytes / VIRTIO_BLK_RANGE_BYTES;
    return true;
  }

  /** As {@link BlkHeader.sector}. */
  sector(i: number): number {
    return getU64(this.#view, i * VIRTIO_BLK_RANGE_BYTES + VIRTIO_BLK_RANGE_SECTOR_OFF);
  }

  sectors(i: number): number {
    return this.#view.getUint32(i * VIRTIO_BLK_RANGE_BYTES + VIRTIO_BLK_RANGE_NUM_SECTORS_OFF, true);
  }

  flags(i: number): number {
    return this.#view.getUint32(i * VIRTIO_BLK_RANGE_BYTES + VIRTIO_BLK_RANGE_FLAGS_OFF, true);
  }
}
