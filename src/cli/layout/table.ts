/** The memory map as a table for people. */
import { type Segment, segments } from '../../machine/pool-map.js';
import { hex } from '../../util/numbers.js';
import type { HvlLayout, HvlSlot } from '../../virtio/transport/hvl/layout.js';
import { bytesText, type LayoutInput, slotTitle, typeOfSlot } from './facts.js';

/** Columns padded to the widest cell; numbers are right-aligned by the caller. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function slotRow(slot: HvlSlot): string[] {
  const { request, index, block } = slot;
  const queues = request.queueMaxSizes.map((size, queue) => `${typeOfSlot(slot).queueNames[queue]} ${size}`);
  return [
    String(index),
    typeOfSlot(slot).word,
    String(request.deviceId),
    hex(block, 8),
    hex(block + 0x100, 8),
    queues.join(', '),
    request.static ? 'static' : 'handshake',
    request.label.replace(/\p{Cc}/gu, '?'),
  ];
}

function segmentRow(layout: HvlLayout, segment: Segment): string[] {
  const slot = layout.slots[segment.slot];
  const last = segment.start + segment.bytes - 1;
  return [
    `${hex(segment.start, 8)} - ${hex(last, 8)}`,
    hex(segment.bytes).padStart(10),
    bytesText(segment.bytes).padStart(9),
    slot === undefined ? '' : `slot ${slot.index}, ${slotTitle(slot)}`,
    segment.text,
  ];
}

/** Text with a trailing newline. */
export function layoutTable({ layout }: LayoutInput): string {
  const { base, bytes, withDtb, slots } = layout;
  const kind = withDtb ? 'with device tree' : 'without device tree';
  const devices = `${slots.length} device${slots.length === 1 ? '' : 's'}`;
  const lines = [
    `pool ${hex(base)} - ${hex(base + bytes - 1)}, ${bytesText(bytes)}, ${kind}, ${devices}`,
    '',
  ];
  if (slots.length > 0) {
    const head = ['slot', 'type', 'id', 'registers', 'config', 'queues', 'start', 'label'];
    lines.push(...columns([head, ...slots.map(slotRow)]), '');
  }
  const head = ['range', '      size', '', 'device', 'what'];
  lines.push(...columns([head, ...segments(layout).map((segment) => segmentRow(layout, segment))]));
  return `${lines.join('\n')}\n`;
}
