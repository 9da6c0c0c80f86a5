/** Tlopen, Tlcreate, Tread, Twrite, Treaddir, Tfsync. */
import { EBADF, EINVAL, EIO, EISDIR, EMSGSIZE, ENOSPC, ENOTDIR, EPROTO, EROFS } from '../../abi/errno.js';
import {
  P9_DOTL_CREATE,
  P9_DOTL_NOACCESS,
  P9_DOTL_RDONLY,
  P9_DOTL_TRUNC,
  P9_DOTL_WRONLY,
  P9_QID_BYTES,
  P9_QTDIR,
  P9_RREAD_HEADER_BYTES,
  P9_TWRITE_HEADER_BYTES,
  S_IALLUGO,
} from '../../abi/p9.js';
import { FID_OPEN, FID_PATH, FID_XATTR_READ, FID_XATTR_WRITE, type Fid, type XattrState } from '../fids.js';
import { emptyReply, type Handler } from '../handler.js';
import type { ServerState } from '../server-state.js';
import type { TreeCall } from '../tree-call.js';
import type { WireWriter } from '../wire.js';
import { putQid } from './session.js';

const OPEN_REPLY_BYTES = 7 + P9_QID_BYTES + 4;

/** Makes the fid an open one and writes qid[13] iounit[4]. */
function openReply(s: ServerState, call: TreeCall, w: WireWriter): number {
  const { fid } = call;
  if (fid === undefined) return -EBADF;
  fid.state = FID_OPEN;
  fid.access = call.argument & P9_DOTL_NOACCESS;
  fid.setQid(s.out.qid);
  putQid(w, s.out.qid);
  w.u32(s.iounit);
  return 0;
}

/** Tlopen fid[4] flags[4] -> Rlopen qid[13] iounit[4]. */
export const lopen: Handler = {
  replyBytes: OPEN_REPLY_BYTES,
  mutates: false,
  start(s, call) {
    const id = s.reader.u32();
    const flags = s.reader.u32();
    const bad = s.endRequest();
    if (bad < 0) return bad;
    const node = s.useNode(call, id);
    if (node < 0) return node;
    const fid = call.fid as Fid;
    const access = flags & P9_DOTL_NOACCESS;
    if (fid.state !== FID_PATH || access === P9_DOTL_NOACCESS) return -EINVAL;
    const writes = access !== P9_DOTL_RDONLY || (flags & P9_DOTL_TRUNC) !== 0;
    if (writes && s.tree.readOnly) return -EROFS;
    if (writes && (fid.qidType & P9_QTDIR) !== 0) return -EISDIR;
    call.argument = flags;
    return s.tree.open(call, node, flags & ~P9_DOTL_CREATE);
  },
  reply: (s, call, _status, w) => openReply(s, call, w),
};

/**
 * Tlcreate fid[4] name[s] flags[4] mode[4] gid[4] -> Rlcreate qid[13] iounit[4].
 * fid is a directory; afterwards it stands for the new file, open.
 */
export const lcreate: Handler = {
  replyBytes: OPEN_REPLY_BYTES,
  mutates: true,
  start(s, call) {
    const id = s.reader.u32();
    const name = s.takeName();
    const flags = s.reader.u32();
    const mode = s.reader.u32();
    s.reader.skip(4);
    const bad = s.endRequest() || name.check();
    if (bad < 0) return bad;
    const node = s.useNode(call, id);
    if (node < 0) return node;
    const fid = call.fid as Fid;
    if (fid.state !== FID_PATH || (flags & P9_DOTL_NOACCESS) === P9_DOTL_NOACCESS) return -EINVAL;
    if ((fid.qidType & P9_QTDIR) === 0) return -ENOTDIR;
    call.argument = flags;
    return s.tree.create(call, node, name, flags, mode & S_IALLUGO);
  },
  reply: (s, call, _status, w) => openReply(s, call, w),
};

/** Tread fid[4] offset[8] count[4] -> Rread count[4] data[count]. The tree puts the data behind the header itself. */
export const read: Handler = {
  replyBytes: P9_RREAD_HEADER_BYTES,
  mutates: false,
  start(s, call) {
    const r = s.reader;
    const id = r.u32();
    const offset = r.u64();
    const wanted = r.u32();
    const bad = s.endRequest();
    if (bad < 0) return bad;
    if (!s.useFid(call, id)) return -EBADF;
    const fid = call.fid as Fid;
    const count = Math.min(wanted, s.readLimit(call));
    call.io = call.reply;
    call.ioAt = P9_RREAD_HEADER_BYTES;
    call.ioBytes = count;
    if (fid.state === FID_XATTR_READ) return readXattr(call, fid.xattr, offset);
    if (fid.state !== FID_OPEN || fid.access === P9_DOTL_WRONLY) return -EBADF;
    if ((fid.qidType & P9_QTDIR) !== 0) return -EISDIR;
    if (count === 0) return 0;
    call.reply.window(P9_RREAD_HEADER_BYTES, count);
    return s.tree.read(call, fid.node, offset, count);
  },
  reply(_s, call, status, w) {
    if (status > call.ioBytes) return -EIO;
    w.u32(status);
    call.dataBytes = status;
    return 0;
  },
};

