/**
 * The server's end of a JavaScript tree: turns the server's calls into requests as plain data, and answers back into
 * results. The same for a tree in the reactor (answered at once) and one on the main thread (answered later).
 *
 * Thread: reactor. Not hot: a request allocates.
 */
import { EILSEQ, EIO, EOPNOTSUPP } from '../abi/errno.js';
import {
  P9_MAX_NAME_BYTES,
  P9_SETATTR_ATIME,
  P9_SETATTR_ATIME_SET,
  P9_SETATTR_MTIME,
  P9_SETATTR_MTIME_SET,
  P9_TREAD,
} from '../abi/p9.js';
import { PENDING } from '../util/pending.js';
import { at } from '../util/typed.js';
import type { AttributeChange, FileTree } from './file-tree.js';
import type { P9Name } from './name.js';
import type { TreeCall } from './tree-call.js';
import type {
  AttributesMessage,
  ChangeMessage,
  QidMessage,
  TreeReply,
  TreeRequest,
} from './tree-messages.js';
import type { FileAttributes, Qid } from './tree-output.js';

const TWO_32 = 0x1_0000_0000;
const BLOCK = 512;
const BLOCK_BYTES = 4096;
const V9FS_MAGIC = 0x0102_1997;
const NSEC_PER_MS = 1e6;

const textEncoder = new TextEncoder();

/** Carries requests to where the tree is. */
export interface TreeTransport {
  /** @returns the answer, or undefined if it comes later through {@link RequestTree.onReply} */
  send(request: TreeRequest): TreeReply | undefined;
  /** No request will follow. */
  close(): void;
}

const NO_REQUEST: Omit<TreeRequest, 'id' | 'operation' | 'node'> = {
  other: 0,
  names: [],
  flags: 0,
  mode: 0,
  offset: 0,
  count: 0,
  data: undefined,
  change: undefined,
};

/** See the file's head. */
export class RequestTree implements FileTree {
  /** The tree itself refuses what it cannot do, with EROFS if it can change nothing at all. */
  readonly readOnly = false;
  readonly #transport: TreeTransport;
  readonly #waiting = new Map<number, TreeCall>();
  #nextId = 0;

  constructor(transport: TreeTransport) {
    this.#transport = transport;
  }

  /** An answer that came later. Unknown ones are ignored. */
  onReply(reply: TreeReply): void {
    const call = this.#waiting.get(reply.id);
    if (call === undefined) return;
    this.#waiting.delete(reply.id);
    call.prepare();
    call.complete(apply(call, reply));
  }

  attach(call: TreeCall): number {
    return this.#send(call, 'attach', -1, {});
  }

  walk(call: TreeCall, node: number, names: readonly P9Name[], count: number): number {
    const texts: string[] = [];
    for (let i = 0; i < count; i++) {
      const text = at(names, i).text();
      if (text === undefined) return -EILSEQ;
      texts.push(text);
    }
    return this.#send(call, 'walk', node, { names: texts });
  }

  forget(node: number): void {
    this.#transport.send({ ...NO_REQUEST, id: this.#id(), operation: 'forget', node });
  }

  getattr(call: TreeCall, node: number): number {
    return this.#send(call, 'getattr', node, {});
  }

  setattr(call: TreeCall, node: number, change: AttributeChange): number {
    return this.#send(call, 'setattr', node, { change: changeMessage(change) });
  }

  open(call: TreeCall, node: number, flags: number): number {
    return this.#send(call, 'open', node, { flags });
  }

  create(call: TreeCall, node: number, name: P9Name, flags: number, mode: number): number {
    return this.#named(call, 'create', node, [name], { flags, mode });
  }

  read(call: TreeCall, node: number, offset: number, count: number): number {
    return this.#send(call, 'read', node, { offset, count });
  }

  write(call: TreeCall, node: number, offset: number): number {
    return this.#send(call, 'write', node, { offset, data: call.takeData() });
  }

  readdir(call: TreeCall, node: number, cookieLow: number, cookieHigh: number): number {
    const offset = cookieHigh * TWO_32 + cookieLow;
    return this.#send(call, 'readdir', node, { offset, count: call.replyLimit - call.replyAt });
  }

  readlink(call: TreeCall, node: number): number {
    return this.#send(call, 'readlink', node, {});
  }

  statfs(call: TreeCall): number {
    const s = call.out.statistics;
    s.type = V9FS_MAGIC;
    s.blockBytes = BLOCK_BYTES;
    s.blocks = 0;
    s.blocksFree = 0;
    s.blocksAvailable = 0;
    s.files = 0;
    s.filesFree = 0;
    s.idLow = 0;
    s.idHigh = 0;
    s.nameBytes = P9_MAX_NAME_BYTES;
    return 0;
  }

  fsync(call: TreeCall, node: number): number {
    return this.#send(call, 'fsync', node, {});
  }

  mkdir(call: TreeCall, dir: number, name: P9Name, mode: number): number {
    return this.#named(call, 'mkdir', dir, [name], { mode });
  }

  symlink(call: TreeCall, dir: number, name: P9Name, target: P9Name): number {
    return this.#named(call, 'symlink', dir, [name, target], {});
  }

  mknod(): number {
    return -EOPNOTSUPP;
  }

