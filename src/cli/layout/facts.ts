/** What the printers of `lkvm layout` have in common. */

import { type DeviceType, deviceTypeOfWord } from '../../machine/device-table.js';
import type { PmmConfig } from '../../pmm/config.js';
import type { HvlLayout, HvlSlot } from '../../virtio/transport/hvl/layout.js';

/** A planned pool: input of every printer. */
export interface LayoutInput {
  readonly config: PmmConfig;
  readonly layout: HvlLayout;
}

/** "16 MiB", "15.4 MiB", "512 bytes". */
export function bytesText(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${units[unit]}`;
}

/** Facts about a slot's type. Slots are made from `DEVICE_TYPES`, so the type is known. */
export function typeOfSlot(slot: HvlSlot): DeviceType {
  return deviceTypeOfWord(slot.request.name) as DeviceType;
}

/** "9p share", "rng", "net 02:15:15:15:15:15". */
export function slotTitle(slot: HvlSlot): string {
  const { word } = typeOfSlot(slot);
  // a tag may hold anything but NUL; line breaks would end a comment or a table row
  const label = slot.request.label.replace(/\p{Cc}/gu, '?');
  return label === '' ? word : `${word} ${label}`;
}

/** A name for C and for labels: type and number within the type, "net0", "9p1"; behind a prefix in both. */
export function slotSymbol(layout: HvlLayout, slot: HvlSlot): string {
  const same = layout.slots.filter((each) => each.request.name === slot.request.name);
  return `${typeOfSlot(slot).word}${same.indexOf(slot)}`;
}
