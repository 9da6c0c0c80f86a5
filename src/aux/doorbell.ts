/**
 * Doorbells from the peer's side: where the PMM listens, we connect, as often as it takes. Sends never wait; a signal
 * that does not fit is dropped, since the ones before it are still unread. Mailbox and UIO devices look the same from
 * both sides and are shared with the PMM.
 */
import {
  EVENTFD_HELLO_BYTES,
  EVENTFD_HELLO_LENGTH_OFF,
  EVENTFD_HELLO_MAGIC,
  EVENTFD_HELLO_MAGIC_OFF,
  EVENTFD_HELLO_POOL_OFF,
  EVENTFD_HELLO_VERSION,
  EVENTFD_HELLO_VERSION_OFF,
} from '../abi/doorbell.js';
import { EAGAIN, EINTR } from '../abi/errno.js';
import { EPOLLET, EPOLLIN } from '../abi/linux.js';
import { mailboxDoorbell, noDoorbell, uioDoorbell } from '../backends/doorbell/device.js';
import type { Doorbell, DoorbellHandler } from '../backends/doorbell/doorbell.js';
import { eventfdSignal } from '../sys/eventfd.js';
import { close } from '../sys/fd.js';
import { connectUnix, recv, recvWithFds, send } from '../sys/socket.js';
import type { EventLoop, FdHandler, Log, TimerHandler, Watch } from '../util/ports.js';
import { at } from '../util/typed.js';
import { connectTrouble, type Trouble } from './connect-trouble.js';
import { IvshmemDoorbell } from './ivshmem-doorbell.js';
import type { AuxNotify } from './options.js';
import type { HandedPool } from './pool.js';

const RETRY_US = 20_000;
/** A connection that was lost sooner than this was taken by another peer, which may be just as stubborn as we are. */
const SHORT_LIFE_US = 1_000_000;
const MOST_RETRY_US = 1_000_000;
const RING = new Uint8Array([1]);

/** A doorbell of the peer. */
export interface AuxDoorbell extends Doorbell {
  /** True while the PMM is at the other end; always true for doorbells that cannot tell. */
  readonly up: boolean;
  /** What the PMM told on connecting; undefined for doorbells without such a message. */
  readonly handed: HandedPool | undefined;
  /** While not {@link up}: why not, if there is more to say than that nobody is there. */
  readonly trouble: Trouble | undefined;
}

/** Connects, and again when the connection is lost. What is said on it is up to the two classes below. */
class Connection implements FdHandler, TimerHandler {
  fd = -1;
  readonly #path: string;
  readonly #loop: EventLoop;
  /** Of the last attempt, or 0. */
  #errno = 0;
  readonly #onBytes: () => void;
  readonly #onOpen: () => void;
  #watch: Watch | undefined;
  #closed = false;
  #openedUs = 0;
  #retryUs = RETRY_US;

  constructor(path: string, loop: EventLoop, onOpen: () => void, onBytes: () => void) {
    this.#path = path;
    this.#loop = loop;
    this.#onOpen = onOpen;
    this.#onBytes = onBytes;
  }

