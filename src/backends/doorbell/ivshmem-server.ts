/**
 * The server of an ivshmem region: hands the pool and eventfds to peers (QEMU's `ivshmem-doorbell` device, or anything
 * that speaks the protocol), and is peer 0 itself: whoever rings peer 0 rings the PMM, and the PMM rings vector 0 of
 * every peer. Nothing is ever received; a peer that sends, or that does not read what it is sent, is sent away.
 *
 * A peer can do harm to itself only: its line to us is an eventfd of its own, so that filling the count of one line
 * silences no other peer, and nothing here waits for a peer. What the protocol gives every peer, it gives here too: all
 * of the memory, and the right to ring all others.
 *
 * Spec: QEMU docs/specs/ivshmem-spec, "The ivshmem Client-Server Protocol". Thread: reactor.
 */
import { EAGAIN, EINTR } from '../../abi/errno.js';
import { IVSHMEM_MEMORY, IVSHMEM_MESSAGE_BYTES, IVSHMEM_PROTOCOL_VERSION } from '../../abi/ivshmem.js';
import { EPOLLET, EPOLLIN } from '../../abi/linux.js';
import { eventfdSignal, tryEventfd } from '../../sys/eventfd.js';
import { close } from '../../sys/fd.js';
import { recv, sendWithFds } from '../../sys/socket.js';
import type { EventLoop, Log, Watch } from '../../util/ports.js';
import type { Doorbell, DoorbellHandler } from './doorbell.js';
import { IVSHMEM_MAX_PEERS } from './ivshmem-limits.js';
import { DoorbellListener } from './listener.js';

/** The PMM's own id, which drivers ring. */
const PMM_ID = 0;

/** What the peers share. */
export interface IvshmemRegion {
  /** Where to listen. */
  readonly path: string;
  /** The memory; stays open here. Its size is the size of the peers' BAR 2: a power of two. */
  readonly memoryFd: number;
  /** Eventfds per peer, 1 ... IVSHMEM_MAX_VECTORS. */
  readonly vectors: number;
}

interface Peer {
  readonly id: number;
  readonly connection: number;
  /** Written by the peer to ring us; the same for all vectors. */
  readonly toPmm: number;
  /** Written to ring the peer, by vector. */
  readonly toPeer: readonly number[];
  readonly watches: readonly Watch[];
}

/** See the file's head. */
class IvshmemServer implements Doorbell {
  readonly #region: IvshmemRegion;
  readonly #loop: EventLoop;
  readonly #log: Log;
  readonly #listener: DoorbellListener;
  readonly #scratch = new Uint8Array(IVSHMEM_MESSAGE_BYTES);
  #peers: Peer[] = [];
  #handler: DoorbellHandler | undefined;

  constructor(region: IvshmemRegion, loop: EventLoop, log: Log) {
    this.#region = region;
    this.#loop = loop;
    this.#log = log;
    this.#listener = new DoorbellListener(region.path, loop, (fd) => this.#admit(fd));
  }

  open(handler: DoorbellHandler): void {
    this.#listener.open();
    this.#handler = handler;
  }

  signal(): void {
    const peers = this.#peers;
    for (let i = 0; i < peers.length; i++) eventfdSignal((peers[i] as Peer).toPeer[0] as number);
  }

