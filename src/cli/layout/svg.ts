/**
 * The memory map as a picture: one column from low to high addresses, one colour per device, heights not to scale. A
 * single SVG without scripts, fonts or references, readable on a light and on a dark page.
 */
import { type Segment, segments } from '../../machine/pool-map.js';
import { hex } from '../../util/numbers.js';
import type { HvlLayout } from '../../virtio/transport/hvl/layout.js';
import { bytesText, type LayoutInput, slotTitle, typeOfSlot } from './facts.js';

const WIDTH = 900;
const LEFT = 150;
const BOX_WIDTH = 400;
const TOP = 84;
const GAP = 10;
const ROW = 30;
const MARGIN = 24;
const BLOCK_BYTES = 0x200;
/** Fill and line of each device in turn: distinguishable also without colour vision. */
const COLOURS = [
  ['#cfe3f7', '#2f6ea8'],
  ['#fbe1c4', '#b5701e'],
  ['#d5ecd4', '#3b8a3e'],
  ['#ecd6ec', '#8a4a8c'],
  ['#f6efb9', '#8f8320'],
  ['#d3eeee', '#2b8585'],
] as const;
const NEUTRAL = ['#eceff2', '#6b7580'] as const;

/** One box. */
interface Row {
  readonly start: number;
  readonly bytes: number;
  readonly height: number;
  /** Slot it belongs to, or -1. */
  readonly slot: number;
  readonly text: string;
}

/** Boxes that belong together. */
interface Group {
  readonly slot: number;
  readonly rows: readonly Row[];
}

function xml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

function heightOf(bytes: number): number {
  return ROW + Math.min(50, Math.max(0, Math.log2(bytes / 4096)) * 4);
}

/** The block page without a device tree: one row for each block, and the unused rest. */
function blockRows(layout: HvlLayout, page: Segment): Row[] {
  const rows = layout.slots.map((slot) => ({
    start: slot.block,
    bytes: BLOCK_BYTES,
    height: ROW,
    slot: slot.index,
    text: `registers of slot ${slot.index}`,
  }));
  const used = layout.slots.length * BLOCK_BYTES;
  if (used === page.bytes) return rows;
  const rest = { start: page.start + used, bytes: page.bytes - used, height: ROW, slot: -1, text: 'unused' };
  return [...rows, rest];
}

function groupsOf(layout: HvlLayout): Group[] {
  const rows = segments(layout).flatMap((segment): Row[] =>
    segment.kind === 'registers' && !layout.withDtb
      ? blockRows(layout, segment)
      : [{ ...segment, height: heightOf(segment.bytes) }],
  );
  const groups: { slot: number; rows: Row[] }[] = [];
  for (const row of rows) {
    const last = groups.at(-1);
    if (last !== undefined && last.slot === row.slot && row.slot >= 0) last.rows.push(row);
    else groups.push({ slot: row.slot, rows: [row] });
  }
  return groups;
}

function text(x: number, y: number, content: string, extra = ''): string {
  return `<text x="${x}" y="${y}" ${extra}>${xml(content)}</text>`;
}

function box(row: Row, y: number): string[] {
  const [fill, line] = row.slot < 0 ? NEUTRAL : (COLOURS[row.slot % COLOURS.length] ?? NEUTRAL);
  const middle = y + row.height / 2 + 4;
  return [
    `<rect x="${LEFT}" y="${y}" width="${BOX_WIDTH}" height="${row.height}" fill="${fill}" stroke="${line}"/>`,
    text(LEFT - 10, y + 12, hex(row.start, 8), 'class="a" text-anchor="end"'),
    text(LEFT + 12, middle, row.text),
    text(LEFT + BOX_WIDTH - 12, middle, bytesText(row.bytes), 'text-anchor="end" class="s"'),
  ];
}

/** Title, queues and kind of start beside a device's boxes. */
function caption(layout: HvlLayout, slotIndex: number, top: number, bottom: number): string[] {
  const slot = layout.slots[slotIndex];
  if (slot === undefined) return [];
  const [, line] = COLOURS[slotIndex % COLOURS.length] ?? NEUTRAL;
  const x = LEFT + BOX_WIDTH + 10;
  const queues = slot.request.queueMaxSizes.map(
    (size, index) => `${typeOfSlot(slot).queueNames[index]} ${size}`,
  );
  const details = `${queues.join(', ')}${slot.request.static ? '; static' : ''}`;
  const middle = (top + bottom) / 2;
  const lines = [
    `<path d="M${x} ${top + 1} h8 V${bottom - 1} h-8" fill="none" stroke="${line}" stroke-width="2"/>`,
  ];
  if (bottom - top < 2 * ROW - 10)
    return [...lines, text(x + 18, middle + 4, `${slotTitle(slot)}: ${details}`, 'class="o"')];
  return [
    ...lines,
    text(x + 18, middle - 4, `slot ${slotIndex}: ${slotTitle(slot)}`, 'class="o b"'),
    text(x + 18, middle + 14, `queues ${details}`, 'class="o"'),
  ];
}

function drawGroups(layout: HvlLayout): { readonly lines: readonly string[]; readonly bottom: number } {
  const lines: string[] = [];
  let y = TOP;
  const blocksTogether = (group: Group, next: Group | undefined): boolean =>
    !layout.withDtb &&
    next !== undefined &&
    (next.rows[0]?.start ?? 0) - layout.base < 0x1000 &&
    group.rows.length > 0;
  const groups = groupsOf(layout);
  for (const [index, group] of groups.entries()) {
    const top = y;
    for (const row of group.rows) {
      lines.push(...box(row, y));
      y += row.height;
    }
    lines.push(...caption(layout, group.slot, top, y));
    if (!blocksTogether(group, groups[index + 1])) y += GAP;
  }
  return { lines, bottom: y - GAP };
}

const STYLE = `
  text { font: 13px "DejaVu Sans", Verdana, Arial, sans-serif; fill: #1d2329 }
  .t { font-size: 18px; font-weight: bold; fill: #1d2329 }
  .a { font-family: "DejaVu Sans Mono", Menlo, monospace; font-size: 12px; fill: #48525c }
  .s { fill: #48525c }
  .o { fill: #1d2329 }
  .b { font-weight: bold }
`;

/** Text with a trailing newline. */
export function layoutSvg({ layout }: LayoutInput): string {
  const { base, bytes, withDtb, slots } = layout;
  const { lines, bottom } = drawGroups(layout);
  const height = bottom + 22 + MARGIN;
  const devices = `${slots.length} device${slots.length === 1 ? '' : 's'}`;
  const subtitle = `${hex(base)} to ${hex(base + bytes - 1)}, ${bytesText(bytes)}, ${withDtb ? 'device tree published' : 'no device tree'}, ${devices}; heights not to scale`;
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}">`,
    `<style>${STYLE}</style>`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    text(MARGIN, 36, 'Memory map of the pool', 'class="t"'),
    text(MARGIN, 60, subtitle, 'class="s"'),
    ...lines,
    text(LEFT - 10, bottom + 16, hex(base + bytes, 8), 'class="a" text-anchor="end"'),
    '</svg>',
  ].join('\n')}\n`;
}
