/**
 * Opening a disk: a raw image file or a block device of the host. Everything that can be wrong with it is found here,
 * before a guest starts, and said in one line. Thread: reactor, at the start.
 */
import { readFileSync } from 'node:fs';
import { EACCES, EAGAIN, EBUSY, EINVAL, EPERM, EROFS } from '../../abi/errno.js';
import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  LOCK_EX,
  LOCK_NB,
  LOCK_SH,
  O_PATH,
  TMPFS_MAGIC,
} from '../../abi/linux.js';
import { S_IFBLK, S_IFDIR, S_IFMT, S_IFREG } from '../../abi/p9.js';
import { O_DIRECT, O_EXCL, O_RDONLY, O_RDWR } from '../../sys/arch.js';
import {
  blockDeviceBytes,
  logicalBlockBytes,
  optimalIoBytes,
  physicalBlockBytes,
} from '../../sys/block-device.js';
import { close, fallocate, flock, open } from '../../sys/fd.js';
import { errnoName } from '../../sys/libc.js';
import { DirectAlignment, FileStat, FileSystemStat } from '../../sys/stat.js';
import { StartError } from '../../util/errors.js';
import type { BlockFacts } from '../../virtio/devices/blk/backend.js';

const SECTOR = 512;
const PAGE = 4096;
const MAX_BLOCK = 0x1_0000;
/** Programs that look at a new block device hold a shared lock for a moment; so long is waited for it. */
const LOCK_WAIT_MS = 1000;
const LOCK_NAP_MS = 20;

export interface DiskOptions {
  /** Raw image file or block device. */
  readonly path: string;
  readonly readOnly: boolean;
  /** Around the host's page cache (O_DIRECT). */
  readonly direct: boolean;
}

/** An open disk. */
export interface DiskImage {
  readonly fd: number;
  /** The same file with O_DIRECT, or -1. */
  readonly directFd: number;
  readonly isBlockDevice: boolean;
  /** The file is in memory and stays there: nothing that reads or writes it waits for a disk. */
  readonly isMemory: boolean;
  readonly facts: BlockFacts;
  /** What offsets and lengths, and what addresses must be multiples of to use `directFd`. */
  readonly directAlign: number;
  readonly directMemoryAlign: number;
}

/**
 * Opens and locks a disk.
 * Errors: StartError naming the file: missing, not permitted, not a file or block device, empty or of an odd size, in use.
 */
export function openImage(options: DiskOptions): DiskImage {
  const isBlockDevice = kindOf(options.path) === S_IFBLK;
  const fds: number[] = [];
  try {
    return build(options, isBlockDevice, fds);
  } catch (error) {
    for (const fd of fds) close(fd);
    throw error;
  }
}

/** Closes what {@link openImage} opened; that gives up the lock, too. */
export function closeImage(image: DiskImage): void {
  if (image.directFd >= 0) close(image.directFd);
  close(image.fd);
}

/** @param fds gets all descriptors that were opened */
function build(options: DiskOptions, isBlockDevice: boolean, fds: number[]): DiskImage {
  const { path, readOnly, direct } = options;
  const fd = openFile(options, isBlockDevice);
  fds.push(fd);
  const stat = new FileStat();
  const failed = stat.ofFd(fd);
  if (failed < 0) throw failure(path, 'cannot be examined', failed);
  if ((stat.mode & S_IFMT) !== (isBlockDevice ? S_IFBLK : S_IFREG)) {
    throw new StartError(`disk ${path} was replaced while it was opened`);
  }
  lock(path, fd, readOnly);
  const bytes = isBlockDevice ? blockDeviceBytes(fd) : stat.size;
  checkSize(path, bytes);
  const directFd = direct ? openDirect(options, fd) : -1;
  if (directFd >= 0) fds.push(directFd);
  const align = new DirectAlignment(direct ? directFd : fd);
  const logical = isBlockDevice ? blockSize(logicalBlockBytes(fd), SECTOR) : SECTOR;
  const physical = Math.max(
    logical,
    blockSize(isBlockDevice ? physicalBlockBytes(fd) : stat.blockBytes, PAGE),
  );
  return {
    fd,
    directFd,
    isBlockDevice,
    isMemory: !isBlockDevice && isMemory(fd),
    facts: {
      sectors: bytes / SECTOR,
      readOnly,
      blockBytes: logical,
      physicalBlockBytes: physical,
      optimalBytes: isBlockDevice ? Math.max(0, optimalIoBytes(fd)) : 0,
      canDiscard: !readOnly && (isBlockDevice || canPunch(fd, bytes)),
      discardAlignBytes: physical,
      id: idOf(stat, isBlockDevice),
    },
    directAlign: Math.max(SECTOR, align.offset),
    directMemoryAlign: align.memory > 0 ? align.memory : SECTOR,
  };
}

