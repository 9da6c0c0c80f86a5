/**
 * What a library user writes to serve files made in JavaScript.
 *
 * A tree is an object with methods about *nodes*. A node is any object of yours that stands for a file or a directory;
 * you are given back the very objects you returned. Four methods are enough for a tree to look around in:
 *
 *     const tree: SimpleTree<Entry> = {
 *       root: () => top,
 *       lookup: (directory, name) => directory.children.get(name),
 *       readdir: (directory) => directory.children.keys(),
 *       getattr: (node) => ({ kind: node.children ? 'directory' : 'file', size: node.text.length }),
 *       read: (file, offset, count) => encode(file.text).subarray(offset, offset + count),
 *     };
 *
 * Errors: throw an error whose `code` is an errno name (as those of node:fs are), or return a negative errno. Any other
 * exception is logged and becomes EIO. A method that is missing makes the operation fail with EROFS if the tree has no
 * method that changes anything, else with EOPNOTSUPP.
 *
 * Promises may be returned only by trees on the main thread, behind `remoteTree`. In the reactor nothing can be awaited.
 */

/** Nothing, a promise of it, or a negative errno. */
export type TreeDone = undefined | number | Promise<undefined | number>;

/** A value, a promise of it, or a negative errno. */
export type TreeResult<T> = T | number | Promise<T | number>;

/** What `getattr` tells about a node. Everything but the kind has a default. */
export interface TreeAttributes {
  readonly kind: 'file' | 'directory' | 'symlink';
  /** Bytes; default 0. Clients may not read beyond it. */
  readonly size?: number | undefined;
  /** Permission bits; default 0o755 for directories and 0o644 for files, without the write bits if nothing can change. */
  readonly mode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** Milliseconds since 1970; default: when the tree was first served. */
  readonly mtime?: number | undefined;
  /** As `mtime`, which is their default. */
  readonly atime?: number | undefined;
  readonly ctime?: number | undefined;
  /** Number of names; default 1. */
  readonly nlink?: number | undefined;
  /**
   * What makes this the same file as another node, 1 ... 2^53 - 1; default: numbered by object. Give it when `lookup`
   * makes a new object each time.
   */
  readonly ino?: number | undefined;
  /** Changes with the content, 0 ... 2^32 - 1; default: made of `mtime` and `size`. */
  readonly version?: number | undefined;
}

/** What `setattr` is asked to change. Times in milliseconds since 1970. */
export interface TreeChange {
  readonly mode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly size?: number | undefined;
  readonly atime?: number | undefined;
  readonly mtime?: number | undefined;
}

/** How a file is opened. */
export interface TreeOpen {
  readonly read: boolean;
  readonly write: boolean;
}

/** See the file's head. `N` is your type of node. */
export interface SimpleTree<N extends object> {
  /** The top directory: the same object each time. */
  root(): TreeResult<N>;
  /** The node of that name, or undefined if there is none. Never called with "." or "..". */
  lookup(directory: N, name: string): TreeResult<N | undefined>;
  getattr(node: N): TreeResult<TreeAttributes>;
  /** Names in a directory, without "." and "..". */
  readdir(directory: N): TreeResult<Iterable<string>>;

  /** Bytes `[offset, offset + count)` of a file, fewer at its end. */
  read?(file: N, offset: number, count: number): TreeResult<Uint8Array>;
  /** Where a symbolic link points. */
  readlink?(link: N): TreeResult<string>;
  /** Called before the first read or write; may refuse. */
  open?(file: N, how: TreeOpen): TreeDone;
  /** The last user of an `open` is gone. */
  close?(file: N): TreeDone;

  /** @returns nothing if all was written, or how many bytes were */
  write?(file: N, offset: number, data: Uint8Array): TreeDone;
  /** Makes an empty file. The name is not taken. @param mode permission bits */
  create?(directory: N, name: string, mode: number): TreeResult<N>;
  mkdir?(directory: N, name: string, mode: number): TreeResult<N>;
  symlink?(directory: N, name: string, target: string): TreeResult<N>;
  /** A second name for a file. */
  link?(directory: N, name: string, file: N): TreeDone;
  /** Removes a file or link. The node may go on being read and written by those who have it open. */
  unlink?(directory: N, name: string): TreeDone;
  /** Removes a directory; must refuse with ENOTEMPTY if it is not empty. */
  rmdir?(directory: N, name: string): TreeDone;
  /** Moves; what has the new name is replaced. */
  rename?(oldDirectory: N, oldName: string, newDirectory: N, newName: string): TreeDone;
  /** Without it, sizes cannot be changed; other changes are accepted and forgotten, as long as something is writable. */
  setattr?(node: N, change: TreeChange): TreeDone;
  /** Everything written is safe; default: at once. */
  fsync?(file: N): TreeDone;
}
