/** Making and removing names. */
import { EPERM } from '../../abi/errno.js';
import { AT_FDCWD, AT_REMOVEDIR, AT_SYMLINK_FOLLOW } from '../../abi/linux.js';
import {
  P9_DOTL_AT_REMOVEDIR,
  S_IALLUGO,
  S_IFDIR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from '../../abi/p9.js';
import type { P9Name } from '../../p9/name.js';
import type { TreeCall } from '../../p9/tree-call.js';
import { close } from '../../sys/fd.js';
import { fchmodat, linkat, mkdirat, mknodat, procPath, renameat, symlinkat, unlinkat } from '../../sys/fs.js';
import type { HostNode } from './nodes.js';
import type { Share } from './share.js';

const PERMISSIONS = 0o777;

export function makeDirectory(
  share: Share,
  call: TreeCall,
  dir: HostNode,
  name: P9Name,
  mode: number,
): number {
  const made = mkdirat(dir.fd, name.address, mode & S_IALLUGO);
  return made < 0 ? made : finishNew(share, call, dir, name, S_IFDIR | (mode & PERMISSIONS));
}

/** The link's text is stored, never followed here. */
export function makeLink(share: Share, call: TreeCall, dir: HostNode, name: P9Name, target: P9Name): number {
  const made = symlinkat(target.address, dir.fd, name.address);
  if (made < 0) return made;
  const failed = share.stat.ofName(dir.fd, name.address);
  return failed < 0 ? failed : share.qidFromStat(call.out.qid);
}

/** FIFOs, sockets and regular files. A device node would be a door for other users of the host: refused. */
export function makeNode(share: Share, call: TreeCall, dir: HostNode, name: P9Name, mode: number): number {
  const type = mode & S_IFMT || S_IFREG;
  if (type !== S_IFREG && type !== S_IFIFO && type !== S_IFSOCK) return -EPERM;
  const made = mknodat(dir.fd, name.address, type | (mode & S_IALLUGO), 0);
  return made < 0 ? made : finishNew(share, call, dir, name, type | (mode & PERMISSIONS));
}

/** Sets the permission bits our umask took away, on the very file, and tells its qid. */
function finishNew(share: Share, call: TreeCall, dir: HostNode, name: P9Name, mode: number): number {
  const fd = share.lookUp(dir.fd, name.address);
  if (fd < 0) return fd;
  let failed = share.stat.ofFd(fd) || share.qidFromStat(call.out.qid);
  const actual = share.stat.mode;
  // Somebody may have put another file in its place: that one's permissions are not ours to change.
  const same = ((actual ^ mode) & S_IFMT) === 0;
  if (failed === 0 && same && ((actual ^ mode) & PERMISSIONS) !== 0) {
    failed = fchmodat(AT_FDCWD, procPath(fd), (actual & S_IALLUGO & ~PERMISSIONS) | (mode & PERMISSIONS));
  }
  close(fd);
  return Math.min(failed, 0);
}

/** A hard link. Both ends are descriptors inside the share; the link itself is linked if the node is a symbolic link. */
export function linkNode(dir: HostNode, name: P9Name, node: HostNode): number {
  return linkat(AT_FDCWD, procPath(node.fd), dir.fd, name.address, AT_SYMLINK_FOLLOW);
}

/** @param flags P9_DOTL_... */
export function unlinkName(dir: HostNode, name: P9Name, flags: number): number {
  return unlinkat(dir.fd, name.address, (flags & P9_DOTL_AT_REMOVEDIR) !== 0 ? AT_REMOVEDIR : 0);
}

/** Trename. */
export function renameNode(share: Share, node: HostNode, dir: HostNode, name: P9Name): number {
  const from = share.locate(node);
  if (from < 0) return from;
  const status = renameat(from, share.locatedName, dir.fd, name.address);
  close(from);
  return status;
}

/** Tremove. */
export function removeNode(share: Share, node: HostNode): number {
  const from = share.locate(node);
  if (from < 0) return from;
  const status = unlinkat(from, share.locatedName, (node.mode & S_IFMT) === S_IFDIR ? AT_REMOVEDIR : 0);
  close(from);
  return status;
}
