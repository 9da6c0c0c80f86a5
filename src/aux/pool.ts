/** Maps the pool that the PMM owns. Nothing is created, grown, cleared or locked here. */
import { fstatSync, readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { ACCESS_DIRECT, ACCESS_WORD, GuestMemory } from '../memory/guest-memory.js';
import { O_RDWR } from '../sys/arch.js';
import { close, open } from '../sys/fd.js';
import { errnoName } from '../sys/libc.js';
import { type Mapping, mapShared, unmap } from '../sys/map.js';
import { StartError } from '../util/errors.js';
import type { AuxOptions, AuxPool } from './options.js';

/** A pool as handed over on an `eventfd:` connection, or by an ivshmem server. */
export interface HandedPool {
  /** PMM's address of the first byte; undefined if only the pool itself tells. */
  readonly address: number | undefined;
  readonly bytes: number;
  /** Its memory (owned by the doorbell), or -1 if the peer opens the pool itself. */
  readonly fd: number;
}

/** A mapped pool. */
export class AuxPoolMapping {
  /** One region at gpa 0. */
  readonly memory: GuestMemory;
  /** Which object it is; differs after it was replaced. */
  readonly identity: string;
  readonly #mapping: Mapping;

  constructor(mapping: Mapping, access: number, identity: string) {
    const { address, bytes } = mapping;
    this.memory = new GuestMemory([{ gpa: 0, hva: address, bytes }], access);
    this.identity = identity;
    this.#mapping = mapping;
  }

  /** Unmaps. Nothing may look at the memory any more, on any path. */
  close(): void {
    unmap(this.#mapping);
  }
}

/**
 * Maps the pool if it is there.
 * @returns undefined if it is not there yet, or too small to hold anything
 * Errors: StartError (not permitted, no such map).
 */
export function openAuxPool(options: AuxOptions, handed: HandedPool | undefined): AuxPoolMapping | undefined {
  const { pool, shmemAddr, shmemSize } = options;
  switch (pool.kind) {
    case 'file':
      return openFile(pool.path, shmemSize ?? handed?.bytes);
    case 'memfd': {
      if (handed === undefined || handed.fd < 0) return undefined;
      return mapObject(handed.fd, handed.bytes, identityOf(fstatSync(handed.fd)));
    }
    case 'ivshmem': {
      if (handed === undefined || handed.bytes === 0) return undefined;
      const bytes = Math.min(shmemSize ?? handed.bytes, handed.bytes);
      return mapObject(handed.fd, bytes, identityOf(fstatSync(handed.fd)));
    }
    case 'uio': {
      const bytes = shmemSize ?? uioBytes(pool);
      return openDevice(pool.path, pool.map * 4096, bytes);
    }
    case 'devmem':
      return openDevice(pool.path, shmemAddr ?? 0, shmemSize ?? 0);
  }
}

/** Identity of the object that {@link openAuxPool} would map now; "" if it cannot be told. */
export function poolIdentity(options: AuxOptions, handed: HandedPool | undefined): string {
  try {
    if (options.pool.kind === 'file') return identityOf(statSync(options.pool.path));
    const { kind } = options.pool;
    const isHanded = kind === 'memfd' || kind === 'ivshmem';
    if (isHanded && handed !== undefined) return identityOf(fstatSync(handed.fd));
  } catch {
    // gone at this moment; the next look tells
  }
  return '';
}

function identityOf(stat: { readonly dev: number; readonly ino: number }): string {
  return `${stat.dev}:${stat.ino}`;
}

function openFile(path: string, limit: number | undefined): AuxPoolMapping | undefined {
  const fd = open(path, O_RDWR);
  if (fd < 0) {
    if (errnoName(-fd) === 'ENOENT') return undefined;
    throw new StartError(`cannot open the pool file ${path}: ${errnoName(-fd)}`);
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new StartError(`the pool ${path} is not a regular file`);
    const { size } = stat;
    const bytes = Math.floor(Math.min(size, limit ?? size) / 4096) * 4096;
    return bytes === 0 ? undefined : mapObject(fd, bytes, identityOf(stat));
  } finally {
    close(fd);
  }
}

function mapObject(fd: number, bytes: number, identity: string): AuxPoolMapping {
  return new AuxPoolMapping(mapShared(fd, bytes), ACCESS_DIRECT, identity);
}

function openDevice(path: string, offset: number, bytes: number): AuxPoolMapping {
  const fd = open(path, O_RDWR);
  if (fd < 0) throw new StartError(`cannot open the shared memory device ${path}: ${errnoName(-fd)}`);
  try {
    return new AuxPoolMapping(mapShared(fd, bytes, offset), ACCESS_WORD, '');
  } finally {
    close(fd);
  }
}

function uioBytes(pool: Extract<AuxPool, { kind: 'uio' }>): number {
  const file = `${pool.sysfs}/class/uio/${basename(pool.path)}/maps/map${pool.map}/size`;
  try {
    return Number(readFileSync(file, 'ascii').trim());
  } catch (cause) {
    throw new StartError(`${pool.path} has no memory map ${pool.map} (${file} cannot be read)`, cause);
  }
}
