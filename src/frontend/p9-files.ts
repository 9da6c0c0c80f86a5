/**
 * Files by path on a 9p mount: walking, symbolic links, whole directories. Paths are absolute within the share; `.`, `..`
 * and empty components are resolved here, so a path cannot climb above the root. All results are >= 0 or -errno.
 */
import { EEXIST, EIO, ELOOP, ENOENT } from '../abi/errno.js';
import {
  P9_DOTL_AT_REMOVEDIR,
  P9_DOTL_CREATE,
  P9_DOTL_DIRECTORY,
  P9_DOTL_RDONLY,
  P9_DOTL_TRUNC,
  P9_DOTL_WRONLY,
  P9_GETATTR_BASIC,
  P9_MAX_WALK_NAMES,
  P9_QTSYMLINK,
  S_IFDIR,
  S_IFMT,
} from '../abi/p9.js';
import { P9_DIR_START, type P9DirCookie, type P9Reply } from '../p9/client.js';
import type { P9Driver } from './p9.js';
import type { PoolBuffer } from './pool.js';

const TAG = 1;
const MOST_LINKS = 16;

/** One entry of a directory. `type` is a DT_ constant. */
export interface DirectoryEntry {
  readonly name: string;
  readonly type: number;
}

/** What Rgetattr says, as far as we use it. Sizes in bytes, time in seconds. */
export interface FileAttributes {
  /** Type (S_IFMT) and permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  readonly size: number;
  readonly mtimeSec: number;
}

/** Components of a path, without `.` and with `..` resolved. */
export function splitPath(path: string): string[] {
  const names: string[] = [];
  for (const name of path.split('/')) {
    if (name === '..') names.pop();
    else if (name !== '' && name !== '.') names.push(name);
  }
  return names;
}

/** Thread: the front end's only one. */
export class P9Files {
  readonly driver: P9Driver;

  /** @param driver mounted */
  constructor(driver: P9Driver) {
    this.driver = driver;
  }

  /** A fid for a path, following links unless it is the last component and `follow` is false. Clunk it. */
  walk(path: string, follow = true): number {
    return this.#resolve(splitPath(path), follow, MOST_LINKS);
  }

  /** Attributes of a path, or -errno. */
  stat(path: string, follow = true): FileAttributes | number {
    const fid = this.walk(path, follow);
    if (fid < 0) return fid;
    const attributes = this.getattr(fid);
    this.driver.clunk(fid);
    return attributes;
  }

  /** Attributes of a fid, or -errno. */
  getattr(fid: number): FileAttributes | number {
    const { driver } = this;
    const status = driver.call(driver.encoder.tgetattr(driver.request, TAG, fid, P9_GETATTR_BASIC));
    if (status < 0) return status;
    const { mode, uid, gid, nlink, size, mtimeSec } = driver.reply;
    return { mode, uid, gid, nlink, size, mtimeSec };
  }

  /** Opens for reading. @returns a fid */
  open(path: string): number {
    const fid = this.walk(path);
    if (fid < 0) return fid;
    const status = this.#call(this.driver.encoder.tlopen(this.driver.request, TAG, fid, P9_DOTL_RDONLY));
    return this.#opened(fid, status);
  }

  /** Opens for writing; creates or empties the file. @param mode permission bits of a new file @returns a fid */
  create(path: string, mode: number): number {
    const existing = this.walk(path);
    if (existing >= 0) {
      const flags = P9_DOTL_WRONLY | P9_DOTL_TRUNC;
      const status = this.#call(this.driver.encoder.tlopen(this.driver.request, TAG, existing, flags));
      return this.#opened(existing, status);
    }
    if (existing !== -ENOENT) return existing;
    const { fid, name } = this.#parent(path);
    if (fid < 0) return fid;
    const options = { flags: P9_DOTL_WRONLY | P9_DOTL_CREATE | P9_DOTL_TRUNC, mode, gid: 0 };
    const status = this.#call(this.driver.encoder.tlcreate(this.driver.request, TAG, fid, name, options));
    return this.#opened(fid, status);
  }

  /** Reads into pool memory at a file offset. */
  read(fid: number, offset: number, to: PoolBuffer, bytes: number): number {
    return this.driver.read(fid, offset, to, bytes);
  }

  /** Writes all of `bytes` at a file offset, in as many messages as needed. @returns 0 or -errno */
  writeAll(fid: number, offset: number, data: Uint8Array): number {
    const { data: buffer, ioBytes } = this.driver;
    for (let at = 0; at < data.length; ) {
      const bytes = Math.min(ioBytes, buffer.bytes, data.length - at);
      buffer.write(0, data, at, bytes);
      const written = this.driver.write(fid, offset + at, buffer, bytes);
      if (written < 0) return written;
      if (written === 0) return -EIO;
      at += written;
    }
    return 0;
  }

