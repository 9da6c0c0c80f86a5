/** Attributes of files and file systems, and extended attributes. */
import { EINVAL, EISDIR, EOPNOTSUPP } from '../../abi/errno.js';
import { AT_FDCWD, STATX_BTIME, UTIME_NOW, UTIME_OMIT } from '../../abi/linux.js';
import {
  P9_DOTL_WRONLY,
  P9_MAX_LINK_BYTES,
  P9_MAX_XATTR_BYTES,
  P9_SETATTR_ATIME,
  P9_SETATTR_ATIME_SET,
  P9_SETATTR_CTIME,
  P9_SETATTR_GID,
  P9_SETATTR_MODE,
  P9_SETATTR_MTIME,
  P9_SETATTR_MTIME_SET,
  P9_SETATTR_SIZE,
  P9_SETATTR_UID,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
} from '../../abi/p9.js';
import type { AttributeChange } from '../../p9/file-tree.js';
import type { P9Name } from '../../p9/name.js';
import type { TreeCall } from '../../p9/tree-call.js';
import { close, ftruncate } from '../../sys/fd.js';
import {
  chownFd,
  EMPTY_NAME,
  fchmodat,
  getxattr,
  listxattr,
  procPath,
  readlinkat,
  removexattr,
  setxattr,
  utimensFd,
} from '../../sys/fs.js';
import { NativeBuffer } from '../../sys/map.js';
import type { HostNode } from './nodes.js';
import { openFile } from './open.js';
import type { Share } from './share.js';

const UNCHANGED = 0xffff_ffff;
const XATTR_NAME_ROOM = 256;
/** Attributes that mean something to the host's kernel: capabilities of programs, labels, the administrator's notes. */
const HOST_NAMESPACES = ['security.', 'trusted.'].map((prefix) => new TextEncoder().encode(prefix));

/** Tgetattr. */
export function getAttributes(share: Share, call: TreeCall, node: HostNode): number {
  const { stat } = share;
  const failed = stat.ofFd(node.fd) || share.qidFromStat(call.out.qid);
  if (failed < 0) return failed;
  const a = call.out.attributes;
  a.mode = stat.mode;
  a.uid = stat.uid;
  a.gid = stat.gid;
  a.nlink = stat.nlink;
  a.rdev = ((stat.rdevMajor << 8) | (stat.rdevMinor & 0xff) | ((stat.rdevMinor & 0xfff00) << 12)) >>> 0;
  a.size = stat.size;
  a.blockBytes = stat.blockBytes;
  a.blocks = stat.blocks;
  a.atimeSec = stat.atimeSec;
  a.atimeNsec = stat.atimeNsec;
  a.mtimeSec = stat.mtimeSec;
  a.mtimeNsec = stat.mtimeNsec;
  a.ctimeSec = stat.ctimeSec;
  a.ctimeNsec = stat.ctimeNsec;
  a.btimeSec = stat.btimeSec;
  a.btimeNsec = stat.btimeNsec;
  a.hasBirthTime = (stat.mask & STATX_BTIME) !== 0;
  return 0;
}

/** Tsetattr. Owner first, since that clears set-user-id bits; times last, since truncation sets them. */
export function setAttributes(share: Share, node: HostNode, change: AttributeChange): number {
  const { valid } = change;
  let failed = 0;
  if ((valid & (P9_SETATTR_UID | P9_SETATTR_GID)) !== 0) {
    const uid = (valid & P9_SETATTR_UID) !== 0 ? change.uid : UNCHANGED;
    const gid = (valid & P9_SETATTR_GID) !== 0 ? change.gid : UNCHANGED;
    failed = chownFd(node.fd, uid, gid);
    if (failed < 0) return failed;
  }
  if ((valid & P9_SETATTR_MODE) !== 0) {
    // The path leads to the link itself, and some file systems would obey.
    if ((node.mode & S_IFMT) === S_IFLNK) return -EOPNOTSUPP;
    failed = fchmodat(AT_FDCWD, procPath(node.fd), change.mode);
    if (failed < 0) return failed;
  }
  if ((valid & P9_SETATTR_SIZE) !== 0) {
    failed = setSize(share, node, change.size);
    if (failed < 0) return failed;
  }
  if ((valid & (P9_SETATTR_ATIME | P9_SETATTR_MTIME)) !== 0) return setTimes(node, change);
  // Only the change time: a change of owner to nobody in particular sets it.
  return valid === P9_SETATTR_CTIME ? chownFd(node.fd, UNCHANGED, UNCHANGED) : 0;
}

