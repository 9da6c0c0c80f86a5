/** The memory map as a C header for front ends. Compiles as C89 and later, as C++ and in assembler sources. */

import { hex } from '../../util/numbers.js';
import type { HvlLayout, HvlSlot } from '../../virtio/transport/hvl/layout.js';
import { type LayoutInput, slotSymbol, slotTitle, typeOfSlot } from './facts.js';

/** A definition: name without prefix, value, comment. */
type Definition = readonly [name: string, value: string, comment: string];

function address(value: number): string {
  return `HVL_ADDR(${hex(value, 8)})`;
}

function slotDefinitions(layout: HvlLayout, slot: HvlSlot): Definition[] {
  const name = slotSymbol(layout, slot).toUpperCase();
  const { request } = slot;
  const definitions: Definition[] = [
    [`${name}_SLOT`, String(slot.index), slotTitle(slot)],
    [`${name}_DEVICE_ID`, String(request.deviceId), 'virtio device id'],
    [`${name}_REGS`, address(slot.block), 'register block, HVL_REGS_SIZE bytes'],
    [`${name}_CONFIG`, address(slot.block + 0x100), 'config space'],
    [`${name}_SHM_BASE`, address(slot.shmBase), 'as published in SHM_BASE'],
    [`${name}_SHM_SIZE`, hex(slot.shmBytes), 'as published in SHM_LEN'],
    [`${name}_QUEUES`, String(request.queueMaxSizes.length), ''],
  ];
  for (const [index, size] of request.queueMaxSizes.entries()) {
    definitions.push([`${name}_QUEUE${index}_MAX`, String(size), typeOfSlot(slot).queueNames[index] ?? '']);
  }
  for (const [index, ring] of slot.rings.entries()) {
    definitions.push([`${name}_QUEUE${index}_RING`, address(ring.gpa), 'placed by the PMM (static mode)']);
    definitions.push([`${name}_QUEUE${index}_RING_SIZE`, hex(ring.bytes), '']);
  }
  if (slot.arenaBytes > 0) {
    definitions.push([
      `${name}_ARENA`,
      address(slot.shmBase + slot.arenaOffset),
      'for buffers (static mode)',
    ]);
    definitions.push([`${name}_ARENA_SIZE`, hex(slot.arenaBytes), '']);
  }
  return definitions;
}

function define([name, value, comment]: Definition): string {
  const text = `#define HVL_${name.padEnd(24)} ${value}`;
  return comment === '' ? text : `${text.padEnd(60)} /* ${comment.replaceAll('*/', '* /')} */`;
}

/** Text with a trailing newline. */
export function layoutCHeader({ layout }: LayoutInput): string {
  const { base, bytes, withDtb, slots, tail, tailBytes } = layout;
  const pool: Definition[] = [
    ['POOL_BASE', address(base), 'driver-visible address'],
    ['POOL_SIZE', hex(bytes), 'bytes'],
    ['POOL_HAS_DTB', withDtb ? '1' : '0', 'a device tree at HVL_POOL_BASE'],
    ['REGS_SIZE', '0x200', 'registers and config space of one device'],
    ['DEVICES', String(slots.length), 'number of slots'],
    ['TAIL_BASE', address(tail), 'common arena, owned by the front end'],
    ['TAIL_SIZE', hex(tailBytes), ''],
  ];
  const lines = [
    `/* Hypervisorless virtio: memory map of lkvm pmm --shmem-addr ${hex(base)} --shmem-size ${hex(bytes)}${withDtb ? '' : ' --no-dtb'}.`,
    ' * Made by lkvm layout --c-header; do not edit. */',
    '#ifndef HVL_LAYOUT_H',
    '#define HVL_LAYOUT_H',
    '',
    '/* Addresses may lie above 4 GiB; assemblers know no suffixes. */',
    '#ifdef __ASSEMBLER__',
    '#define HVL_ADDR(a) a',
    '#elif defined(__cplusplus) || (defined(__STDC_VERSION__) && __STDC_VERSION__ >= 199901L)',
    '#define HVL_ADDR(a) a##ULL',
    '#else',
    '#define HVL_ADDR(a) a##UL',
    '#endif',
    '',
    ...pool.map(define),
  ];
  for (const slot of slots) lines.push('', ...slotDefinitions(layout, slot).map(define));
  return `${[...lines, '', '#endif'].join('\n')}\n`;
}
