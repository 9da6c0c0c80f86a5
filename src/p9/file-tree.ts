/**
 * What a 9P server serves: a tree of files. The server speaks the protocol (fids, tags, message sizes, locks, limits);
 * a tree knows files. `backends/hostfs` implements it over a host directory; `js-tree.ts` makes one from a few
 * JavaScript functions, which is what a library user writes.
 *
 * A *node* is a number chosen by the tree for one handle on one file. It comes from `attach` or `walk` and lives until
 * `forget`. Opening changes the node in place.
 *
 * Every method returns a result >= 0, -errno, or PENDING; after PENDING the tree calls `call.complete(result)` later, on
 * the same thread, having filled in `call.out` first. Names are checked by the server (not empty, no slash, no NUL, not
 * "." and, except in walk, not "..") and are good only until the method returns. Requests about one node may overlap
 * when the tree answers PENDING; `forget` is called only after all of them are complete. Nothing may throw.
 *
 * Thread: reactor. Hot path: `walk`, `getattr`, `read`, `write`.
 */
import type { P9Name } from './name.js';
import type { TreeCall } from './tree-call.js';

/** What Tsetattr asks for: the fields named by P9_SETATTR_... bits in `valid`. Reused; good until the method returns. */
export class AttributeChange {
  valid = 0;
  /** Permission bits, 0 ... 07777. */
  mode = 0;
  uid = 0;
  gid = 0;
  /** Bytes. */
  size = 0;
  atimeSec = 0;
  atimeNsec = 0;
  mtimeSec = 0;
  mtimeNsec = 0;
}

/** See the file's head. */
export interface FileTree {
  /** The server then refuses whatever would change something with EROFS; the tree should not do it either. */
  readonly readOnly: boolean;

  /** Root of the tree: `out.node`, `out.qid`. @returns 0 */
  attach(call: TreeCall): number;

  /**
   * Follows names from `node`; symbolic links are not followed, ".." stays inside the tree.
   * @param names first `count` (0 ... 16) elements; none makes a second handle on the same file
   * @returns how many resolved, with their qids in `out.walked`; `out.node` only if all did. -errno if the first did not
   */
  walk(call: TreeCall, node: number, names: readonly P9Name[], count: number): number;

  /** The handle is not used any more: closes and frees what belongs to it. Cannot fail. */
  forget(node: number): void;

  /** `out.attributes`, `out.qid`. @param mask P9_GETATTR_..., a hint @returns 0 */
  getattr(call: TreeCall, node: number, mask: number): number;
  setattr(call: TreeCall, node: number, change: AttributeChange): number;

  /** Opens the node for reading, writing or listing: `out.qid`. @param flags P9_DOTL_... @returns 0 */
  open(call: TreeCall, node: number, flags: number): number;
  /** Makes a file in the directory `node`, which then stands for the file, open: `out.qid`. @param mode permissions */
  create(call: TreeCall, node: number, name: P9Name, flags: number, mode: number): number;

  /**
   * Reads an open file to `call.io`, whose window is prepared: pass `call.io.windowAddress` and `windowCount` to
   * preadv, or use `call.putData`.
   * @param offset bytes, a safe integer @param count bytes, at most what the window holds
   * @returns bytes read; fewer than `count` only at the end of the file
   */
  read(call: TreeCall, node: number, offset: number, count: number): number;
  /** Writes from `call.io` (window prepared, or `call.takeData`) to an open file. @returns bytes written */
  write(call: TreeCall, node: number, offset: number, count: number): number;

  /**
   * Lists an open directory through `out.entry` until that returns false or the directory ends.
   * @param cookieLow, cookieHigh 0 for the beginning, or the cookie of an entry returned before
   * @returns entries given; 0 at the end, -EINVAL if not even one fits
   */
  readdir(call: TreeCall, node: number, cookieLow: number, cookieHigh: number): number;

  /** Target in `out.buffer`. @returns its length in bytes, at most 4095 */
  readlink(call: TreeCall, node: number): number;
  /** `out.statistics`. */
  statfs(call: TreeCall, node: number): number;
  fsync(call: TreeCall, node: number, dataOnly: boolean): number;

  /** `out.qid`. */
  mkdir(call: TreeCall, dir: number, name: P9Name, mode: number): number;
  /** `out.qid`. @param target any bytes but NUL, 1 ... 4095 */
  symlink(call: TreeCall, dir: number, name: P9Name, target: P9Name): number;
  /** `out.qid`. @param mode with the file type */
  mknod(call: TreeCall, dir: number, name: P9Name, mode: number): number;
  /** A second name for `node`. */
  link(call: TreeCall, dir: number, name: P9Name, node: number): number;
  /** @param flags 0 or P9_DOTL_AT_REMOVEDIR */
  unlink(call: TreeCall, dir: number, name: P9Name, flags: number): number;
  rename(call: TreeCall, oldDir: number, oldName: P9Name, newDir: number, newName: P9Name): number;
  /** Trename: as {@link rename}, for whatever name `node` has now. */
  renameNode(call: TreeCall, node: number, newDir: number, newName: P9Name): number;
  /** Tremove: unlinks whatever name `node` has now. */
  remove(call: TreeCall, node: number): number;

  /** Value in `out.buffer`. @returns its length, at most 65536 */
  xattrGet(call: TreeCall, node: number, name: P9Name): number;
  /** Names, each followed by a NUL, in `out.buffer`. @returns their length in all */
  xattrList(call: TreeCall, node: number): number;
  /** @param name, value copies that stay good until completion; name without NUL @param flags 0, XATTR_CREATE, XATTR_REPLACE */
  xattrSet(call: TreeCall, node: number, name: Uint8Array, value: Uint8Array, flags: number): number;
  xattrRemove(call: TreeCall, node: number, name: Uint8Array): number;

  /** The server is gone for good; all nodes were forgotten, except those with requests under way. */
  close(): void;
}
