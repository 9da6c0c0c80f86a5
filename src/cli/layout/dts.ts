/**
 * The memory map as device tree source: the tree the PMM publishes, or a fragment for the front end's own tree.
 */
import { fdtToDts, nodeLines } from '../../fdt/dts.js';
import { fdtNode, propString, propU32 } from '../../fdt/tree.js';
import { layoutTree } from '../../machine/pool-map.js';
import { ConfigError } from '../../util/errors.js';
import { hex } from '../../util/numbers.js';
import { type LayoutInput, slotSymbol, slotTitle } from './facts.js';

const BLOCK_BYTES = 0x200;

/** The published tree. Errors: ConfigError if there is none. */
export function layoutDts({ layout }: LayoutInput): string {
  if (layout.withDtb) return fdtToDts(layoutTree(layout));
  throw new ConfigError(
    '--dts and --no-dtb exclude each other: no tree is published; --overlay is for the front end',
  );
}

/**
 * A fragment in the style of the Zephyr demos: the pool as reserved memory, one virtio,mmio node per register block with
 * a reference to it, with 32-bit cells as on the small cores it is for. Errors: ConfigError for a pool above 4 GiB.
 */
export function layoutOverlay({ layout }: LayoutInput): string {
  const { base, bytes, slots } = layout;
  if (base + bytes > 0x1_0000_0000) {
    throw new ConfigError(
      `--overlay has 32-bit cells, but the pool ends at ${hex(base + bytes)}, above 4 GiB`,
    );
  }
  const lines = [
    `/* The pool of lkvm pmm --shmem-addr ${hex(base)} --shmem-size ${hex(bytes)}${layout.withDtb ? '' : ' --no-dtb'}.`,
    ' * Add the doorbell and interrupt of your board: they are not known here. */',
    '',
    '/ {',
    '\t#address-cells = <1>;',
    '\t#size-cells = <1>;',
    '',
    '\treserved-memory {',
    '\t\t#address-cells = <1>;',
    '\t\t#size-cells = <1>;',
    '\t\tranges;',
    '',
    `\t\thvl_pool: memory@${base.toString(16)} {`,
    `\t\t\treg = <${hex(base)} ${hex(bytes)}>;`,
    '\t\t\tno-map;',
    '\t\t};',
    '\t};',
  ];
  for (const slot of slots) {
    const unit = slot.block.toString(16);
    const node = fdtNode(`virtio@${unit}`, [
      propString('compatible', 'virtio,mmio'),
      propU32('reg', slot.block, BLOCK_BYTES),
    ]);
    const heading = `hvl_${slotSymbol(layout, slot)}: ${node.name}`;
    const [open = '', ...rest] = nodeLines(node, 1, heading);
    const close = rest.pop() ?? '';
    lines.push('', `\t/* slot ${slot.index}: ${slotTitle(slot)} */`, open, ...rest);
    lines.push('\t\tmemory-region = <&hvl_pool>;', '\t\tstatus = "okay";', close);
  }
  return `${[...lines, '};'].join('\n')}\n`;
}
