/** The guest's RAM. Thread: main. */
import { statfsSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { O_CREAT, O_EXCL, O_RDWR } from '../sys/arch.js';
import { close, ftruncate, open } from '../sys/fd.js';
import { errnoName, must } from '../sys/libc.js';
import { type Mapping, mapPrivate, mapPrivateFile } from '../sys/map.js';
import { ConfigError, StartError } from '../util/errors.js';

const HUGETLBFS_MAGIC = 0x9584_58f6;
const MIB = 0x10_0000;

/**
 * Maps the RAM of a guest: zeroed, not inherited by children, in huge pages where the host has some.
 * @param bytes multiple of 4096 @param hugetlbfs mount point of a hugetlbfs, or undefined for ordinary memory
 * Errors: StartError (not a hugetlbfs, not enough memory), ConfigError (not whole pages of it).
 */
export function mapRam(bytes: number, hugetlbfs: string | undefined): Mapping {
  try {
    return hugetlbfs === undefined ? mapPrivate(bytes, true) : mapHuge(bytes, hugetlbfs);
  } catch (error) {
    if (error instanceof ConfigError || error instanceof StartError) throw error;
    const text = error instanceof Error ? error.message : String(error);
    throw new StartError(`${bytes / MIB} MiB of guest memory cannot be had: ${text}`, error);
  }
}

function mapHuge(bytes: number, path: string): Mapping {
  const pageBytes = hugePageBytes(path);
  if (bytes % pageBytes !== 0) {
    const allowed = `${pageBytes / MIB} MiB`;
    throw new ConfigError(`--hugetlbfs ${path}: its pages have ${allowed}; --mem must be a multiple of that`);
  }
  const name = join(path, `lkvm-${process.pid}-${performance.now()}`);
  const fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0o600);
  if (fd < 0) throw new StartError(`--hugetlbfs ${path}: cannot make a file there: ${errnoName(-fd)}`);
  try {
    unlinkSync(name); // the mapping keeps the pages; nothing stays behind whatever happens
    must(ftruncate(fd, bytes), 'ftruncate');
    return mapPrivateFile(fd, bytes);
  } finally {
    close(fd);
  }
}

function hugePageBytes(path: string): number {
  const found = (() => {
    try {
      return statfsSync(path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new StartError(
        `--hugetlbfs ${path}: ${code ?? String(error)}; it is the mount point of a hugetlbfs`,
      );
    }
  })();
  if (found.type >>> 0 !== HUGETLBFS_MAGIC) {
    throw new StartError(`--hugetlbfs ${path}: not a hugetlbfs; mount one: mount -t hugetlbfs none ${path}`);
  }
  return found.bsize;
}
