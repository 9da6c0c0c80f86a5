/**
 * The pre-shared memory pool: opened, locked, checked, zeroed and mapped by main; used by the reactor; unmapped by main
 * after the reactor has exited.
 *
 * Trust: whoever may write the pool *file* may also truncate it, and then our next access is a SIGBUS. That is the
 * price of `file:`; a memfd pool is sealed and cannot shrink.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { basename } from 'node:path';
import { EAGAIN } from '../abi/errno.js';
import {
  HVL_BLOCK_BYTES,
  HVL_FDT_BYTES,
  VIRTIO_MMIO_MAGIC,
  VIRTIO_MMIO_MAGIC_VALUE,
  VIRTIO_MMIO_STATUS,
} from '../abi/hvl.js';
import { LOCK_EX, LOCK_NB } from '../abi/linux.js';
import type { IvshmemPlace } from '../backends/doorbell/ivshmem-peer.js';
import { zeroShared } from '../memory/copy.js';
import { ACCESS_DIRECT, ACCESS_WORD, GuestMemory, type MemoryChunk } from '../memory/guest-memory.js';
import { O_CREAT, O_RDWR } from '../sys/arch.js';
import { close, flock, ftruncate, lockRange, open, punchHole, seekEnd } from '../sys/fd.js';
import { errnoName } from '../sys/libc.js';
import { createMemfd, type Mapping, mapShared, unmap } from '../sys/map.js';
import { ConfigError, invariant, StartError, SysError } from '../util/errors.js';
import type { Log } from '../util/ports.js';
import { u32At } from '../util/typed.js';
import type { PmmConfig } from './config.js';
import { checkRoom, reserveRoom } from './pool-room.js';

/** An open pool. Plain data except for {@link Pool.close}. */
export interface Pool {
  readonly mapping: Mapping;
  /** ACCESS_DIRECT or ACCESS_WORD. */
  readonly access: number;
  /** The memfd to hand to the peer, or -1 when the peer opens the pool itself. */
  readonly handOverFd: number;
  /** Unmaps and closes (which releases the lock). Only after every worker that used the pool has exited. */
  close(): void;
  /** After {@link close}, when the start has failed: removes the pool file, if it was made for this start. */
  discard(): void;
}

/**
 * Opens the pool of `config` and zeroes its first `shmemSize` bytes.
 * @param place at an ivshmem server, if that is where the pool comes from; closed with the pool, or if this fails
 * Errors: StartError (missing, not permitted, locked by another PMM), ConfigError (larger than the UIO map).
 * Thread: main.
 */
export function openPool(config: PmmConfig, log: Log, place?: IvshmemPlace): Pool {
  const spec = config.pool;
  const bytes = config.shmemSize;
  switch (spec.kind) {
    case 'memfd': {
      const fd = createMemfd('lkvm-pool', bytes);
      return new MappedPool(mapShared(fd, bytes), ACCESS_DIRECT, [fd], fd);
    }
    case 'ivshmem-server': {
      // The memory is a PCI BAR of each peer, and the size of a BAR is a power of two.
      const fd = createMemfd('lkvm-pool', powerOfTwo(bytes));
      return new MappedPool(mapShared(fd, bytes), ACCESS_DIRECT, [fd], fd);
    }
    case 'ivshmem':
      invariant(place !== undefined, 'an ivshmem pool comes with a place at its server');
      return openIvshmemPool(place, spec, bytes, log);
    case 'file':
      return openFilePool(spec.path, spec.force, bytes, log);
    case 'uio': {
      const window = uioWindow(spec.path, spec.map, spec.sysfs);
      if (bytes > window.bytes) {
        const size = `0x${window.bytes.toString(16)}`;
        throw new ConfigError(
          `--shmem-size 0x${bytes.toString(16)} is larger than map ${spec.map} of ${spec.path}; at most ${size} bytes`,
        );
      }
      if (window.address !== config.shmemAddr) {
        const [ours, theirs] = [config.shmemAddr.toString(16), window.address.toString(16)];
        log.info(`the UIO map starts at 0x${theirs}; the peer is told 0x${ours} (--shmem-addr)`);
      }
      // UIO: the offset selects the map, in units of pages.
      return openDevicePool(
        spec,
        { offset: spec.map * 4096, bytes, lockStart: spec.map, lockLength: 1 },
        log,
      );
    }
    case 'devmem':
      return openDevicePool(spec, windowAt(config.shmemAddr, bytes), log);
  }
}

