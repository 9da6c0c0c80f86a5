/** epoll(7) with integer tokens and one preallocated event buffer. */

import { ENOSYS } from '../abi/errno.js';
import { EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD } from '../abi/linux.js';
import { u32At } from '../util/typed.js';
import { abi } from './arch.js';
import { close } from './fd.js';
import { declare, must, status } from './libc.js';
import { NativeBuffer } from './map.js';

const cCreate = declare('int epoll_create1(int flags)');
const cCtl = declare('int epoll_ctl(int epfd, int op, int fd, uintptr_t event)');
const cWait = declare('int epoll_wait(int epfd, uintptr_t events, int maxevents, int timeout)');
const cSyscall = declare(
  'long syscall(long number, int epfd, uintptr_t events, int maxevents, uintptr_t timeout, uintptr_t sigmask, size_t size)',
);

const MAX_EVENTS = 64;
const STRIDE = abi.epollEventBytes / 4;
const DATA = abi.epollEventDataOff / 4;

/** One epoll instance. Thread: the one that made it. */
export class Epoll {
  readonly fd: number;
  readonly #events: NativeBuffer;
  readonly #words: Uint32Array;
  readonly #change: NativeBuffer;
  #hasPwait2 = true;

  constructor() {
    this.fd = must(status(cCreate(EPOLL_CLOEXEC)), 'epoll_create1');
    this.#events = new NativeBuffer(MAX_EVENTS * abi.epollEventBytes);
    this.#words = new Uint32Array(this.#events.u8.buffer, 0, MAX_EVENTS * STRIDE);
    this.#change = new NativeBuffer(32);
  }

  /** Starts watching. @param token 0 ... 2^32 - 1, returned by {@link token} @returns 0 or -errno (EPERM: not pollable) */
  add(fd: number, events: number, token: number): number {
    return this.#control(EPOLL_CTL_ADD, fd, events, token);
  }

  /** Changes the watched events. */
  modify(fd: number, events: number, token: number): number {
    return this.#control(EPOLL_CTL_MOD, fd, events, token);
  }

  /** Stops watching; do this before closing the fd. */
  remove(fd: number): number {
    return this.#control(EPOLL_CTL_DEL, fd, 0, 0);
  }

  /**
   * Waits. Hot path.
   * @param timeoutUs microseconds; 0 returns at once, -1 waits for ever
   * @returns number of events, 0 ... 64, or -errno (EINTR)
   */
  wait(timeoutUs: number): number {
    // Whole milliseconds need no timespec, and fewer arguments cost less.
    if (timeoutUs <= 0 || timeoutUs % 1000 === 0 || !this.#hasPwait2) {
      const ms = timeoutUs < 0 ? -1 : Math.ceil(timeoutUs / 1000);
      return status(cWait(this.fd, this.#events.address, MAX_EVENTS, ms));
    }
    // struct timespec { i64 sec, i64 nsec } in the change buffer, behind the epoll_event
    const view = this.#change.view;
    view.setInt32(16, Math.floor(timeoutUs / 1e6), true);
    view.setInt32(24, (timeoutUs % 1e6) * 1000, true);
    const n = status(
      cSyscall(abi.nrEpollPwait2, this.fd, this.#events.address, MAX_EVENTS, this.#change.address + 16, 0, 8),
    );
    if (n !== -ENOSYS) return n;
    this.#hasPwait2 = false;
    return this.wait(timeoutUs);
  }

  /** Event mask of result `index`. */
  events(index: number): number {
    return u32At(this.#words, index * STRIDE);
  }

  /** Token of result `index`. */
  token(index: number): number {
    return u32At(this.#words, index * STRIDE + DATA);
  }

  close(): void {
    close(this.fd);
  }

  #control(operation: number, fd: number, events: number, token: number): number {
    this.#change.view.setUint32(0, events, true);
    this.#change.view.setUint32(abi.epollEventDataOff, token, true);
    return status(cCtl(this.fd, operation, fd, this.#change.address));
  }
}
