/**
 * Executes requests on a {@link SimpleTree}: handles, walking, defaults, qids, listings, errors. Results come at once
 * as long as the tree answers at once, and as a promise if it does not.
 *
 * Thread: where the tree lives. Not hot.
 */
import { EBADF, EEXIST, EINVAL, EISDIR, ELOOP, ENOENT, ENOTDIR, EOPNOTSUPP } from '../abi/errno.js';
import {
  P9_DIRENT_HEADER_BYTES,
  P9_DOTL_AT_REMOVEDIR,
  P9_DOTL_EXCL,
  P9_DOTL_NOACCESS,
  P9_DOTL_RDONLY,
  P9_DOTL_TRUNC,
  P9_DOTL_WRONLY,
} from '../abi/p9.js';
import { at } from '../util/typed.js';
import type { SimpleTree } from './simple-tree.js';
import { type Answer, isFixed, type Place, TreeChanges } from './tree-changes.js';
import { type Described, Describer } from './tree-describe.js';
import { errnoOf, isErrno, type MaybePromise, sequence, settle, TreeErrno, then } from './tree-flow.js';
import {
  bareReply,
  type EntryMessage,
  type QidMessage,
  type TreeReply,
  type TreeRequest,
} from './tree-messages.js';

const textEncoder = new TextEncoder();

/** One handle of the server. */
interface Handle<N> {
  place: Place<N>;
  open: boolean;
  /** readdir: names as they were when the listing began. */
  listing: readonly string[] | undefined;
}

/** See the file's head. */
export class TreeEngine<N extends object> {
  readonly #tree: SimpleTree<N>;
  readonly #describer: Describer<N>;
  readonly #changes: TreeChanges<N>;
  readonly #onError: (error: unknown) => void;
  readonly #handles = new Map<number, Handle<N>>();
  #nextHandle = 0;

  /** @param onError told of exceptions that are not errnos: mistakes in the tree */
  constructor(tree: SimpleTree<N>, onError: (error: unknown) => void) {
    const fixed = isFixed(tree);
    this.#tree = tree;
    this.#onError = onError;
    this.#describer = new Describer(tree, fixed);
    this.#changes = new TreeChanges(tree, this.#describer, fixed);
  }

  /** Handles in use. */
  get handles(): number {
    return this.#handles.size;
  }

  /** Executes a request. Never throws; a promise never rejects. */
  handle(request: TreeRequest): MaybePromise<TreeReply> {
    return settle<Answer | number, TreeReply>(
      () => this.#execute(request),
      (answer) =>
        typeof answer === 'number'
          ? bareReply(request.id, answer)
          : { ...bareReply(request.id, 0), ...answer },
      (error) => bareReply(request.id, errnoOf(error, this.#onError)),
    );
  }

  /** Forgets all handles; what is open is closed. */
  closeAll(): void {
    for (const id of [...this.#handles.keys()]) this.#forget(id);
  }

  #execute(request: TreeRequest): MaybePromise<Answer | number> {
    if (request.operation === 'attach') return this.#attach();
    if (request.operation === 'forget') return this.#forget(request.node);
    const handle = this.#handles.get(request.node);
    if (handle === undefined) return -EBADF;
    const { node } = handle.place;
    switch (request.operation) {
      case 'walk':
        return this.#walk(handle, request.names);
      case 'getattr':
        return then(this.#describer.describe(node), ({ attributes, qid }) => ({ attributes, qids: [qid] }));
      case 'setattr':
        return this.#changes.setattr(node, request.change);
      case 'open':
        return this.#open(handle, handle.place, request.flags);
      case 'read':
        return this.#read(node, request);
      case 'write':
        return this.#write(node, request);
      case 'readdir':
        return this.#readdir(handle, request.offset, request.count);
      case 'readlink':
        return this.#readlink(node);
      case 'fsync':
        return this.#changes.done(this.#tree.fsync?.(node));
      case 'remove':
        return this.#changes.remove(handle.place);
      default:
        return this.#change(handle, request);
    }
  }

  /** Operations with a name, in the directory `handle` or of it. */
  #change(handle: Handle<N>, request: TreeRequest): MaybePromise<Answer | number> {
    const changes = this.#changes;
    const dir = handle.place.node;
    const name = at(request.names, 0);
    switch (request.operation) {
      case 'create':
        return this.#create(handle, name, request.flags, request.mode);
      case 'mkdir':
        return changes.mkdir(dir, name, request.mode);
      case 'symlink':
        return changes.symlink(dir, name, at(request.names, 1));
      case 'unlink':
        return changes.unlink(dir, name, (request.flags & P9_DOTL_AT_REMOVEDIR) !== 0);
      default:
        return this.#changeTwo(handle, name, request);
    }
  }

  /** Operations with a second handle. */
  #changeTwo(handle: Handle<N>, name: string, request: TreeRequest): MaybePromise<Answer | number> {
    const other = this.#handles.get(request.other);
    if (other === undefined) return -EBADF;
    const dir = handle.place.node;
    switch (request.operation) {
      case 'link':
        return this.#changes.link(dir, name, other.place.node);
      case 'rename':
        return this.#changes.rename(dir, name, other.place.node, at(request.names, 1));
      case 'renameNode':
        return then(this.#changes.renamePlace(handle.place, other.place.node, name), (status) => {
          if (status === 0) handle.place = { node: dir, name, parent: other.place };
          return status;
        });
      default:
        return -EOPNOTSUPP;
    }
  }

  #newHandle(place: Place<N>): number {
    const id = this.#nextHandle++;
    this.#handles.set(id, { place, open: false, listing: undefined });
    return id;
  }

