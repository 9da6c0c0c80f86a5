/** A 9P server and a client in one thread: requests by method calls, over real shared-memory buffers. */

import { IovArray } from '#lkvm/memory/iov-array.js';
import { P9_DIR_START, P9Encoder, P9Reply, type P9Text } from '#lkvm/p9/client.js';
import type { FileTree } from '#lkvm/p9/file-tree.js';
import { P9Server, type P9ServerOptions } from '#lkvm/p9/server.js';
import { blockDiscard } from '#lkvm/sys/block-device.js';
import { fallocate, fdatasync, fsync, preadv, pwritev } from '#lkvm/sys/fd.js';
import { PENDING } from '#lkvm/util/pending.js';
import type { BlockingCalls, BlockingHandler, BlockingLane } from '#lkvm/util/ports.js';
import { TestMemory } from './driver-sim-memory.js';

/** Calls of blocking lanes, made when the test says so. */
export class ManualBlocking implements BlockingCalls {
  readonly #calls: (() => void)[] = [];
  /** Names and descriptors of the calls made so far: "fsync", "fdatasync". */
  readonly log: string[] = [];

  get waiting(): number {
    return this.#calls.length;
  }

  lane(handler: BlockingHandler): BlockingLane {
    let open = true;
    const later = (name: string, call: () => number, token: number): void => {
      this.#calls.push(() => {
        this.log.push(name);
        const result = call();
        if (open) handler.onDone(token, result);
      });
    };
    return {
      fsync: (fd, token) => later('fsync', () => fsync(fd), token),
      fdatasync: (fd, token) => later('fdatasync', () => fdatasync(fd), token),
      preadv: (fd, iov, count, offset, token) => later('preadv', () => preadv(fd, iov, count, offset), token),
      pwritev: (fd, iov, count, offset, token) =>
        later('pwritev', () => pwritev(fd, iov, count, offset), token),
      fallocate: (fd, mode, offset, bytes, token) =>
        later('fallocate', () => fallocate(fd, mode, offset, bytes), token),
      discard: (fd, offset, bytes, token) => later('discard', () => blockDiscard(fd, offset, bytes), token),
      settle: () => {
        this.run();
        return true;
      },
      pending: 0,
      close: () => {
        open = false;
      },
    };
  }

  /** Makes all calls that wait. */
  run(): void {
    for (const call of this.#calls.splice(0)) call();
  }
}

export interface P9RigOptions extends Partial<P9ServerOptions> {
  readonly tree: FileTree;
  /** Bytes of room for requests and replies each, default 1 MiB + 4 KiB. */
  readonly bufferBytes?: number;
  readonly access?: number;
  /** Called when a request stays pending, to make it complete. */
  readonly onPending?: () => void;
}

/** Result of one exchange: >= 0, or -errno; the reply's fields are in `reply`. */
export class P9Rig {
  readonly memory: TestMemory;
  readonly server: P9Server;
  readonly encoder = new P9Encoder();
  readonly reply = new P9Reply();
  /** Completed pending requests: token and bytes. */
  readonly completions: { token: number; bytes: number }[] = [];
  /** Bytes of the last reply. */
  replyBytes = 0;
  readonly #request: IovArray;
  readonly #answer: IovArray;
  readonly #requestAt: number;
  readonly #replyAt: number;
  readonly #room: number;
  readonly #onPending: (() => void) | undefined;
  readonly #message = new Uint8Array(0x10_1000);
  #tag = 0;

