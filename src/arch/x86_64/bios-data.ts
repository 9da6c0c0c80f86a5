/** The few words of the BIOS data area that operating systems read before they know any better. */
import type { GuestMemory } from '../../memory/guest-memory.js';
import { guestView } from './guest-bytes.js';
import { EBDA } from './memory-map.js';

const BIOS_DATA = 0x400;
const BIOS_DATA_BYTES = 0x100;
/** Paragraph number of the extended BIOS data area. */
const EBDA_SEGMENT_OFF = 0x0e;
/** Memory below 640 KiB in KiB. */
const BASE_MEMORY_OFF = 0x13;

/** Says where base memory ends. For every guest that has no firmware of its own. Errors: StartError (no RAM). */
export function writeBiosData(memory: GuestMemory): void {
  const view = guestView(memory, BIOS_DATA, BIOS_DATA_BYTES);
  view.setUint16(EBDA_SEGMENT_OFF, EBDA / 16, true);
  view.setUint16(BASE_MEMORY_OFF, EBDA / 1024, true);
}
