/** Attach and walk. */

import { ENOTDIR } from '../../abi/errno.js';
import { AT_FDCWD, F_DUPFD_CLOEXEC, O_PATH } from '../../abi/linux.js';
import { S_IFDIR, S_IFMT } from '../../abi/p9.js';
import type { P9Name } from '../../p9/name.js';
import type { TreeCall } from '../../p9/tree-call.js';
import { close, fcntl } from '../../sys/fd.js';
import { openat, procPath } from '../../sys/fs.js';
import { at } from '../../util/typed.js';
import type { HostNode } from './nodes.js';
import type { Share } from './share.js';

/** A new handle on the root. */
export function attach(share: Share, call: TreeCall): number {
  const { out } = call;
  const fd = fcntl(share.rootFd, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return fd;
  const failed = share.stat.ofFd(fd) || share.qidFromStat(out.qid);
  if (failed < 0) {
    close(fd);
    return failed;
  }
  return addNode(share, call, fd);
}

/** See `FileTree.walk`. */
export function walk(
  share: Share,
  call: TreeCall,
  from: HostNode,
  names: readonly P9Name[],
  count: number,
): number {
  if (count === 0) return clone(share, call, from);
  let fd = from.fd;
  let isDirectory = (from.mode & S_IFMT) === S_IFDIR;
  for (let i = 0; i < count; i++) {
    const next = isDirectory ? step(share, fd, at(names, i)) : -ENOTDIR;
    if (fd !== from.fd) close(fd);
    if (next < 0) return i === 0 ? next : i;
    fd = next;
    const failed = share.stat.ofFd(fd) || share.qidFromStat(at(call.out.walked, i));
    if (failed < 0) {
      close(fd);
      return i === 0 ? failed : i;
    }
    isDirectory = (share.stat.mode & S_IFMT) === S_IFDIR;
  }
  const failed = addNode(share, call, fd);
  return failed < 0 ? failed : count;
}

function step(share: Share, dirFd: number, name: P9Name): number {
  return name.isParent ? share.parentOf(dirFd) : share.lookUp(dirFd, name.address);
}

/** A second handle on the same file, not open. */
function clone(share: Share, call: TreeCall, from: HostNode): number {
  // A duplicate of an open descriptor would share its position and access; one of O_PATH has neither.
  const fd = from.open ? openat(AT_FDCWD, procPath(from.fd), O_PATH, 0) : fcntl(from.fd, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return fd;
  const id = share.nodes.add(fd, from.mode, from.devMajor, from.devMinor);
  if (id < 0) return id;
  call.out.node = id;
  return 0;
}

function addNode(share: Share, call: TreeCall, fd: number): number {
  const { mode, devMajor, devMinor } = share.stat;
  const id = share.nodes.add(fd, mode, devMajor, devMinor);
  if (id < 0) return id;
  call.out.node = id;
  return 0;
}
