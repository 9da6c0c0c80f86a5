/** Encodes T-messages: see `client.ts`. */
import {
  P9_NOFID,
  P9_NOTAG,
  P9_TATTACH,
  P9_TCLUNK,
  P9_TFSYNC,
  P9_TGETATTR,
  P9_TLCREATE,
  P9_TLOPEN,
  P9_TMKDIR,
  P9_TREAD,
  P9_TREADDIR,
  P9_TREADLINK,
  P9_TRENAMEAT,
  P9_TSETATTR,
  P9_TSTATFS,
  P9_TSYMLINK,
  P9_TUNLINKAT,
  P9_TVERSION,
  P9_TWALK,
  P9_TWRITE,
  P9_VERSION,
} from '../abi/p9.js';
import { WireWriter } from './wire.js';

const textEncoder = new TextEncoder();

/** A name or string: text (sent as UTF-8), or bytes where a name is not UTF-8. At most 65535 bytes. */
export type P9Text = string | Uint8Array;

/** A directory and a name in it. */
export interface P9Place {
  readonly dirFid: number;
  readonly name: P9Text;
}

/** How Tlcreate opens the new file. */
export interface P9CreateOptions {
  /** P9_DOTL_... */
  readonly flags: number;
  /** Permission bits. */
  readonly mode: number;
  readonly gid: number;
}

/** Position in a directory: opaque, 64 bits that need not fit a double. */
export interface P9DirCookie {
  readonly low: number;
  readonly high: number;
}

/** The beginning of a directory. */
export const P9_DIR_START: P9DirCookie = { low: 0, high: 0 };

/** What Tsetattr changes: the fields named by the P9_SETATTR_ bits in `valid`. Sizes in bytes, times in s and ns. */
export interface P9AttributeChange {
  readonly valid: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly atimeSec: number;
  readonly atimeNsec: number;
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
}

/**
 * Encodes T-messages. Every method writes at offset 0 of `buf` and returns the message's length in bytes (7 or more),
 * or 0 if `buf` is too short. Numbers: tag 0 ... 65535, fid 0 ... 2^32 - 2, offsets safe integers.
 */
export class P9Encoder {
  readonly #w = new WireWriter();

  /** Tversion "9P2000.L". @param msize largest message in bytes, header included */
  tversion(buf: Uint8Array, msize: number): number {
    const w = this.#begin(buf, P9_TVERSION, P9_NOTAG);
    w.u32(msize);
    this.#text(P9_VERSION);
    return this.#finish(0);
  }

  /** Tattach: `fid` becomes the root of the share. @param uid numeric user, P9_NONUNAME for none */
  tattach(buf: Uint8Array, tag: number, fid: number, uid: number): number {
    const w = this.#begin(buf, P9_TATTACH, tag);
    w.u32(fid);
    w.u32(P9_NOFID);
    this.#text('');
    this.#text('');
    w.u32(uid);
    return this.#finish(0);
  }

  /** Twalk. @param names at most 16; none makes `newfid` a copy of `fid` */
  twalk(buf: Uint8Array, tag: number, fid: number, newfid: number, names: readonly P9Text[]): number {
    const w = this.#begin(buf, P9_TWALK, tag);
    w.u32(fid);
    w.u32(newfid);
    w.u16(names.length);
    for (let i = 0; i < names.length; i++) this.#text(names[i] as P9Text);
    return this.#finish(0);
  }

  /** Tlopen. @param flags P9_DOTL_... */
  tlopen(buf: Uint8Array, tag: number, fid: number, flags: number): number {
    const w = this.#begin(buf, P9_TLOPEN, tag);
    w.u32(fid);
    w.u32(flags);
    return this.#finish(0);
  }

  /** Tlcreate in the directory `fid`, which then stands for the new, open file. @param mode permission bits */
  tlcreate(buf: Uint8Array, tag: number, fid: number, name: P9Text, open: P9CreateOptions): number {
    const w = this.#begin(buf, P9_TLCREATE, tag);
    w.u32(fid);
    this.#text(name);
    w.u32(open.flags);
    w.u32(open.mode);
    w.u32(open.gid);
    return this.#finish(0);
  }

  /** Tread. @param count bytes, at most msize - 11 */
  tread(buf: Uint8Array, tag: number, fid: number, offset: number, count: number): number {
    const w = this.#begin(buf, P9_TREAD, tag);
    w.u32(fid);
    w.u64(offset);
    w.u32(count);
    return this.#finish(0);
  }

  /**
   * Header of Twrite (23 bytes); its size field counts the data, which the caller puts right behind the header.
   * @param count bytes of data, at most msize - 23
   * @returns 23 + count, also when the data will lie in another buffer; 0 if `buf` has no room for the header
   */
  twrite(buf: Uint8Array, tag: number, fid: number, offset: number, count: number): number {
    const w = this.#begin(buf, P9_TWRITE, tag);
    w.u32(fid);
    w.u64(offset);
    w.u32(count);
    return this.#finish(count);
  }

