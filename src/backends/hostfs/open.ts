/** Opening and creating. See `share.ts` for why a file is looked at before it is opened. */
import { EACCES, EEXIST, EINVAL, EISDIR, ELOOP, ENOENT, ENOTDIR, EPERM, EROFS } from '../../abi/errno.js';
import { AT_FDCWD, O_NOATIME } from '../../abi/linux.js';
import {
  P9_DOTL_APPEND,
  P9_DOTL_DIRECTORY,
  P9_DOTL_DSYNC,
  P9_DOTL_EXCL,
  P9_DOTL_RDWR,
  P9_DOTL_SYNC,
  P9_DOTL_TRUNC,
  P9_DOTL_WRONLY,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
} from '../../abi/p9.js';
import type { P9Name } from '../../p9/name.js';
import type { TreeCall } from '../../p9/tree-call.js';
import {
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOCTTY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
} from '../../sys/arch.js';
import { close } from '../../sys/fd.js';
import { DOT_NAME, fchmod, openat, openat2, procPath } from '../../sys/fs.js';
import type { HostNode } from './nodes.js';
import { RESOLVE_INSIDE, type Share } from './share.js';

const ACCESS = P9_DOTL_WRONLY | P9_DOTL_RDWR;
const PERMISSIONS = 0o777;
const SPECIAL_BITS = 0o7000;
/** How often creation starts again when others create and remove the same name meanwhile. */
const TRIES = 8;

/**
 * Host flags for the client's. O_NONBLOCK: a lease of another process, or a file like /sys/.../trace_pipe, fails instead
 * of waiting. O_DIRECT is dropped (the client's buffers need not be aligned), O_SYNC done by hand (`HostNode.sync`).
 */
function hostFlags(flags: number): number {
  const access = flags & ACCESS;
  let host = O_NONBLOCK | O_NOCTTY;
  host |= access === P9_DOTL_WRONLY ? O_WRONLY : access === P9_DOTL_RDWR ? O_RDWR : O_RDONLY;
  if ((flags & P9_DOTL_TRUNC) !== 0) host |= O_TRUNC;
  if ((flags & P9_DOTL_APPEND) !== 0) host |= O_APPEND;
  return host;
}

/** Opens a node in place; its O_PATH descriptor is replaced by a real one. */
export function openNode(share: Share, call: TreeCall, node: HostNode, flags: number): number {
  if (node.open) return -EINVAL;
  const type = node.mode & S_IFMT;
  let fd: number;
  if (type === S_IFDIR) {
    if ((flags & (ACCESS | P9_DOTL_TRUNC)) !== 0) return -EISDIR;
    fd = openReading(share, node.fd, DOT_NAME, O_RDONLY | O_DIRECTORY);
  } else {
    const refused = checkRegular(type);
    if (refused < 0) return refused;
    if ((flags & P9_DOTL_DIRECTORY) !== 0) return -ENOTDIR;
    fd = openFile(share, node, flags);
  }
  return fd < 0 ? fd : useDescriptor(share, call, node, fd, flags);
}

/** Makes `fd` the node's descriptor, or closes it. */
function useDescriptor(share: Share, call: TreeCall, node: HostNode, fd: number, flags: number): number {
  const failed = share.stat.ofFd(fd) || share.qidFromStat(call.out.qid);
  if (failed < 0) {
    close(fd);
    return failed;
  }
  close(node.fd);
  node.fd = fd;
  node.mode = share.stat.mode;
  node.devMajor = share.stat.devMajor;
  node.devMinor = share.stat.devMinor;
  node.open = true;
  node.writable = (flags & ACCESS) !== 0;
  node.sync = (flags & (P9_DOTL_SYNC | P9_DOTL_DSYNC)) !== 0;
  node.positionLow = 0;
  node.positionHigh = 0;
  return 0;
}

/** 0 for a regular file, else why it is not opened. Device, FIFO and socket nodes are the client's business. */
function checkRegular(type: number): number {
  if (type === S_IFREG) return 0;
  return type === S_IFLNK ? -ELOOP : type === S_IFDIR ? -EISDIR : -EACCES;
}

/** Opens the regular file of a node. @returns a descriptor or -errno */
export function openFile(share: Share, node: HostNode, flags: number): number {
  if (share.refuses(node)) return -EACCES;
  const host = hostFlags(flags);
  const writes = (host & (O_WRONLY | O_RDWR | O_TRUNC)) !== 0;
  if (!writes) return openReading(share, AT_FDCWD, procPath(node.fd), host);
  return share.readOnly ? -EROFS : openat(AT_FDCWD, procPath(node.fd), host, 0);
}

/** A read-only share does not change access times either, where the kernel lets us (our own files, or as root). */
function openReading(share: Share, dirFd: number, name: number, host: number): number {
  if (share.readOnly) {
    const fd = openat(dirFd, name, host | O_NOATIME, 0);
    if (fd !== -EPERM) return fd;
  }
  return openat(dirFd, name, host, 0);
}

/** Creates a file in the directory `node`, which then stands for the file, open. */
export function createFile(
  share: Share,
  call: TreeCall,
  node: HostNode,
  name: P9Name,
  open: { readonly flags: number; readonly mode: number },
): number {
  if (node.open || (node.mode & S_IFMT) !== S_IFDIR) return -ENOTDIR;
  const { flags } = open;
  // O_EXCL always: without it an existing FIFO or device of this name would be opened on the spot.
  const host = hostFlags(flags) | O_CREAT | O_EXCL | O_NOFOLLOW;
  for (let i = 0; i < TRIES; i++) {
    const fd = openat2(node.fd, name.address, host, open.mode, RESOLVE_INSIDE);
    if (fd >= 0) {
      const status = useDescriptor(share, call, node, fd, flags);
      return status < 0 ? status : applyMode(share, fd, open.mode);
    }
    if (fd !== -EEXIST || (flags & P9_DOTL_EXCL) !== 0) return fd;
    const existing = openExisting(share, call, node, name, flags);
    if (existing !== -ENOENT) return existing;
  }
  return -ENOENT;
}

/** Tlcreate without O_EXCL of a name that is taken. */
function openExisting(share: Share, call: TreeCall, node: HostNode, name: P9Name, flags: number): number {
  const path = share.lookUp(node.fd, name.address);
  if (path < 0) return path;
  const failed = share.stat.ofFd(path);
  const refused = failed < 0 ? failed : checkRegular(share.stat.mode & S_IFMT);
  if (refused < 0) {
    close(path);
    return refused;
  }
  const { mode, devMajor, devMinor } = share.stat;
  const probe = { ...node, fd: path, mode, devMajor, devMinor };
  const fd = openFile(share, probe, flags);
  close(path);
  return fd < 0 ? fd : useDescriptor(share, call, node, fd, flags);
}

/** The client has applied its own umask; ours must not take more bits away. `share.stat` is of the new file. */
function applyMode(share: Share, fd: number, mode: number): number {
  const actual = share.stat.mode;
  if (((actual ^ mode) & PERMISSIONS) === 0) return 0;
  const failed = fchmod(fd, (actual & SPECIAL_BITS) | (mode & PERMISSIONS));
  return failed < 0 ? failed : 0;
}
