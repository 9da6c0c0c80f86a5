/**
 * The device tree that a pool publishes at its start: where each device's register block is, and nothing else.
 * A driver learns a device's type from its DEVICE_ID register, and the interrupt from its own configuration.
 * The bytes are those of the original: same nodes, same properties, same order (protocol section 2.4).
 */
import {
  type FdtTree,
  fdtNode,
  fdtTree,
  propEmpty,
  propString,
  propU32,
  propU64,
} from '../../../fdt/tree.js';
import { writeFdt } from '../../../fdt/writer.js';
import type { HvlLayout, HvlSlot } from './layout.js';

/** What the tree says of a register block's size: registers and config space, two times 0x100. */
const BLOCK_BYTES = 0x200;

/** Largest blob that fits before the first region. */
export const HVL_DTB_MAX_BYTES = 0x1_0000;

/** Name of a device's node: its address is that of its register block, which is the start of its region. */
export function hvlNodeName(slot: HvlSlot): string {
  return `virtio@${slot.block.toString(16)}`;
}

/** The tree, for printing. @param layout a layout with a device tree (`withDtb`) */
export function hvlTree(layout: HvlLayout): FdtTree {
  const devices = layout.slots.map((slot) =>
    fdtNode(hvlNodeName(slot), [
      propString('compatible', 'virtio,mmio'),
      propU64('reg', slot.block, BLOCK_BYTES),
      propEmpty('dma-coherent'),
    ]),
  );
  return fdtTree(fdtNode('', [propU32('#address-cells', 2), propU32('#size-cells', 2)], devices));
}

/**
 * The flattened tree, as it is written to the start of the pool.
 *
 * @returns at most {@link HVL_DTB_MAX_BYTES} bytes: about 80 per device; `planLayout` limits their number
 */
export function hvlDeviceTree(layout: HvlLayout): Uint8Array {
  return writeFdt(hvlTree(layout));
}
