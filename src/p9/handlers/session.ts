/** Tversion, Tauth, Tattach, Tflush, Twalk, Tclunk. */
import { EBADF, EINVAL, EIO, EOPNOTSUPP } from '../../abi/errno.js';
import { P9_MAX_WALK_NAMES, P9_QID_BYTES, P9_VERSION, XATTR_REPLACE } from '../../abi/p9.js';
import { at, u8At } from '../../util/typed.js';
import { FID_XATTR_WRITE, type Fid } from '../fids.js';
import { emptyReply, type Handler } from '../handler.js';
import type { P9Name } from '../name.js';
import type { ServerState } from '../server-state.js';
import type { TreeCall } from '../tree-call.js';
import type { Qid } from '../tree-output.js';
import type { WireWriter } from '../wire.js';

/** Below this not even Rgetattr fits. */
const MIN_MSIZE = 256;

const textEncoder = new TextEncoder();
const OUR_VERSION = textEncoder.encode(P9_VERSION);
const UNKNOWN_VERSION = textEncoder.encode('unknown');

/** Writes qid[13]: type[1] version[4] path[8]. */
export function putQid(w: WireWriter, qid: Qid): void {
  w.u8(qid.type);
  w.u32(qid.version);
  w.u64Words(qid.pathLow, qid.pathHigh);
}

function isOurVersion(name: P9Name): boolean {
  if (name.length !== OUR_VERSION.length) return false;
  for (let i = 0; i < OUR_VERSION.length; i++)
    if (name.u8[name.at + i] !== u8At(OUR_VERSION, i)) return false;
  return true;
}

/**
 * Tversion msize[4] version[s] -> Rversion msize[4] version[s].
 * Begins a session: all fids are gone. A version we do not speak is answered with "unknown", not with an error.
 */
export const version: Handler = {
  replyBytes: 21,
  mutates: false,
  start(s, call) {
    const msize = s.reader.u32();
    const name = s.takeName();
    const bad = s.endRequest();
    if (bad < 0) return bad;
    if (msize < MIN_MSIZE) return -EINVAL;
    s.fids.clear();
    s.session++;
    call.session = s.session;
    s.msize = Math.min(msize, s.maxMsize);
    return isOurVersion(name) ? 1 : 0;
  },
  reply(s, _call, status, w) {
    const text = status === 1 ? OUR_VERSION : UNKNOWN_VERSION;
    w.u32(s.msize);
    w.string(text, 0, text.length);
    return 0;
  },
};

/** Tauth afid[4] uname[s] aname[s] n_uname[4]. No authentication: whoever owns the other end of the queue is the user. */
export const auth: Handler = {
  replyBytes: 0,
  mutates: false,
  start: () => -EOPNOTSUPP,
  reply: emptyReply,
};

/** Tattach fid[4] afid[4] uname[s] aname[s] n_uname[4] -> Rattach qid[13]. The names and the uid are not used. */
export const attach: Handler = {
  replyBytes: 7 + P9_QID_BYTES,
  mutates: false,
  start(s, call) {
    const r = s.reader;
    const fid = r.u32();
    r.skip(4);
    s.takeName();
    s.takeName();
    r.skip(4);
    const bad = s.endRequest();
    if (bad < 0) return bad;
    call.argument = fid;
    const taken = s.fids.checkNew(fid);
    return taken < 0 ? taken : s.tree.attach(call);
  },
  reply(s, call, _status, w) {
    const taken = s.fids.checkNew(call.argument); // again: the tree may have taken its time
    if (taken < 0) return taken;
    if (s.out.node < 0) return -EIO;
    s.bind(call.argument);
    putQid(w, s.out.qid);
    return 0;
  },
};

/** Tflush is the server's own business; this entry only says how long its reply is. */
export const flush: Handler = {
  replyBytes: 7,
  mutates: false,
  start: () => -EINVAL,
  reply: emptyReply,
};

/**
 * Twalk fid[4] newfid[4] nwname[2] nwname*(wname[s]) -> Rwalk nwqid[2] nwqid*(qid[13]).
 * If only the first few names resolve, the reply has only their qids and newfid is not bound. newfid may be fid.
 */
export const walk: Handler = {
  replyBytes: 9,
  mutates: false,
  start(s, call) {
    const r = s.reader;
    const fid = r.u32();
    const newfid = r.u32();
    const count = r.u16();
    if (count > P9_MAX_WALK_NAMES) return -EINVAL;
    for (let i = 0; i < count; i++) s.takeName();
    const bad = s.endRequest();
    if (bad < 0) return bad;
    for (let i = 0; i < count; i++) {
      const wrong = at(s.names, i).checkWalk();
      if (wrong < 0) return wrong;
    }
    const node = s.useNode(call, fid);
    if (node < 0) return node;
    call.argument = newfid;
    call.count = count;
    const taken = newfid === fid ? 0 : s.fids.checkNew(newfid);
    return taken < 0 ? taken : s.tree.walk(call, node, s.names, count);
  },
  reply(s, call, status, w) {
    const { out } = s;
    if (status > call.count) return -EIO;
    if (status === call.count) {
      const failed = bindWalked(s, call);
      if (failed < 0) return failed;
    }
    w.u16(status);
    for (let i = 0; i < status; i++) putQid(w, at(out.walked, i));
    return 0;
  },
};

function bindWalked(s: ServerState, call: TreeCall): number {
  const { fid } = call;
  if (fid === undefined || fid.dead) return -EBADF;
  if (s.out.node < 0) return -EIO;
  if (call.count > 0) s.out.qid.copyFrom(at(s.out.walked, call.count - 1));
  if (call.argument === fid.id) {
    s.fids.remove(fid); // its old node is forgotten when this request ends
  } else {
    const taken = s.fids.checkNew(call.argument);
    if (taken < 0) return taken;
  }
  const bound = s.bind(call.argument);
  if (call.count === 0) bound.copyIdentity(fid);
  return 0;
}

/**
 * Tclunk fid[4] -> Rclunk. The fid is gone, also when the answer is an error, which can only happen at the end of
 * Txattrcreate: this is when the attribute is set.
 */
export const clunk: Handler = {
  replyBytes: 7,
  mutates: false,
  start(s, call) {
    const id = s.reader.u32();
    const bad = s.endRequest();
    if (bad < 0) return bad;
    if (!s.useFid(call, id)) return -EBADF;
    const fid = call.fid as Fid;
    s.fids.remove(fid);
    return fid.state === FID_XATTR_WRITE ? setXattr(s, call, fid) : 0;
  },
  reply: emptyReply,
};

function setXattr(s: ServerState, call: TreeCall, fid: Fid): number {
  const { xattr } = fid;
  if (xattr === undefined) return -EIO;
  if (xattr.filled !== xattr.value.length) return -EINVAL;
  // This is how Linux sends removexattr(2); an empty value that replaces another cannot be told from it.
  if (xattr.value.length === 0 && xattr.flags === XATTR_REPLACE) {
    return s.tree.xattrRemove(call, fid.node, xattr.name);
  }
  return s.tree.xattrSet(call, fid.node, xattr.name, xattr.value, xattr.flags);
}
