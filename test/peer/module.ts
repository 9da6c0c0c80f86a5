/** The Linux front end (`guest/linux`), built for the kernels of the cache. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { KernelName } from '../bed/cache.js';
import { type CpioEntry, file } from '../bed/cpio.js';
import { projectRoot } from '../support/project.js';

const BUILD_LIMIT_MS = 600_000;

/** Where {@link frontEndModule} puts it in an initrd. */
export const MODULE_PATH = '/lib/virtio_hvl.ko';

/**
 * The module as a file of an initrd. It is not loaded by itself: `insmod /lib/virtio_hvl.ko PARAMETERS`.
 * Errors: it cannot be built; the message is the compiler's.
 */
export function frontEndModule(kernel: KernelName): CpioEntry {
  const { status, stdout, stderr } = spawnSync(join(projectRoot, 'scripts/bed/module.sh'), [kernel], {
    encoding: 'utf8',
    timeout: BUILD_LIMIT_MS,
  });
  if (status !== 0) throw new Error(`virtio_hvl was not built for ${kernel}:\n${stderr}`);
  return file(MODULE_PATH.slice(1), readFileSync(stdout.trim()));
}
