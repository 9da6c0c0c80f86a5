/** The memory map as one JSON object, for programs. Addresses are numbers, as the peer sees them. */
import { segments } from '../../machine/pool-map.js';
import type { HvlSlot } from '../../virtio/transport/hvl/layout.js';
import { type LayoutInput, slotSymbol, typeOfSlot } from './facts.js';

/** Text with a trailing newline. */
export function layoutJson({ config, layout }: LayoutInput): string {
  const device = (slot: HvlSlot) => ({
    slot: slot.index,
    name: slotSymbol(layout, slot),
    type: typeOfSlot(slot).word,
    deviceId: slot.request.deviceId,
    label: slot.request.label,
    registers: slot.block,
    config: slot.block + 0x100,
    region: layout.withDtb ? { start: slot.region, bytes: slot.regionBytes } : null,
    shmBase: slot.shmBase,
    shmBytes: slot.shmBytes,
    features: featureText(config.devices[slot.index]?.features),
    queues: slot.request.queueMaxSizes.map((size, index) => {
      const ring = slot.rings[index];
      return {
        index,
        name: typeOfSlot(slot).queueNames[index],
        maxSize: size,
        ring: ring === undefined ? null : { start: ring.gpa, bytes: ring.bytes },
      };
    }),
    static: slot.request.static,
    arena: slot.arenaBytes === 0 ? null : { start: slot.shmBase + slot.arenaOffset, bytes: slot.arenaBytes },
  });
  const object = {
    base: layout.base,
    bytes: layout.bytes,
    dtb: layout.withDtb,
    devices: layout.slots.map(device),
    tail: { start: layout.tail, bytes: layout.tailBytes },
    segments: segments(layout),
  };
  return `${JSON.stringify(object, null, 2)}\n`;
}

/** A predefined list as "0x..."; null for the device's own. */
function featureText(features: { readonly low: number; readonly high: number } | undefined): string | null {
  return features === undefined ? null : `0x${(features.high * 0x1_0000_0000 + features.low).toString(16)}`;
}
