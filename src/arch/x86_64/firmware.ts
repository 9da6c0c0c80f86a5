/**
 * Firmware images (SeaBIOS): read-only memory that ends at 4 GiB, where a processor begins after a reset, and a copy that
 * ends at 1 MiB, where its real-mode code runs. The copy is ordinary RAM: firmware that wants to change itself there
 * need not unlock anything, and one of 256 KiB finds all its parts, from 0xc0000 on.
 */
import { GuestMemory } from '../../memory/guest-memory.js';
import { mapPrivate, unmap } from '../../memory/host-pages.js';
import { StartError } from '../../util/errors.js';
import { alignUp, hex } from '../../util/numbers.js';
import { entryState } from './entry.js';
import type { LoadContext, LoadedGuest } from './load-request.js';
import { FOUR_GIB, HIGH_MEMORY, TSS } from './memory-map.js';

const PAGE = 4096;
/** KVM's three pages lie below. */
const LOWEST = TSS + 3 * PAGE;
const MOST_BYTES = FOUR_GIB - LOWEST;
/** A processor's first instruction is 16 bytes before the end. */
const LEAST_BYTES = 16;

/** Loads a firmware image. The caller unmaps the extra region at its end. Errors: StartError. */
export function loadFirmware(context: LoadContext): LoadedGuest {
  const { file, memory } = context;
  if (file.bytes < LEAST_BYTES || file.bytes > MOST_BYTES) {
    throw new StartError(
      `firmware ${file.path} has ${file.bytes} bytes: it must have between ${LEAST_BYTES} and ${MOST_BYTES}`,
    );
  }
  file.load(memory, HIGH_MEMORY - file.bytes, 0, file.bytes);
  const bytes = alignUp(file.bytes, PAGE);
  const gpa = FOUR_GIB - bytes;
  const pages = mapPrivate(bytes);
  try {
    const region = { gpa, hva: pages.address, bytes };
    file.load(new GuestMemory([region]), FOUR_GIB - file.bytes, 0, file.bytes);
    return {
      entry: entryState('reset', {}),
      extraRegions: [region],
      description: `firmware of ${file.bytes} bytes at ${hex(FOUR_GIB - file.bytes)} and ${hex(HIGH_MEMORY - file.bytes)}`,
    };
  } catch (error) {
    unmap(pages);
    throw error;
  }
}
