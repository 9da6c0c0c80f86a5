/** `--disk`: images, block devices, and a root directory. Looks at the host's files to tell them apart. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError, StartError } from '../util/errors.js';
import type { VmDiskOptions } from '../vmm/options.js';

/** What all `--disk` options together say. */
export interface Disks {
  readonly disks: readonly VmDiskOptions[];
  readonly rootDirectory: string | undefined;
}

/**
 * Reads the values of all `--disk` options.
 * @param home where `~/.lkvm` is, or undefined. Errors: ConfigError; StartError for a file that is not there.
 */
export function readDisks(values: readonly string[], home: string | undefined): Disks {
  const disks: VmDiskOptions[] = [];
  let rootDirectory: string | undefined;
  for (const value of values) {
    if (value.startsWith('scsi:')) {
      throw new ConfigError(
        `--disk ${value}: vhost-scsi is not supported yet; use an image or a block device`,
      );
    }
    if (kindOf(value) !== 'directory') disks.push(readDisk(value, home));
    else if (rootDirectory === undefined) rootDirectory = value;
    else {
      throw new ConfigError(
        `--disk ${rootDirectory} and --disk ${value}: a guest has one root directory; show others with --9p DIR,TAG`,
      );
    }
  }
  return { disks, rootDirectory };
}

/** FILE[,ro][,direct]; the name of a file may have commas, too. */
function readDisk(value: string, home: string | undefined): VmDiskOptions {
  const words = value.split(',');
  const modes = new Set<string>();
  while (words.length > 1 && /^(ro|rw|direct)$/.test(words.at(-1) as string)) {
    modes.add(words.pop() as string);
  }
  const path = words.join(',');
  if (path === '') throw new ConfigError(`--disk "${value}" names no file; write --disk FILE[,ro][,direct]`);
  if (modes.has('ro') && modes.has('rw')) {
    throw new ConfigError(`--disk ${value}: ro and rw exclude each other`);
  }
  checkFile(path, words, home);
  return { type: 'blk', path, readOnly: modes.has('ro'), direct: modes.has('direct') };
}

function checkFile(path: string, words: readonly string[], home: string | undefined): void {
  const kind = kindOf(path);
  if (kind === 'other') return;
  if (kind === 'directory') {
    throw new ConfigError(`--disk ${path}: words behind a directory mean nothing; write --disk ${path}`);
  }
  const [file = '', word] = words;
  if (word !== undefined && kindOf(file) !== 'missing') {
    throw new ConfigError(`--disk ${path}: "${word}" is not known; write --disk FILE[,ro][,direct]`);
  }
  if (home !== undefined && kindOf(join(home, '.lkvm', path)) === 'directory') {
    throw new ConfigError(
      `--disk ${path} is a root directory of "lkvm setup", which this release cannot boot from`,
    );
  }
  throw new StartError(`disk ${path}: no such file; an empty one is made by: truncate -s 1G ${path}`);
}

/** "other" also for what cannot be looked at: opening it says why. */
function kindOf(path: string): 'missing' | 'directory' | 'other' {
  try {
    return statSync(path).isDirectory() ? 'directory' : 'other';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR' ? 'missing' : 'other';
  }
}
