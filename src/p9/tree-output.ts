/**
 * Where a `FileTree` leaves what it found: one object per server, its fields are overwritten by every request.
 * A tree that completes a request later fills it in right before `call.complete()`.
 *
 * Thread: reactor. Hot path: plain fields, nothing is allocated after construction.
 */
import { P9_DIRENT_HEADER_BYTES, P9_MAX_WALK_NAMES, P9_MAX_XATTR_BYTES } from '../abi/p9.js';
import { NativeBuffer } from '../memory/native-buffer.js';
import type { WireWriter } from './wire.js';

/** The server's view of a file: two files have the same path exactly if they are the same file. */
export class Qid {
  /** P9_QT... */
  type = 0;
  /** Changes whenever the file's content does; 0 ... 2^32 - 1. */
  version = 0;
  /** 64-bit identity as two words. */
  pathLow = 0;
  pathHigh = 0;

  copyFrom(other: Qid): void {
    this.type = other.type;
    this.version = other.version;
    this.pathLow = other.pathLow;
    this.pathHigh = other.pathHigh;
  }
}

/** Answer to Tgetattr. Sizes in bytes, times in seconds (may be negative) and nanoseconds. */
export class FileAttributes {
  mode = 0;
  uid = 0;
  gid = 0;
  nlink = 0;
  /** Device number of a device file as Linux encodes it in 32 bits: major << 8, minor & 0xff | (minor & 0xfff00) << 12. */
  rdev = 0;
  size = 0;
  blockBytes = 0;
  /** Units of 512 bytes. */
  blocks = 0;
  atimeSec = 0;
  atimeNsec = 0;
  mtimeSec = 0;
  mtimeNsec = 0;
  ctimeSec = 0;
  ctimeNsec = 0;
  /** Time of creation, if `hasBirthTime`. */
  btimeSec = 0;
  btimeNsec = 0;
  hasBirthTime = false;
}

/** Answer to Tstatfs. */
export class TreeStatistics {
  type = 0;
  blockBytes = 0;
  blocks = 0;
  blocksFree = 0;
  blocksAvailable = 0;
  files = 0;
  filesFree = 0;
  idLow = 0;
  idHigh = 0;
  nameBytes = 0;
}

/** See the file's head. */
export class TreeOutput {
  /** attach, walk: the new node; -1 when there is none. */
  node = -1;
  /** Every operation that yields a file: its qid. */
  readonly qid = new Qid();
  /** walk: qids of the names resolved, in order. */
  readonly walked: readonly Qid[] = Array.from({ length: P9_MAX_WALK_NAMES }, () => new Qid());
  readonly attributes = new FileAttributes();
  readonly statistics = new TreeStatistics();
  /** readlink, xattrGet, xattrList: the result's bytes, from offset 0; the method's status is their number. */
  readonly buffer = new NativeBuffer(P9_MAX_XATTR_BYTES);
  readonly #entries: WireWriter;

  /** @param entries where {@link entry} writes */
  constructor(entries: WireWriter) {
    this.#entries = entries;
  }

  /**
   * readdir: appends an entry whose qid (without version) is in `qid`.
   * @param cookieLow, cookieHigh where to go on behind this entry, 64 bits in two words, never 0
   * @param type DT_...
   * @param name bytes `[at, at + bytes)` of this array
   * @returns false if the reply has no room for it: stop, the client asks again
   */
  entry(
    cookieLow: number,
    cookieHigh: number,
    type: number,
    name: Uint8Array,
    at: number,
    bytes: number,
  ): boolean {
    const w = this.#entries;
    if (w.limit - w.at < P9_DIRENT_HEADER_BYTES + bytes) return false;
    const qid = this.qid;
    w.u8(qid.type);
    w.u32(qid.version);
    w.u64Words(qid.pathLow, qid.pathHigh);
    w.u64Words(cookieLow, cookieHigh);
    w.u8(type);
    w.string(name, at, bytes);
    return true;
  }
}
