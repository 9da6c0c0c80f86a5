/** Tgetattr, Tsetattr, Treadlink, Tstatfs. */
import { EINVAL, EIO } from '../../abi/errno.js';
import {
  P9_GETATTR_BASIC,
  P9_GETATTR_BTIME,
  P9_MAX_LINK_BYTES,
  P9_RGETATTR_BYTES,
  P9_RSTATFS_BYTES,
  P9_SETATTR_ALL,
  P9_SETATTR_ATIME,
  P9_SETATTR_ATIME_SET,
  P9_SETATTR_MTIME,
  P9_SETATTR_MTIME_SET,
  P9_SETATTR_SIZE,
  S_IALLUGO,
} from '../../abi/p9.js';
import { emptyReply, type Handler } from '../handler.js';
import { putQid } from './session.js';

const NSEC_PER_SEC = 1e9;

/**
 * Tgetattr fid[4] request_mask[8] -> Rgetattr valid[8] qid[13] mode[4] uid[4] gid[4] nlink[8] rdev[8] size[8] blksize[8]
 * blocks[8] atime_sec[8] atime_nsec[8] mtime_sec[8] mtime_nsec[8] ctime_sec[8] ctime_nsec[8] btime_sec[8] btime_nsec[8]
 * gen[8] data_version[8].
 */
export const getattr: Handler = {
  replyBytes: P9_RGETATTR_BYTES,
  mutates: false,
  start(s, call) {
    const id = s.reader.u32();
    const mask = s.reader.u32();
    s.reader.skip(4); // the mask's high word: no bits are defined there
    const bad = s.endRequest();
    if (bad < 0) return bad;
    const node = s.useNode(call, id);
    return node < 0 ? node : s.tree.getattr(call, node, mask);
  },
  reply(s, _call, _status, w) {
    const a = s.out.attributes;
    w.u64Words(a.hasBirthTime ? P9_GETATTR_BASIC | P9_GETATTR_BTIME : P9_GETATTR_BASIC, 0);
    putQid(w, s.out.qid);
    w.u32(a.mode);
    w.u32(a.uid);
    w.u32(a.gid);
    w.u64(a.nlink);
    w.u64(a.rdev);
    w.u64(a.size);
    w.u64(a.blockBytes);
    w.u64(a.blocks);
    w.u64(a.atimeSec);
    w.u64(a.atimeNsec);
    w.u64(a.mtimeSec);
    w.u64(a.mtimeNsec);
    w.u64(a.ctimeSec);
    w.u64(a.ctimeNsec);
    w.u64(a.hasBirthTime ? a.btimeSec : 0);
    w.u64(a.hasBirthTime ? a.btimeNsec : 0);
    w.u64(0);
    w.u64(0);
    return 0;
  },
};

/**
 * Tsetattr fid[4] valid[4] mode[4] uid[4] gid[4] size[8] atime_sec[8] atime_nsec[8] mtime_sec[8] mtime_nsec[8]
 * -> Rsetattr. Fields that `valid` does not name are not looked at, whatever is in them.
 */
export const setattr: Handler = {
  replyBytes: 7,
  mutates: true,
  start(s, call) {
    const r = s.reader;
    const id = r.u32();
    const valid = r.u32() & P9_SETATTR_ALL;
    const c = s.change;
    c.valid = valid;
    c.mode = r.u32() & S_IALLUGO;
    c.uid = r.u32();
    c.gid = r.u32();
    c.size = r.u64();
    const sizeExact = r.exact;
    r.exact = true;
    c.atimeSec = r.i64();
    c.atimeNsec = r.u64();
    const accessExact = r.exact;
    r.exact = true;
    c.mtimeSec = r.i64();
    c.mtimeNsec = r.u64();
    const setsAccess = (valid & P9_SETATTR_ATIME) !== 0 && (valid & P9_SETATTR_ATIME_SET) !== 0;
    const setsModification = (valid & P9_SETATTR_MTIME) !== 0 && (valid & P9_SETATTR_MTIME_SET) !== 0;
    if (!setsModification) r.exact = true;
    if (setsAccess && !accessExact) r.exact = false;
    if ((valid & P9_SETATTR_SIZE) !== 0 && !sizeExact) r.exact = false;
    const bad = s.endRequest();
    if (bad < 0) return bad;
    if (setsAccess && c.atimeNsec >= NSEC_PER_SEC) return -EINVAL;
    if (setsModification && c.mtimeNsec >= NSEC_PER_SEC) return -EINVAL;
    const node = s.useNode(call, id);
    return node < 0 ? node : s.tree.setattr(call, node, c);
  },
  reply: emptyReply,
};

/** Treadlink fid[4] -> Rreadlink target[s]. */
export const readlink: Handler = {
  replyBytes: 9,
  mutates: false,
  start(s, call) {
    const id = s.reader.u32();
    const bad = s.endRequest();
    if (bad < 0) return bad;
    const node = s.useNode(call, id);
    return node < 0 ? node : s.tree.readlink(call, node);
  },
  reply(s, _call, status, w) {
    if (status > P9_MAX_LINK_BYTES) return -EIO;
    w.string(s.out.buffer.u8, 0, status);
    return 0;
  },
};

/**
 * Tstatfs fid[4] -> Rstatfs type[4] bsize[4] blocks[8] bfree[8] bavail[8] files[8] ffree[8] fsid[8] namelen[4].
 */
export const statfs: Handler = {
  replyBytes: P9_RSTATFS_BYTES,
  mutates: false,
  start(s, call) {
    const id = s.reader.u32();
    const bad = s.endRequest();
    if (bad < 0) return bad;
    const node = s.useNode(call, id);
    return node < 0 ? node : s.tree.statfs(call, node);
  },
  reply(s, _call, _status, w) {
    const f = s.out.statistics;
    w.u32(f.type);
    w.u32(f.blockBytes);
    w.u64(f.blocks);
    w.u64(f.blocksFree);
    w.u64(f.blocksAvailable);
    w.u64(f.files);
    w.u64(f.filesFree);
    w.u64Words(f.idLow, f.idHigh);
    w.u32(f.nameBytes);
    return 0;
  },
};
