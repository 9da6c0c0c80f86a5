/**
 * An ivshmem server of tests: what QEMU's example server does, written from its description. It shares no code with src/
 * but system calls, and runs on the event loop of the test.
 */
import { strict as assert } from 'node:assert';
import type { TestContext } from 'node:test';
import { eventfd } from '#lkvm/sys/eventfd.js';
import { close } from '#lkvm/sys/fd.js';
import { createMemfd } from '#lkvm/sys/map.js';
import { acceptUnix, listenUnix, recv, sendWithFds } from '#lkvm/sys/socket.js';

const EAGAIN = 11;
const LOOK_MS = 2;

interface Peer {
  readonly id: number;
  readonly connection: number;
  readonly line: number;
}

/** One vector per peer; ids count up from 0 and are never used again. Ends with the test. */
export class TestIvshmemServer {
  readonly memory: number;
  readonly #listener: number;
  readonly #timer: NodeJS.Timeout;
  #peers: Peer[] = [];
  #nextId = 0;

  constructor(t: TestContext, path: string, bytes: number) {
    this.memory = createMemfd('test-server', bytes);
    this.#listener = listenUnix(path);
    assert.ok(this.#listener >= 0);
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    t.after(() => this.stop());
  }

  /** Ends it, with all connections. Twice is fine. */
  stop(): void {
    if (this.#peers.length === 0 && this.#nextId < 0) return;
    clearInterval(this.#timer);
    for (const peer of this.#peers) release(peer);
    this.#peers = [];
    this.#nextId = -1;
    close(this.#listener);
    close(this.memory);
  }

  #look(): void {
    for (let fd = acceptUnix(this.#listener); fd >= 0; fd = acceptUnix(this.#listener)) this.#admit(fd);
    for (const peer of this.#peers) {
      if (recv(peer.connection, new Uint8Array(8)) === -EAGAIN) continue;
      this.#peers = this.#peers.filter((other) => other !== peer);
      for (const other of this.#peers) send(other.connection, peer.id);
      release(peer);
    }
  }

  #admit(connection: number): void {
    const peer: Peer = { id: this.#nextId++, connection, line: eventfd() };
    send(connection, 0);
    send(connection, peer.id);
    send(connection, -1, this.memory);
    for (const other of this.#peers) {
      send(other.connection, peer.id, peer.line);
      send(connection, other.id, other.line);
    }
    send(connection, peer.id, peer.line);
    this.#peers.push(peer);
  }
}

function release({ connection, line }: Peer): void {
  close(connection);
  close(line);
}

function send(connection: number, value: number, fd = -1): void {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, BigInt(value), true);
  sendWithFds(connection, bytes, fd < 0 ? [] : [fd]);
}
