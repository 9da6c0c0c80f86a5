/**
 * The memory map of a pool: what a machine with hypervisorless devices builds and what `lkvm layout` prints. Pure
 * arithmetic, nothing is opened or touched.
 */
import { HVL_BLOCK_BYTES, HVL_BLOCK_PAGE_BYTES, HVL_FDT_BYTES } from '../abi/hvl.js';
import { hvlDeviceTree } from '../virtio/transport/hvl/device-tree.js';
import { type HvlDeviceRequest, type HvlLayout, planLayout } from '../virtio/transport/hvl/layout.js';
import type { HvlDeviceSpec } from '../workers/reactor/device-spec.js';
import { deviceType } from './device-table.js';
import type { HvlConfig } from './hvl-config.js';
import { macText } from './net-config.js';

export { hvlDeviceTree as layoutDtb, hvlTree as layoutTree } from '../virtio/transport/hvl/device-tree.js';

/** Bytes of the config space, as protocol section 2.2 lists them. */
const NET_CONFIG_BYTES = 24;
const CONSOLE_CONFIG_BYTES = 12;

/** What the user recognises a device by: a 9p tag, a MAC; "" if there is only one anyway. */
export function deviceLabel(spec: HvlDeviceSpec): string {
  if (spec.name === 'p9') return spec.tag;
  return spec.name === 'net' ? macText(spec.mac) : '';
}

function configBytes(spec: HvlDeviceSpec): number {
  switch (spec.name) {
    case 'p9':
      return 2 + new TextEncoder().encode(spec.tag).length + 1;
    case 'net':
      return NET_CONFIG_BYTES;
    case 'console':
      return CONSOLE_CONFIG_BYTES;
    case 'rng':
      return 0;
  }
}

/** What a device needs in the pool. @param eventIdx see `HvlConfig.eventIdx` */
export function deviceRequest(spec: HvlDeviceSpec, eventIdx: boolean): HvlDeviceRequest {
  return {
    name: spec.name,
    deviceId: deviceType(spec.name).deviceId,
    label: deviceLabel(spec),
    queueMaxSizes: spec.queueSizes,
    configBytes: configBytes(spec),
    regionBytes: spec.regionBytes,
    static: spec.static,
    eventIdx: eventIdx && !spec.static && spec.features === undefined,
  };
}

/** The places of all devices. Errors: ConfigError if something does not fit. */
export function poolLayout(config: HvlConfig): HvlLayout {
  return planLayout({
    base: config.shmemAddr,
    bytes: config.shmemSize,
    withDtb: config.withDtb,
    devices: config.devices.map((spec) => deviceRequest(spec, config.eventIdx)),
  });
}

/** What a piece of the pool is for. */
export type SegmentKind = 'dtb' | 'registers' | 'ring' | 'arena' | 'tail';

/** A piece of the pool. All pieces together are the pool, without gaps, in ascending order. */
export interface Segment {
  readonly kind: SegmentKind;
  /** Driver-visible address. */
  readonly start: number;
  readonly bytes: number;
  /** Slot it belongs to; -1 for all of them. */
  readonly slot: number;
  /** One short phrase for a person. */
  readonly text: string;
}

/** Cuts the pool into pieces. */
export function segments(layout: HvlLayout): Segment[] {
  const pieces = layout.withDtb ? withDtb(layout) : withoutDtb(layout);
  if (layout.tailBytes > 0) {
    const text = "common arena: the driver's rings and buffers";
    pieces.push({ kind: 'tail', start: layout.tail, bytes: layout.tailBytes, slot: -1, text });
  }
  return pieces;
}

function withDtb(layout: HvlLayout): Segment[] {
  const blob = `device tree, ${hvlDeviceTree(layout).length} bytes used`;
  const pieces: Segment[] = [{ kind: 'dtb', start: layout.base, bytes: HVL_FDT_BYTES, slot: -1, text: blob }];
  for (const { index, block, region, regionBytes, rings } of layout.slots) {
    const page = Math.min(regionBytes, HVL_BLOCK_PAGE_BYTES);
    const text = `register block, 0x${HVL_BLOCK_BYTES.toString(16)} bytes used`;
    pieces.push({ kind: 'registers', start: block, bytes: page, slot: index, text });
    let end = block + page;
    for (const piece of ringSegments(layout, index)) {
      pieces.push(piece);
      end = piece.start + piece.bytes;
    }
    const rest = region + regionBytes - end;
    const use = rings.length > 0 ? "the driver's buffers" : "the driver's rings and buffers";
    if (rest > 0) pieces.push({ kind: 'arena', start: end, bytes: rest, slot: index, text: use });
  }
  return pieces;
}

function withoutDtb(layout: HvlLayout): Segment[] {
  const count = layout.slots.length;
  const text = `${count} register block${count === 1 ? '' : 's'}, 0x${HVL_BLOCK_BYTES.toString(16)} bytes each`;
  const page: Segment = {
    kind: 'registers',
    start: layout.base,
    bytes: HVL_BLOCK_PAGE_BYTES,
    slot: -1,
    text,
  };
  return [page, ...layout.slots.flatMap(({ index }) => ringSegments(layout, index))];
}

/** Rings placed by the PMM, each up to the next page boundary. */
function ringSegments(layout: HvlLayout, index: number): Segment[] {
  const slot = layout.slots[index];
  if (slot === undefined) return [];
  return slot.rings.map((ring, queue) => ({
    kind: 'ring',
    start: ring.gpa,
    bytes: Math.ceil(ring.bytes / HVL_BLOCK_PAGE_BYTES) * HVL_BLOCK_PAGE_BYTES,
    slot: index,
    text: `queue ${queue}, ${ring.size} entries, placed by the PMM`,
  }));
}
