/**
 * Files and directories by directory descriptor: openat2 and the *at family, statx, getdents64, extended attributes.
 *
 * Names are **addresses of NUL-terminated bytes** in native memory (see {@link NativeBuffer}): host names need not be
 * UTF-8, and no string is made on the way. Safety, for every wrapper here: the address was given by the owner of such a
 * buffer, the terminating NUL is inside it, and the kernel keeps nothing after the call. Results are >= 0 or -errno.
 *
 * Thread: any; each worker has its own scratch memory. Hot path unless noted: nothing is allocated.
 */
import {
  AT_EMPTY_PATH,
  O_CLOEXEC,
  OPEN_HOW_BYTES,
  OPEN_HOW_FLAGS_OFF,
  OPEN_HOW_MODE_OFF,
  OPEN_HOW_RESOLVE_OFF,
  RLIMIT_NOFILE,
  TIMESPEC_BYTES,
} from '../abi/linux.js';
import { abi } from './arch.js';
import { declare, status } from './libc.js';
import { NativeBuffer } from './map.js';

const cSyscall4 = declare('long syscall(long number, long a, uintptr_t b, uintptr_t c, size_t d)');
const cOpenat = declare('int openat(int dirfd, uintptr_t name, int flags, int mode)');
const cMkdirat = declare('int mkdirat(int dirfd, uintptr_t name, int mode)');
const cMknodat = declare('int mknodat(int dirfd, uintptr_t name, int mode, uint64_t dev)');
const cSymlinkat = declare('int symlinkat(uintptr_t target, int dirfd, uintptr_t name)');
const cReadlinkat = declare('int64_t readlinkat(int dirfd, uintptr_t name, uintptr_t buf, size_t bytes)');
const cLinkat = declare(
  'int linkat(int olddir, uintptr_t oldname, int newdir, uintptr_t newname, int flags)',
);
const cUnlinkat = declare('int unlinkat(int dirfd, uintptr_t name, int flags)');
const cRenameat = declare('int renameat(int olddir, uintptr_t oldname, int newdir, uintptr_t newname)');
const cFchmod = declare('int fchmod(int fd, int mode)');
const cFchmodat = declare('int fchmodat(int dirfd, uintptr_t name, int mode, int flags)');
const cFchownat = declare('int fchownat(int dirfd, uintptr_t name, uint32_t uid, uint32_t gid, int flags)');
const cUtimensat = declare('int utimensat(int dirfd, uintptr_t name, uintptr_t times, int flags)');
const cGetdents = declare('int64_t getdents64(int fd, uintptr_t buf, size_t bytes)');
const cLseek = declare('int64_t lseek64(int fd, int64_t offset, int whence)');
const cGetxattr = declare('int64_t getxattr(uintptr_t path, uintptr_t name, uintptr_t value, size_t bytes)');
const cListxattr = declare('int64_t listxattr(uintptr_t path, uintptr_t list, size_t bytes)');
const cSetxattr = declare(
  'int setxattr(uintptr_t path, uintptr_t name, uintptr_t value, size_t bytes, int flags)',
);
const cRemovexattr = declare('int removexattr(uintptr_t path, uintptr_t name)');
const cGetrlimit = declare('int getrlimit(int resource, uintptr_t limit)');

const PROC_FD = '/proc/self/fd/';
const DIGITS = 10;
const ZERO = 0x30;
const DOT = 0x2e;
const HOW_AT = 0;
const TIMES_AT = 32;
const RLIMIT_AT = 64;
const EMPTY_AT = 80;
const DOT_AT = 82;
const PARENT_AT = 84;
const PROC_AT = 96;

/** Per worker: struct open_how, two struct timespec, struct rlimit, the strings "", "." and "..", and "/proc/self/fd/N". */
const scratch = new NativeBuffer(PROC_AT + PROC_FD.length + DIGITS + 1);
scratch.u8[DOT_AT] = DOT;
scratch.u8[PARENT_AT] = DOT;
scratch.u8[PARENT_AT + 1] = DOT;
for (let i = 0; i < PROC_FD.length; i++) scratch.u8[PROC_AT + i] = PROC_FD.charCodeAt(i);

/** Address of the empty string: with AT_EMPTY_PATH it means the descriptor itself. */
export const EMPTY_NAME = scratch.address + EMPTY_AT;
/** Address of the string ".". */
export const DOT_NAME = scratch.address + DOT_AT;
/** Address of the string "..". */
export const PARENT_NAME = scratch.address + PARENT_AT;

/**
 * The path "/proc/self/fd/N", for calls that take no descriptor or refuse an O_PATH one. The last component jumps to the
 * very file that is open, wherever its name is by now, and is not followed further when that file is a symbolic link.
 * @param fd 0 or more
 * @returns address of the path, good until the next call
 */
export function procPath(fd: number): number {
  let digits = 1;
  for (let rest = fd; rest >= 10; rest = Math.floor(rest / 10)) digits++;
  let at = PROC_AT + PROC_FD.length + digits;
  scratch.u8[at] = 0;
  for (let i = 0, rest = fd; i < digits; i++, rest = Math.floor(rest / 10))
    scratch.u8[--at] = ZERO + (rest % 10);
  return scratch.address + PROC_AT;
}

/** openat2(2) with O_CLOEXEC added. @param resolve RESOLVE_... @returns a descriptor or -errno (ELOOP, EXDEV: refused) */
export function openat2(dirfd: number, name: number, flags: number, mode: number, resolve: number): number {
  const view = scratch.view;
  view.setUint32(HOW_AT + OPEN_HOW_FLAGS_OFF, (flags | O_CLOEXEC) >>> 0, true);
  view.setUint32(HOW_AT + OPEN_HOW_MODE_OFF, mode, true);
  view.setUint32(HOW_AT + OPEN_HOW_RESOLVE_OFF, resolve, true);
  return status(cSyscall4(abi.nrOpenat2, dirfd, name, scratch.address + HOW_AT, OPEN_HOW_BYTES));
}

