/** What `scripts/bed/fetch.sh` has put into the cache, and whether the test bed can run here. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { projectRoot } from '../support/project.js';
import { skipWithout } from '../support/tools.js';

/** A kernel of the cache. */
export type KernelName = '6.1' | '6.1-cloud' | '6.12' | '686' | '6.1-arm64' | '6.12-arm64';

/** All kernels that guests of `lkvm run` are booted from. */
export const KERNELS: readonly KernelName[] = ['6.1', '6.1-cloud', '6.12', '686'];

/** Folder of the cache. */
export const cacheFolder = resolve(projectRoot, process.env['LKVM_BED_CACHE'] ?? '.cache/bed');

/** Files of one kernel. */
export interface KernelFiles {
  readonly image: string;
  readonly modules: string;
  /** What `uname -r` prints. */
  readonly release: string;
  /** Static busybox of the kernel's architecture. */
  readonly busybox: string;
}

function busyboxOf(name: KernelName): string {
  if (name === '686') return 'i386';
  return name.endsWith('arm64') ? 'arm64' : 'amd64';
}

/** For `test({ skip })`: false if a kernel is there, else the reason. */
export function skipWithoutKernel(name: KernelName): string | false {
  const there = existsSync(join(cacheFolder, 'kernels', name, '.complete'));
  return there ? false : `no kernel "${name}" in the cache: scripts/bed/fetch.sh could not get it`;
}

/** Files of a kernel that is there. */
export function kernelFiles(name: KernelName): KernelFiles {
  const folder = join(cacheFolder, 'kernels', name);
  return {
    image: join(folder, 'vmlinuz'),
    modules: join(folder, 'modules'),
    release: readFileSync(join(folder, 'release'), 'utf8').trim(),
    busybox: join(cacheFolder, `busybox-${busyboxOf(name)}`),
  };
}

/**
 * For `test({ skip })`: false if the outer guest can be started, else the reason. In continuous integration (CI=true)
 * there is no excuse: the tests run, and fail.
 */
export function skipWithoutBed(): string | false {
  if (process.env['CI'] === 'true') return false;
  if (process.arch !== 'x64') return `the guests are x86 code, this is ${process.arch}`;
  return skipWithout('qemu-system-x86_64', 'setpriv') || skipWithoutKernel('6.1');
}
