/** Doorbells that are character devices: the mailbox `/dev/umb` and UIO interrupts. */
import { EAGAIN, EINTR } from '../../abi/errno.js';
import { EPOLLIN } from '../../abi/linux.js';
import { O_NOCTTY, O_NONBLOCK, O_RDWR } from '../../sys/arch.js';
import { close, open, read, write } from '../../sys/fd.js';
import { errnoName } from '../../sys/libc.js';
import { StartError } from '../../util/errors.js';
import type { EventLoop, FdHandler, Log, TimerHandler, Watch } from '../../util/ports.js';
import type { Doorbell, DoorbellHandler } from './doorbell.js';

const RETRY_US = 200_000;

/**
 * A device node whose readiness is the peer's signal and to which a write is ours.
 * A read error or end of file (a stand-in whose other end went) stops watching, and the node is tried again later.
 */
class DeviceDoorbell implements Doorbell, FdHandler, TimerHandler {
  readonly #path: string;
  readonly #loop: EventLoop;
  readonly #log: Log;
  readonly #input: Uint8Array;
  readonly #output: Uint8Array;
  #handler: DoorbellHandler | undefined;
  #fd = -1;
  #watch: Watch | undefined;

  /** @param input read buffer; its length is what one read asks for @param output what a signal writes */
  constructor(path: string, loop: EventLoop, log: Log, input: Uint8Array, output: Uint8Array) {
    this.#path = path;
    this.#loop = loop;
    this.#log = log;
    this.#input = input;
    this.#output = output;
  }

  open(handler: DoorbellHandler): void {
    this.#handler = handler;
    const fd = open(this.#path, O_RDWR | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
      const next =
        'on a machine without a board use --shmem-backend file:PATH --notify socket:PATH, or try: lkvm demo';
      throw new StartError(`cannot open the doorbell device ${this.#path}: ${errnoName(-fd)}; ${next}`);
    }
    this.#fd = fd;
    this.#watch = this.#loop.watch(fd, EPOLLIN, this);
  }

  onReady(): void {
    const n = read(this.#fd, this.#input);
    if (n > 0) {
      this.#handler?.onDoorbell();
      return;
    }
    if (n === -EAGAIN || n === -EINTR) return;
    this.#log.warn(`doorbell ${this.#path}: ${n === 0 ? 'end of file' : errnoName(-n)}; trying again`);
    this.#release();
    this.#loop.after(RETRY_US, this);
  }

  onTimer(): void {
    if (this.#handler === undefined || this.#fd >= 0) return;
    const fd = open(this.#path, O_RDWR | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
      this.#loop.after(RETRY_US, this);
      return;
    }
    this.#fd = fd;
    this.#watch = this.#loop.watch(fd, EPOLLIN, this);
    this.#handler.onDoorbell();
  }

  signal(): void {
    if (this.#fd >= 0) write(this.#fd, this.#output);
  }

  close(): void {
    this.#handler = undefined;
    this.#release();
  }

  #release(): void {
    this.#watch?.close();
    this.#watch = undefined;
    if (this.#fd >= 0) close(this.#fd);
    this.#fd = -1;
  }
}

/**
 * The user-space mailbox of the original PMM: `read` yields an ASCII counter that means nothing (the driver counts
 * in `poll`), any write is one message.
 */
export function mailboxDoorbell(path: string, loop: EventLoop, log: Log): Doorbell {
  return new DeviceDoorbell(path, loop, log, new Uint8Array(64), new Uint8Array([0x31]));
}

/** A UIO node: `read` yields a 4-byte interrupt count (no other length is allowed), a 4-byte 1 is our signal. */
export function uioDoorbell(path: string, loop: EventLoop, log: Log): Doorbell {
  return new DeviceDoorbell(path, loop, log, new Uint8Array(4), new Uint8Array([1, 0, 0, 0]));
}

/** No doorbell: the memory is polled. */
export function noDoorbell(): Doorbell {
  return { open: () => undefined, signal: () => undefined, close: () => undefined };
}
