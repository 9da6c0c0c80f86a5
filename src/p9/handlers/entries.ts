/** Tmkdir, Tsymlink, Tmknod, Tlink, Tunlinkat, Tremove, Trename, Trenameat. */
import { EBADF, EINVAL, ENAMETOOLONG, ENOENT, EROFS } from '../../abi/errno.js';
import { P9_DOTL_AT_REMOVEDIR, P9_MAX_LINK_BYTES, P9_QID_BYTES, S_IALLUGO, S_IFMT } from '../../abi/p9.js';
import type { Fid } from '../fids.js';
import { emptyReply, type Handler } from '../handler.js';
import type { ServerState } from '../server-state.js';
import type { TreeCall } from '../tree-call.js';
import type { WireWriter } from '../wire.js';
import { putQid } from './session.js';

const QID_REPLY_BYTES = 7 + P9_QID_BYTES;

function qidReply(s: ServerState, _call: TreeCall, _status: number, w: WireWriter): number {
  putQid(w, s.out.qid);
  return 0;
}

/** Tmkdir dfid[4] name[s] mode[4] gid[4] -> Rmkdir qid[13]. */
export const mkdir: Handler = {
  replyBytes: QID_REPLY_BYTES,
  mutates: true,
  start(s, call) {
    const id = s.reader.u32();
    const name = s.takeName();
    const mode = s.reader.u32();
    s.reader.skip(4);
    const bad = s.endRequest() || name.check();
    if (bad < 0) return bad;
    const dir = s.useNode(call, id);
    return dir < 0 ? dir : s.tree.mkdir(call, dir, name, mode & S_IALLUGO);
  },
  reply: qidReply,
};

/** Tsymlink dfid[4] name[s] target[s] gid[4] -> Rsymlink qid[13]. The target is data to us: it is never followed here. */
export const symlink: Handler = {
  replyBytes: QID_REPLY_BYTES,
  mutates: true,
  start(s, call) {
    const id = s.reader.u32();
    const name = s.takeName();
    const target = s.takeName();
    s.reader.skip(4);
    const bad = s.endRequest() || name.check();
    if (bad < 0) return bad;
    if (target.length === 0) return -ENOENT;
    if (target.length > P9_MAX_LINK_BYTES) return -ENAMETOOLONG;
    if (target.hasNul) return -EINVAL;
    const dir = s.useNode(call, id);
    return dir < 0 ? dir : s.tree.symlink(call, dir, name, target);
  },
  reply: qidReply,
};

/** Tmknod dfid[4] name[s] mode[4] major[4] minor[4] gid[4] -> Rmknod qid[13]. */
export const mknod: Handler = {
  replyBytes: QID_REPLY_BYTES,
  mutates: true,
  start(s, call) {
    const id = s.reader.u32();
    const name = s.takeName();
    const mode = s.reader.u32();
    s.reader.skip(12);
    const bad = s.endRequest() || name.check();
    if (bad < 0) return bad;
    const dir = s.useNode(call, id);
    return dir < 0 ? dir : s.tree.mknod(call, dir, name, mode & (S_IFMT | S_IALLUGO));
  },
  reply: qidReply,
};

/** Tlink dfid[4] fid[4] name[s] -> Rlink. */
export const link: Handler = {
  replyBytes: 7,
  mutates: true,
  start(s, call) {
    const dirId = s.reader.u32();
    const id = s.reader.u32();
    const name = s.takeName();
    const bad = s.endRequest() || name.check();
    if (bad < 0) return bad;
    const dir = s.useNode(call, dirId);
    if (dir < 0) return dir;
    const node = s.useOtherNode(call, id);
    return node < 0 ? node : s.tree.link(call, dir, name, node);
  },
  reply: emptyReply,
};

/** Tunlinkat dfid[4] name[s] flags[4] -> Runlinkat. */
export const unlinkat: Handler = {
  replyBytes: 7,
  mutates: true,
  start(s, call) {
    const id = s.reader.u32();
    const name = s.takeName();
    const flags = s.reader.u32();
    const bad = s.endRequest() || name.check();
    if (bad < 0) return bad;
    if ((flags & ~P9_DOTL_AT_REMOVEDIR) !== 0) return -EINVAL;
    const dir = s.useNode(call, id);
    return dir < 0 ? dir : s.tree.unlink(call, dir, name, flags);
  },
  reply: emptyReply,
};

/** Tremove fid[4] -> Rremove. The fid is gone, also when the answer is an error: EROFS included. */
export const remove: Handler = {
  replyBytes: 7,
  mutates: false,
  start(s, call) {
    const id = s.reader.u32();
    const bad = s.endRequest();
    if (bad < 0) return bad;
    if (!s.useFid(call, id)) return -EBADF;
    const fid = call.fid as Fid;
    s.fids.remove(fid);
    if (s.tree.readOnly) return -EROFS;
    return fid.node < 0 ? -EBADF : s.tree.remove(call, fid.node);
  },
  reply: emptyReply,
};

/** Trename fid[4] dfid[4] name[s] -> Rrename. */
export const rename: Handler = {
  replyBytes: 7,
  mutates: true,
  start(s, call) {
    const id = s.reader.u32();
    const dirId = s.reader.u32();
    const name = s.takeName();
    const bad = s.endRequest() || name.check();
    if (bad < 0) return bad;
    const node = s.useNode(call, id);
    if (node < 0) return node;
    const dir = s.useOtherNode(call, dirId);
    return dir < 0 ? dir : s.tree.renameNode(call, node, dir, name);
  },
  reply: emptyReply,
};

/** Trenameat olddirfid[4] oldname[s] newdirfid[4] newname[s] -> Rrenameat. */
export const renameat: Handler = {
  replyBytes: 7,
  mutates: true,
  start(s, call) {
    const oldId = s.reader.u32();
    const oldName = s.takeName();
    const newId = s.reader.u32();
    const newName = s.takeName();
    const bad = s.endRequest() || oldName.check() || newName.check();
    if (bad < 0) return bad;
    const oldDir = s.useNode(call, oldId);
    if (oldDir < 0) return oldDir;
    const newDir = s.useOtherNode(call, newId);
    return newDir < 0 ? newDir : s.tree.rename(call, oldDir, oldName, newDir, newName);
  },
  reply: emptyReply,
};
