/**
 * Flat binaries: code for real mode, loaded at 64 KiB and entered at its first byte, as the C tool does it. There are no
 * parameters, no BIOS and no interrupt vectors: such an image brings its own.
 */
import { StartError } from '../../util/errors.js';
import { hex } from '../../util/numbers.js';
import { entryState } from './entry.js';
import type { LoadContext, LoadedGuest } from './load-request.js';
import { EBDA, FLAT_IMAGE } from './memory-map.js';

const SEGMENT = FLAT_IMAGE / 16;
const STACK_POINTER = 0x8000;
const MOST_BYTES = EBDA - FLAT_IMAGE;

/** Loads a flat binary. Errors: StartError. */
export function loadFlat(context: LoadContext): LoadedGuest {
  const { file, memory, request } = context;
  if (file.bytes === 0) throw new StartError(`kernel ${file.path} is empty`);
  if (file.bytes > MOST_BYTES) {
    throw new StartError(
      `kernel ${file.path} is neither bzImage, ELF nor multiboot; as a flat binary it may have ${MOST_BYTES} bytes, it has ${file.bytes}`,
    );
  }
  if (request.boot.initrd !== undefined) {
    throw new StartError(
      `kernel ${file.path} is a flat binary, which takes no initrd: leave ${request.boot.initrd} out`,
    );
  }
  file.load(memory, FLAT_IMAGE, 0, file.bytes);
  return {
    entry: entryState('real', { rip: 0, rsp: STACK_POINTER, segment: SEGMENT }),
    extraRegions: [],
    description: `flat binary of ${file.bytes} bytes at ${hex(FLAT_IMAGE)}, real mode`,
  };
}