  /** Entries of a directory without `.` and `..`, in the server's order; appended to `entries`. @returns 0 or -errno */
  list(path: string, entries: DirectoryEntry[]): number {
    const { driver } = this;
    const fid = this.walk(path);
    if (fid < 0) return fid;
    const flags = P9_DOTL_RDONLY | P9_DOTL_DIRECTORY;
    let status = this.#call(driver.encoder.tlopen(driver.request, TAG, fid, flags));
    let cookie: P9DirCookie = P9_DIR_START;
    while (status >= 0) {
      status = this.#call(driver.encoder.treaddir(driver.request, TAG, fid, cookie, driver.directoryBytes));
      if (status < 0 || driver.reply.count === 0) break;
      const next = collect(driver.reply, entries);
      if (next === undefined) break; // an answer without a whole entry: a server that makes no progress
      cookie = next;
    }
    return this.#finish(fid, status);
  }

  /** Removes a file, a link or an empty directory. @returns 0 or -errno */
  remove(path: string): number {
    const target = this.walk(path, false);
    if (target < 0) return target;
    const attributes = this.getattr(target);
    this.driver.clunk(target);
    if (typeof attributes === 'number') return attributes;
    const flags = (attributes.mode & S_IFMT) === S_IFDIR ? P9_DOTL_AT_REMOVEDIR : 0;
    const { fid, name } = this.#parent(path);
    if (fid < 0) return fid;
    return this.#finish(
      fid,
      this.#call(this.driver.encoder.tunlinkat(this.driver.request, TAG, fid, name, flags)),
    );
  }

  /** Makes a directory. @param mode permission bits @returns 0 or -errno */
  mkdir(path: string, mode: number): number {
    const { fid, name } = this.#parent(path);
    if (fid < 0) return fid;
    return this.#finish(
      fid,
      this.#call(this.driver.encoder.tmkdir(this.driver.request, TAG, fid, name, mode)),
    );
  }

  /** Target of a symbolic link, or -errno. */
  readlink(fid: number): string | number {
    const status = this.#call(this.driver.encoder.treadlink(this.driver.request, TAG, fid));
    return status < 0 ? status : this.driver.reply.linkTarget();
  }

  /** The directory above a path, and the path's last name. */
  #parent(path: string): { fid: number; name: string } {
    const names = splitPath(path);
    const name = names.pop();
    if (name === undefined) return { fid: -EEXIST, name: '' };
    return { fid: this.#resolve(names, true, MOST_LINKS), name };
  }

  #resolve(names: readonly string[], follow: boolean, links: number): number {
    if (names.length <= P9_MAX_WALK_NAMES) {
      // The usual case in one message. A link in the middle stops it; then go step by step.
      const fid = this.#walkFrom(this.driver.rootFid, names);
      if (fid >= 0 && (!follow || (this.driver.reply.qidType & P9_QTSYMLINK) === 0)) return fid;
      if (fid < 0 && names.length <= 1) return fid;
      if (fid >= 0) this.driver.clunk(fid);
    }
    return this.#stepwise(names, follow, links);
  }

  #stepwise(names: readonly string[], follow: boolean, links: number): number {
    const done: string[] = [];
    let fid = this.#walkFrom(this.driver.rootFid, []);
    for (let i = 0; i < names.length && fid >= 0; i++) {
      const name = names[i] as string;
      const next = this.#walkFrom(fid, [name]);
      const isLink = next >= 0 && (this.driver.reply.qidType & P9_QTSYMLINK) !== 0;
      this.driver.clunk(fid);
      fid = next;
      const last = i === names.length - 1;
      if (!isLink || (last && !follow)) {
        done.push(name);
        continue;
      }
      const target = this.readlink(fid);
      this.driver.clunk(fid);
      if (typeof target === 'number') return target;
      if (links === 0) return -ELOOP;
      const start = target.startsWith('/') ? '' : `${done.join('/')}/`;
      const rest = names.slice(i + 1).join('/');
      return this.#resolve(splitPath(`${start}${target}/${rest}`), follow, links - 1);
    }
    return fid;
  }

  /** One Twalk. @returns a new fid for all the names, or -errno */
  #walkFrom(from: number, names: readonly string[]): number {
    const fid = this.driver.takeFid();
    const status = this.#call(this.driver.encoder.twalk(this.driver.request, TAG, from, fid, names));
    if (status >= 0 && this.driver.reply.walked === names.length) return fid;
    this.driver.giveFid(fid); // a walk that ends early does not make the fid
    return status < 0 ? status : -ENOENT;
  }

  #call(bytes: number): number {
    return this.driver.call(bytes);
  }

  #opened(fid: number, status: number): number {
    if (status >= 0) return fid;
    this.driver.clunk(fid);
    return status;
  }

  /** Clunks, whatever came before. @returns 0, or the earlier -errno */
  #finish(fid: number, status: number): number {
    this.driver.clunk(fid);
    return Math.min(0, status);
  }
}

/** @returns the cookie of the last whole entry, or undefined if there was none */
function collect(reply: P9Reply, entries: DirectoryEntry[]): P9DirCookie | undefined {
  let cookie: P9DirCookie | undefined;
  while (reply.nextEntry()) {
    const name = reply.entryName();
    cookie = { low: reply.entryCookie.low, high: reply.entryCookie.high };
    if (name !== '.' && name !== '..') entries.push({ name, type: reply.entryType });
  }
  return cookie;
}
