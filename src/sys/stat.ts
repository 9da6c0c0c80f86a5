/**
 * statx(2) and fstatfs(2): the kernel fills a preallocated native structure, the fields are decoded into reused
 * properties. Both structures look the same on x86-64 and arm64 (struct stat does not).
 *
 * Thread: one owner. Hot path: allocates nothing after construction.
 */
import {
  AT_EMPTY_PATH,
  AT_SYMLINK_NOFOLLOW,
  STATFS_BAVAIL_OFF,
  STATFS_BFREE_OFF,
  STATFS_BLOCKS_OFF,
  STATFS_BSIZE_OFF,
  STATFS_BYTES,
  STATFS_FFREE_OFF,
  STATFS_FILES_OFF,
  STATFS_FSID_OFF,
  STATFS_NAMELEN_OFF,
  STATFS_TYPE_OFF,
  STATX_ATIME_OFF,
  STATX_BASIC_STATS,
  STATX_BLKSIZE_OFF,
  STATX_BLOCKS_OFF,
  STATX_BTIME,
  STATX_BTIME_OFF,
  STATX_BYTES,
  STATX_CTIME_OFF,
  STATX_DEV_MAJOR_OFF,
  STATX_DEV_MINOR_OFF,
  STATX_DIO_MEM_ALIGN_OFF,
  STATX_DIO_OFFSET_ALIGN_OFF,
  STATX_DIOALIGN,
  STATX_GID_OFF,
  STATX_INO_OFF,
  STATX_MASK_OFF,
  STATX_MODE_OFF,
  STATX_MTIME_OFF,
  STATX_NLINK_OFF,
  STATX_NSEC_OFF,
  STATX_RDEV_MAJOR_OFF,
  STATX_RDEV_MINOR_OFF,
  STATX_SIZE_OFF,
  STATX_UID_OFF,
} from '../abi/linux.js';
import { EMPTY_NAME } from './fs.js';
import { declare, status } from './libc.js';
import { NativeBuffer } from './map.js';

const cStatx = declare('int statx(int dirfd, uintptr_t name, int flags, unsigned int mask, uintptr_t buf)');
const cFstatfs = declare('int fstatfs64(int fd, uintptr_t buf)');

const TWO_32 = 0x1_0000_0000;

/** Attributes of a file. Numbers above 2^53 (no file system has them) lose their low bits. */
export class FileStat {
  /** STATX_... bits that the file system filled in. */
  mask = 0;
  mode = 0;
  nlink = 0;
  uid = 0;
  gid = 0;
  inoLow = 0;
  inoHigh = 0;
  devMajor = 0;
  devMinor = 0;
  rdevMajor = 0;
  rdevMinor = 0;
  /** Bytes. */
  size = 0;
  /** Units of 512 bytes. */
  blocks = 0;
  blockBytes = 0;
  atimeSec = 0;
  atimeNsec = 0;
  mtimeSec = 0;
  mtimeNsec = 0;
  ctimeSec = 0;
  ctimeNsec = 0;
  btimeSec = 0;
  btimeNsec = 0;
  readonly #buffer = new NativeBuffer(STATX_BYTES);

  /** Of an open descriptor, O_PATH or not. @returns 0 or -errno */
  ofFd(fd: number): number {
    return this.#load(fd, EMPTY_NAME, AT_EMPTY_PATH);
  }

  /** Of a name in a directory; a symbolic link is not followed. @param name address, see `fs.ts` */
  ofName(dirfd: number, name: number): number {
    return this.#load(dirfd, name, AT_SYMLINK_NOFOLLOW);
  }