  close(): void {
    this.#handler = undefined;
    this.#listener.close();
    for (const peer of this.#peers) release(peer);
    this.#peers = [];
  }

  /** A peer has connected: gives it an id and everything that is there, and tells the others of it. */
  #admit(connection: number): void {
    const handler = this.#handler;
    if (handler === undefined) {
      close(connection);
      return;
    }
    if (this.#peers.length === IVSHMEM_MAX_PEERS) {
      this.#log.warn(`ivshmem: a peer was sent away, since there are ${IVSHMEM_MAX_PEERS} already`);
      close(connection);
      return;
    }
    const fds = eventfds(1 + this.#region.vectors);
    if (fds === undefined) {
      this.#log.warn('ivshmem: a peer was sent away, since no file descriptor is left');
      close(connection);
      return;
    }
    const [toPmm = -1, ...toPeer] = fds;
    const ring = this.#loop.watch(toPmm, EPOLLIN | EPOLLET, { onReady: () => this.#handler?.onDoorbell() });
    const peer: Peer = {
      id: this.#freeId(),
      connection,
      toPmm,
      toPeer,
      watches: [ring, this.#loop.watch(connection, EPOLLIN, { onReady: () => this.#receive(peer) })],
    };
    if (!this.#welcome(peer)) {
      this.#log.warn('ivshmem: a peer was sent away, since it does not take what it is sent');
      release(peer);
      return;
    }
    this.#log.debug?.(`ivshmem: peer ${peer.id} has come`);
    const others = this.#peers;
    this.#peers = [...others, peer];
    this.#tell(others, peer.id, toPeer);
    handler.onPeer(true);
  }

  /** The lowest id that nobody has: a single peer that starts again is always peer 1. */
  #freeId(): number {
    let id = PMM_ID + 1;
    while (this.#peers.some((peer) => peer.id === id)) id++;
    return id;
  }

  /** @returns false if the peer is gone or does not take it */
  #welcome(peer: Peer): boolean {
    const { memoryFd, vectors } = this.#region;
    const { connection, id, toPmm, toPeer } = peer;
    return (
      send(connection, IVSHMEM_PROTOCOL_VERSION) &&
      send(connection, id) &&
      send(connection, IVSHMEM_MEMORY, memoryFd) &&
      sendEach(connection, PMM_ID, new Array<number>(vectors).fill(toPmm)) &&
      this.#peers.every((other) => sendEach(connection, other.id, other.toPeer)) &&
      sendEach(connection, id, toPeer)
    );
  }

  /** Tells peers that `id` has come (with its eventfds) or gone (without). Who does not take it, goes as well. */
  #tell(peers: readonly Peer[], id: number, fds: readonly number[]): void {
    for (const peer of peers) {
      if (!this.#peers.includes(peer)) continue; // gone meanwhile
      const taken = fds.length === 0 ? send(peer.connection, id) : sendEach(peer.connection, id, fds);
      if (!taken) this.#drop(peer, 'it does not take what it is sent');
    }
  }

  /** The connection is readable: it has ended, or the peer sends, which the protocol does not have. */
  #receive(peer: Peer): void {
    const n = recv(peer.connection, this.#scratch);
    if (n === -EAGAIN || n === -EINTR) return;
    this.#drop(peer, n > 0 ? 'it has sent data, and only the server sends' : undefined);
  }

  /** @param why it is sent away; undefined: it went by itself */
  #drop(peer: Peer, why: string | undefined): void {
    if (why === undefined) this.#log.debug?.(`ivshmem: peer ${peer.id} has gone`);
    else this.#log.warn(`ivshmem: peer ${peer.id} was sent away: ${why}`);
    this.#peers = this.#peers.filter((other) => other !== peer);
    release(peer);
    this.#tell(this.#peers, peer.id, []);
    this.#handler?.onPeer(false);
  }
}

function release({ watches, connection, toPmm, toPeer }: Peer): void {
  for (const watch of watches) watch.close();
  for (const fd of [connection, toPmm, ...toPeer]) close(fd);
}

/** @returns so many eventfds, or undefined if there are not enough */
function eventfds(count: number): number[] | undefined {
  const fds: number[] = [];
  while (fds.length < count) {
    const fd = tryEventfd();
    if (fd < 0) {
      for (const made of fds) close(made);
      return undefined;
    }
    fds.push(fd);
  }
  return fds;
}

const message = new DataView(new ArrayBuffer(IVSHMEM_MESSAGE_BYTES));

/** One message. @returns false if the other end is gone or its socket is full */
function send(connection: number, value: number, fd = -1): boolean {
  message.setBigInt64(0, BigInt(value), true);
  const bytes = new Uint8Array(message.buffer);
  return sendWithFds(connection, bytes, fd < 0 ? [] : [fd]) === IVSHMEM_MESSAGE_BYTES;
}

/** A message per eventfd: the peer's id, once for each vector. */
function sendEach(connection: number, id: number, fds: readonly number[]): boolean {
  return fds.every((fd) => send(connection, id, fd));
}

/** `ivshmem-server:PATH`: see the file's head. */
export function ivshmemServerDoorbell(region: IvshmemRegion, loop: EventLoop, log: Log): Doorbell {
  return new IvshmemServer(region, loop, log);
}