function readXattr(call: TreeCall, xattr: XattrState | undefined, offset: number): number {
  if (xattr === undefined) return -EBADF;
  return offset >= xattr.value.length ? 0 : call.putData(xattr.value.subarray(offset));
}

/** Twrite fid[4] offset[8] count[4] data[count] -> Rwrite count[4]. */
export const write: Handler = {
  replyBytes: 11,
  mutates: true,
  start(s, call) {
    const r = s.reader;
    const id = r.u32();
    const offset = r.u64();
    const count = r.u32();
    const bad = s.endRequest();
    if (bad < 0) return bad;
    // The message's size is not looked at: Linux before 5.15 left the data out of it. What counts is what is there.
    if (count > call.request.bytes - P9_TWRITE_HEADER_BYTES) return -EPROTO;
    if (count > s.msize - P9_TWRITE_HEADER_BYTES) return -EMSGSIZE;
    if (!s.useFid(call, id)) return -EBADF;
    const fid = call.fid as Fid;
    call.io = call.request;
    call.ioAt = P9_TWRITE_HEADER_BYTES;
    call.ioBytes = count;
    if (fid.state === FID_XATTR_WRITE) return writeXattr(call, fid.xattr, offset, count);
    if (fid.state !== FID_OPEN || fid.access === P9_DOTL_RDONLY) return -EBADF;
    call.request.window(P9_TWRITE_HEADER_BYTES, count);
    return s.tree.write(call, fid.node, offset, count);
  },
  reply(_s, call, status, w) {
    if (status > call.ioBytes) return -EIO;
    w.u32(status);
    return 0;
  },
};

function writeXattr(call: TreeCall, xattr: XattrState | undefined, offset: number, count: number): number {
  if (xattr === undefined) return -EBADF;
  if (offset !== xattr.filled) return -EINVAL;
  if (offset + count > xattr.value.length) return -ENOSPC;
  call.request.gather(xattr.value, offset, call.ioAt, count);
  xattr.filled += count;
  return count;
}

/**
 * Treaddir fid[4] offset[8] count[4] -> Rreaddir count[4] count bytes of { qid[13] offset[8] type[1] name[s] }.
 * offset is 0 or that of the last entry the client has seen. No entries means the end.
 */
export const readdir: Handler = {
  replyBytes: P9_RREAD_HEADER_BYTES,
  mutates: false,
  start(s, call) {
    const r = s.reader;
    const id = r.u32();
    const cookieLow = r.u32();
    const cookieHigh = r.u32();
    const count = r.u32();
    const bad = s.endRequest();
    if (bad < 0) return bad;
    if (!s.useFid(call, id)) return -EBADF;
    const fid = call.fid as Fid;
    if (fid.state !== FID_OPEN) return -EBADF;
    if ((fid.qidType & P9_QTDIR) === 0) return -ENOTDIR;
    call.replyAt = P9_RREAD_HEADER_BYTES;
    call.replyLimit = Math.min(call.replyLimit, P9_RREAD_HEADER_BYTES + Math.min(count, s.readLimit(call)));
    s.prepare(call);
    return s.tree.readdir(call, fid.node, cookieLow, cookieHigh);
  },
  reply(_s, _call, _status, w) {
    w.patchU32(P9_RREAD_HEADER_BYTES - 4, w.at - P9_RREAD_HEADER_BYTES);
    return 0;
  },
};

/** Tfsync fid[4] datasync[4] -> Rfsync. Old clients leave datasync out. */
export const fsync: Handler = {
  replyBytes: 7,
  mutates: false,
  start(s, call) {
    const r = s.reader;
    const id = r.u32();
    const dataOnly = r.at < r.end && r.u32() !== 0;
    const bad = s.endRequest();
    if (bad < 0) return bad;
    if (!s.useFid(call, id)) return -EBADF;
    const fid = call.fid as Fid;
    return fid.state === FID_OPEN ? s.tree.fsync(call, fid.node, dataOnly) : -EBADF;
  },
  reply: emptyReply,
};