  #load(dirfd: number, name: number, flags: number): number {
    const failed = status(cStatx(dirfd, name, flags, STATX_BASIC_STATS | STATX_BTIME, this.#buffer.address));
    if (failed < 0) return failed;
    const v = this.#buffer.view;
    this.mask = v.getUint32(STATX_MASK_OFF, true);
    this.mode = v.getUint16(STATX_MODE_OFF, true);
    this.nlink = v.getUint32(STATX_NLINK_OFF, true);
    this.uid = v.getUint32(STATX_UID_OFF, true);
    this.gid = v.getUint32(STATX_GID_OFF, true);
    this.inoLow = v.getUint32(STATX_INO_OFF, true);
    this.inoHigh = v.getUint32(STATX_INO_OFF + 4, true);
    this.devMajor = v.getUint32(STATX_DEV_MAJOR_OFF, true);
    this.devMinor = v.getUint32(STATX_DEV_MINOR_OFF, true);
    this.rdevMajor = v.getUint32(STATX_RDEV_MAJOR_OFF, true);
    this.rdevMinor = v.getUint32(STATX_RDEV_MINOR_OFF, true);
    this.size = u64(v, STATX_SIZE_OFF);
    this.blocks = u64(v, STATX_BLOCKS_OFF);
    this.blockBytes = v.getUint32(STATX_BLKSIZE_OFF, true);
    this.atimeSec = i64(v, STATX_ATIME_OFF);
    this.atimeNsec = v.getUint32(STATX_ATIME_OFF + STATX_NSEC_OFF, true);
    this.mtimeSec = i64(v, STATX_MTIME_OFF);
    this.mtimeNsec = v.getUint32(STATX_MTIME_OFF + STATX_NSEC_OFF, true);
    this.ctimeSec = i64(v, STATX_CTIME_OFF);
    this.ctimeNsec = v.getUint32(STATX_CTIME_OFF + STATX_NSEC_OFF, true);
    this.btimeSec = i64(v, STATX_BTIME_OFF);
    this.btimeNsec = v.getUint32(STATX_BTIME_OFF + STATX_NSEC_OFF, true);
    return 0;
  }
}

/** What direct I/O on an open file needs; 0 = the kernel does not say. Set-up only. */
export class DirectAlignment {
  /** Addresses of buffers are multiples of this. */
  readonly memory: number = 0;
  /** Offsets and lengths are multiples of this. */
  readonly offset: number = 0;

  constructor(fd: number) {
    const { address, view } = new NativeBuffer(STATX_BYTES);
    const failed = status(cStatx(fd, EMPTY_NAME, AT_EMPTY_PATH, STATX_DIOALIGN, address));
    if (failed < 0 || (view.getUint32(STATX_MASK_OFF, true) & STATX_DIOALIGN) === 0) return;
    this.memory = view.getUint32(STATX_DIO_MEM_ALIGN_OFF, true);
    this.offset = view.getUint32(STATX_DIO_OFFSET_ALIGN_OFF, true);
  }
}

/** State of a file system. Counts of blocks and files. */
export class FileSystemStat {
  /** Magic number, ..._SUPER_MAGIC. */
  type = 0;
  blockBytes = 0;
  blocks = 0;
  blocksFree = 0;
  /** Free for ordinary users. */
  blocksAvailable = 0;
  files = 0;
  filesFree = 0;
  idLow = 0;
  idHigh = 0;
  nameBytes = 0;
  readonly #buffer = new NativeBuffer(STATFS_BYTES);

  /** Of the file system that holds an open descriptor, O_PATH or not. @returns 0 or -errno */
  ofFd(fd: number): number {
    const failed = status(cFstatfs(fd, this.#buffer.address));
    if (failed < 0) return failed;
    const v = this.#buffer.view;
    this.type = v.getUint32(STATFS_TYPE_OFF, true);
    this.blockBytes = u64(v, STATFS_BSIZE_OFF);
    this.blocks = u64(v, STATFS_BLOCKS_OFF);
    this.blocksFree = u64(v, STATFS_BFREE_OFF);
    this.blocksAvailable = u64(v, STATFS_BAVAIL_OFF);
    this.files = u64(v, STATFS_FILES_OFF);
    this.filesFree = u64(v, STATFS_FFREE_OFF);
    this.idLow = v.getUint32(STATFS_FSID_OFF, true);
    this.idHigh = v.getUint32(STATFS_FSID_OFF + 4, true);
    this.nameBytes = u64(v, STATFS_NAMELEN_OFF);
    return 0;
  }
}

function u64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * TWO_32 + view.getUint32(at, true);
}

function i64(view: DataView, at: number): number {
  return view.getInt32(at + 4, true) * TWO_32 + view.getUint32(at, true);
}
