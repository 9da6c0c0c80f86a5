/** Txattrwalk, Txattrcreate. Their fids are read, written and clunked like files: see `io.ts` and `session.ts`. */
import { E2BIG, EBADF, EINVAL, EIO, ENAMETOOLONG, ENOSPC } from '../../abi/errno.js';
import { P9_MAX_NAME_BYTES, P9_MAX_XATTR_BYTES, XATTR_CREATE, XATTR_REPLACE } from '../../abi/p9.js';
import { FID_PATH, FID_XATTR_READ, FID_XATTR_WRITE, type Fid } from '../fids.js';
import { emptyReply, type Handler } from '../handler.js';
import type { P9Name } from '../name.js';

const NO_NAME = new Uint8Array(0);

/** An attribute's name has no slash rule: it only has to be there, short, and without a NUL. */
function checkXattrName(name: P9Name): number {
  if (name.length > P9_MAX_NAME_BYTES) return -ENAMETOOLONG;
  return name.hasNul ? -EINVAL : 0;
}

/**
 * Txattrwalk fid[4] newfid[4] name[s] -> Rxattrwalk size[8].
 * newfid stands for the attribute's value, or with an empty name for the list of names, and can be read.
 */
export const xattrwalk: Handler = {
  replyBytes: 15,
  mutates: false,
  start(s, call) {
    const id = s.reader.u32();
    const newfid = s.reader.u32();
    const name = s.takeName();
    const bad = s.endRequest() || checkXattrName(name);
    if (bad < 0) return bad;
    const node = s.useNode(call, id);
    if (node < 0) return node;
    const taken = s.fids.checkNew(newfid);
    if (taken < 0) return taken;
    call.argument = newfid;
    return name.length === 0 ? s.tree.xattrList(call, node) : s.tree.xattrGet(call, node, name);
  },
  reply(s, call, status, w) {
    const taken = s.fids.checkNew(call.argument);
    if (taken < 0) return taken;
    if (status > P9_MAX_XATTR_BYTES) return -EIO;
    if (!s.reserveXattr(status)) return -ENOSPC;
    const fid = s.fids.add(call.argument, -1);
    fid.state = FID_XATTR_READ;
    fid.xattr = { name: NO_NAME, value: s.out.buffer.u8.slice(0, status), flags: 0, filled: status };
    w.u64(status);
    return 0;
  },
};

/**
 * Txattrcreate fid[4] name[s] attr_size[8] flags[4] -> Rxattrcreate.
 * The fid does not stand for the file any more: Twrite gives the value, Tclunk sets it.
 */
export const xattrcreate: Handler = {
  replyBytes: 7,
  mutates: true,
  start(s, call) {
    const r = s.reader;
    const id = r.u32();
    const name = s.takeName();
    const bytes = r.u64();
    const flags = r.u32();
    const bad = s.endRequest() || checkXattrName(name);
    if (bad < 0) return bad;
    if (name.length === 0 || (flags & ~(XATTR_CREATE | XATTR_REPLACE)) !== 0) return -EINVAL;
    if (bytes > P9_MAX_XATTR_BYTES) return -E2BIG;
    if (!s.useFid(call, id)) return -EBADF;
    const fid = call.fid as Fid;
    if (fid.state !== FID_PATH) return -EINVAL;
    if (!s.reserveXattr(bytes)) return -ENOSPC;
    fid.xattr = { name: name.copy(), value: new Uint8Array(bytes), flags, filled: 0 };
    fid.state = FID_XATTR_WRITE;
    return 0;
  },
  reply: emptyReply,
};
