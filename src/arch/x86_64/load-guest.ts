/** Loads what the guest shall run: finds out the format of the file and hands it to the loader for that. */
import { MULTIBOOT_SEARCH } from '../../abi/multiboot.js';
import type { GuestMemory } from '../../memory/guest-memory.js';
import { StartError } from '../../util/errors.js';
import { writeBiosData } from './bios-data.js';
import { isBzimage, loadBzimage } from './bzimage.js';
import { isElf, parseElf } from './elf.js';
import { loadFirmware } from './firmware.js';
import { loadFlat } from './flat.js';
import { mebibytes } from './guest-bytes.js';
import { ImageFile } from './image-file.js';
import type { LoadContext, LoadedGuest, LoadRequest } from './load-request.js';
import { HIGH_MEMORY } from './memory-map.js';
import { findMultiboot, loadMultiboot } from './multiboot.js';
import { loadPvh, pvhEntry } from './pvh.js';
import { loadVmlinux } from './vmlinux.js';
import { loadVxworks } from './vxworks.js';

/** What is read from a file to recognise it. */
const HEAD_BYTES = MULTIBOOT_SEARCH;
/** Every guest finds tables and parameters below 1 MiB. */
const LEAST_RAM = HIGH_MEMORY;

/**
 * Loads kernel or firmware, initrd and command line into guest memory.
 *
 * Thread: main, before any vCPU runs. The memory is zeros, except for the firmware tables.
 * @param memory RAM of the guest, laid out as `ramRanges(request.ramBytes)` says
 * Errors: StartError, one line.
 */
export function loadGuest(memory: GuestMemory, request: LoadRequest): LoadedGuest {
  const { kernel, firmware } = request.boot;
  if (request.ramBytes < LEAST_RAM) {
    throw new StartError(
      `a guest needs at least ${mebibytes(LEAST_RAM)} of RAM, not ${request.ramBytes} bytes`,
    );
  }
  if (firmware !== undefined)
    return withFile(memory, request, new ImageFile(firmware, 'firmware'), loadFirmware);
  if (kernel === undefined) throw new StartError('there is no kernel to start: name one with --kernel');
  return withFile(memory, request, new ImageFile(kernel, 'kernel'), loadKernel);
}

function withFile(
  memory: GuestMemory,
  request: LoadRequest,
  file: ImageFile,
  load: (context: LoadContext) => LoadedGuest,
): LoadedGuest {
  try {
    return load({ memory, request, file, head: file.head(HEAD_BYTES) });
  } finally {
    file.close();
  }
}

function loadKernel(context: LoadContext): LoadedGuest {
  writeBiosData(context.memory);
  if (context.request.boot.vxworks) return loadVxworks(context);
  const { head } = context;
  if (isBzimage(head)) return loadBzimage(context);
  const multiboot = findMultiboot(head);
  if (multiboot >= 0) return loadMultiboot(context, multiboot);
  if (isElf(head)) return loadElfKernel(context);
  return loadFlat(context);
}

function loadElfKernel(context: LoadContext): LoadedGuest {
  const image = parseElf(context.file, context.head);
  const entry = pvhEntry(context, image);
  return entry === undefined ? loadVmlinux(context, image) : loadPvh(context, image, entry);
}
