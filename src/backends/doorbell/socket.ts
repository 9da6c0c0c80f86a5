/**
 * Doorbells over a unix socket on which the PMM listens: one byte per signal (`socket:PATH`), or an eventfd pair handed
 * to the peer (`eventfd:PATH`). A connection is the peer; a new connection replaces the old one; either side may
 * start or restart first.
 */
import {
  EVENTFD_HELLO_BYTES,
  EVENTFD_HELLO_LENGTH_OFF,
  EVENTFD_HELLO_MAGIC,
  EVENTFD_HELLO_MAGIC_OFF,
  EVENTFD_HELLO_POOL_OFF,
  EVENTFD_HELLO_VERSION,
  EVENTFD_HELLO_VERSION_OFF,
} from '../../abi/doorbell.js';
import { EAGAIN, EINTR } from '../../abi/errno.js';
import { EPOLLIN } from '../../abi/linux.js';
import { tryEventfd } from '../../sys/eventfd.js';
import { close } from '../../sys/fd.js';
import { recv, send, sendWithFds } from '../../sys/socket.js';
import type { EventLoop, Watch } from '../../util/ports.js';
import type { Doorbell, DoorbellHandler } from './doorbell.js';
import { EventfdPair } from './eventfd-pair.js';
import { DoorbellListener } from './listener.js';

/** What one connected peer is rung with. */
interface PeerLine {
  signal(): void;
  close(): void;
}

type MakeLine = (connection: number, loop: EventLoop, handler: DoorbellHandler) => PeerLine | undefined;

/** Listens, and keeps at most one peer. */
class ListeningDoorbell implements Doorbell {
  readonly #loop: EventLoop;
  readonly #makeLine: MakeLine;
  readonly #listener: DoorbellListener;
  readonly #scratch = new Uint8Array(4096);
  #handler: DoorbellHandler | undefined;
  #connection = -1;
  #connectionWatch: Watch | undefined;
  #line: PeerLine | undefined;

  constructor(path: string, loop: EventLoop, makeLine: MakeLine) {
    this.#loop = loop;
    this.#makeLine = makeLine;
    this.#listener = new DoorbellListener(path, loop, (fd) => this.#take(fd));
  }

  open(handler: DoorbellHandler): void {
    this.#listener.open();
    this.#handler = handler;
  }

  /** A peer has connected. */
  #take(fd: number): void {
    const handler = this.#handler;
    if (handler === undefined) {
      close(fd);
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

  signal(): void {
    this.#line?.signal();
  }

  close(): void {
    this.#drop();
    this.#handler = undefined;
    this.#listener.close();
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
