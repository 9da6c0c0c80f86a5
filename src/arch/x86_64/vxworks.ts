/**
 * Kernels as the C tool loads VxWorks: a flat 32-bit image at a fixed address, entered at its first byte in protected mode;
 * the boot line is a string at another one. There are no other parameters.
 */
import { StartError } from '../../util/errors.js';
import { hex } from '../../util/numbers.js';
import { writeDescriptorTable } from './boot-tables.js';
import { entryState } from './entry.js';
import { writeString } from './guest-bytes.js';
import type { LoadContext, LoadedGuest } from './load-request.js';
import { VXWORKS_BOOT_LINE, VXWORKS_IMAGE, VXWORKS_STACK } from './memory-map.js';

/** Loads such a kernel, whatever its file looks like. Errors: StartError. */
export function loadVxworks(context: LoadContext): LoadedGuest {
  const { file, memory, request } = context;
  if (file.bytes === 0) throw new StartError(`kernel ${file.path} is empty`);
  file.load(memory, VXWORKS_IMAGE, 0, file.bytes);
  writeString(memory, VXWORKS_BOOT_LINE, request.boot.commandLine);
  writeDescriptorTable(memory, false);
  return {
    entry: entryState('protected', { rip: VXWORKS_IMAGE, rsp: VXWORKS_STACK }),
    extraRegions: [],
    description: `VxWorks image of ${file.bytes} bytes at ${hex(VXWORKS_IMAGE)}, boot line at ${hex(VXWORKS_BOOT_LINE)}`,
  };
}