/** @returns S_IFREG or S_IFBLK. Looks before opening: opening a FIFO waits, opening a tape rewinds it. */
function kindOf(path: string): number {
  const fd = open(path, O_PATH);
  if (fd < 0) throw failure(path, 'cannot be opened', fd);
  const stat = new FileStat();
  const failed = stat.ofFd(fd);
  close(fd);
  if (failed < 0) throw failure(path, 'cannot be examined', failed);
  const kind = stat.mode & S_IFMT;
  if (kind === S_IFDIR)
    throw new StartError(`disk ${path} is a directory; an image file or a block device is needed`);
  if (kind !== S_IFREG && kind !== S_IFBLK) {
    throw new StartError(`disk ${path} is neither a file nor a block device`);
  }
  return kind;
}

function openFile({ path, readOnly }: DiskOptions, isBlockDevice: boolean): number {
  // O_EXCL on a block device: refused while it is mounted or used by anything else that claims it, and such use is refused
  // while we have it. What is only read may be shared.
  const flags = readOnly ? O_RDONLY : O_RDWR | (isBlockDevice ? O_EXCL : 0);
  const fd = open(path, flags);
  if (fd >= 0) return fd;
  if (fd === -EBUSY) {
    throw new StartError(
      `disk ${path} is in use on this host (mounted, swap, or part of another device); unmount it, or use it with ",ro"`,
    );
  }
  const refused = fd === -EACCES || fd === -EPERM || fd === -EROFS;
  if (refused && !readOnly)
    throw failure(path, 'cannot be opened for writing (",ro" opens it read-only)', fd);
  throw failure(path, 'cannot be opened', fd);
}

function openDirect({ path, readOnly }: DiskOptions, fd: number): number {
  const directFd = open(`/proc/self/fd/${fd}`, (readOnly ? O_RDONLY : O_RDWR) | O_DIRECT);
  if (directFd >= 0) return directFd;
  if (directFd === -EINVAL)
    throw new StartError(`disk ${path}: its file system has no direct I/O; leave "direct" out`);
  throw failure(path, 'cannot be opened for direct I/O', directFd);
}

/** Two guests may read one image, but nobody may write it beside another. */
function lock(path: string, fd: number, readOnly: boolean): void {
  const operation = (readOnly ? LOCK_SH : LOCK_EX) | LOCK_NB;
  const deadline = performance.now() + LOCK_WAIT_MS;
  for (;;) {
    const locked = flock(fd, operation);
    if (locked >= 0) return;
    if (locked !== -EAGAIN) throw failure(path, 'cannot be locked', locked);
    if (performance.now() >= deadline) {
      throw new StartError(
        `disk ${path} is in use by another program that has locked it${readOnly ? ' for writing' : ''}`,
      );
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_NAP_MS);
  }
}

function checkSize(path: string, bytes: number): void {
  if (bytes < 0) throw failure(path, 'has no size', bytes);
  if (bytes === 0) throw new StartError(`disk ${path} is empty`);
  if (bytes % SECTOR !== 0) {
    throw new StartError(`disk ${path} has ${bytes} bytes, which is not a multiple of ${SECTOR}`);
  }
}

/** On a tmpfs, and no swap space it could be moved to. Swap that is added later makes it slower, not wrong. */
function isMemory(fd: number): boolean {
  const stat = new FileSystemStat();
  if (stat.ofFd(fd) < 0 || stat.type !== TMPFS_MAGIC) return false;
  try {
    return readFileSync('/proc/swaps', 'utf8').trim().split('\n').length <= 1;
  } catch {
    return false;
  }
}

/** A hole behind the end changes nothing, and tells whether the file system can make any. */
function canPunch(fd: number, bytes: number): boolean {
  return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, bytes, PAGE) >= 0;
}

/** `bytes` if it can be the size of a block, else `otherwise`. */
function blockSize(bytes: number, otherwise: number): number {
  const good = bytes >= SECTOR && bytes <= MAX_BLOCK && (bytes & (bytes - 1)) === 0;
  return good ? bytes : otherwise;
}

/** Names the file on this host: device and inode, or the device itself. */
function idOf(stat: FileStat, isBlockDevice: boolean): string {
  if (isBlockDevice) return `dev-${stat.rdevMajor}-${stat.rdevMinor}`;
  const inode = stat.inoHigh * 0x1_0000_0000 + stat.inoLow;
  return `${stat.devMajor.toString(16)}-${stat.devMinor.toString(16)}-${inode.toString(16)}`;
}

function failure(path: string, what: string, result: number): StartError {
  return new StartError(`disk ${path} ${what}: ${errnoName(-result)}`);
}
