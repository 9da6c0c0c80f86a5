/** Both ends of the ivshmem protocol for tests, written from QEMU's description of it. They share no code with src/ but system calls. */
import { strict as assert } from 'node:assert';
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventfd, eventfdDrain, eventfdSignal } from '#lkvm/sys/eventfd.js';
import { close } from '#lkvm/sys/fd.js';
import { createMemfd } from '#lkvm/sys/map.js';
import {
  acceptUnix,
  connectUnix,
  listenUnix,
  recv,
  recvWithFds,
  send,
  sendWithFds,
} from '#lkvm/sys/socket.js';

const EAGAIN = 11;

/** One message as a peer gets it. */
export interface IvshmemMessage {
  readonly value: number;
  /** -1 if none came with it. */
  readonly fd: number;
}

/** Descriptors of this process. */
export function openFds(): number {
  return readdirSync('/proc/self/fd').length;
}

function encode(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, BigInt(value), true);
  return bytes;
}

/** A peer. What it is sent stays in the socket until {@link take}. */
export class IvshmemClient implements Disposable {
  readonly connection: number;
  readonly messages: IvshmemMessage[] = [];
  /** The server has closed the connection. */
  ended = false;

  constructor(path: string) {
    this.connection = connectUnix(path);
    assert.ok(this.connection >= 0, `connect: ${this.connection}`);
  }

  /** Reads everything that is there. @returns the new messages' numbers, those with a descriptor as strings: "3+fd" */
  take(): (number | string)[] {
    const news: (number | string)[] = [];
    for (;;) {
      const bytes = new Uint8Array(8);
      const fds: number[] = [];
      const n = recvWithFds(this.connection, bytes, fds);
      if (n <= 0) {
        this.ended ||= n !== -EAGAIN;
        return news;
      }
      assert.equal(n, 8);
      assert.ok(fds.length <= 1);
      const value = Number(new DataView(bytes.buffer).getBigInt64(0, true));
      this.messages.push({ value, fd: fds[0] ?? -1 });
      news.push(fds.length === 0 ? value : `${value}+fd`);
    }
  }

  /** Our id: the second message. */
  get id(): number {
    return this.messages[1]?.value ?? -1;
  }

  /** The memory's descriptor. */
  get memory(): number {
    return this.messages.find(({ value }) => value === -1)?.fd ?? -1;
  }

  /** The eventfds that came with an id, in the order of the vectors. */
  lines(id: number): number[] {
    return this.messages.slice(2).flatMap(({ value, fd }) => (value === id && fd >= 0 ? [fd] : []));
  }

  /** Rings a peer, as a store to the doorbell register does. */
  ring(id: number, vector = 0): void {
    eventfdSignal(this.lines(id)[vector] ?? -1);
  }

  /** Takes our own interrupts of a vector. @returns whether there was one */
  interrupted(vector = 0): boolean {
    return eventfdDrain(this.lines(this.id)[vector] ?? -1) === 8;
  }

  send(bytes: Uint8Array): number {
    return send(this.connection, bytes);
  }

  [Symbol.dispose](): void {
    close(this.connection);
    for (const { fd } of this.messages) if (fd >= 0) close(fd);
  }
}

/** A server: as much of one as a peer under test needs. Driven by hand. */
export class IvshmemStandIn implements Disposable {
  readonly memory: number;
  /** Rings what the peer under test listens to, by vector. */
  readonly toPeer: readonly number[];
  /** What the peer under test rings: "peer 7". */
  readonly other = eventfd();
  connection = -1;
  readonly listener: number;

  constructor(path: string, bytes: number, vectors = 1) {
    this.memory = createMemfd('stand-in', bytes);
    this.toPeer = Array.from({ length: vectors }, () => eventfd());
    this.listener = listenUnix(path);
    assert.ok(this.listener >= 0);
  }

  /** Waits for the peer. */
  async accept(): Promise<void> {
    for (;;) {
      this.connection = acceptUnix(this.listener);
      if (this.connection >= 0) return;
      await sleep(2);
    }
  }

  /** One message. @param piece bytes per write */
  send(value: number, fd = -1, piece = 8): void {
    const bytes = encode(value);
    for (let at = 0; at < 8; at += piece) {
      sendWithFds(this.connection, bytes.subarray(at, at + piece), at === 0 && fd >= 0 ? [fd] : []);
    }
  }

  /** Version, id and memory. */
  welcome(id: number, piece = 8): void {
    this.send(0, -1, piece);
    this.send(id, -1, piece);
    this.send(-1, this.memory, piece);
  }

  /** Whether the peer under test has rung. */
  rung(): boolean {
    return eventfdDrain(this.other) === 8;
  }

  /** Whether the peer under test has closed its connection. */
  closed(): boolean {
    return recv(this.connection, new Uint8Array(8)) === 0;
  }

  [Symbol.dispose](): void {
    for (const fd of [this.memory, ...this.toPeer, this.other, this.connection, this.listener]) {
      if (fd >= 0) close(fd);
    }
  }
}
