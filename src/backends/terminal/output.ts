/**
 * Output of a console: to a terminal, pipe, socket, file or nothing at all. Never waits: what cannot be written now
 * stays with the device, and we watch for the moment it can. Output that nobody takes any more is thrown away.
 */
import { EAGAIN, EINTR } from '../../abi/errno.js';
import { EPOLLOUT } from '../../abi/linux.js';
import type { IovArray } from '../../memory/iov-array.js';
import { close, write, writev } from '../../sys/fd.js';
import { send } from '../../sys/socket.js';
import type { EventLoop, Watch } from '../../util/ports.js';
import type { ConsoleListener } from '../../virtio/devices/console/backend.js';
import { STREAM_CLOSED, STREAM_SHARED, STREAM_SOCKET, type Stream } from './stream-kind.js';

/** A pipe that polls as writable takes this much (PIPE_BUF). */
const SHARED_PIPE_BYTES = 4096;
/** A terminal that polls as writable has room for some bytes; line feeds may count twice. */
const SHARED_TERMINAL_BYTES = 64;

/** Thread: reactor. */
export class TerminalOutput {
  readonly #loop: EventLoop;
  readonly #stream: Stream;
  readonly #buffer: Uint8Array;
  #listener: ConsoleListener | undefined;
  #watch: Watch | undefined;
  /** A shared descriptor has just been reported writable. */
  #ready = false;
  #discard: boolean;

  /** @param stream from `openStream`; closed by {@link close} if it is owned */
  constructor(loop: EventLoop, stream: Stream) {
    this.#loop = loop;
    this.#stream = stream;
    this.#discard = stream.kind === STREAM_CLOSED;
    const shared = stream.terminal ? SHARED_TERMINAL_BYTES : SHARED_PIPE_BYTES;
    this.#buffer = new Uint8Array(stream.kind === STREAM_SHARED ? shared : 0x1_0000);
  }

  setListener(listener: ConsoleListener): void {
    this.#listener = listener;
  }

  /** See `ConsoleBackend.write`. */
  write(iov: IovArray, skip: number): number {
    const bytes = iov.bytes - skip;
    if (this.#discard) return -bytes;
    if (this.#watch !== undefined) return 0; // still full
    const n = this.#tryWrite(iov, skip, bytes);
    if (n > 0) return n;
    if (n !== -EAGAIN && n !== -EINTR && n !== 0) return -bytes; // EPIPE, EIO, ENOSPC, ...
    this.#arm();
    return this.#discard ? -bytes : 0;
  }

  /** Nothing is to be written any more. */
  stop(): void {
    this.#watch?.close();
    this.#watch = undefined;
    this.#ready = false;
  }

  close(): void {
    this.stop();
    this.#discard = true;
    if (this.#stream.owned) close(this.#stream.fd);
  }

  /** Event: writable, or the reader is gone (then the next write says so). */
  onReady(): void {
    this.stop();
    this.#ready = true;
    if (this.#listener?.outputReady() === true) this.#arm();
  }

  #tryWrite(iov: IovArray, skip: number, bytes: number): number {
    const { kind, fd } = this.#stream;
    if (kind === STREAM_SOCKET) {
      return send(fd, this.#buffer, iov.gather(this.#buffer, 0, skip, bytes));
    }
    if (kind === STREAM_SHARED) {
      if (!this.#ready) return -EAGAIN;
      this.#ready = false;
      return write(fd, this.#buffer, iov.gather(this.#buffer, 0, skip, bytes));
    }
    iov.window(skip, bytes);
    return writev(fd, iov.windowAddress, iov.windowCount);
  }

  #arm(): void {
    if (this.#watch !== undefined) return;
    try {
      this.#watch = this.#loop.watch(this.#stream.fd, EPOLLOUT, this);
    } catch {
      this.#discard = true; // it neither takes the bytes nor can say when it will
    }
  }
}
