/** The listening end of doorbells over unix sockets. Thread: reactor. */
import { unlinkSync } from 'node:fs';
import { EADDRINUSE, EMFILE, ENFILE, ENOENT, ENOTDIR, ENOTSOCK } from '../../abi/errno.js';
import { EPOLLIN } from '../../abi/linux.js';
import { close } from '../../sys/fd.js';
import { errnoName } from '../../sys/libc.js';
import { acceptUnix, listenUnix } from '../../sys/socket.js';
import { StartError } from '../../util/errors.js';
import type { EventLoop, FdHandler, TimerHandler, Watch } from '../../util/ports.js';

/** How long nobody is let in when there is no descriptor for one more. */
const PAUSE_US = 100_000;

/** A socket file at which peers knock. */
export class DoorbellListener implements FdHandler, TimerHandler {
  readonly #path: string;
  readonly #loop: EventLoop;
  readonly #onConnection: (connection: number) => void;
  #listener = -1;
  #watch: Watch | undefined;

  /** @param onConnection gets each connection's descriptor, and closes it some time */
  constructor(path: string, loop: EventLoop, onConnection: (connection: number) => void) {
    this.#path = path;
    this.#loop = loop;
    this.#onConnection = onConnection;
  }

  /** Starts listening. Errors: StartError with what to do. */
  open(): void {
    const fd = listenUnix(this.#path);
    if (fd === -EADDRINUSE) {
      throw new StartError(
        `another process listens on the doorbell socket ${this.#path}; stop it or use another path`,
      );
    }
    if (fd < 0) {
      throw new StartError(
        `cannot listen on the doorbell socket ${this.#path}: ${errnoName(-fd)}; ${advice(-fd)}`,
      );
    }
    this.#listener = fd;
    this.#watch = this.#loop.watch(fd, EPOLLIN, this);
  }

  /** A peer connects. */
  onReady(): void {
    const fd = acceptUnix(this.#listener);
    if (fd >= 0) this.#onConnection(fd);
    // Gone again; or no descriptor is left, and then the listener stays readable: do not look at it all the time.
    else if (fd === -EMFILE || fd === -ENFILE) this.#pause();
  }

  /** The pause is over. */
  onTimer(): void {
    this.#watch?.setEvents(EPOLLIN);
  }

  /** Stops and removes the socket file. */
  close(): void {
    if (this.#listener < 0) return;
    this.#watch?.close();
    this.#watch = undefined;
    close(this.#listener);
    this.#listener = -1;
    try {
      unlinkSync(this.#path);
    } catch {
      // Somebody removed it already; nothing is left to clean.
    }
  }

  #pause(): void {
    this.#watch?.setEvents(0);
    this.#loop.after(PAUSE_US, this);
  }
}

function advice(errno: number): string {
  switch (errno) {
    case ENOENT:
    case ENOTDIR:
      return 'make its folder, or use another path';
    case ENOTSOCK:
      return 'a file that is no socket has this name: remove it, or use another path';
    default:
      return 'use another path, in a folder that you may write to';
  }
}
