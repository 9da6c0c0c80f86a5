/** The table of messages. */
import {
  P9_TATTACH,
  P9_TAUTH,
  P9_TCLUNK,
  P9_TFLUSH,
  P9_TFSYNC,
  P9_TGETATTR,
  P9_TGETLOCK,
  P9_TLCREATE,
  P9_TLINK,
  P9_TLOCK,
  P9_TLOPEN,
  P9_TMKDIR,
  P9_TMKNOD,
  P9_TREAD,
  P9_TREADDIR,
  P9_TREADLINK,
  P9_TREMOVE,
  P9_TRENAME,
  P9_TRENAMEAT,
  P9_TSETATTR,
  P9_TSTATFS,
  P9_TSYMLINK,
  P9_TUNLINKAT,
  P9_TVERSION,
  P9_TWALK,
  P9_TWRITE,
  P9_TXATTRCREATE,
  P9_TXATTRWALK,
} from '../abi/p9.js';
import type { Handler } from './handler.js';
import { getattr, readlink, setattr, statfs } from './handlers/attributes.js';
import { link, mkdir, mknod, remove, rename, renameat, symlink, unlinkat } from './handlers/entries.js';
import { fsync, lcreate, lopen, read, readdir, write } from './handlers/io.js';
import { getlock, lock } from './handlers/locks.js';
import { attach, auth, clunk, flush, version, walk } from './handlers/session.js';
import { xattrcreate, xattrwalk } from './handlers/xattr.js';

const table = new Array<Handler | undefined>(256).fill(undefined);
table[P9_TVERSION] = version;
table[P9_TAUTH] = auth;
table[P9_TATTACH] = attach;
table[P9_TFLUSH] = flush;
table[P9_TWALK] = walk;
table[P9_TCLUNK] = clunk;
table[P9_TLOPEN] = lopen;
table[P9_TLCREATE] = lcreate;
table[P9_TREAD] = read;
table[P9_TWRITE] = write;
table[P9_TREADDIR] = readdir;
table[P9_TFSYNC] = fsync;
table[P9_TGETATTR] = getattr;
table[P9_TSETATTR] = setattr;
table[P9_TREADLINK] = readlink;
table[P9_TSTATFS] = statfs;
table[P9_TMKDIR] = mkdir;
table[P9_TSYMLINK] = symlink;
table[P9_TMKNOD] = mknod;
table[P9_TLINK] = link;
table[P9_TUNLINKAT] = unlinkat;
table[P9_TREMOVE] = remove;
table[P9_TRENAME] = rename;
table[P9_TRENAMEAT] = renameat;
table[P9_TXATTRWALK] = xattrwalk;
table[P9_TXATTRCREATE] = xattrcreate;
table[P9_TLOCK] = lock;
table[P9_TGETLOCK] = getlock;

/** How a message is served. @param type 0 ... 255 @returns undefined for types that are not T-messages we know */
export function handlerOf(type: number): Handler | undefined {
  return table[type];
}
