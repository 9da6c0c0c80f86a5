/**
 * File descriptors: open, read, write, vectored I/O, locks. All results are >= 0 or -errno.
 *
 * Thread: any. Hot path: `readv`, `writev`, `preadv`, `pwritev`, `readAt`, `writeAt` take addresses of mapped memory
 * and allocate nothing.
 */
import {
  F_OFD_SETLK,
  F_WRLCK,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FLOCK_BYTES,
  FLOCK_LEN_OFF,
  FLOCK_START_OFF,
  FLOCK_TYPE_OFF,
  O_CLOEXEC,
} from '../abi/linux.js';
import { declare, status } from './libc.js';

const cOpen = declare('int open(const char *path, int flags, int mode)');
const cClose = declare('int close(int fd)');
const cRead = declare('int64_t read(int fd, void *buf, size_t n)');
const cWrite = declare('int64_t write(int fd, const void *buf, size_t n)');
const cReadAddr = declare('int64_t read(int fd, uintptr_t buf, size_t n)');
const cWriteAddr = declare('int64_t write(int fd, uintptr_t buf, size_t n)');
const cReadv = declare('int64_t readv(int fd, uintptr_t iov, int count)');
const cWritev = declare('int64_t writev(int fd, uintptr_t iov, int count)');
const cPreadv = declare('int64_t preadv64(int fd, uintptr_t iov, int count, int64_t offset)');
const cPwritev = declare('int64_t pwritev64(int fd, uintptr_t iov, int count, int64_t offset)');
const cFtruncate = declare('int ftruncate64(int fd, int64_t length)');
const cLseek = declare('int64_t lseek64(int fd, int64_t offset, int whence)');
const cFcntl = declare('int fcntl(int fd, int cmd, int64_t arg)');
const cFcntlStruct = declare('int fcntl(int fd, int cmd, const void *arg)');
const cFlock = declare('int flock(int fd, int operation)');
const cIoctl = declare('int ioctl(int fd, unsigned long request, uintptr_t arg)');
const cFsync = declare('int fsync(int fd)');
const cFdatasync = declare('int fdatasync(int fd)');
const cFallocate = declare('int fallocate64(int fd, int mode, int64_t offset, int64_t length)');
const cPipe2 = declare('int pipe2(_Out_ int *fds, int flags)');

/** Opens `path` with O_CLOEXEC added. @param mode permission bits if the file is created */
export function open(path: string, flags: number, mode = 0): number {
  return status(cOpen(path, flags | O_CLOEXEC, mode));
}

/** Closes `fd`. Linux releases the descriptor even when this reports an error, so callers never retry. */
export function close(fd: number): number {
  return status(cClose(fd));
}

/** Reads into the first `bytes` of `buffer`. Safety: the kernel writes into the buffer only during the call. */
export function read(fd: number, buffer: Uint8Array, bytes = buffer.length): number {
  return status(cRead(fd, buffer, Math.min(bytes, buffer.length)));
}

/** Writes the first `bytes` of `buffer`. */
export function write(fd: number, buffer: Uint8Array, bytes = buffer.length): number {
  return status(cWrite(fd, buffer, Math.min(bytes, buffer.length)));
}

/** Reads to mapped memory. Safety: `[address, address + bytes)` lies in one mapping that stays mapped. */
export function readTo(fd: number, address: number, bytes: number): number {
  return status(cReadAddr(fd, address, bytes));
}

/** Writes from mapped memory. Safety: as {@link readTo}. */
export function writeFrom(fd: number, address: number, bytes: number): number {
  return status(cWriteAddr(fd, address, bytes));
}

/** @param iov address of `count` iovecs whose ranges are mapped (see `memory/iov-array.ts`) */
export function readv(fd: number, iov: number, count: number): number {
  return status(cReadv(fd, iov, count));
}

/** @param iov as {@link readv} */
export function writev(fd: number, iov: number, count: number): number {
  return status(cWritev(fd, iov, count));
}

/** @param offset file offset in bytes, 0 ... 2^53 - 1 */
export function preadv(fd: number, iov: number, count: number, offset: number): number {
  return status(cPreadv(fd, iov, count, offset));
}

/** @param offset file offset in bytes, 0 ... 2^53 - 1 */
export function pwritev(fd: number, iov: number, count: number, offset: number): number {
  return status(cPwritev(fd, iov, count, offset));
}

/** Sets a file's length in bytes. */
export function ftruncate(fd: number, bytes: number): number {
  return status(cFtruncate(fd, bytes));
}

/** @param mode FALLOC_FL_... bits. Can block for long: never on the reactor. */
export function fallocate(fd: number, mode: number, offset: number, bytes: number): number {
  return status(cFallocate(fd, mode, offset, bytes));
}

/** Gives a range of a file back to the file system; it reads as zeros afterwards. The size stays. */
export function punchHole(fd: number, offset: number, bytes: number): number {
  return fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, offset, bytes);
}

/** Size of a seekable file in bytes; moves the file position. */
export function seekEnd(fd: number): number {
  return status(cLseek(fd, 0, 2));
}

export function fcntl(fd: number, command: number, argument: number): number {
  return status(cFcntl(fd, command, argument));
}

export function flock(fd: number, operation: number): number {
  return status(cFlock(fd, operation));
}

/**
 * Locks a range of a file, or of a device, against others that do; the lock belongs to the open file and ends with it.
 * The descriptor has to be writable. @param start bytes, as is the length, or whatever users of that device agree on
 * @returns 0, or -EAGAIN: somebody else has a part of it. Safety: the kernel reads the structure only during the call.
 */
export function lockRange(fd: number, start: number, length: number): number {
  const lock = new DataView(new ArrayBuffer(FLOCK_BYTES)); // whence, and the process, are 0
  lock.setInt16(FLOCK_TYPE_OFF, F_WRLCK, true);
  lock.setBigInt64(FLOCK_START_OFF, BigInt(start), true);
  lock.setBigInt64(FLOCK_LEN_OFF, BigInt(length), true);
  return status(cFcntlStruct(fd, F_OFD_SETLK, new Uint8Array(lock.buffer)));
}

/** @param argument an integer, or the address of mapped memory the request reads or writes */
export function ioctl(fd: number, request: number, argument: number): number {
  return status(cIoctl(fd, request, argument));
}

/** Can block for long: never on the reactor. */
export function fsync(fd: number): number {
  return status(cFsync(fd));
}

/** Can block for long: never on the reactor. */
export function fdatasync(fd: number): number {
  return status(cFdatasync(fd));
}

/** A pipe with O_CLOEXEC. @returns [read end, write end] or -errno */
export function pipe(flags = 0): [number, number] | number {
  const fds = [-1, -1];
  const result = status(cPipe2(fds, flags | O_CLOEXEC));
  return result < 0 ? result : [fds[0] as number, fds[1] as number];
}
