/**
 * Doorbells over a unix socket on which the PMM listens: one byte per signal (`socket:PATH`), or an eventfd pair handed
 * to the peer (`eventfd:PATH`). A connection is the peer; a new connection replaces the old one; either side may
 * start or restart first.
 */
import { unlinkSync } from 'node:fs';
import {
  EVENTFD_HELLO_BYTES,
  EVENTFD_HELLO_LENGTH_OFF,
  EVENTFD_HELLO_MAGIC,
  EVENTFD_HELLO_MAGIC_OFF,
  EVENTFD_HELLO_POOL_OFF,
  EVENTFD_HELLO_VERSION,
  EVENTFD_HELLO_VERSION_OFF,
} from '../../abi/doorbell.js';
import { EADDRINUSE, EAGAIN, EINTR, EMFILE, ENFILE } from '../../abi/errno.js';
import { EPOLLIN } from '../../abi/linux.js';
import { tryEventfd } from '../../sys/eventfd.js';
import { close } from '../../sys/fd.js';
import { errnoName } from '../../sys/libc.js';
import { acceptUnix, listenUnix, recv, send, sendWithFds } from '../../sys/socket.js';
import { StartError } from '../../util/errors.js';
import type { EventLoop, FdHandler, TimerHandler, Watch } from '../../util/ports.js';
import type { Doorbell, DoorbellHandler } from './doorbell.js';
import { EventfdPair } from './eventfd-pair.js';

/** What one connected peer is rung with. */
interface PeerLine {
  signal(): void;
  close(): void;
}

type MakeLine = (connection: number, loop: EventLoop, handler: DoorbellHandler) => PeerLine | undefined;

/** How long nobody is let in when there is no descriptor for one more. */
const PAUSE_US = 100_000;

/** Listens, and keeps at most one peer. */
class ListeningDoorbell implements Doorbell, FdHandler, TimerHandler {
  readonly #path: string;
  readonly #loop: EventLoop;
  readonly #makeLine: MakeLine;
  readonly #scratch = new Uint8Array(4096);
  #handler: DoorbellHandler | undefined;
  #listener = -1;
  #listenerWatch: Watch | undefined;
  #connection = -1;
  #connectionWatch: Watch | undefined;
  #line: PeerLine | undefined;

  constructor(path: string, loop: EventLoop, makeLine: MakeLine) {
    this.#path = path;
    this.#loop = loop;
    this.#makeLine = makeLine;
  }

  open(handler: DoorbellHandler): void {
    const fd = listenUnix(this.#path);
    if (fd === -EADDRINUSE) {
      throw new StartError(
        `another process listens on the doorbell socket ${this.#path}; stop it or use another path`,
      );
    }
    if (fd < 0) throw new StartError(`cannot listen on the doorbell socket ${this.#path}: ${errnoName(-fd)}`);
    this.#handler = handler;
    this.#listener = fd;
    this.#listenerWatch = this.#loop.watch(fd, EPOLLIN, this);
  }

  /** The listener is readable: a peer connects. */
  onReady(): void {
    const handler = this.#handler;
    const fd = acceptUnix(this.#listener);
    if (fd < 0 || handler === undefined) {
      // Gone again; or no descriptor is left, and then the listener stays readable: do not look at it all the time.
      if (fd === -EMFILE || fd === -ENFILE) this.#pause();
      return;
    }
    this.#drop();
    const line = this.#makeLine(fd, this.#loop, handler);
    if (line === undefined) {
      close(fd);
      return;
    }
    this.#connection = fd;
    this.#line = line;
    this.#connectionWatch = this.#loop.watch(fd, EPOLLIN, { onReady: () => this.#receive() });
    handler.onPeer(true);
  }

  /** The pause is over. */
  onTimer(): void {
    this.#listenerWatch?.setEvents(EPOLLIN);
  }

  signal(): void {
    this.#line?.signal();
  }

  close(): void {
    this.#drop();
    this.#handler = undefined;
    if (this.#listener < 0) return;
    this.#listenerWatch?.close();
    close(this.#listener);
    this.#listener = -1;
    try {
      unlinkSync(this.#path);
    } catch {
      // Somebody removed it already; nothing is left to clean.
    }
  }

  #pause(): void {
    this.#listenerWatch?.setEvents(0);
    this.#loop.after(PAUSE_US, this);
  }

  /** Bytes are signals on a `socket:` line; on an `eventfd:` line there are none, and only the end matters. */
  #receive(): void {
    const n = recv(this.#connection, this.#scratch);
    if (n > 0) {
      this.#handler?.onDoorbell();
      return;
    }
    if (n === -EAGAIN || n === -EINTR) return;
    this.#drop();
    this.#handler?.onPeer(false);
  }

  #drop(): void {
    if (this.#connection < 0) return;
    this.#line?.close();
    this.#line = undefined;
    this.#connectionWatch?.close();
    close(this.#connection);
    this.#connection = -1;
  }
}

const RING = new Uint8Array([1]);

/** `socket:PATH`: one byte in either direction is one signal, any value. A full socket drops the signal. */
export function socketDoorbell(path: string, loop: EventLoop): Doorbell {
  return new ListeningDoorbell(path, loop, (connection) => ({
    signal: () => {
      send(connection, RING);
    },
    close: () => undefined,
  }));
}

/** What the peer of an `eventfd:` doorbell is told about the pool. */
export interface PoolHandOver {
  /** Driver-visible address and length in bytes. */
  readonly address: number;
  readonly bytes: number;
  /** memfd to hand over, or -1 when the peer opens the pool itself. */
  readonly fd: number;
}

/** `eventfd:PATH`: on connect the peer gets one message with [pool memfd if any, its line to us, our line to it]. */
export function eventfdDoorbell(path: string, loop: EventLoop, pool: PoolHandOver): Doorbell {
  return new ListeningDoorbell(path, loop, (connection, eventLoop, handler) => {
    const toPmm = tryEventfd();
    const toPeer = tryEventfd();
    const fds = pool.fd >= 0 ? [pool.fd, toPmm, toPeer] : [toPmm, toPeer];
    if (toPmm < 0 || toPeer < 0 || sendWithFds(connection, hello(pool), fds) < 0) {
      if (toPmm >= 0) close(toPmm);
      if (toPeer >= 0) close(toPeer);
      return undefined; // the connection is closed, and the peer tries again
    }
    const pair = new EventfdPair(toPmm, toPeer, eventLoop);
    pair.open(handler);
    return {
      signal: () => pair.signal(),
      close: () => {
        pair.close();
        close(toPmm);
        close(toPeer);
      },
    };
  });
}

function hello(pool: PoolHandOver): Uint8Array {
  const bytes = new Uint8Array(EVENTFD_HELLO_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(EVENTFD_HELLO_MAGIC_OFF, EVENTFD_HELLO_MAGIC, true);
  view.setUint32(EVENTFD_HELLO_VERSION_OFF, EVENTFD_HELLO_VERSION, true);
  view.setBigUint64(EVENTFD_HELLO_POOL_OFF, BigInt(pool.address), true);
  view.setBigUint64(EVENTFD_HELLO_LENGTH_OFF, BigInt(pool.bytes), true);
  return bytes;
}
