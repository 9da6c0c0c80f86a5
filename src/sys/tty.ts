/**
 * Terminals: raw mode that can always be undone, window size, non-blocking access without touching what others share,
 * and pseudo-terminals for tests and `umb` stand-ins.
 *
 * Thread: the one that made the {@link RawMode} (its saved state is in that worker's memory); main, so that the exit
 * hook can restore.
 */
import { fstatSync } from 'node:fs';
import { EBADF, EINVAL, EIO } from '../abi/errno.js';
import {
  F_GETFL,
  O_CLOEXEC,
  SIG_BLOCK,
  SIG_SETMASK,
  SIGSET_BYTES,
  SIGTTOU,
  TCSANOW,
  TERMIOS_BYTES,
  TERMIOS_OFLAG_OFF,
  TIOCGWINSZ,
  TIOCSWINSZ,
  WINSIZE_BYTES,
  WINSIZE_COL_OFF,
  WINSIZE_ROW_OFF,
} from '../abi/linux.js';
import { O_NOCTTY, O_NONBLOCK, O_RDWR, O_WRONLY } from './arch.js';
import { close, fcntl, ioctl, open } from './fd.js';
import { declare, status } from './libc.js';
import { NativeBuffer } from './map.js';

const cIsatty = declare('int isatty(int fd)');
const cTcgetattr = declare('int tcgetattr(int fd, uintptr_t termios)');
const cTcsetattr = declare('int tcsetattr(int fd, int action, uintptr_t termios)');
const cDup2 = declare('int dup2(int from, int to)');
const cCfmakeraw = declare('void cfmakeraw(uintptr_t termios)');
const cSigmask = declare('int pthread_sigmask(int how, uintptr_t set, uintptr_t old)');
const cPosixOpenpt = declare('int posix_openpt(int flags)');
const cGrantpt = declare('int grantpt(int fd)');
const cUnlockpt = declare('int unlockpt(int fd)');
const cPtsname = declare('int ptsname_r(int fd, void *buf, size_t bytes)');

const probe = new NativeBuffer(TERMIOS_BYTES);

/** True if `fd` is open on a terminal. */
export function isTerminal(fd: number): boolean {
  return cIsatty(fd) === 1;
}

/**
 * Puts `/dev/null` in place of those of fds 0 ... 2 whose terminal has been closed. At exit Node puts the settings of
 * its terminals back and aborts (SIGABRT) when that fails with EIO; it leaves alone an fd that is another file by then.
 */
export function detachLostTerminals(): void {
  for (let fd = 0; fd <= 2; fd++) {
    if (status(cTcgetattr(fd, probe.address)) !== -EIO) continue;
    const nowhere = open('/dev/null', O_RDWR);
    if (nowhere < 0) return;
    cDup2(nowhere, fd);
    close(nowhere);
  }
}

const SAVED_OFF = 0;
const RAW_OFF = 64;
const SET_OFF = 128;
const OLD_SET_OFF = SET_OFF + SIGSET_BYTES;

/**
 * A terminal's settings as they were, and the switch between them and raw mode (`cfmakeraw`: no echo, no line editing,
 * no signals from keys). One per terminal; keep it until the terminal has been restored.
 */
export class RawMode {
  readonly fd: number;
  readonly #memory: NativeBuffer;
  #raw = false;

  private constructor(fd: number, memory: NativeBuffer) {
    this.fd = fd;
    this.#memory = memory;
  }

  /** Reads the terminal's settings; changes nothing yet. @returns -errno if that fails (ENOTTY: no terminal) */
  static save(fd: number): RawMode | number {
    const memory = new NativeBuffer(OLD_SET_OFF + SIGSET_BYTES);
    const result = status(cTcgetattr(fd, memory.address + SAVED_OFF));
    return result < 0 ? result : new RawMode(fd, memory);
  }

  /**
   * Switches to raw mode.
   * @param keepOutput true: output processing stays as it was (LF becomes CR LF), as kvmtool and QEMU do, so that our
   *   own messages stay readable; false: bytes go out as they are
   * @returns 0 or -errno
   */
  enter(keepOutput: boolean): number {
    const { u8, view, address } = this.#memory;
    u8.copyWithin(RAW_OFF, SAVED_OFF, SAVED_OFF + TERMIOS_BYTES);
    cCfmakeraw(address + RAW_OFF);
    if (keepOutput) {
      view.setUint32(RAW_OFF + TERMIOS_OFLAG_OFF, view.getUint32(SAVED_OFF + TERMIOS_OFLAG_OFF, true), true);
    }
    const result = status(cTcsetattr(this.fd, TCSANOW, address + RAW_OFF));
    if (result === 0) this.#raw = true;
    return result;
  }

