/**
 * Everything about the Linux ABI that differs between processor architectures. Checked against the C headers by
 * `test/abi/` (natively, and for arm64 under user-mode emulation).
 */

import { constants } from 'node:fs';
import { arch } from 'node:process';
import { StartError } from '../util/errors.js';

/** Layouts and flag values of one architecture. */
export interface ArchAbi {
  /** `struct epoll_event`: packed on x86-64 only. */
  readonly epollEventBytes: number;
  readonly epollEventDataOff: number;
  readonly oDirectory: number;
  readonly oNofollow: number;
  readonly oDirect: number;
  readonly oLargefile: number;
  readonly oTmpfile: number;
  /** System call numbers used through syscall(2) because libc has no wrapper for them. */
  readonly nrOpenat2: number;
  readonly nrEpollPwait2: number;
  readonly nrGettid: number;
  readonly nrTgkill: number;
}

/** x86-64, `<asm/fcntl.h>` and `<asm/unistd_64.h>`. */
export const ABI_X64: ArchAbi = {
  epollEventBytes: 12,
  epollEventDataOff: 4,
  oDirectory: 0o200000,
  oNofollow: 0o400000,
  oDirect: 0o40000,
  oLargefile: 0o100000,
  oTmpfile: 0o20200000,
  nrOpenat2: 437,
  nrEpollPwait2: 441,
  nrGettid: 186,
  nrTgkill: 234,
};

/** arm64, `<asm/fcntl.h>` and `<asm-generic/unistd.h>`. */
export const ABI_ARM64: ArchAbi = {
  epollEventBytes: 16,
  epollEventDataOff: 8,
  oDirectory: 0o40000,
  oNofollow: 0o100000,
  oDirect: 0o200000,
  oLargefile: 0o400000,
  oTmpfile: 0o20040000,
  nrOpenat2: 437,
  nrEpollPwait2: 441,
  nrGettid: 178,
  nrTgkill: 131,
};

function select(): ArchAbi {
  if (arch === 'x64') return ABI_X64;
  if (arch === 'arm64') return ABI_ARM64;
  throw new StartError(`processor architecture ${arch} is not supported; x64 and arm64 are`);
}

/** The running machine's ABI. */
export const abi: ArchAbi = select();

export const O_RDONLY = constants.O_RDONLY;
export const O_WRONLY = constants.O_WRONLY;
export const O_RDWR = constants.O_RDWR;
export const O_CREAT = constants.O_CREAT;
export const O_EXCL = constants.O_EXCL;
export const O_TRUNC = constants.O_TRUNC;
export const O_APPEND = constants.O_APPEND;
export const O_NONBLOCK = constants.O_NONBLOCK;
export const O_NOCTTY = constants.O_NOCTTY;
export const O_DIRECTORY = abi.oDirectory;
export const O_NOFOLLOW = abi.oNofollow;
export const O_DIRECT = abi.oDirect;
