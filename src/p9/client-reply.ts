/** Decodes R-messages: see `client.ts`. */
import { EPROTO } from '../abi/errno.js';
import {
  P9_HEADER_BYTES,
  P9_RATTACH,
  P9_RGETATTR,
  P9_RLCREATE,
  P9_RLERROR,
  P9_RLOPEN,
  P9_RMKDIR,
  P9_RREAD,
  P9_RREADDIR,
  P9_RREADLINK,
  P9_RSTATFS,
  P9_RSYMLINK,
  P9_RVERSION,
  P9_RWALK,
  P9_RWRITE,
} from '../abi/p9.js';
import { WireReader } from './wire.js';

const textDecoder = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * Decodes R-messages into fields that are reused: they hold until the next {@link P9Reply.parse}. `bytes` is the
 * caller's buffer, referred to until then.
 */
export class P9Reply {
  /** P9_R... of the message. */
  type = 0;
  tag = 0;
  /** Rversion: largest message, header included. */
  msize = 0;
  /** Rversion: "9P2000.L", or "unknown" if the server does not speak it. */
  version = '';
  /** Qid of Rattach, Rlopen, Rlcreate, Rmkdir, Rsymlink, Rgetattr, and the last one of Rwalk. */
  qidType = 0;
  qidVersion = 0;
  qidPathLow = 0;
  qidPathHigh = 0;
  /** Rwalk: names resolved; fewer than asked for means that `newfid` does not exist. */
  walked = 0;
  /** Rlopen, Rlcreate: most bytes of one atomic read or write; 0 = msize - 24. */
  iounit = 0;
  /** Rread, Rreaddir, Rreadlink: offset of the data in the message. */
  dataAt = 0;
  /** Rread, Rreaddir, Rreadlink: its length. Rwrite: bytes written. */
  count = 0;
  /** Rgetattr: which of the fields below are good (P9_GETATTR_...). */
  valid = 0;
  mode = 0;
  uid = 0;
  gid = 0;
  nlink = 0;
  /** File size in bytes. */
  size = 0;
  /** In units of 512 bytes. */
  blocks = 0;
  atimeSec = 0;
  mtimeSec = 0;
  ctimeSec = 0;
  mtimeNsec = 0;
  /** Rstatfs: block size in bytes, and counts of blocks and files. */
  fsBlockBytes = 0;
  fsBlocks = 0;
  fsBlocksFree = 0;
  fsBlocksAvailable = 0;
  fsFiles = 0;
  fsFilesFree = 0;
  /** After {@link nextEntry}: DT_... */
  entryType = 0;
  /** After {@link nextEntry}: where the name lies in the message. */
  entryNameAt = 0;
  entryNameBytes = 0;
  /** After {@link nextEntry}: cookie for reading on behind this entry. */
  readonly entryCookie = { low: 0, high: 0 };

  readonly #r = new WireReader();
  #end = 0;

  /**
   * Decodes a message.
   * @param bytes starts with the message; may be just the first part of it when data of Rread lies elsewhere
   * @param used bytes the server wrote (`used.len`); more than `bytes.length` is fine for Rread
   * @returns 0; -errno from Rlerror; -EPROTO if the message makes no sense
   */
  parse(bytes: Uint8Array, used: number): number {
    const r = this.#r;
    r.start(bytes, 0, Math.min(bytes.length, used));
    const size = r.u32();
    this.type = r.u8();
    this.tag = r.u16();
    if (!r.ok || size < P9_HEADER_BYTES || size > used) return -EPROTO;
    r.end = Math.min(size, r.end);
    if (this.type === P9_RLERROR) {
      const ecode = r.u32();
      // An error number of 0 would read as success, a huge one as something else entirely.
      return r.ok && ecode > 0 && ecode < 4096 ? -ecode : -EPROTO;
    }
    this.#body(r, size);
    return r.ok && r.exact ? 0 : -EPROTO;
  }

  /**
   * Steps to the next entry of an Rreaddir that was just parsed.
   * @returns false at the end of this message (and for a malformed rest); the directory ends when `count` is 0
   */
  nextEntry(): boolean {
    const r = this.#r;
    if (this.type !== P9_RREADDIR || r.at >= this.#end) return false;
    this.#qid(r);
    this.entryCookie.low = r.u32();
    this.entryCookie.high = r.u32();
    this.entryType = r.u8();
    r.string();
    this.entryNameAt = r.stringAt;
    this.entryNameBytes = r.stringBytes;
    return r.ok;
  }

  /** Name of the current directory entry. Bytes that are not UTF-8 become U+FFFD. Allocates. */
  entryName(): string {
    return this.text(this.entryNameAt, this.entryNameBytes);
  }

  /** Target of the symbolic link in an Rreadlink. Allocates. */
  linkTarget(): string {
    return this.text(this.dataAt, this.count);
  }

  /** Part of the message as text. Copies first, since TextDecoder refuses shared memory. Allocates. */
  text(at: number, bytes: number): string {
    return textDecoder.decode(this.#r.bytes.slice(at, at + bytes));
  }

  #body(r: WireReader, size: number): void {
    switch (this.type) {
      case P9_RVERSION:
        this.msize = r.u32();
        r.string();
        this.version = r.ok ? this.text(r.stringAt, r.stringBytes) : '';
        return;
      case P9_RATTACH:
      case P9_RMKDIR:
      case P9_RSYMLINK:
        this.#qid(r);
        return;
      case P9_RWALK:
        this.walked = r.u16();
        for (let i = 0; i < this.walked && r.ok; i++) this.#qid(r);
        return;
      case P9_RLOPEN:
      case P9_RLCREATE:
        this.#qid(r);
        this.iounit = r.u32();
        return;
      case P9_RREAD:
      case P9_RREADDIR:
        this.count = r.u32();
        this.dataAt = r.at;
        // Data of Rread may lie in another buffer, so it is measured against the message and not against `bytes`.
        if (this.count > size - r.at) r.ok = false;
        this.#end = r.at + this.count;
        return;
      case P9_RREADLINK:
        r.string();
        this.dataAt = r.stringAt;
        this.count = r.stringBytes;
        return;
      case P9_RWRITE:
        this.count = r.u32();
        return;
      case P9_RGETATTR:
        this.#attributes(r);
        return;
      case P9_RSTATFS:
        this.#statfs(r);
        return;
      default:
    }
  }

  #qid(r: WireReader): void {
    this.qidType = r.u8();
    this.qidVersion = r.u32();
    this.qidPathLow = r.u32();
    this.qidPathHigh = r.u32();
  }

  #attributes(r: WireReader): void {
    this.valid = r.u32();
    r.skip(4);
    this.#qid(r);
    this.mode = r.u32();
    this.uid = r.u32();
    this.gid = r.u32();
    this.nlink = r.u64();
    r.skip(8); // rdev
    this.size = r.u64();
    r.skip(8); // blksize
    this.blocks = r.u64();
    this.atimeSec = r.i64();
    r.skip(8);
    this.mtimeSec = r.i64();
    this.mtimeNsec = r.u64();
    this.ctimeSec = r.i64();
    r.skip(8 + 32); // ctime ns, birth time, generation, data version
  }

  #statfs(r: WireReader): void {
    r.skip(4); // type
    this.fsBlockBytes = r.u32();
    this.fsBlocks = r.u64();
    this.fsBlocksFree = r.u64();
    this.fsBlocksAvailable = r.u64();
    this.fsFiles = r.u64();
    this.fsFilesFree = r.u64();
    r.skip(8 + 4); // file system id, name length
  }
}
