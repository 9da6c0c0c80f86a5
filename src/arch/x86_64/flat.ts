/**
 * Flat binaries: code for real mode, loaded at 64 KiB and entered at its first byte, as the C tool does it. There are no
 * parameters, no BIOS and no interrupt vectors: such an image brings its own. Since any file could be one, those that
 * cannot be meant are refused.
 */
import { StartError } from '../../util/errors.js';
import { hex } from '../../util/numbers.js';
import { entryState } from './entry.js';
import type { LoadContext, LoadedGuest } from './load-request.js';
import { EBDA, FLAT_IMAGE } from './memory-map.js';

const SEGMENT = FLAT_IMAGE / 16;
const STACK_POINTER = 0x8000;
const MOST_BYTES = EBDA - FLAT_IMAGE;

/** So much of a file shows whether it is text. */
const TEXT_BYTES = 512;
const TAB = 0x09;
const LINE_FEED = 0x0a;
const FORM_FEED = 0x0c;
const CARRIAGE_RETURN = 0x0d;

/**
 * Whether a file is certainly text: nothing but printable ASCII in lines. Code of which that is true has to be written for
 * it; then it has no line feeds, and is short.
 */
function isText(head: Uint8Array): boolean {
  const start = head.subarray(0, TEXT_BYTES);
  if (start.length < TEXT_BYTES && !start.includes(LINE_FEED)) return false;
  return start.every(
    (byte) =>
      (byte >= 0x20 && byte <= 0x7e) ||
      byte === TAB ||
      byte === LINE_FEED ||
      byte === FORM_FEED ||
      byte === CARRIAGE_RETURN,
  );
}

/** Loads a flat binary. Errors: StartError. */
export function loadFlat(context: LoadContext): LoadedGuest {
  const { file, memory, request } = context;
  if (file.bytes === 0) throw new StartError(`kernel ${file.path} is empty`);
  if (isText(context.head)) {
    throw new StartError(
      `kernel ${file.path} is a text file; a bzImage, an ELF or multiboot kernel, or a flat binary is expected`,
    );
  }
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