class MappedPool implements Pool {
  readonly mapping: Mapping;
  readonly access: number;
  readonly handOverFd: number;
  readonly #fds: readonly number[];
  readonly #made: string | undefined;

  /** @param fds closed with the pool @param made path of the file that did not exist before */
  constructor(mapping: Mapping, access: number, fds: readonly number[], handOverFd: number, made?: string) {
    this.mapping = mapping;
    this.access = access;
    this.handOverFd = handOverFd;
    this.#fds = fds;
    this.#made = made;
  }

  close(): void {
    unmap(this.mapping);
    for (const fd of this.#fds) close(fd);
  }

  discard(): void {
    if (this.#made !== undefined) rmSync(this.#made, { force: true });
  }
}

function openOrThrow(path: string, flags: number, what: string, hint: string): number {
  const fd = open(path, flags, 0o600);
  if (fd < 0) throw new StartError(`cannot open ${what} ${path}: ${errnoName(-fd)}; ${hint}`);
  return fd;
}

function mapOrThrow(path: string, fd: number, bytes: number, offset: number): Mapping {
  try {
    return mapShared(fd, bytes, offset);
  } catch (cause) {
    const why = cause instanceof SysError ? cause.code : String(cause);
    throw new StartError(`cannot map ${bytes} bytes of ${path} at offset ${offset}: ${why}`, cause);
  }
}

function openFilePool(path: string, force: boolean, bytes: number, log: Log): Pool {
  const hint = 'a file in /dev/shm that you may write is the usual choice';
  const name = `the pool file ${path}`;
  const made = existsSync(path) ? undefined : path;
  const fd = openOrThrow(path, O_RDWR | O_CREAT, 'the pool file', hint);
  try {
    lock(fd, name, force, log);
    const size = seekEnd(fd);
    checkRoom(fd, bytes, name);
    if (size < bytes) {
      const grown = ftruncate(fd, bytes);
      if (grown < 0) throw new StartError(`cannot grow ${name} to ${bytes} bytes: ${errnoName(-grown)}`);
    }
    if (size <= 0) reserveRoom(fd, bytes, name);
    const mapping = mapOrThrow(path, fd, bytes, 0);
    if (size > 0) wipe(fd, mapping, name, log);
    return new MappedPool(mapping, ACCESS_DIRECT, [fd], -1, made);
  } catch (error) {
    close(fd);
    if (made !== undefined) rmSync(made, { force: true });
    throw error;
  }
}

/** The memory of an ivshmem server. */
function openIvshmemPool(
  { memoryFd, connection }: IvshmemPlace,
  { path, force }: { readonly path: string; readonly force: boolean },
  bytes: number,
  log: Log,
): Pool {
  const name = `the memory of the ivshmem server ${path}`;
  // A lock belongs to the open file, and this one is shared by all peers of the server: ours needs to be opened anew. A
  // server may keep its memory from being opened; then nothing guards against a second PMM.
  const own = open(`/proc/self/fd/${memoryFd}`, O_RDWR);
  const fds = own < 0 ? [memoryFd, connection] : [own, memoryFd, connection];
  try {
    if (own >= 0) lock(own, name, force, log);
    const size = seekEnd(memoryFd);
    if (size < bytes) {
      throw new ConfigError(
        `--shmem-size 0x${bytes.toString(16)} is larger than ${name}; at most 0x${Math.max(size, 0).toString(16)} bytes`,
      );
    }
    checkRoom(memoryFd, bytes, name);
    const mapping = mapOrThrow(path, memoryFd, bytes, 0);
    wipe(memoryFd, mapping, name, log);
    return new MappedPool(mapping, ACCESS_DIRECT, fds, -1);
  } catch (error) {
    for (const fd of fds) close(fd);
    throw error;
  }
}

/** One PMM at a time. Errors: StartError. */
function lock(fd: number, name: string, force: boolean, log: Log): void {
  guard(flock(fd, LOCK_EX | LOCK_NB), name, force, log);
}

/** @param locked result of locking */
function guard(locked: number, name: string, force: boolean, log: Log): void {
  if (locked !== -EAGAIN) return;
  if (!force)
    throw new StartError(`${name} is used by another PMM; stop that one, or take it over with --force`);
  log.warn(`${name} is locked by another PMM; --force takes it over`);
}

/** Zeroes a pool that was there before, and reserves the room for it. Errors: StartError; it is unmapped then. */
function wipe(fd: number, mapping: Mapping, name: string, log: Log): void {
  const { address, bytes } = mapping;
  const memory = new GuestMemory([{ gpa: 0, hva: address, bytes }]);
  if (looksAlive(memory.chunk)) {
    log.warn(`${name} holds the state of a driver that was left behind; it is wiped`);
  }
  // Giving the pages back and getting them anew is faster than writing zeros; not every file system can.
  const emptied = punchHole(fd, 0, bytes) >= 0;
  try {
    reserveRoom(fd, bytes, name);
  } catch (error) {
    unmap(mapping);
    throw error;
  }
  if (!emptied) zeroAll(memory);
}

/** The smallest power of two that is not less. */
function powerOfTwo(bytes: number): number {
  let size = 1;
  while (size < bytes) size *= 2;
  return size;
}

/** A part of a device. */
interface DeviceWindow {
  /** For mmap. */
  readonly offset: number;
  readonly bytes: number;
  /** What is locked, so that there is one PMM at a time, and yet several on one device: a map's number, or addresses. */
  readonly lockStart: number;
  readonly lockLength: number;
}

function windowAt(address: number, bytes: number): DeviceWindow {
  return { offset: address, bytes, lockStart: address, lockLength: bytes };
}

function openDevicePool(
  { path, force }: { readonly path: string; readonly force: boolean },
  { offset, bytes, lockStart, lockLength }: DeviceWindow,
  log: Log,
): Pool {
  const hint =
    'on a machine without a board use --shmem-backend file:PATH --notify socket:PATH, or try: lkvm demo';
  const fd = openOrThrow(path, O_RDWR, 'the shared memory device', hint);
  try {
    guard(lockRange(fd, lockStart, lockLength), `the shared memory of ${path}`, force, log);
    const mapping = mapOrThrow(path, fd, bytes, offset);
    zeroAll(new GuestMemory([{ gpa: 0, hva: mapping.address, bytes }], ACCESS_WORD));
    return new MappedPool(mapping, ACCESS_WORD, [fd], -1);
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** A driver's status in a block of either layout is not 0. */
function looksAlive(pool: MemoryChunk): boolean {
  for (const start of [0, HVL_FDT_BYTES]) {
    if (start + HVL_BLOCK_BYTES > pool.bytes) continue;
    const magic = u32At(pool.u32, (start + VIRTIO_MMIO_MAGIC_VALUE) / 4);
    const status = u32At(pool.u32, (start + VIRTIO_MMIO_STATUS) / 4);
    if (magic === VIRTIO_MMIO_MAGIC && status !== 0) return true;
  }
  return false;
}

function zeroAll(memory: GuestMemory): void {
  for (const chunk of memory.chunks) zeroShared(chunk, 0, chunk.bytes);
}

interface UioWindow {
  readonly address: number;
  readonly bytes: number;
}

function uioWindow(path: string, map: number, sysfs: string): UioWindow {
  const folder = `${sysfs}/class/uio/${basename(path)}/maps/map${map}`;
  try {
    return {
      address: Number(readFileSync(`${folder}/addr`, 'ascii').trim()),
      bytes: Number(readFileSync(`${folder}/size`, 'ascii').trim()),
    };
  } catch (cause) {
    throw new StartError(
      `${path} has no memory map ${map} (${folder} cannot be read); ` +
        'on a machine without a board use --shmem-backend file:PATH --notify socket:PATH, or try: lkvm demo',
      cause,
    );
  }
}
