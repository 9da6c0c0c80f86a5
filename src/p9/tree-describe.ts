/** Attributes and qids of a {@link SimpleTree}'s nodes, with the defaults filled in. */
import {
  DT_DIR,
  DT_LNK,
  DT_REG,
  P9_QTDIR,
  P9_QTFILE,
  P9_QTSYMLINK,
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
} from '../abi/p9.js';
import type { SimpleTree, TreeAttributes } from './simple-tree.js';
import { isErrno, type MaybePromise, TreeErrno, then } from './tree-flow.js';
import type { AttributesMessage, QidMessage } from './tree-messages.js';

/** Numbers given by object; far above what a tree will use for `ino` itself. */
const FIRST_NUMBER = 2 ** 52;
const WRITE_BITS = 0o222;
const PERMISSIONS = 0o7777;

const KINDS = {
  file: { type: S_IFREG, mode: 0o644, qid: P9_QTFILE, entry: DT_REG },
  directory: { type: S_IFDIR, mode: 0o755, qid: P9_QTDIR, entry: DT_DIR },
  symlink: { type: S_IFLNK, mode: 0o777, qid: P9_QTSYMLINK, entry: DT_LNK },
} as const;

export interface Described {
  readonly qid: QidMessage;
  readonly attributes: AttributesMessage;
  /** DT_... */
  readonly entryType: number;
  readonly isDirectory: boolean;
  readonly isFile: boolean;
}

export class Describer<N extends object> {
  readonly #tree: SimpleTree<N>;
  readonly #fixed: boolean;
  readonly #numbers = new WeakMap<N, number>();
  readonly #born = Date.now();
  #next = FIRST_NUMBER;

  /** @param fixed nothing in the tree can be changed through it */
  constructor(tree: SimpleTree<N>, fixed: boolean) {
    this.#tree = tree;
    this.#fixed = fixed;
  }

  /** Throws what `getattr` throws, and the errno it returns as an error with that number. */
  describe(node: N): MaybePromise<Described> {
    return then(this.#tree.getattr(node), (given) => {
      if (isErrno(given)) throw new TreeErrno(given);
      return this.#fill(node, given);
    });
  }

  #fill(node: N, given: TreeAttributes): Described {
    const kind = KINDS[given.kind];
    const size = given.size ?? 0;
    const mtime = given.mtime ?? this.#born;
    const fixed = this.#fixed && given.kind !== 'symlink';
    const permissions = (given.mode ?? (fixed ? kind.mode & ~WRITE_BITS : kind.mode)) & PERMISSIONS;
    const version = given.version ?? Math.floor(mtime) ^ (size << 8);
    return {
      qid: { type: kind.qid, version: version >>> 0, path: given.ino ?? this.#number(node) },
      attributes: {
        mode: kind.type | permissions,
        uid: given.uid ?? 0,
        gid: given.gid ?? 0,
        nlink: given.nlink ?? 1,
        size,
        atime: given.atime ?? mtime,
        mtime,
        ctime: given.ctime ?? mtime,
      },
      entryType: kind.entry,
      isDirectory: given.kind === 'directory',
      isFile: given.kind === 'file',
    };
  }

  #number(node: N): number {
    const known = this.#numbers.get(node);
    if (known !== undefined) return known;
    this.#numbers.set(node, this.#next);
    return this.#next++;
  }
}
