/** Loads what the guest shall run: finds out the format of the file and hands it to the loader for that. */
import type { GuestMemory } from '../../memory/guest-memory.js';
import { StartError } from '../../util/errors.js';
import { isBzimage, loadBzimage } from './bzimage.js';
import { ImageFile } from './image-file.js';
import type { LoadedGuest, LoadRequest } from './load-request.js';

/** What is read from a file to recognise it: a multiboot header lies in the first 8 KiB. */
const HEAD_BYTES = 8192;

/**
 * Loads kernel or firmware, initrd and command line into guest memory.
 *
 * Thread: main, before any vCPU runs. The memory is zeros, except for the firmware tables.
 * @param memory RAM of the guest
 * Errors: StartError, one line.
 */
export function loadGuest(memory: GuestMemory, request: LoadRequest): LoadedGuest {
  const { kernel } = request.boot;
  if (kernel === undefined) throw new StartError('there is no kernel to start: name one with --kernel');
  const file = new ImageFile(kernel, 'kernel');
  try {
    const context = { memory, request, file, head: file.head(HEAD_BYTES) };
    if (isBzimage(context.head)) return loadBzimage(context);
    throw new StartError(`kernel ${file.path} has an unknown format`);
  } finally {
    file.close();
  }
}
