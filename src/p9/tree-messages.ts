/**
 * Requests to a JavaScript tree and their answers, as plain data: what a `RequestTree` makes of the calls of a server,
 * and a `TreeEngine` executes, on the same thread or on another.
 */

export type TreeOperation =
  | 'attach'
  | 'walk'
  | 'forget'
  | 'getattr'
  | 'setattr'
  | 'open'
  | 'create'
  | 'read'
  | 'write'
  | 'readdir'
  | 'readlink'
  | 'fsync'
  | 'mkdir'
  | 'symlink'
  | 'link'
  | 'unlink'
  | 'rename'
  | 'renameNode'
  | 'remove';

/** Fields that an operation does not use have their defaults. */
export interface TreeRequest {
  readonly id: number;
  readonly operation: TreeOperation;
  readonly node: number;
  /** link: the file; rename, renameNode: the new directory. */
  readonly other: number;
  /** walk: all names; else the name, and the new name or target. */
  readonly names: readonly string[];
  /** P9_DOTL_... */
  readonly flags: number;
  readonly mode: number;
  /** read, write: file offset in bytes; readdir: the cookie. */
  readonly offset: number;
  /** read: most bytes; readdir: room for entries in bytes. */
  readonly count: number;
  readonly data: Uint8Array | undefined;
  /** setattr: P9_SETATTR_... and the new values. */
  readonly change: ChangeMessage | undefined;
}

/** An `AttributeChange` as plain data. */
export interface ChangeMessage {
  readonly valid: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Milliseconds. */
  readonly atime: number;
  readonly mtime: number;
}

/** A qid whose path fits a double. */
export interface QidMessage {
  readonly type: number;
  readonly version: number;
  readonly path: number;
}

export interface EntryMessage {
  readonly qid: QidMessage;
  readonly cookie: number;
  /** DT_... */
  readonly type: number;
  readonly name: string;
}

/** Attributes with all defaults filled in. Times in milliseconds. */
export interface AttributesMessage {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  readonly size: number;
  readonly atime: number;
  readonly mtime: number;
  readonly ctime: number;
}

export interface TreeReply {
  readonly id: number;
  /** As the method of `FileTree` returns it. */
  readonly status: number;
  /** attach, walk: the new node; -1 = none. */
  readonly node: number;
  /** walk: one for each name; else one for the file. */
  readonly qids: readonly QidMessage[];
  readonly attributes: AttributesMessage | undefined;
  readonly entries: readonly EntryMessage[];
  /** read, readlink. */
  readonly data: Uint8Array | undefined;
}

/** A reply with nothing but a status. */
export function bareReply(id: number, status: number): TreeReply {
  return { id, status, node: -1, qids: [], attributes: undefined, entries: [], data: undefined };
}
