/**
 * Input of a console: from a terminal, pipe, socket, file or nothing at all.
 *
 * Bytes are read into a small buffer of our own, whether or not the driver has posted a buffer: the escape keys must
 * work while the driver hangs. When the buffer is full the descriptor is no longer watched, so the sender waits and
 * nothing is lost. The end of the input is just that; it never ends the machine.
 */
import { EAGAIN, EINTR } from '../../abi/errno.js';
import { EPOLLERR, EPOLLHUP, EPOLLIN } from '../../abi/linux.js';
import type { IovArray } from '../../memory/iov-array.js';
import { close, read } from '../../sys/fd.js';
import { recv } from '../../sys/socket.js';
import type { EventLoop, Watch } from '../../util/ports.js';
import type { ConsoleListener } from '../../virtio/devices/console/backend.js';
import type { EscapeFilter } from './escape.js';
import { STREAM_CLOSED, STREAM_FILE, STREAM_SHARED, STREAM_SOCKET, type Stream } from './stream-kind.js';

const READ_BYTES = 4096;
const BUFFER_BYTES = 4 * READ_BYTES;
/** Reads of a file in one call. */
const READS = 16;

/** Thread: reactor. */
export class TerminalInput {
  readonly #loop: EventLoop;
  readonly #stream: Stream;
  readonly #filter: EscapeFilter;
  readonly #raw = new Uint8Array(READ_BYTES);
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #head = 0;
  #tail = 0;
  #listener: ConsoleListener | undefined;
  #watch: Watch | undefined;
  /** Cannot be watched: read whenever there is room. */
  #always: boolean;
  #ended: boolean;
  #timer = 0;

  /** @param stream from `openStream`; closed by {@link close} if it is owned */
  constructor(loop: EventLoop, stream: Stream, filter: EscapeFilter) {
    this.#loop = loop;
    this.#stream = stream;
    this.#filter = filter;
    this.#always = stream.kind === STREAM_FILE;
    this.#ended = stream.kind === STREAM_CLOSED;
    this.#resume();
  }

  setListener(listener: ConsoleListener): void {
    this.#listener = listener;
  }

  /** True once everything there will ever be has been read (it may still have to be delivered). */
  get ended(): boolean {
    return this.#ended;
  }

  /** See `ConsoleBackend.read`. */
  read(iov: IovArray, first: number, limit: number): number {
    // A read may yield nothing but a prefix that is held back, or escape keys.
    for (let i = 0; i < READS && this.#always && this.#head === this.#tail && !this.#ended; i++)
      this.#fetch(0);
    const n = iov.scatter(this.#buffer, this.#head, 0, Math.min(limit, this.#tail - this.#head), first);
    this.#head += n;
    if (this.#head === this.#tail) {
      this.#head = 0;
      this.#tail = 0;
    }
    this.#resume();
    return n;
  }

  close(): void {
    this.#pause();
    if (this.#timer !== 0) this.#loop.cancel(this.#timer);
    this.#timer = 0;
    if (!this.#ended) this.#end();
    if (this.#stream.owned) close(this.#stream.fd);
  }

  /** Event: something can be read, or the other end is gone. */
  onReady(events: number): void {
    this.#fetch(events);
    if (this.#head !== this.#tail) this.#tell();
  }

  /** Timer: the driver's device had more to do than one call may. */
  onTimer(): void {
    this.#timer = 0;
    if (this.#head !== this.#tail) this.#tell();
  }

  #tell(): void {
    if (this.#listener?.inputReady() === true && this.#timer === 0) this.#timer = this.#loop.after(0, this);
  }

  /** One read into the buffer. @param events what epoll reported, 0 if it was not asked */
  #fetch(events: number): void {
    if (this.#ended) return;
    if (this.#head > 0) {
      this.#buffer.copyWithin(0, this.#head, this.#tail);
      this.#tail -= this.#head;
      this.#head = 0;
    }
    // One byte is kept for a prefix that the filter held back.
    const room = Math.min(READ_BYTES, BUFFER_BYTES - this.#tail - 1);
    if (room <= 0) {
      this.#pause();
      return;
    }
    const { kind, fd, terminal } = this.#stream;
    const n = kind === STREAM_SOCKET ? recv(fd, this.#raw, room) : read(fd, this.#raw, room);
    if (n > 0) {
      this.#tail += this.#filter.filter(this.#raw, n, this.#buffer, this.#tail);
      if (BUFFER_BYTES - this.#tail <= 1) this.#pause();
      return;
    }
    if (n === -EAGAIN || n === -EINTR) return;
    // On a terminal in line mode Ctrl-D reads as 0 bytes, and there may be more later.
    if (n === 0 && terminal && (events & (EPOLLHUP | EPOLLERR)) === 0) return;
    this.#tail += this.#filter.flush(this.#buffer, this.#tail);
    this.#end();
  }

  /** Watches again if there is room. */
  #resume(): void {
    if (this.#watch !== undefined || this.#ended || this.#always || BUFFER_BYTES - this.#tail <= 1) return;
    try {
      this.#watch = this.#loop.watch(this.#stream.fd, EPOLLIN, this);
    } catch {
      // EPERM: /dev/null and the like. Reading a shared descriptor unasked could wait for ever.
      if (this.#stream.kind === STREAM_SHARED) this.#end();
      else this.#always = true;
    }
  }

  /** Stops watching altogether: with an empty event set epoll would still report a hang-up, over and over. */
  #pause(): void {
    this.#watch?.close();
    this.#watch = undefined;
  }

  #end(): void {
    this.#ended = true;
    this.#pause();
  }
}