  /**
   * Puts the saved settings back; does nothing unless {@link enter} succeeded since the last restore. Safe in an exit
   * hook: a process in the background is not stopped for it (SIGTTOU is held back during the call).
   * @returns 0 or -errno (EIO: the terminal is gone)
   */
  restore(): number {
    if (!this.#raw) return 0;
    this.#raw = false;
    const { address, u8 } = this.#memory;
    u8.fill(0, SET_OFF, SET_OFF + SIGSET_BYTES);
    this.#memory.view.setUint32(SET_OFF, 1 << (SIGTTOU - 1), true);
    cSigmask(SIG_BLOCK, address + SET_OFF, address + OLD_SET_OFF);
    const result = status(cTcsetattr(this.fd, TCSANOW, address + SAVED_OFF));
    cSigmask(SIG_SETMASK, address + OLD_SET_OFF, 0);
    return result;
  }
}

/** Size of a terminal in character cells. */
export interface WindowSize {
  /** 0 ... 65535; 0 = unknown */
  readonly rows: number;
  /** 0 ... 65535; 0 = unknown */
  readonly columns: number;
}

const size = new NativeBuffer(WINSIZE_BYTES);

/** @returns the size, or -errno (ENOTTY) */
export function windowSize(fd: number): WindowSize | number {
  const result = ioctl(fd, TIOCGWINSZ, size.address);
  if (result < 0) return result;
  return {
    rows: size.view.getUint16(WINSIZE_ROW_OFF, true),
    columns: size.view.getUint16(WINSIZE_COL_OFF, true),
  };
}

/** Sets a terminal's size; its foreground processes get SIGWINCH. @returns 0 or -errno */
export function setWindowSize(fd: number, rows: number, columns: number): number {
  size.u8.fill(0);
  size.view.setUint16(WINSIZE_ROW_OFF, rows, true);
  size.view.setUint16(WINSIZE_COL_OFF, columns, true);
  return ioctl(fd, TIOCSWINSZ, size.address);
}

const ACCESS_MODE = O_WRONLY | O_RDWR;

/**
 * Opens what `fd` is open on a second time, non-blocking. O_NONBLOCK belongs to the open file description, which an
 * inherited terminal or pipe shares with the shell and its other children: setting it there makes *their* reads fail.
 *
 * @param fd a terminal, pipe, FIFO or character device
 * @returns a new fd with the same access mode (close it), or -errno: EINVAL a regular file or folder (never blocks, and
 *   a second opening would start at offset 0); ENXIO a socket (use `recv`/`send`, which never wait); EACCES a terminal
 *   that belongs to another user (`su`): then read and write the fd itself, only when epoll says it is ready
 */
export function reopenNonBlocking(fd: number): number {
  const flags = fcntl(fd, F_GETFL, 0);
  if (flags < 0) return flags;
  try {
    const stat = fstatSync(fd);
    if (stat.isFile() || stat.isDirectory()) return -EINVAL;
  } catch {
    return -EBADF;
  }
  return open(`/proc/self/fd/${fd}`, (flags & ACCESS_MODE) | O_NONBLOCK | O_NOCTTY);
}

/** Both ends of a new pseudo-terminal. */
export interface Pty {
  /** The controlling end: what is written here is typed on the terminal. */
  readonly controller: number;
  /** The terminal end. It does not become our controlling terminal. */
  readonly terminal: number;
  /** Name of the terminal end ("/dev/pts/3"). */
  readonly path: string;
}

/** Opens a pseudo-terminal (close-on-exec, blocking). @returns -errno if there is none to be had */
export function openPty(): Pty | number {
  const controller = status(cPosixOpenpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (controller < 0) return controller;
  const name = new Uint8Array(64);
  let result = status(cGrantpt(controller));
  if (result === 0) result = status(cUnlockpt(controller));
  if (result === 0) result = -cPtsname(controller, name, name.length);
  if (result === 0) {
    const path = Buffer.from(name.subarray(0, name.indexOf(0))).toString();
    const terminal = open(path, O_RDWR | O_NOCTTY);
    if (terminal >= 0) return { controller, terminal, path };
    result = terminal;
  }
  close(controller);
  return result;
}
