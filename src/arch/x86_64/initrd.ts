/** Where the initial RAM disk goes: as high as the kernel allows, so that it is out of the way of what the kernel unpacks. */
import { StartError } from '../../util/errors.js';
import { alignDown, alignUp, hex } from '../../util/numbers.js';
import { lowRamEnd } from './e820.js';
import { mebibytes } from './guest-bytes.js';
import { ImageFile } from './image-file.js';
import type { LoadContext } from './load-request.js';

const PAGE = 4096;

/** A loaded initial RAM disk; both 0 if there is none. */
export interface LoadedInitrd {
  readonly gpa: number;
  readonly bytes: number;
}

/**
 * Loads the initrd of the request, if there is one, at the highest place that fits.
 *
 * @param lowest first address that the kernel does not need
 * @param limit first address that the kernel does not allow the initrd to reach
 * Errors: StartError with the RAM that is needed.
 */
export function loadInitrd(context: LoadContext, lowest: number, limit: number): LoadedInitrd {
  const { memory, request } = context;
  const path = request.boot.initrd;
  if (path === undefined) return { gpa: 0, bytes: 0 };
  const file = new ImageFile(path, 'initrd');
  try {
    if (file.bytes === 0) return { gpa: 0, bytes: 0 };
    const gpa = alignDown(Math.min(limit, lowRamEnd(request.ramBytes)) - file.bytes, PAGE);
    if (gpa < lowest) throw new StartError(doesNotFit(file, request.ramBytes, alignUp(lowest, PAGE), limit));
    file.load(memory, gpa, 0, file.bytes);
    return { gpa, bytes: file.bytes };
  } finally {
    file.close();
  }
}

function doesNotFit(file: ImageFile, ramBytes: number, lowest: number, limit: number): string {
  const needed = alignUp(lowest + file.bytes, PAGE);
  const what = `initrd ${file.path} of ${mebibytes(file.bytes)} does not fit`;
  if (needed > limit) {
    return `${what}: the kernel ends at ${hex(lowest)} and takes no initrd above ${hex(limit)}`;
  }
  return `${what} in ${mebibytes(ramBytes)} of RAM, behind the kernel's end at ${hex(lowest)}: give the guest at least ${mebibytes(needed)} with -m`;
}
