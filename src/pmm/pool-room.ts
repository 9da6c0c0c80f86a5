/**
 * Room for a pool in the file system of its file.
 *
 * A page of a mapped file that the file system has no room for is a SIGBUS when it is first touched, whoever touches it:
 * the end of the PMM and of all its devices, much later than the mistake. So the room is taken at the start:
 *
 * * Only comparing with what is free costs nothing, but promises nothing: what is free now is somebody else's a minute later.
 * * Reserving (fallocate) cannot be taken away again. On a tmpfs that is memory, all of the pool at once instead of page
 *   by page; a pool that is larger than what a driver uses should be made smaller rather than hoped about. Huge pages stay
 *   huge: a tmpfs reserves with those it would fault in.
 * * Only reserving would fill a file system that is too small to the brim before giving up, and others on it would
 *   suffer for that moment. So the comparison comes first.
 *
 * Thread: main.
 */
import { fstatSync, statfsSync } from 'node:fs';
import { EDQUOT, EINTR, ENOMEM, ENOSPC } from '../abi/errno.js';
import { fallocate } from '../sys/fd.js';
import { errnoName } from '../sys/libc.js';
import { StartError } from '../util/errors.js';
import { hex } from '../util/numbers.js';

/** What fallocate says when there is no room: of the file system, of the user's share of it, of huge pages. */
const NO_ROOM: ReadonlySet<number> = new Set([ENOSPC, EDQUOT, ENOMEM]);

/** Unit of `st_blocks`, whatever the file system's block. */
const STAT_BLOCK_BYTES = 512;

/** Refuses a pool that its file system has clearly no room for. Errors: StartError. */
export function checkRoom(fd: number, bytes: number, name: string): void {
  const file = fstatSync(fd);
  const room = file.isFile() ? roomOf(fd) : undefined;
  if (room === undefined) return;
  const held = file.blocks * STAT_BLOCK_BYTES;
  if (held + room.free < bytes) throw noRoom(bytes, name, room.forUs);
}

/**
 * Makes sure that the first `bytes` of a file can be touched. What they hold stays; the file grows if it is shorter.
 * Where nothing can be reserved (a file system or a kind of file without it) nothing happens.
 * Errors: StartError.
 */
export function reserveRoom(fd: number, bytes: number, name: string): void {
  let result = fallocate(fd, 0, 0, bytes);
  while (result === -EINTR) result = fallocate(fd, 0, 0, bytes);
  if (NO_ROOM.has(-result)) throw noRoom(bytes, name, roomOf(fd)?.forUs, errnoName(-result));
}

interface Room {
  /** Free bytes, with those kept for root. */
  readonly free: number;
  /** Free bytes for everybody. */
  readonly forUs: number;
}

/** @returns undefined if the file system does not say: one without a limit has no size either */
function roomOf(fd: number): Room | undefined {
  const { bsize, blocks, bfree, bavail } = statfsSync(`/proc/self/fd/${fd}`);
  return blocks === 0 ? undefined : { free: bfree * bsize, forUs: bavail * bsize };
}

function noRoom(bytes: number, name: string, free: number | undefined, errno?: string): StartError {
  const why = errno === undefined ? '' : ` (${errno})`;
  const left = free === undefined ? '' : `, which has ${hex(free)} free`;
  return new StartError(
    `--shmem-size ${hex(bytes)}: there is no room for ${name} in its file system${left}${why}; make room there, ` +
      'give a smaller --shmem-size, or choose a file elsewhere with --shmem-backend file:PATH',
  );
}
