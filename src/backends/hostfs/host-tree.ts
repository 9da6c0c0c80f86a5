/**
 * A host directory as a 9P tree. Acts as our own user: ownership of new files is ours, and what we may not do the client
 * may not either. `share.ts` says how the client is kept inside.
 *
 * Thread: reactor. Calls that can wait for a disk (fsync, and writes to files opened with O_SYNC) go to the blocking
 * lane; everything else is done on the spot, so a share on a network file system can hold up the other devices.
 */
import { EBADF } from '../../abi/errno.js';
import type { AttributeChange, FileTree } from '../../p9/file-tree.js';
import type { P9Name } from '../../p9/name.js';
import type { TreeCall } from '../../p9/tree-call.js';
import { close, preadv, pwritev } from '../../sys/fd.js';
import { renameat } from '../../sys/fs.js';
import { PENDING } from '../../util/pending.js';
import type { BlockingCalls, BlockingHandler, BlockingLane } from '../../util/ports.js';
import { getAttributes, getStatistics, HostXattrs, readLink, setAttributes } from './attributes.js';
import {
  linkNode,
  makeDirectory,
  makeLink,
  makeNode,
  removeNode,
  renameNode,
  unlinkName,
} from './entries.js';
import { Listing } from './listing.js';
import type { HostNode } from './nodes.js';
import { createFile, openNode } from './open.js';
import { Share } from './share.js';
import { attach, walk } from './walk.js';

const DEFAULT_MAX_NODES = 1024;

export interface HostTreeOptions {
  /** An existing directory. */
  readonly path: string;
  readonly readOnly: boolean;
  /** Where calls go that may wait for a disk. */
  readonly blocking: BlockingCalls;
  /** Most handles (each is a descriptor) at a time; default 1024. */
  readonly maxNodes?: number;
}

/** A request that waits for the blocking lane. */
interface Waiting {
  readonly call: TreeCall;
  /** What to answer when the call succeeds. */
  readonly status: number;
}

/** See the file's head. Errors of the constructor: StartError. */
export class HostTree implements FileTree, BlockingHandler {
  readonly readOnly: boolean;
  readonly #share: Share;
  readonly #listing = new Listing();
  readonly #xattrs = new HostXattrs();
  readonly #lane: BlockingLane;
  readonly #waiting = new Map<number, Waiting>();
  #nextToken = 0;

  constructor(options: HostTreeOptions) {
    this.#share = new Share(options.path, options.readOnly, options.maxNodes ?? DEFAULT_MAX_NODES);
    this.readOnly = options.readOnly;
    this.#lane = options.blocking.lane(this);
  }

  /** Handles in use. */
  get nodes(): number {
    return this.#share.nodes.count;
  }

  attach(call: TreeCall): number {
    return attach(this.#share, call);
  }

  walk(call: TreeCall, node: number, names: readonly P9Name[], count: number): number {
    return walk(this.#share, call, this.#node(node), names, count);
  }

  forget(node: number): void {
    this.#share.nodes.remove(node);
  }

  getattr(call: TreeCall, node: number): number {
    return getAttributes(this.#share, call, this.#node(node));
  }

  setattr(_call: TreeCall, node: number, change: AttributeChange): number {
    return setAttributes(this.#share, this.#node(node), change);
  }

  open(call: TreeCall, node: number, flags: number): number {
    return openNode(this.#share, call, this.#node(node), flags);
  }

  create(call: TreeCall, node: number, name: P9Name, flags: number, mode: number): number {
    return createFile(this.#share, call, this.#node(node), name, { flags, mode });
  }

  read(call: TreeCall, node: number, offset: number): number {
    const { io } = call;
    return preadv(this.#node(node).fd, io.windowAddress, io.windowCount, offset);
  }

  write(call: TreeCall, node: number, offset: number): number {
    const { io } = call;
    const file = this.#node(node);
    const written = pwritev(file.fd, io.windowAddress, io.windowCount, offset);
    if (!file.sync || written <= 0) return written;
    return this.#block(call, file.fd, true, written);
  }

  readdir(call: TreeCall, node: number, cookieLow: number, cookieHigh: number): number {
    return this.#listing.read(this.#share, call, this.#node(node), cookieLow, cookieHigh);
  }

  readlink(call: TreeCall, node: number): number {
    return readLink(call, this.#node(node));
  }

  statfs(call: TreeCall, node: number): number {
    return getStatistics(this.#share, call, this.#node(node));
  }

  fsync(call: TreeCall, node: number, dataOnly: boolean): number {
    const file = this.#node(node);
    return file.open ? this.#block(call, file.fd, dataOnly, 0) : -EBADF;
  }

  mkdir(call: TreeCall, dir: number, name: P9Name, mode: number): number {
    return makeDirectory(this.#share, call, this.#node(dir), name, mode);
  }

  symlink(call: TreeCall, dir: number, name: P9Name, target: P9Name): number {
    return makeLink(this.#share, call, this.#node(dir), name, target);
  }

  mknod(call: TreeCall, dir: number, name: P9Name, mode: number): number {
    return makeNode(this.#share, call, this.#node(dir), name, mode);
  }

  link(_call: TreeCall, dir: number, name: P9Name, node: number): number {
    return linkNode(this.#node(dir), name, this.#node(node));
  }

  unlink(_call: TreeCall, dir: number, name: P9Name, flags: number): number {
    return unlinkName(this.#node(dir), name, flags);
  }

  rename(_call: TreeCall, oldDir: number, oldName: P9Name, newDir: number, newName: P9Name): number {
    return renameat(this.#node(oldDir).fd, oldName.address, this.#node(newDir).fd, newName.address);
  }

  renameNode(_call: TreeCall, node: number, newDir: number, newName: P9Name): number {
    return renameNode(this.#share, this.#node(node), this.#node(newDir), newName);
  }

  remove(_call: TreeCall, node: number): number {
    return removeNode(this.#share, this.#node(node));
  }

  xattrGet(call: TreeCall, node: number, name: P9Name): number {
    return this.#xattrs.get(call, this.#node(node), name);
  }

  xattrList(call: TreeCall, node: number): number {
    return this.#xattrs.list(call, this.#node(node));
  }

  xattrSet(_call: TreeCall, node: number, name: Uint8Array, value: Uint8Array, flags: number): number {
    return this.#xattrs.set(this.#node(node), name, value, flags);
  }

  xattrRemove(_call: TreeCall, node: number, name: Uint8Array): number {
    return this.#xattrs.remove(this.#node(node), name);
  }

  /** A blocking call has ended. Thread: reactor. */
  onDone(token: number, result: number): void {
    const waiting = this.#waiting.get(token);
    if (waiting === undefined) return;
    this.#waiting.delete(token);
    waiting.call.complete(result < 0 ? result : waiting.status);
  }

  close(): void {
    this.#lane.close();
    this.#share.nodes.clear();
    close(this.#share.rootFd);
  }

  #node(id: number): HostNode {
    return this.#share.nodes.get(id);
  }

  #block(call: TreeCall, fd: number, dataOnly: boolean, status: number): number {
    const token = this.#nextToken;
    this.#nextToken = (token + 1) & 0x3fff_ffff;
    this.#waiting.set(token, { call, status });
    if (dataOnly) this.#lane.fdatasync(fd, token);
    else this.#lane.fsync(fd, token);
    return PENDING;
  }
}
