/** Fids: the client's numbers for files it holds. */
import { EBADF, ENFILE } from '../abi/errno.js';
import { P9_NOFID } from '../abi/p9.js';
import type { FileTree } from './file-tree.js';
import type { Qid } from './tree-output.js';

/** Names a file, not open. */
export const FID_PATH = 0;
/** Open for I/O or for listing. */
export const FID_OPEN = 1;
/** The value of an extended attribute, to be read (Txattrwalk). Has no node. */
export const FID_XATTR_READ = 2;
/** The value of an extended attribute, being written; set at Tclunk (Txattrcreate). */
export const FID_XATTR_WRITE = 3;

/** State of a fid that stands for an extended attribute. */
export interface XattrState {
  readonly name: Uint8Array;
  readonly value: Uint8Array;
  readonly flags: number;
  /** Bytes written so far. */
  filled: number;
}

export class Fid {
  readonly id: number;
  /** The tree's handle; -1 = none. */
  node: number;
  /** FID_... */
  state = FID_PATH;
  /** Access mode it was opened with: P9_DOTL_RDONLY, _WRONLY or _RDWR. */
  access = 0;
  qidType = 0;
  qidPathLow = 0;
  qidPathHigh = 0;
  xattr: XattrState | undefined;
  /** Requests under way that use it. */
  pins = 0;
  /** Not in the table any more; ends when `pins` is 0. */
  dead = false;

  constructor(id: number, node: number) {
    this.id = id;
    this.node = node;
  }

  setQid(qid: Qid): void {
    this.qidType = qid.type;
    this.qidPathLow = qid.pathLow;
    this.qidPathHigh = qid.pathHigh;
  }

  /** The same file as `other`. */
  copyIdentity(other: Fid): void {
    this.qidType = other.qidType;
    this.qidPathLow = other.qidPathLow;
    this.qidPathHigh = other.qidPathHigh;
  }
}

/** Called when a fid leaves the table, before its node is forgotten. */
export interface FidObserver {
  fidGone(fid: Fid): void;
}

/** All fids of a server. Thread: reactor. */
export class FidTable {
  readonly #fids = new Map<number, Fid>();
  readonly #tree: FileTree;
  readonly #limit: number;
  readonly #observer: FidObserver;

  /** @param limit most fids at a time */
  constructor(tree: FileTree, limit: number, observer: FidObserver) {
    this.#tree = tree;
    this.#limit = limit;
    this.#observer = observer;
  }

  get size(): number {
    return this.#fids.size;
  }

  get(id: number): Fid | undefined {
    return this.#fids.get(id);
  }

  /** 0 if `id` may be given to a new file, else -errno. */
  checkNew(id: number): number {
    if (id === P9_NOFID || this.#fids.has(id)) return -EBADF;
    return this.#fids.size < this.#limit ? 0 : -ENFILE;
  }

  /** Adds a fid that {@link checkNew} allowed. */
  add(id: number, node: number): Fid {
    const fid = new Fid(id, node);
    this.#fids.set(id, fid);
    return fid;
  }

  /** Takes a fid out. Its node lives on until the last request about it has ended. */
  remove(fid: Fid): void {
    this.#fids.delete(fid.id);
    this.#retire(fid);
  }

  /** Takes all out. */
  clear(): void {
    for (const fid of this.#fids.values()) this.#retire(fid);
    this.#fids.clear();
  }

  /** A request begins to use the fid. */
  pin(fid: Fid): void {
    fid.pins++;
  }

  /** A request has ended. */
  unpin(fid: Fid): void {
    fid.pins--;
    if (fid.dead && fid.pins === 0) this.#free(fid);
  }

  #retire(fid: Fid): void {
    fid.dead = true;
    this.#observer.fidGone(fid);
    if (fid.pins === 0) this.#free(fid);
  }

  #free(fid: Fid): void {
    if (fid.node >= 0) this.#tree.forget(fid.node);
    fid.node = -1;
  }
}
