/** eventfd(2): counters that wake an epoll loop, in this process or another. */
import { EFD_CLOEXEC, EFD_NONBLOCK } from '../abi/linux.js';
import { readTo, writeFrom } from './fd.js';
import { declare, must, status } from './libc.js';
import { NativeBuffer } from './map.js';

const cEventfd = declare('int eventfd(unsigned int initial, int flags)');

// Per worker: offset 0 holds the constant 1 that is written, offset 8 receives what is read.
const scratch = new NativeBuffer(16);
scratch.view.setUint32(0, 1, true);

/** A non-blocking eventfd with count 0. Errors: SysError. */
export function eventfd(): number {
  return must(tryEventfd(), 'eventfd');
}

/** As {@link eventfd}, while running. @returns the fd, or -errno (EMFILE: no descriptor is left) */
export function tryEventfd(): number {
  return status(cEventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

/** Adds 1. Hot path. @returns 8, or -EAGAIN when the count is at its limit (the reader is woken anyway) */
export function eventfdSignal(fd: number): number {
  return writeFrom(fd, scratch.address, 8);
}

/** Takes the whole count, so that the fd is no longer readable. Hot path. @returns 8, or -EAGAIN if it was 0 */
export function eventfdDrain(fd: number): number {
  return readTo(fd, scratch.address + 8, 8);
}
