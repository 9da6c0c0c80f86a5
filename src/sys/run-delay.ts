/** How long a thread has waited for a processor: whether the machine is loaded, as far as this thread is concerned. */
import { u8At } from '../util/typed.js';
import { O_RDONLY } from './arch.js';
import { close, open, preadv } from './fd.js';
import { NativeBuffer } from './map.js';

const TEXT_BYTES = 64;
const IOVEC_BYTES = 16;
const BLANK = 0x20;
const ZERO = 0x30;

/**
 * The kernel's account of the calling thread, kept open. Where the kernel keeps none, the time is always 0.
 * Thread: the one that made it.
 */
export class RunDelay {
  readonly #fd = open('/proc/thread-self/schedstat', O_RDONLY);
  /** The iovec, then the text. */
  readonly #buffer = new NativeBuffer(IOVEC_BYTES + TEXT_BYTES);

  constructor() {
    const { address, view } = this.#buffer;
    view.setBigUint64(0, BigInt(address + IOVEC_BYTES), true);
    view.setUint32(8, TEXT_BYTES, true);
  }

  /** Time since the thread's start that it was ready to run and did not, in microseconds. One system call. */
  waitedUs(): number {
    if (this.#fd < 0) return 0;
    const { address, u8 } = this.#buffer;
    const end = IOVEC_BYTES + preadv(this.#fd, address, 1, 0);
    let at = IOVEC_BYTES;
    while (at < end && u8At(u8, at) !== BLANK) at++; // "RUN-NS WAIT-NS SLICES"
    let ns = 0;
    for (at++; at < end && u8At(u8, at) !== BLANK; at++) ns = ns * 10 + u8At(u8, at) - ZERO;
    return ns / 1000;
  }

  close(): void {
    if (this.#fd >= 0) close(this.#fd);
  }
}
