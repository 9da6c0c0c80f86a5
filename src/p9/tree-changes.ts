/** The part of the engine of a {@link SimpleTree} that changes names and attributes. Thread: the tree's. Not hot. */
import { EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, EOPNOTSUPP, EPERM, EROFS } from '../abi/errno.js';
import {
  P9_SETATTR_ATIME,
  P9_SETATTR_GID,
  P9_SETATTR_MODE,
  P9_SETATTR_MTIME,
  P9_SETATTR_SIZE,
  P9_SETATTR_UID,
} from '../abi/p9.js';
import type { SimpleTree, TreeChange, TreeDone } from './simple-tree.js';
import type { Describer } from './tree-describe.js';
import { isErrno, type MaybePromise, TreeErrno, then } from './tree-flow.js';
import type { ChangeMessage, TreeReply } from './tree-messages.js';

/** A part of a reply; the rest is filled in. */
export type Answer = Partial<Omit<TreeReply, 'id'>>;

/** How a node was reached, for ".." and for the messages that name a file by its handle alone. */
export interface Place<N> {
  readonly node: N;
  readonly name: string;
  readonly parent: Place<N> | undefined;
}

/** Whether nothing in a tree can be changed through it. */
export function isFixed<N extends object>(tree: SimpleTree<N>): boolean {
  const { write, create, mkdir, symlink, link, unlink, rmdir, rename, setattr } = tree;
  return [write, create, mkdir, symlink, link, unlink, rmdir, rename, setattr].every((m) => m === undefined);
}

export class TreeChanges<N extends object> {
  readonly #tree: SimpleTree<N>;
  readonly #describer: Describer<N>;
  readonly #fixed: boolean;

  constructor(tree: SimpleTree<N>, describer: Describer<N>, fixed: boolean) {
    this.#tree = tree;
    this.#describer = describer;
    this.#fixed = fixed;
  }

  /** Status of an operation for which the tree has no method. */
  get missing(): number {
    return this.#fixed ? -EROFS : -EOPNOTSUPP;
  }

  /** 0, or the errno it returned. */
  done(result: TreeDone): MaybePromise<number> {
    return then(result, (value) => (typeof value === 'number' && value < 0 ? value : 0));
  }

  mkdir(dir: N, name: string, mode: number): MaybePromise<Answer | number> {
    const tree = this.#tree;
    return tree.mkdir === undefined
      ? this.missing
      : this.#make(dir, name, () => tree.mkdir?.(dir, name, mode));
  }

  symlink(dir: N, name: string, target: string): MaybePromise<Answer | number> {
    const tree = this.#tree;
    return tree.symlink === undefined
      ? this.missing
      : this.#make(dir, name, () => tree.symlink?.(dir, name, target));
  }

  link(dir: N, name: string, file: N): MaybePromise<number> {
    const tree = this.#tree;
    if (tree.link === undefined) return this.missing;
    return then(this.#absent(dir, name), () => this.done(tree.link?.(dir, name, file)));
  }

  unlink(dir: N, name: string, directory: boolean): MaybePromise<number> {
    const tree = this.#tree;
    if ((directory ? tree.rmdir : tree.unlink) === undefined) return this.missing;
    return then(tree.lookup(dir, name), (node) => {
      if (node === undefined) return -ENOENT;
      if (isErrno(node)) return node;
      return then(this.#describer.describe(node), ({ isDirectory }) => {
        if (isDirectory !== directory) return directory ? -ENOTDIR : -EISDIR;
        return this.done(directory ? tree.rmdir?.(dir, name) : tree.unlink?.(dir, name));
      });
    });
  }

  /** Tremove. */
  remove(place: Place<N>): MaybePromise<number> {
    const { parent, name } = place;
    if (parent === undefined) return -EPERM;
    return then(this.#stillThere(place), (there) => {
      if (!there) return -ENOENT;
      return then(this.#describer.describe(place.node), ({ isDirectory }) =>
        this.unlink(parent.node, name, isDirectory),
      );
    });
  }

  rename(oldDir: N, oldName: string, newDir: N, newName: string): MaybePromise<number> {
    const tree = this.#tree;
    return tree.rename === undefined
      ? this.missing
      : this.done(tree.rename(oldDir, oldName, newDir, newName));
  }

  /** Trename. */
  renamePlace(place: Place<N>, newDir: N, newName: string): MaybePromise<number> {
    const { parent, name } = place;
    if (parent === undefined) return -EINVAL;
    return then(this.#stillThere(place), (there) =>
      there ? this.rename(parent.node, name, newDir, newName) : -ENOENT,
    );
  }

  setattr(node: N, message: ChangeMessage | undefined): MaybePromise<number> {
    const tree = this.#tree;
    if (message === undefined) return -EINVAL;
    if (tree.setattr !== undefined) return this.done(tree.setattr(node, treeChange(message)));
    return this.#fixed || (message.valid & P9_SETATTR_SIZE) !== 0 ? this.missing : 0;
  }

  /** mkdir and symlink. */
  #make(
    dir: N,
    name: string,
    make: () => MaybePromise<N | number | undefined>,
  ): MaybePromise<Answer | number> {
    return then(this.#absent(dir, name), () =>
      then(make(), (node) => {
        if (node === undefined) return -EINVAL;
        if (isErrno(node)) return node;
        return then(this.#describer.describe(node), ({ qid }) => ({ qids: [qid] }));
      }),
    );
  }

  /** Throws EEXIST if the name is taken. */
  #absent(dir: N, name: string): MaybePromise<undefined> {
    return then(this.#tree.lookup(dir, name), (node) => {
      if (node !== undefined) throw new TreeErrno(isErrno(node) ? node : -EEXIST);
      return undefined;
    });
  }

  /** Whether the name by which a node was reached still is its name. */
  #stillThere({ parent, name, node }: Place<N>): MaybePromise<boolean> {
    if (parent === undefined) return false;
    return then(this.#tree.lookup(parent.node, name), (found) => {
      if (found === undefined || isErrno(found)) return false;
      return then(this.#describer.describe(found), (now) =>
        then(this.#describer.describe(node), ({ qid }) => now.qid.path === qid.path),
      );
    });
  }
}

function treeChange({ valid, mode, uid, gid, size, atime, mtime }: ChangeMessage): TreeChange {
  return {
    mode: (valid & P9_SETATTR_MODE) !== 0 ? mode : undefined,
    uid: (valid & P9_SETATTR_UID) !== 0 ? uid : undefined,
    gid: (valid & P9_SETATTR_GID) !== 0 ? gid : undefined,
    size: (valid & P9_SETATTR_SIZE) !== 0 ? size : undefined,
    atime: (valid & P9_SETATTR_ATIME) !== 0 ? atime : undefined,
    mtime: (valid & P9_SETATTR_MTIME) !== 0 ? mtime : undefined,
  };
}
