/** Which parts of a pool a device may touch for rings and buffers, and the zeroing of stale rings. */
import { HVL_BLOCK_PAGE_BYTES, HVL_FDT_BYTES } from '../../../abi/hvl.js';
import {
  VIRTQ_AVAIL_RING_OFF,
  VIRTQ_USED_ELEM_BYTES,
  VIRTQ_USED_RING_OFF,
} from '../../../abi/virtio-ring.js';
import { zeroShared } from '../../../memory/copy.js';
import { GuestMemory, type RegionRecord } from '../../../memory/guest-memory.js';
import { ConfigError, invariant } from '../../../util/errors.js';
import type { QueueConfig } from '../../queue/queue-config.js';
import type { HvlLayout, HvlSlot } from './layout.js';

interface Span {
  readonly start: number;
  readonly end: number;
}

/** The pool without the pages of register blocks. */
function spansOutsideBlocks(layout: HvlLayout): Span[] {
  const { base, bytes, slots, tail } = layout;
  if (!layout.withDtb) return [{ start: base + HVL_BLOCK_PAGE_BYTES, end: base + bytes }];
  const spans: Span[] = [{ start: base, end: base + HVL_FDT_BYTES }];
  for (const { region, regionBytes } of slots) {
    spans.push({ start: region + HVL_BLOCK_PAGE_BYTES, end: region + regionBytes });
  }
  const last = spans.pop() as Span;
  // What follows the last region belongs together with its end: a buffer may lie across.
  return last.end === tail ? [...spans, { start: last.start, end: base + bytes }] : [...spans, last];
}

function windowOf(pool: GuestMemory, spans: readonly Span[]): GuestMemory {
  const records: RegionRecord[] = spans
    .filter((span) => span.end > span.start)
    .map((span) => {
      const found = pool.regions.find(
        (region) => span.start >= region.gpa && span.end <= region.gpa + region.bytes,
      );
      invariant(found !== undefined, 'the layout lies inside the pool');
      return { gpa: span.start, hva: found.hva + span.start - found.gpa, bytes: span.end - span.start };
    });
  return new GuestMemory(records, pool.access);
}

/** Memory for rings and buffers of all devices: the whole pool except the pages of register blocks. */
export function sharedRingMemory(layout: HvlLayout, pool: GuestMemory): GuestMemory {
  return windowOf(pool, spansOutsideBlocks(layout));
}

/** Memory for rings and buffers of one confined device: its own region. Errors: ConfigError if there is none. */
export function confinedRingMemory(slot: HvlSlot, pool: GuestMemory): GuestMemory {
  const start = slot.region + HVL_BLOCK_PAGE_BYTES;
  const end = slot.region + slot.regionBytes;
  if (end <= start) {
    throw new ConfigError(`the region of ${slot.request.name} has no room for rings: it cannot be confined`);
  }
  return windowOf(pool, [{ start, end }]);
}

/**
 * Zeroes the available and the used ring, not the descriptor table: a restarted driver counts from 0 again but does not
 * clear its rings, and has already written its free list into the descriptor table.
 */
export function zeroRings(memory: GuestMemory, config: QueueConfig): void {
  const { size, layout } = config;
  zero(memory, layout.avail, VIRTQ_AVAIL_RING_OFF + 2 * size);
  zero(memory, layout.used, VIRTQ_USED_RING_OFF + VIRTQ_USED_ELEM_BYTES * size);
}

function zero(memory: GuestMemory, gpa: number, bytes: number): void {
  invariant(memory.translate(gpa, bytes), 'a ring was checked');
  zeroShared(memory.chunk, memory.offset, bytes);
}
