/**
 * A 9P2000.L server: one T-message in, one R-message out, as lists of buffers. It knows nothing of virtio or of host
 * files.
 *
 * A message is size[4] type[1] tag[2] and its fields. The client names files by *fids*: Tattach gives it one for the
 * root, Twalk makes others from it, Tlopen opens one, Tclunk gives it back. A *qid* is our name for a file.
 *
 * Every request gets exactly one answer. A malformed one gets Rlerror: EPROTO if it is cut off, EINVAL if a field makes
 * no sense, EOVERFLOW if a number is beyond 2^53, EOPNOTSUPP if we do not know the type. Nothing the client sends makes
 * this throw. The server acts as its own user: the uid of Tattach and the gids of Tlcreate and others are ignored.
 *
 * Thread: reactor. Hot path: {@link P9Server.handle} allocates nothing for walk-free requests on existing fids.
 */
import { EINVAL, EIO, EMSGSIZE, EOPNOTSUPP, EPROTO, EROFS } from '../abi/errno.js';
import {
  P9_HEADER_BYTES,
  P9_RLERROR,
  P9_RLERROR_BYTES,
  P9_TFLUSH,
  P9_TWRITE,
  P9_TWRITE_HEADER_BYTES,
} from '../abi/p9.js';
import type { IovArray } from '../memory/iov-array.js';
import { PENDING } from '../util/pending.js';
import { at, u8At } from '../util/typed.js';
import type { FileTree } from './file-tree.js';
import { handlerOf } from './handlers.js';
import { MAX_REPLY_BYTES, MAX_REQUEST_BYTES, ServerState } from './server-state.js';
import { TreeCall } from './tree-call.js';

/** Told when a request that was answered with PENDING is complete. */
export interface ReplyListener {
  /** @param token as given to `handle` @param bytes length of the R-message, which is in the reply buffers */
  replyReady(token: number, bytes: number): void;
}

export interface P9ServerOptions {
  readonly tree: FileTree;
  readonly listener: ReplyListener;
  /** Largest message in bytes, 4096 ... 2^20. */
  readonly maxMsize?: number;
  /** Most fids at a time. */
  readonly maxFids?: number;
}

export const P9_MAX_MSIZE = 0x10_0000;
const DEFAULT_MAX_FIDS = 0x2_0000;
/** A request up to here is taken over with one copy; of longer ones first the header of Twrite. */
const SMALL_REQUEST = 512;
/** What a tree may return as an error; anything else is its mistake and becomes EIO. */
const LARGEST_ERRNO = -4095;

/** See the file's head. */
export class P9Server {
  readonly #state: ServerState;
  readonly #listener: ReplyListener;
  /** Requests answered with PENDING. */
  readonly #active: TreeCall[] = [];
  readonly #free: TreeCall[] = [];

