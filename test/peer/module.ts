/** What is compiled for the other machine: the Linux front end (`guest/linux`) and programs of `test/guests/`. */
import { execFileSync, type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { KernelName } from '../bed/cache.js';
import { type CpioEntry, file } from '../bed/cpio.js';
import { projectRoot } from '../support/project.js';

const BUILD_LIMIT_MS = 600_000;

/** Where {@link frontEndModule} puts it in an initrd. */
export const MODULE_PATH = '/lib/virtio_hvl.ko';

/** Whether a kernel is for 64-bit Arm. */
export function isArm(kernel: KernelName): boolean {
  return kernel.endsWith('arm64');
}

/** Name of the compiler for a kernel's programs. */
export function compilerFor(kernel: KernelName): string {
  return isArm(kernel) ? 'aarch64-linux-gnu-gcc' : 'gcc';
}

/** Exit status of the script where there are no headers. */
const NO_HEADERS = 3;

function build(kernel: KernelName): SpawnSyncReturns<string> {
  const script = join(projectRoot, 'scripts/bed/module.sh');
  return spawnSync(script, [kernel], { encoding: 'utf8', timeout: BUILD_LIMIT_MS });
}

/** For `test({ skip })`: false if Debian still has the headers of a kernel of the cache, else the reason. */
export function skipWithoutHeaders(kernel: KernelName): string | false {
  const { status, stderr } = build(kernel);
  return status === NO_HEADERS && `no kernel headers for "${kernel}": ${stderr.trim()}`;
}

/**
 * The module as a file of an initrd. It is not loaded by itself: `insmod /lib/virtio_hvl.ko PARAMETERS`.
 * Errors: it cannot be built; the message is the compiler's.
 */
export function frontEndModule(kernel: KernelName): CpioEntry {
  const { status, stdout, stderr } = build(kernel);
  if (status !== 0) throw new Error(`virtio_hvl was not built for ${kernel}:\n${stderr}`);
  return file(MODULE_PATH.slice(1), readFileSync(stdout.trim()));
}

/** Measures the front end: `insmod /lib/hvl_cost.ko`. Errors: as {@link frontEndModule}. */
export function costModule(kernel: KernelName): CpioEntry {
  const { status, stdout, stderr } = build(kernel);
  if (status !== 0) throw new Error(`hvl_cost was not built for ${kernel}:\n${stderr}`);
  return file('lib/hvl_cost.ko', readFileSync(join(dirname(stdout.trim()), 'hvl_cost.ko')));
}

/** Compiles a program, without need for any library. @param folder for the result @returns it as a file of an initrd */
export function program(kernel: KernelName, folder: string, name: string): CpioEntry {
  const path = join(folder, name);
  const source = join(projectRoot, 'test/guests', `${name}.c`);
  execFileSync(compilerFor(kernel), ['-O2', '-Wall', '-Werror', '-static', '-o', path, source]);
  return file(`bin/${name}`, readFileSync(path), 0o755);
}