/** openat(2) with O_CLOEXEC added. Follows symbolic links: for {@link procPath} and {@link DOT_NAME}. */
export function openat(dirfd: number, name: number, flags: number, mode: number): number {
  return status(cOpenat(dirfd, name, flags | O_CLOEXEC, mode));
}

export function mkdirat(dirfd: number, name: number, mode: number): number {
  return status(cMkdirat(dirfd, name, mode));
}

/** @param mode with the file type; @param dev 0 unless the type is a device */
export function mknodat(dirfd: number, name: number, mode: number, dev: number): number {
  return status(cMknodat(dirfd, name, mode, dev));
}

/** @param target address of the NUL-terminated link text */
export function symlinkat(target: number, dirfd: number, name: number): number {
  return status(cSymlinkat(target, dirfd, name));
}

/** @returns bytes of the target, cut to `bytes`; no NUL is written */
export function readlinkat(dirfd: number, name: number, buffer: number, bytes: number): number {
  return status(cReadlinkat(dirfd, name, buffer, bytes));
}

/** @param flags AT_SYMLINK_FOLLOW makes {@link procPath} mean the open file */
export function linkat(
  oldDir: number,
  oldName: number,
  newDir: number,
  newName: number,
  flags: number,
): number {
  return status(cLinkat(oldDir, oldName, newDir, newName, flags));
}

/** @param flags 0 or AT_REMOVEDIR */
export function unlinkat(dirfd: number, name: number, flags: number): number {
  return status(cUnlinkat(dirfd, name, flags));
}

export function renameat(oldDir: number, oldName: number, newDir: number, newName: number): number {
  return status(cRenameat(oldDir, oldName, newDir, newName));
}

export function fchmod(fd: number, mode: number): number {
  return status(cFchmod(fd, mode));
}

/** Follows symbolic links: for {@link procPath}. */
export function fchmodat(dirfd: number, name: number, mode: number): number {
  return status(cFchmodat(dirfd, name, mode, 0));
}

/** Of the open file, O_PATH or not, also if it is a symbolic link. @param uid, gid 2^32 - 1 leaves it unchanged */
export function chownFd(fd: number, uid: number, gid: number): number {
  return status(cFchownat(fd, EMPTY_NAME, uid, gid, AT_EMPTY_PATH));
}

/** A file time: seconds (may be negative) and nanoseconds 0 ... 999999999, UTIME_NOW or UTIME_OMIT. */
export interface FileTime {
  readonly sec: number;
  readonly nsec: number;
}

/** Sets the times of the open file, O_PATH or not, also if it is a symbolic link. Needs Linux 5.8. */
export function utimensFd(fd: number, access: FileTime, modification: FileTime): number {
  writeTime(TIMES_AT, access);
  writeTime(TIMES_AT + TIMESPEC_BYTES, modification);
  return status(cUtimensat(fd, EMPTY_NAME, scratch.address + TIMES_AT, AT_EMPTY_PATH));
}

function writeTime(at: number, time: FileTime): void {
  const view = scratch.view;
  view.setUint32(at, time.sec >>> 0, true);
  view.setInt32(at + 4, Math.floor(time.sec / 0x1_0000_0000), true);
  view.setUint32(at + 8, time.nsec, true);
  view.setUint32(at + 12, 0, true);
}

/** @param buffer address of `bytes` writable bytes @returns bytes of struct linux_dirent64, 0 at the end */
export function getdents64(fd: number, buffer: number, bytes: number): number {
  return status(cGetdents(fd, buffer, bytes));
}

/**
 * Moves a directory to a cookie (`d_off`) that an earlier getdents64 reported.
 * @param low, high its two words. ext4's cookies are hashes of up to 63 bits, which a double does not hold: BigInt, off
 *   the sequential path
 * @returns 0 or -errno
 */
export function seekDirectory(fd: number, low: number, high: number): number {
  const cookie = (BigInt(high) << 32n) | BigInt(low);
  const result = cLseek(fd, BigInt.asIntN(64, cookie), 0);
  return result < 0 ? status(-1) : 0;
}

/** @param path address of a path that is followed: {@link procPath} @returns size of the value in bytes */
export function getxattr(path: number, name: number, value: number, bytes: number): number {
  return status(cGetxattr(path, name, value, bytes));
}

/** Names, each with its NUL. @param path as {@link getxattr} */
export function listxattr(path: number, list: number, bytes: number): number {
  return status(cListxattr(path, list, bytes));
}

/** @param path as {@link getxattr} @param flags 0, XATTR_CREATE or XATTR_REPLACE */
export function setxattr(path: number, name: number, value: number, bytes: number, flags: number): number {
  return status(cSetxattr(path, name, value, bytes, flags));
}

/** @param path as {@link getxattr} */
export function removexattr(path: number, name: number): number {
  return status(cRemovexattr(path, name));
}

/** Most descriptors this process may have open (soft limit), at most 2^31 - 1. Not hot. */
export function openFileLimit(): number {
  const failed = status(cGetrlimit(RLIMIT_NOFILE, scratch.address + RLIMIT_AT));
  if (failed < 0) return failed;
  const high = scratch.view.getUint32(RLIMIT_AT + 4, true);
  return high !== 0 ? 0x7fff_ffff : Math.min(0x7fff_ffff, scratch.view.getUint32(RLIMIT_AT, true));
}