  link(call: TreeCall, dir: number, name: P9Name, node: number): number {
    return this.#named(call, 'link', dir, [name], { other: node });
  }

  unlink(call: TreeCall, dir: number, name: P9Name, flags: number): number {
    return this.#named(call, 'unlink', dir, [name], { flags });
  }

  rename(call: TreeCall, oldDir: number, oldName: P9Name, newDir: number, newName: P9Name): number {
    return this.#named(call, 'rename', oldDir, [oldName, newName], { other: newDir });
  }

  renameNode(call: TreeCall, node: number, newDir: number, newName: P9Name): number {
    return this.#named(call, 'renameNode', node, [newName], { other: newDir });
  }

  remove(call: TreeCall, node: number): number {
    return this.#send(call, 'remove', node, {});
  }

  xattrGet(): number {
    return -EOPNOTSUPP;
  }

  xattrList(): number {
    return -EOPNOTSUPP;
  }

  xattrSet(): number {
    return -EOPNOTSUPP;
  }

  xattrRemove(): number {
    return -EOPNOTSUPP;
  }

  /** Requests under way stay unanswered: nobody is left to hear it. */
  close(): void {
    this.#waiting.clear();
    this.#transport.close();
  }

  #named(
    call: TreeCall,
    operation: TreeRequest['operation'],
    node: number,
    names: readonly P9Name[],
    fields: Partial<TreeRequest>,
  ): number {
    const texts: string[] = [];
    for (const name of names) {
      const text = name.text();
      if (text === undefined) return -EILSEQ;
      texts.push(text);
    }
    return this.#send(call, operation, node, { ...fields, names: texts });
  }

  #send(
    call: TreeCall,
    operation: TreeRequest['operation'],
    node: number,
    fields: Partial<TreeRequest>,
  ): number {
    const id = this.#id();
    const reply = this.#transport.send({ ...NO_REQUEST, ...fields, id, operation, node });
    if (reply !== undefined) return apply(call, reply);
    this.#waiting.set(id, call);
    return PENDING;
  }

  #id(): number {
    this.#nextId = (this.#nextId + 1) & 0x3fff_ffff;
    return this.#nextId;
  }
}

/** Puts an answer's contents where the server looks for them. @returns its status */
function apply(call: TreeCall, reply: TreeReply): number {
  const { out } = call;
  if (reply.status < 0) return reply.status;
  out.node = reply.node;
  if (reply.qids.length > out.walked.length) return -EIO;
  for (let i = 0; i < reply.qids.length; i++) setQid(at(out.walked, i), at(reply.qids, i));
  const first = reply.qids[0];
  if (first !== undefined) setQid(out.qid, first);
  if (reply.attributes !== undefined) setAttributes(out.attributes, reply.attributes);
  for (const entry of reply.entries) {
    setQid(out.qid, entry.qid);
    const name = textEncoder.encode(entry.name);
    const high = Math.floor(entry.cookie / TWO_32);
    if (!out.entry(entry.cookie >>> 0, high, entry.type, name, 0, name.length)) break;
  }
  if (reply.data === undefined) return reply.status;
  if (call.type === P9_TREAD) return call.putData(reply.data);
  if (reply.data.length > out.buffer.u8.length) return -EIO;
  out.buffer.u8.set(reply.data);
  return reply.data.length;
}

function setQid(qid: Qid, message: QidMessage): void {
  qid.type = message.type;
  qid.version = message.version >>> 0;
  qid.pathLow = message.path >>> 0;
  qid.pathHigh = Math.floor(message.path / TWO_32) >>> 0;
}

function setAttributes(a: FileAttributes, message: AttributesMessage): void {
  a.mode = message.mode;
  a.uid = message.uid;
  a.gid = message.gid;
  a.nlink = message.nlink;
  a.rdev = 0;
  a.size = message.size;
  a.blockBytes = BLOCK_BYTES;
  a.blocks = Math.ceil(message.size / BLOCK);
  a.atimeSec = Math.floor(message.atime / 1000);
  a.atimeNsec = nanoseconds(message.atime);
  a.mtimeSec = Math.floor(message.mtime / 1000);
  a.mtimeNsec = nanoseconds(message.mtime);
  a.ctimeSec = Math.floor(message.ctime / 1000);
  a.ctimeNsec = nanoseconds(message.ctime);
  a.hasBirthTime = false;
}

/** The part of a time in milliseconds below a second, in nanoseconds. */
function nanoseconds(ms: number): number {
  return Math.floor((ms - Math.floor(ms / 1000) * 1000) * NSEC_PER_MS);
}

/** With "now" resolved. */
function changeMessage(change: AttributeChange): ChangeMessage {
  const { valid, mode, uid, gid, size } = change;
  const now = Date.now();
  const time = (bit: number, setBit: number, sec: number, nsec: number): number =>
    (valid & bit) !== 0 && (valid & setBit) !== 0 ? sec * 1000 + nsec / NSEC_PER_MS : now;
  return {
    valid,
    mode,
    uid,
    gid,
    size,
    atime: time(P9_SETATTR_ATIME, P9_SETATTR_ATIME_SET, change.atimeSec, change.atimeNsec),
    mtime: time(P9_SETATTR_MTIME, P9_SETATTR_MTIME_SET, change.mtimeSec, change.mtimeNsec),
  };
}
