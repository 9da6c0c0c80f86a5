/** Back ends made of plain memory, for tests of the devices alone. */
import { EAGAIN } from '#lkvm/abi/errno.js';
import type { IovArray } from '#lkvm/memory/iov-array.js';
import { viewOf } from '#lkvm/sys/libc.js';
import type { ConsoleBackend, ConsoleListener } from '#lkvm/virtio/devices/console/backend.js';
import type { NetBackend, NetListener } from '#lkvm/virtio/devices/net/backend.js';
import type { EntropyListener, EntropySource } from '#lkvm/virtio/devices/rng/backend.js';

/** Bytes 1, 2, ... 255, 1, ...: every byte is known and none is 0. Can be limited per call, or dry. */
export class CountingSource implements EntropySource {
  listener: EntropyListener | undefined;
  perCall = Number.POSITIVE_INFINITY;
  dry = false;
  calls = 0;
  total = 0;

  fill(address: number, bytes: number): number {
    this.calls++;
    if (this.dry) return -EAGAIN;
    const n = Math.min(bytes, this.perCall);
    const to = new Uint8Array(viewOf(address, n));
    for (let i = 0; i < n; i++) to[i] = 1 + (this.total++ % 255);
    return n;
  }

  setListener(listener: EntropyListener): void {
    this.listener = listener;
  }

  cancel(): void {}
}

/** A console made of two strings. */
export class MemoryConsole implements ConsoleBackend {
  listener: ConsoleListener | undefined;
  input = Buffer.alloc(0);
  output = Buffer.alloc(0);
  /** Bytes the host takes before it is full. */
  room = Number.POSITIVE_INFINITY;
  discard = false;
  writes = 0;

  setListener(listener: ConsoleListener): void {
    this.listener = listener;
  }

  type(text: string | Uint8Array): boolean {
    this.input = Buffer.concat([this.input, Buffer.from(text)]);
    return this.listener?.inputReady() ?? false;
  }

  read(iov: IovArray, first: number, limit: number): number {
    const n = iov.scatter(this.input, 0, 0, Math.min(limit, this.input.length), first);
    this.input = this.input.subarray(n);
    return n;
  }

  write(iov: IovArray, skip: number): number {
    this.writes++;
    const bytes = iov.bytes - skip;
    if (this.discard) return -bytes;
    const taken = Buffer.alloc(Math.min(bytes, this.room));
    iov.gather(taken, 0, skip, taken.length);
    this.room -= taken.length;
    this.output = Buffer.concat([this.output, taken]);
    return taken.length;
  }

  stop(): void {}
  close(): void {}
}

/** Two lists of frames. */
export class MemoryNetwork implements NetBackend {
  offloads = 0;
  possibleOffloads = 0;
  pending = false;
  readonly overflow = new Uint8Array(70_000);
  listener: NetListener | undefined;
  headerBytes = 0;
  features = 0;
  watched = false;
  running = false;
  /** Frames the driver sent, without header, and the checked headers. */
  readonly sent: Buffer[] = [];
  readonly headers: Buffer[] = [];
  /** Frames for the driver, with the header the kernel would put in front. */
  incoming: { header: Uint8Array; frame: Uint8Array }[] = [];
  full = false;
  receives = 0;

  setListener(listener: NetListener): void {
    this.listener = listener;
  }

  start(headerBytes: number, features: number): void {
    this.headerBytes = headerBytes;
    this.features = features;
    this.running = true;
  }

  stop(): void {
    this.running = false;
    this.watched = false;
  }

  send(header: Uint8Array, iov: IovArray): number {
    if (this.full) return -EAGAIN;
    const frame = Buffer.alloc(iov.bytes - this.headerBytes);
    iov.gather(frame, 0, this.headerBytes, frame.length);
    this.sent.push(frame);
    this.headers.push(Buffer.from(header));
    return iov.bytes;
  }

  receive(iov: IovArray, first: number, limit: number): number {
    this.receives++;
    const next = this.incoming.shift();
    if (next === undefined) return 0;
    const packet = Buffer.concat([next.header.subarray(0, this.headerBytes), next.frame]);
    const fits = Math.min(limit, packet.length);
    iov.scatter(packet, 0, 0, fits, first);
    this.overflow.set(packet.subarray(fits));
    return packet.length;
  }

  watch(on: boolean): void {
    this.watched = on;
  }

  close(): void {}

  /** Frames arrive: the device is told if it wants to know. */
  arrive(...frames: readonly Uint8Array[]): boolean {
    for (const frame of frames) this.incoming.push({ header: new Uint8Array(12).fill(0xee), frame });
    return this.watched ? (this.listener?.receiveReady() ?? false) : false;
  }
}