  constructor(options: P9RigOptions) {
    this.#room = options.bufferBytes ?? 0x10_1000;
    this.memory = new TestMemory({
      bytes: Math.ceil((2 * this.#room) / 4096) * 4096,
      access: options.access ?? 0,
    });
    this.#requestAt = 0;
    this.#replyAt = this.#room;
    this.#request = new IovArray(this.memory.memory, 16, this.#room);
    this.#answer = new IovArray(this.memory.memory, 16, this.#room);
    this.#onPending = options.onPending;
    this.server = new P9Server({
      ...options,
      listener: { replyReady: (token, bytes) => this.completions.push({ token, bytes }) },
    });
  }

  /** Sends a message as it is, in pieces of `piece` bytes. @returns what `handle` returned */
  raw(message: Uint8Array, replyRoom = this.#room, piece = 1 << 20): number {
    this.memory.u8.set(message, this.#requestAt);
    this.#fill(this.#request, this.#requestAt, message.length, piece, true);
    this.#fill(this.#answer, this.#replyAt, replyRoom, piece, false);
    const bytes = this.server.handle(this.#request, this.#answer, 7);
    if (bytes >= 0) this.#answer.commit(bytes);
    return bytes;
  }

  /** The first `bytes` of the reply buffer. */
  replyView(bytes: number): Uint8Array {
    return this.memory.u8.subarray(this.#replyAt, this.#replyAt + bytes);
  }

  /** One exchange. @param encode writes the message @returns 0 or -errno */
  call(encode: (buf: Uint8Array, tag: number) => number): number {
    this.#tag = (this.#tag + 1) & 0x7fff;
    const bytes = encode(this.#message, this.#tag);
    return this.#finish(this.raw(this.#message.subarray(0, bytes)));
  }

  /** Waits for a pending request if the test wants that, and decodes the reply. */
  #finish(handled: number): number {
    let got = handled;
    if (got === PENDING) {
      this.#onPending?.();
      const done = this.completions.pop();
      if (done === undefined) return PENDING;
      got = done.bytes;
      this.#answer.commit(got);
    }
    this.replyBytes = got;
    return this.reply.parse(this.replyView(got), got);
  }

  /** Tversion and Tattach. */
  mount(msize = 0x10_0000): void {
    const e = this.encoder;
    const failed = this.call((b) => e.tversion(b, msize)) || this.call((b, t) => e.tattach(b, t, 0, 0));
    if (failed !== 0) throw new Error(`mount: ${failed}`);
  }

  walk(fid: number, newfid: number, ...names: P9Text[]): number {
    const failed = this.call((b, t) => this.encoder.twalk(b, t, fid, newfid, names));
    return failed !== 0 ? failed : this.reply.walked;
  }

  open(fid: number, flags = 0): number {
    return this.call((b, t) => this.encoder.tlopen(b, t, fid, flags));
  }

  create(fid: number, name: P9Text, flags: number, mode = 0o644): number {
    return this.call((b, t) => this.encoder.tlcreate(b, t, fid, name, { flags, mode, gid: 0 }));
  }

  clunk(fid: number): number {
    return this.call((b, t) => this.encoder.tclunk(b, t, fid));
  }

  getattr(fid: number): number {
    return this.call((b, t) => this.encoder.tgetattr(b, t, fid, 0xfff));
  }

  mkdir(fid: number, name: P9Text, mode = 0o755): number {
    return this.call((b, t) => this.encoder.tmkdir(b, t, fid, name, mode));
  }

  unlink(fid: number, name: P9Text, flags = 0): number {
    return this.call((b, t) => this.encoder.tunlinkat(b, t, fid, name, flags));
  }

  rename(from: number, oldName: P9Text, to: number, newName: P9Text): number {
    return this.call((b, t) =>
      this.encoder.trenameat(b, t, { dirFid: from, name: oldName }, { dirFid: to, name: newName }),
    );
  }

  symlink(fid: number, name: P9Text, target: P9Text): number {
    return this.call((b, t) => this.encoder.tsymlink(b, t, fid, name, target));
  }

  /** @returns bytes written or -errno */
  write(fid: number, offset: number, data: Uint8Array | string): number {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    const failed = this.call((b, t) => {
      const size = this.encoder.twrite(b, t, fid, offset, bytes.length);
      b.set(bytes, 23);
      return size;
    });
    return failed !== 0 ? failed : this.reply.count;
  }

  /** @returns the data or -errno */
  read(fid: number, offset: number, count: number): Buffer | number {
    const failed = this.call((b, t) => this.encoder.tread(b, t, fid, offset, count));
    if (failed !== 0) return failed;
    const { dataAt } = this.reply;
    return Buffer.from(this.replyView(this.replyBytes)).subarray(dataAt, dataAt + this.reply.count);
  }

  /** As {@link read}, as text. */
  readText(fid: number, offset = 0, count = 4096): string {
    const data = this.read(fid, offset, count);
    return typeof data === 'number' ? `error ${data}` : data.toString();
  }

  /** All names in an open directory, `count` bytes per message. */
  list(fid: number, count = 8192): string[] {
    const names: string[] = [];
    let cookie = P9_DIR_START;
    for (;;) {
      const failed = this.call((b, t) => this.encoder.treaddir(b, t, fid, cookie, count));
      if (failed !== 0) throw new Error(`readdir: ${failed}`);
      if (this.reply.count === 0) return names;
      while (this.reply.nextEntry()) {
        names.push(this.reply.entryName());
        cookie = { ...this.reply.entryCookie };
      }
    }
  }

  /** A message built by hand: fields after the header as hex. */
  message(type: number, fields: string): Uint8Array {
    const body = Buffer.from(fields.replaceAll(' ', ''), 'hex');
    const out = Buffer.alloc(7 + body.length);
    out.writeUInt32LE(out.length, 0);
    out[4] = type;
    out.writeUInt16LE(1, 5);
    body.copy(out, 7);
    return out;
  }

  /** Sends {@link message}. @returns 0 or -errno */
  send(type: number, fields: string): number {
    return this.#finish(this.raw(this.message(type, fields)));
  }

  #fill(iov: IovArray, at: number, bytes: number, piece: number, readable: boolean): void {
    iov.reset();
    for (let done = 0; done < bytes; done += piece) {
      iov.add(0, at + done, Math.min(piece, bytes - done), readable);
    }
  }
}