  constructor(options: P9ServerOptions) {
    this.#listener = options.listener;
    this.#state = new ServerState(
      options.tree,
      options.maxMsize ?? P9_MAX_MSIZE,
      options.maxFids ?? DEFAULT_MAX_FIDS,
    );
  }

  /** Requests that were answered with PENDING and are not complete. */
  get pending(): number {
    return this.#active.length;
  }

  /** Fids in use. */
  get fids(): number {
    return this.#state.fids.size;
  }

  /**
   * Serves one request.
   * @param request the T-message @param reply room for the R-message; both stay untouched by others until the answer
   * @param token given to the listener if the answer comes later
   * @returns bytes of the R-message in `reply`; 0 if it could not be answered (no whole header, or no room for an
   *   error); or PENDING
   */
  handle(request: IovArray, reply: IovArray, token: number): number {
    const s = this.#state;
    const scratch = s.request.u8;
    const first = request.bytes <= SMALL_REQUEST ? request.bytes : P9_TWRITE_HEADER_BYTES;
    let have = request.gather(scratch, 0, 0, first);
    if (have < P9_HEADER_BYTES || reply.bytes < P9_RLERROR_BYTES) return 0;
    const size = (u16(scratch, 0) | (u16(scratch, 2) << 16)) >>> 0;
    const call = this.#take(request, reply, token);
    call.type = u8At(scratch, 4);
    call.tag = u16(scratch, 5);
    if (call.type === P9_TWRITE) {
      have = Math.min(have, P9_TWRITE_HEADER_BYTES);
    } else {
      if (size > request.bytes || size < P9_HEADER_BYTES) return this.#finish(call, -EPROTO);
      if (size > MAX_REQUEST_BYTES) return this.#finish(call, -EMSGSIZE);
      if (have < size) have += request.gather(scratch, have, have, size - have);
      have = Math.min(have, size);
    }
    const handler = handlerOf(call.type);
    if (handler === undefined) return this.#finish(call, -EOPNOTSUPP);
    call.handler = handler;
    if (handler.mutates && s.tree.readOnly) return this.#finish(call, -EROFS);
    if (reply.bytes < handler.replyBytes) return this.#finish(call, -EMSGSIZE);
    s.beginRequest(P9_HEADER_BYTES, have);
    s.prepare(call);
    const status = call.type === P9_TFLUSH ? this.#flush(call) : handler.start(s, call);
    if (status !== PENDING) return this.#finish(call, status);
    call.pending = true;
    this.#active.push(call);
    return PENDING;
  }

  /** A tree has finished a pending request. See {@link TreeCall.complete}. */
  complete(call: TreeCall, status: number): void {
    if (!call.pending) return;
    call.pending = false;
    this.#active.splice(this.#active.indexOf(call), 1);
    const { token, detached } = call;
    const bytes = this.#finish(call, status);
    if (!detached) this.#listener.replyReady(token, bytes);
    this.#releaseFlushes(call);
  }

  /**
   * The client is gone (device reset): forgets all fids; requests under way are completed for the tree only, and their
   * buffers are not touched any more.
   */
  reset(): void {
    const s = this.#state;
    s.session++;
    s.msize = s.maxMsize;
    s.fids.clear();
    for (const call of this.#active) call.detached = true;
  }

  /** As {@link reset}, for good. */
  close(): void {
    this.reset();
    this.#state.tree.close();
  }

  /**
   * Tflush tag[2] oldtag[2] -> Rflush. The old request's buffers belong to it until it is answered, so it is not cut
   * short: the answer to Tflush waits for it, which the protocol allows.
   */
  #flush(call: TreeCall): number {
    const s = this.#state;
    const oldtag = s.reader.u16();
    const bad = s.endRequest();
    if (bad < 0) return bad;
    for (let i = 0; i < this.#active.length; i++) {
      const old = at(this.#active, i);
      if (old.tag !== oldtag || old.detached) continue;
      call.after = old;
      return PENDING;
    }
    return 0;
  }

  /** Answers the Tflushes that waited for `old`. */
  #releaseFlushes(old: TreeCall): void {
    for (;;) {
      const flush = this.#active.find((call) => call.after === old);
      if (flush === undefined) return;
      flush.after = undefined;
      this.complete(flush, 0);
    }
  }

  /** See {@link TreeCall.prepare}. */
  prepare(call: TreeCall): void {
    this.#state.prepare(call);
  }

  /** Encodes the answer. @returns its length in bytes */
  #finish(call: TreeCall, status: number): number {
    const s = this.#state;
    if (s.prepared !== call) s.prepare(call);
    let failed = Math.min(status, 0);
    if (failed === 0 && call.handler !== undefined) {
      // A Tversion in between has taken away the fids this would be about.
      failed = call.session === s.session ? call.handler.reply(s, call, status, s.writer) : -EINVAL;
      if (failed === 0 && !s.writer.ok) failed = -EMSGSIZE;
    }
    const w = s.writer;
    if (failed < 0) {
      call.dataBytes = 0;
      w.start(s.reply, P9_HEADER_BYTES, P9_RLERROR_BYTES);
      w.u32(failed >= LARGEST_ERRNO ? -failed : EIO);
    }
    const bytes = w.at + call.dataBytes;
    w.patchU32(0, bytes);
    s.reply[4] = failed < 0 ? P9_RLERROR : call.type + 1;
    s.reply[5] = call.tag;
    s.reply[6] = call.tag >>> 8;
    if (!call.detached) call.reply.scatter(s.reply, 0, 0, w.at);
    this.#recycle(call);
    return bytes;
  }

  #take(request: IovArray, reply: IovArray, token: number): TreeCall {
    const call = this.#free.pop() ?? new TreeCall(this, this.#state.out, request, reply);
    call.request = request;
    call.reply = reply;
    call.token = token;
    call.session = this.#state.session;
    call.replyAt = P9_HEADER_BYTES;
    call.replyLimit = Math.min(reply.bytes, MAX_REPLY_BYTES, this.#state.msize);
    return call;
  }

  #recycle(call: TreeCall): void {
    const s = this.#state;
    s.prepared = undefined;
    if (s.out.node >= 0) s.tree.forget(s.out.node); // made, but not bound to a fid
    s.out.node = -1;
    if (call.fid !== undefined) s.fids.unpin(call.fid);
    if (call.other !== undefined) s.fids.unpin(call.other);
    call.fid = undefined;
    call.other = undefined;
    call.handler = undefined;
    call.dataBytes = 0;
    call.detached = false;
    this.#free.push(call);
  }
}

function u16(bytes: Uint8Array, at: number): number {
  return u8At(bytes, at) | (u8At(bytes, at + 1) << 8);
}