  connect(): void {
    const fd = connectUnix(this.#path);
    this.#errno = Math.max(0, -fd);
    if (fd < 0) {
      this.#loop.after(RETRY_US, this);
      return;
    }
    this.fd = fd;
    this.#openedUs = this.#loop.nowUs();
    this.#watch = this.#loop.watch(fd, EPOLLIN, this);
    this.#onOpen();
  }

  get trouble(): Trouble | undefined {
    return this.#errno === 0 ? undefined : connectTrouble(this.#path, this.#errno);
  }

  onReady(): void {
    this.#onBytes();
  }

  onTimer(): void {
    if (!this.#closed && this.fd < 0) this.connect();
  }

  /** The other end is gone: try again soon, but later each time if it does not last. */
  lost(): void {
    this.#release();
    const short = this.#loop.nowUs() - this.#openedUs < SHORT_LIFE_US;
    this.#retryUs = short ? Math.min(this.#retryUs * 2, MOST_RETRY_US) : RETRY_US;
    if (!this.#closed) this.#loop.after(this.#retryUs, this);
  }

  close(): void {
    this.#closed = true;
    this.#release();
  }

  #release(): void {
    this.#watch?.close();
    this.#watch = undefined;
    if (this.fd >= 0) close(this.fd);
    this.fd = -1;
  }
}

/** `socket:PATH`: one byte is one signal. */
class SocketDoorbell implements AuxDoorbell {
  readonly handed = undefined;
  readonly #connection: Connection;
  readonly #scratch = new Uint8Array(256);
  #handler: DoorbellHandler | undefined;

  constructor(path: string, loop: EventLoop) {
    this.#connection = new Connection(
      path,
      loop,
      () => this.#handler?.onPeer(true),
      () => this.#receive(),
    );
  }

  get up(): boolean {
    return this.#connection.fd >= 0;
  }

  get trouble(): Trouble | undefined {
    return this.#connection.trouble;
  }

  open(handler: DoorbellHandler): void {
    this.#handler = handler;
    this.#connection.connect();
  }

  signal(): void {
    if (this.#connection.fd >= 0) send(this.#connection.fd, RING);
  }

  close(): void {
    this.#handler = undefined;
    this.#connection.close();
  }

  #receive(): void {
    const n = recv(this.#connection.fd, this.#scratch);
    if (n > 0) {
      this.#handler?.onDoorbell();
      return;
    }
    if (n === -EAGAIN || n === -EINTR) return;
    this.#connection.lost();
    this.#handler?.onPeer(false);
  }
}

/** `eventfd:PATH`: one message with descriptors, then two eventfds. */
class EventfdDoorbell implements AuxDoorbell, FdHandler {
  readonly #connection: Connection;
  readonly #loop: EventLoop;
  readonly #log: Log;
  readonly #message = new Uint8Array(EVENTFD_HELLO_BYTES);
  #handler: DoorbellHandler | undefined;
  #handed: HandedPool | undefined;
  #toPmm = -1;
  #fromPmm = -1;
  #watch: Watch | undefined;

  constructor(path: string, loop: EventLoop, log: Log) {
    this.#loop = loop;
    this.#log = log;
    this.#connection = new Connection(
      path,
      loop,
      () => undefined,
      () => this.#receive(),
    );
  }

  get up(): boolean {
    return this.#toPmm >= 0;
  }

  get trouble(): Trouble | undefined {
    if (this.#connection.fd < 0) return this.#connection.trouble;
    return {
      what: 'who listens there does not greet as eventfd: does',
      advice: 'check --notify on both sides',
    };
  }

  get handed(): HandedPool | undefined {
    return this.#handed;
  }

  open(handler: DoorbellHandler): void {
    this.#handler = handler;
    this.#connection.connect();
  }

  signal(): void {
    if (this.#toPmm >= 0) eventfdSignal(this.#toPmm);
  }

  close(): void {
    this.#handler = undefined;
    this.#connection.close();
    this.#release();
  }

  /** The PMM's eventfd is readable. */
  onReady(): void {
    this.#handler?.onDoorbell();
  }

  /** The greeting, or the end of the connection. */
  #receive(): void {
    const fds: number[] = [];
    const n = recvWithFds(this.#connection.fd, this.#message, fds);
    if (n > 0 && !this.up && this.#greet(n, fds)) {
      this.#handler?.onPeer(true);
      return;
    }
    for (const fd of fds) close(fd);
    if (n > 0 || n === -EAGAIN || n === -EINTR) return;
    const wasUp = this.up;
    this.#release();
    this.#connection.lost();
    if (wasUp) this.#handler?.onPeer(false);
  }

  #greet(bytes: number, fds: readonly number[]): boolean {
    const view = new DataView(this.#message.buffer);
    const magic = bytes < EVENTFD_HELLO_BYTES ? 0 : view.getUint32(EVENTFD_HELLO_MAGIC_OFF, true);
    const version = magic === EVENTFD_HELLO_MAGIC ? view.getUint32(EVENTFD_HELLO_VERSION_OFF, true) : 0;
    if (version !== EVENTFD_HELLO_VERSION || fds.length < 2 || fds.length > 3) {
      this.#log.warn(
        `the PMM's greeting on the doorbell is not understood (${bytes} bytes, ${fds.length} fds)`,
      );
      return false;
    }
    this.#handed = {
      address: Number(view.getBigUint64(EVENTFD_HELLO_POOL_OFF, true)),
      bytes: Number(view.getBigUint64(EVENTFD_HELLO_LENGTH_OFF, true)),
      fd: fds.length === 3 ? at(fds, 0) : -1,
    };
    this.#toPmm = at(fds, fds.length - 2);
    this.#fromPmm = at(fds, fds.length - 1);
    this.#watch = this.#loop.watch(this.#fromPmm, EPOLLIN | EPOLLET, this);
    return true;
  }

  #release(): void {
    this.#watch?.close();
    this.#watch = undefined;
    for (const fd of [this.#toPmm, this.#fromPmm, this.#handed?.fd ?? -1]) if (fd >= 0) close(fd);
    this.#toPmm = -1;
    this.#fromPmm = -1;
    this.#handed = undefined;
  }
}

/** A doorbell that cannot tell whether anybody is at the other end. */
class BlindDoorbell implements AuxDoorbell {
  readonly up = true;
  readonly trouble = undefined;
  readonly handed = undefined;
  readonly #doorbell: Doorbell;

  constructor(doorbell: Doorbell) {
    this.#doorbell = doorbell;
  }

  open(handler: DoorbellHandler): void {
    this.#doorbell.open(handler);
  }

  signal(): void {
    this.#doorbell.signal();
  }

  close(): void {
    this.#doorbell.close();
  }
}

/** The doorbell a configuration asks for, not yet open. */
export function makeAuxDoorbell(notify: AuxNotify, loop: EventLoop, log: Log): AuxDoorbell {
  switch (notify.kind) {
    case 'socket':
      return new SocketDoorbell(notify.path, loop);
    case 'eventfd':
      return new EventfdDoorbell(notify.path, loop, log);
    case 'umb':
      return new BlindDoorbell(mailboxDoorbell(notify.path, loop, log));
    case 'uio':
      return new BlindDoorbell(uioDoorbell(notify.path, loop, log));
    case 'ivshmem':
      return new IvshmemDoorbell(notify.path, loop, log);
    case 'poll':
      return new BlindDoorbell(noDoorbell());
  }
}