function setSize(share: Share, node: HostNode, bytes: number): number {
  const type = node.mode & S_IFMT;
  if (type !== S_IFREG) return type === S_IFDIR ? -EISDIR : -EINVAL;
  if (node.open && node.writable) return ftruncate(node.fd, bytes);
  const fd = openFile(share, node, P9_DOTL_WRONLY);
  if (fd < 0) return fd;
  const status = ftruncate(fd, bytes);
  close(fd);
  return status;
}

function setTimes(node: HostNode, change: AttributeChange): number {
  const access = timeOf(
    change.valid,
    P9_SETATTR_ATIME,
    P9_SETATTR_ATIME_SET,
    change.atimeSec,
    change.atimeNsec,
  );
  const modification = timeOf(
    change.valid,
    P9_SETATTR_MTIME,
    P9_SETATTR_MTIME_SET,
    change.mtimeSec,
    change.mtimeNsec,
  );
  return utimensFd(node.fd, access, modification);
}

function timeOf(valid: number, bit: number, setBit: number, sec: number, nsec: number) {
  if ((valid & bit) === 0) return { sec: 0, nsec: UTIME_OMIT };
  return (valid & setBit) === 0 ? { sec: 0, nsec: UTIME_NOW } : { sec, nsec };
}

/** Treadlink. */
export function readLink(call: TreeCall, node: HostNode): number {
  if ((node.mode & S_IFMT) !== S_IFLNK) return -EINVAL;
  return readlinkat(node.fd, EMPTY_NAME, call.out.buffer.address, P9_MAX_LINK_BYTES);
}

/** Tstatfs. */
export function getStatistics(share: Share, call: TreeCall, node: HostNode): number {
  const f = share.fileSystem;
  const failed = f.ofFd(node.fd);
  if (failed < 0) return failed;
  const s = call.out.statistics;
  s.type = f.type;
  s.blockBytes = f.blockBytes;
  s.blocks = f.blocks;
  s.blocksFree = f.blocksFree;
  s.blocksAvailable = f.blocksAvailable;
  s.files = f.files;
  s.filesFree = f.filesFree;
  s.idLow = f.idLow;
  s.idHigh = f.idHigh;
  s.nameBytes = f.nameBytes;
  return 0;
}

/** Extended attributes, with the native memory their names and values pass through. Thread: reactor. */
export class HostXattrs {
  readonly #name = new NativeBuffer(XATTR_NAME_ROOM);
  readonly #value = new NativeBuffer(P9_MAX_XATTR_BYTES);

  get(call: TreeCall, node: HostNode, name: P9Name): number {
    return getxattr(procPath(node.fd), name.address, call.out.buffer.address, P9_MAX_XATTR_BYTES);
  }

  list(call: TreeCall, node: HostNode): number {
    return listxattr(procPath(node.fd), call.out.buffer.address, P9_MAX_XATTR_BYTES);
  }

  /** @param name 1 ... 255 bytes without NUL @param value at most 65536 bytes */
  set(node: HostNode, name: Uint8Array, value: Uint8Array, flags: number): number {
    if (isHostNamespace(name)) return -EOPNOTSUPP;
    this.#value.u8.set(value);
    return setxattr(procPath(node.fd), this.#place(name), this.#value.address, value.length, flags);
  }

  remove(node: HostNode, name: Uint8Array): number {
    if (isHostNamespace(name)) return -EOPNOTSUPP;
    return removexattr(procPath(node.fd), this.#place(name));
  }

  #place(name: Uint8Array): number {
    this.#name.u8.set(name);
    this.#name.u8[name.length] = 0;
    return this.#name.address;
  }
}

function isHostNamespace(name: Uint8Array): boolean {
  return HOST_NAMESPACES.some((prefix) => prefix.every((byte, i) => name[i] === byte));
}