  #attach(): MaybePromise<Answer | number> {
    return then(this.#tree.root(), (node) => {
      if (isErrno(node)) return node;
      const place: Place<N> = { node, name: '', parent: undefined };
      return then(this.#describer.describe(node), ({ qid }) => ({
        node: this.#newHandle(place),
        qids: [qid],
      }));
    });
  }

  #forget(id: number): number {
    const handle = this.#handles.get(id);
    this.#handles.delete(id);
    if (handle?.open !== true) return 0;
    settle<undefined | number, number>(
      () => this.#tree.close?.(handle.place.node),
      () => 0,
      (error) => errnoOf(error, this.#onError),
    );
    return 0;
  }

  #walk(handle: Handle<N>, names: readonly string[]): MaybePromise<Answer | number> {
    const qids: QidMessage[] = [];
    let place = handle.place;
    let failure = 0;
    const follow = (name: string): MaybePromise<boolean> =>
      then(this.#child(place, name), (next) => {
        if (isErrno(next)) throw new TreeErrno(next);
        return then(this.#describer.describe(next.node), ({ qid }) => {
          place = next;
          qids.push(qid);
          return true;
        });
      });
    // What goes wrong at a later name does not take back the earlier ones.
    const step = (name: string): MaybePromise<boolean> =>
      settle(
        () => follow(name),
        (goOn) => goOn,
        (error) => {
          failure = errnoOf(error, this.#onError);
          return false;
        },
      );
    return then(sequence(names, step), () => {
      if (qids.length < names.length) return qids.length === 0 ? failure : { status: qids.length, qids };
      return { status: qids.length, qids, node: this.#newHandle(place) };
    });
  }

  #child(place: Place<N>, name: string): MaybePromise<Place<N> | number> {
    if (name === '..') return place.parent ?? place;
    return then(this.#describer.describe(place.node), ({ isDirectory }) => {
      if (!isDirectory) return -ENOTDIR;
      return then(this.#tree.lookup(place.node, name), (node) => {
        if (node === undefined) return -ENOENT;
        return isErrno(node) ? node : { node, name, parent: place };
      });
    });
  }

  /** Opens what is at `place` and makes the handle stand for it. */
  #open(handle: Handle<N>, place: Place<N>, flags: number): MaybePromise<Answer | number> {
    return then(this.#describer.describe(place.node), ({ qid, isDirectory, isFile }) => {
      if (isDirectory) return { qids: [qid] };
      if (!isFile) return -ELOOP;
      return then(this.#openFile(place.node, flags), (status) => {
        if (status < 0) return status;
        handle.place = place;
        handle.open = true;
        return { qids: [qid] };
      });
    });
  }

  #openFile(node: N, flags: number): MaybePromise<number> {
    const tree = this.#tree;
    const access = flags & P9_DOTL_NOACCESS;
    const truncate = (flags & P9_DOTL_TRUNC) !== 0;
    const how = { read: access !== P9_DOTL_WRONLY, write: access !== P9_DOTL_RDONLY };
    if ((how.write && tree.write === undefined) || (truncate && tree.setattr === undefined)) {
      return this.#changes.missing;
    }
    return then(this.#changes.done(tree.open?.(node, how)), (status) =>
      status < 0 || !truncate ? status : this.#changes.done(tree.setattr?.(node, { size: 0 })),
    );
  }

  #create(handle: Handle<N>, name: string, flags: number, mode: number): MaybePromise<Answer | number> {
    const tree = this.#tree;
    const parent = handle.place;
    const opened = (node: N) => this.#open(handle, { node, name, parent }, flags);
    return then(tree.lookup(parent.node, name), (existing) => {
      if (isErrno(existing)) return existing;
      if (existing !== undefined) {
        if ((flags & P9_DOTL_EXCL) !== 0) return -EEXIST;
        return then(this.#describer.describe(existing), ({ isFile }) =>
          isFile ? opened(existing) : -EISDIR,
        );
      }
      if (tree.create === undefined) return this.#changes.missing;
      return then(tree.create(parent.node, name, mode), (node) => (isErrno(node) ? node : opened(node)));
    });
  }

  #read(node: N, { offset, count }: TreeRequest): MaybePromise<Answer | number> {
    if (this.#tree.read === undefined) return -EOPNOTSUPP;
    return then(this.#tree.read(node, offset, count), (data) =>
      isErrno(data) ? data : { status: data.length, data },
    );
  }

  #write(node: N, { data, offset }: TreeRequest): MaybePromise<Answer | number> {
    if (this.#tree.write === undefined || data === undefined) return this.#changes.missing;
    return then(this.#tree.write(node, offset, data), (written) => written ?? data.length);
  }

  #readlink(node: N): MaybePromise<Answer | number> {
    if (this.#tree.readlink === undefined) return -EINVAL;
    return then(this.#tree.readlink(node), (target) =>
      isErrno(target) ? target : { data: textEncoder.encode(target) },
    );
  }

  /** Cookies: 1 behind ".", 2 behind "..", then counting on. The names are those when the listing began. */
  #readdir(handle: Handle<N>, cookie: number, room: number): MaybePromise<Answer | number> {
    const names = cookie > 0 && handle.listing !== undefined ? handle.listing : this.#list(handle);
    return then(names, (list) => {
      if (isErrno(list)) return list;
      const entries: EntryMessage[] = [];
      let left = room;
      const add = (name: string, index: number): MaybePromise<boolean> => {
        left -= P9_DIRENT_HEADER_BYTES + textEncoder.encode(name).length;
        if (left < 0) return false;
        return then(this.#entry(handle.place, name), (found) => {
          // A name that has gone since then is left out.
          if (found !== undefined) {
            entries.push({ qid: found.qid, cookie: cookie + index + 1, type: found.entryType, name });
          }
          return true;
        });
      };
      return then(sequence(list.slice(cookie), add), () => {
        if (entries.length === 0 && left < 0) return -EINVAL;
        return { status: entries.length, entries };
      });
    });
  }

  #list(handle: Handle<N>): MaybePromise<readonly string[] | number> {
    return then(this.#tree.readdir(handle.place.node), (names) => {
      if (isErrno(names)) return names;
      handle.listing = ['.', '..', ...names];
      return handle.listing;
    });
  }

  #entry(place: Place<N>, name: string): MaybePromise<Described | undefined> {
    if (name === '.') return this.#describer.describe(place.node);
    return then(this.#child(place, name), (child) =>
      isErrno(child) ? undefined : this.#describer.describe(child.node),
    );
  }
}
