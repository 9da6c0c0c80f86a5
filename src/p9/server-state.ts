/** What the message handlers of a server share. Thread: reactor. */
import { EBADF, EOVERFLOW, EPROTO } from '../abi/errno.js';
import {
  P9_IO_HEADER_BYTES,
  P9_LOCK_TYPE_UNLCK,
  P9_MAX_WALK_NAMES,
  P9_RREAD_HEADER_BYTES,
} from '../abi/p9.js';
import { NativeBuffer } from '../memory/native-buffer.js';
import { at } from '../util/typed.js';
import { FID_XATTR_READ, type Fid, FidTable } from './fids.js';
import { AttributeChange, type FileTree } from './file-tree.js';
import { type LockRange, LockTable } from './locks.js';
import { P9Name } from './name.js';
import type { TreeCall } from './tree-call.js';
import { TreeOutput } from './tree-output.js';
import { WireReader, WireWriter } from './wire.js';

/** Longest message but Twrite that a client may send: 16 names of 255 bytes, or a link target of 4095. */
export const MAX_REQUEST_BYTES = 8192;
/** Longest reply but Rread: a readdir stops here even if msize is larger, the client then asks again. */
export const MAX_REPLY_BYTES = 0x1_0000;
/** Extended attribute values held for all fids together. */
const XATTR_BUDGET = 0x40_0000;

/** See the file's head. */
export class ServerState {
  readonly tree: FileTree;
  readonly fids: FidTable;
  readonly locks = new LockTable();
  /** Largest message we agree to, and the one agreed on. */
  readonly maxMsize: number;
  msize: number;
  /** Counts Tversions and resets: a request that is older than the session finds its fids gone. */
  session = 0;

  /** The request: header and fields, private memory. One byte is kept free for a NUL behind the last string. */
  readonly request = new NativeBuffer(MAX_REQUEST_BYTES + 1);
  readonly reader = new WireReader();
  readonly writer = new WireWriter();
  readonly reply = new Uint8Array(MAX_REPLY_BYTES);
  /** The call whose reply `writer` is set up for. */
  prepared: TreeCall | undefined;
  readonly out: TreeOutput;
  readonly change = new AttributeChange();
  /** Strings of the current request, filled by {@link takeName}. */
  readonly names: readonly P9Name[] = Array.from({ length: P9_MAX_WALK_NAMES }, () => new P9Name());
  /** Tgetlock: what is answered. */
  lockAnswer: LockRange = { type: P9_LOCK_TYPE_UNLCK, start: 0, end: 0, procId: 0, clientId: '' };
  #taken = 0;
  #xattrBytes = 0;

  constructor(tree: FileTree, maxMsize: number, maxFids: number) {
    this.tree = tree;
    this.maxMsize = maxMsize;
    this.msize = maxMsize;
    this.fids = new FidTable(tree, maxFids, this);
    this.out = new TreeOutput(this.writer);
    for (const name of this.names) name.u8 = this.request.u8;
  }

  /** Most data bytes of one read or write: what Rlopen and Rlcreate announce. */
  get iounit(): number {
    return this.msize - P9_IO_HEADER_BYTES;
  }

  /** Most bytes of data a Tread or Treaddir can be answered with. */
  readLimit(call: TreeCall): number {
    return Math.min(this.msize, call.reply.bytes) - P9_RREAD_HEADER_BYTES;
  }

  /** Points {@link writer} at the place of the call's reply fields. */
  prepare(call: TreeCall): void {
    this.writer.start(this.reply, call.replyAt, call.replyLimit);
    this.prepared = call;
  }

  /** Before a request is decoded. @param end bytes of the message that are in `request` */
  beginRequest(at: number, end: number): void {
    this.reader.start(this.request.u8, at, end);
    this.#taken = 0;
  }

  /** Decodes a string field into the next of {@link names}. At most 16 per message. */
  takeName(): P9Name {
    const r = this.reader;
    r.string();
    const name = at(this.names, this.#taken);
    this.#taken++;
    name.at = r.stringAt;
    name.length = r.stringBytes;
    name.address = this.request.address + r.stringAt;
    return name;
  }

  /**
   * After the last field: 0, -EPROTO if the message was cut off, -EOVERFLOW if a number was beyond 2^53. Puts the NULs
   * behind the names, over the next field's first byte, which has been decoded by now.
   */
  endRequest(): number {
    const r = this.reader;
    if (!r.ok) return -EPROTO;
    if (!r.exact) return -EOVERFLOW;
    for (let i = 0; i < this.#taken; i++) {
      const name = at(this.names, i);
      this.request.u8[name.at + name.length] = 0;
    }
    return 0;
  }

  /** The request's fid, kept alive until its end. @returns false if there is no such fid */
  useFid(call: TreeCall, id: number): boolean {
    const fid = this.fids.get(id);
    if (fid === undefined) return false;
    this.fids.pin(fid);
    call.fid = fid;
    return true;
  }

  /** As {@link useFid}, for a fid that names a file: its node in `call.fid.node`. @returns the node or -EBADF */
  useNode(call: TreeCall, id: number): number {
    if (!this.useFid(call, id)) return -EBADF;
    return call.fid === undefined || call.fid.state === FID_XATTR_READ ? -EBADF : call.fid.node;
  }

  /** As {@link useNode}, for the second fid of a message. */
  useOtherNode(call: TreeCall, id: number): number {
    const fid = this.fids.get(id);
    if (fid === undefined || fid.state === FID_XATTR_READ) return -EBADF;
    this.fids.pin(fid);
    call.other = fid;
    return fid.node;
  }

  /** Binds a new fid to the node the tree gave (`out.node`, `out.qid`). @returns the fid */
  bind(id: number): Fid {
    const fid = this.fids.add(id, this.out.node);
    this.out.node = -1;
    fid.setQid(this.out.qid);
    return fid;
  }

  /** True if the value of another extended attribute may be held. Released when its fid goes. */
  reserveXattr(bytes: number): boolean {
    if (this.#xattrBytes + bytes > XATTR_BUDGET) return false;
    this.#xattrBytes += bytes;
    return true;
  }

  fidGone(fid: Fid): void {
    this.locks.release(fid);
    if (fid.xattr !== undefined) this.#xattrBytes -= fid.xattr.value.length;
  }
}