  /** Treaddir. @param cookie P9_DIR_START, or `entryCookie` of the last entry seen (`P9Reply.nextEntry`) */
  treaddir(buf: Uint8Array, tag: number, fid: number, cookie: P9DirCookie, count: number): number {
    const w = this.#begin(buf, P9_TREADDIR, tag);
    w.u32(fid);
    w.u64Words(cookie.low, cookie.high);
    w.u32(count);
    return this.#finish(0);
  }

  /** Tgetattr. @param mask P9_GETATTR_... */
  tgetattr(buf: Uint8Array, tag: number, fid: number, mask: number): number {
    const w = this.#begin(buf, P9_TGETATTR, tag);
    w.u32(fid);
    w.u64(mask);
    return this.#finish(0);
  }

  /** Tsetattr: changes what `change.valid` (P9_SETATTR_...) names. */
  tsetattr(buf: Uint8Array, tag: number, fid: number, change: P9AttributeChange): number {
    const w = this.#begin(buf, P9_TSETATTR, tag);
    w.u32(fid);
    w.u32(change.valid);
    w.u32(change.mode);
    w.u32(change.uid);
    w.u32(change.gid);
    w.u64(change.size);
    w.u64(change.atimeSec);
    w.u64(change.atimeNsec);
    w.u64(change.mtimeSec);
    w.u64(change.mtimeNsec);
    return this.#finish(0);
  }

  /** Tmkdir. @param mode permission bits */
  tmkdir(buf: Uint8Array, tag: number, dirFid: number, name: P9Text, mode: number): number {
    const w = this.#begin(buf, P9_TMKDIR, tag);
    w.u32(dirFid);
    this.#text(name);
    w.u32(mode);
    w.u32(0);
    return this.#finish(0);
  }

  /** Tsymlink. */
  tsymlink(buf: Uint8Array, tag: number, dirFid: number, name: P9Text, target: P9Text): number {
    const w = this.#begin(buf, P9_TSYMLINK, tag);
    w.u32(dirFid);
    this.#text(name);
    this.#text(target);
    w.u32(0);
    return this.#finish(0);
  }

  /** Treadlink. */
  treadlink(buf: Uint8Array, tag: number, fid: number): number {
    return this.#fidOnly(P9_TREADLINK, buf, tag, fid);
  }

  /** Tunlinkat. @param flags 0 for files, P9_DOTL_AT_REMOVEDIR for a directory */
  tunlinkat(buf: Uint8Array, tag: number, dirFid: number, name: P9Text, flags: number): number {
    const w = this.#begin(buf, P9_TUNLINKAT, tag);
    w.u32(dirFid);
    this.#text(name);
    w.u32(flags);
    return this.#finish(0);
  }

  /** Trenameat. */
  trenameat(buf: Uint8Array, tag: number, from: P9Place, to: P9Place): number {
    const w = this.#begin(buf, P9_TRENAMEAT, tag);
    w.u32(from.dirFid);
    this.#text(from.name);
    w.u32(to.dirFid);
    this.#text(to.name);
    return this.#finish(0);
  }

  /** Tfsync. @param dataOnly as fdatasync: times need not reach the disk */
  tfsync(buf: Uint8Array, tag: number, fid: number, dataOnly: boolean): number {
    const w = this.#begin(buf, P9_TFSYNC, tag);
    w.u32(fid);
    w.u32(dataOnly ? 1 : 0);
    return this.#finish(0);
  }

  /** Tstatfs. */
  tstatfs(buf: Uint8Array, tag: number, fid: number): number {
    return this.#fidOnly(P9_TSTATFS, buf, tag, fid);
  }

  /** Tclunk: forgets `fid`, whatever the answer. */
  tclunk(buf: Uint8Array, tag: number, fid: number): number {
    return this.#fidOnly(P9_TCLUNK, buf, tag, fid);
  }

  #fidOnly(type: number, buf: Uint8Array, tag: number, fid: number): number {
    this.#begin(buf, type, tag).u32(fid);
    return this.#finish(0);
  }

  #begin(buf: Uint8Array, type: number, tag: number): WireWriter {
    const w = this.#w;
    w.start(buf, 0, buf.length);
    w.u32(0);
    w.u8(type);
    w.u16(tag);
    return w;
  }

  #text(text: P9Text): void {
    const bytes = typeof text === 'string' ? textEncoder.encode(text) : text;
    this.#w.string(bytes, 0, bytes.length);
  }

  #finish(dataBytes: number): number {
    const w = this.#w;
    if (!w.ok) return 0;
    w.patchU32(0, w.at + dataBytes);
    return w.at + dataBytes;
  }
}
