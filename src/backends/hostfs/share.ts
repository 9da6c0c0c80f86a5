/**
 * The shared directory, and the rules that keep a client inside it.
 *
 * - A file is reached only by its descriptor or by one name in the descriptor of a directory, never by a path: what
 *   others rename meanwhile does not matter.
 * - A name is looked up by openat2 with RESOLVE_BENEATH, NO_SYMLINKS and NO_MAGICLINKS: the kernel refuses absolute
 *   names, "..", and links of every kind. A link is handed out as what it is, to be followed by the client.
 * - Every lookup yields an O_PATH descriptor, which opens nothing. Only regular files and directories are then opened
 *   for I/O, through /proc/self/fd, that is the very file that was looked at: a FIFO could hang us, a device do anything.
 * - ".." is our own step up, and refused when the result is not below the root (any more).
 * - Files on a proc file system are not opened: ours shows this process's own memory as a file.
 *
 * Thread: reactor.
 */
import { EACCES, EAGAIN, ELOOP, ENAMETOOLONG, ENOENT } from '../../abi/errno.js';
import {
  AT_FDCWD,
  O_PATH,
  PROC_SUPER_MAGIC,
  RESOLVE_BENEATH,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
} from '../../abi/linux.js';
import { P9_QTDIR, P9_QTFILE, P9_QTSYMLINK, S_IFDIR, S_IFLNK, S_IFMT } from '../../abi/p9.js';
import type { Qid } from '../../p9/tree-output.js';
import { O_DIRECTORY, O_NOFOLLOW } from '../../sys/arch.js';
import { close, open } from '../../sys/fd.js';
import { DOT_NAME, openat, openat2, PARENT_NAME, procPath, readlinkat } from '../../sys/fs.js';
import { NativeBuffer } from '../../sys/map.js';
import { FileStat, FileSystemStat } from '../../sys/stat.js';
import { StartError } from '../../util/errors.js';
import type { HostNode } from './nodes.js';
import { NodeTable } from './nodes.js';
import { QidMap } from './qids.js';

export const RESOLVE_INSIDE = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
/** Deepest directory from which ".." is followed. */
const MAX_DEPTH = 512;
const MAX_PATH = 4096;
const SLASH = 0x2f;
/** openat2 asks for another try when somebody renamed meanwhile. */
const TRIES = 8;

/** Everything the operations on a share have in common. */
export class Share {
  readonly readOnly: boolean;
  readonly rootFd: number;
  readonly nodes: NodeTable;
  readonly qids: QidMap;
  /** Attributes of the file last looked at. */
  readonly stat = new FileStat();
  readonly fileSystem = new FileSystemStat();
  /** After {@link locate}: address of the NUL-terminated name in the directory. */
  locatedName = 0;
  readonly #rootMajor: number;
  readonly #rootMinor: number;
  readonly rootInoLow: number;
  readonly rootInoHigh: number;
  readonly #rootRefused: boolean;
  /** Device number → whether files on it may not be opened. */
  readonly #devices = new Map<number, boolean>();
  readonly #paths = new NativeBuffer(2 * MAX_PATH);

  /**
   * @param path of an existing directory; symbolic links in it are followed, once, now
   * @param maxNodes most handles, and so descriptors, at a time
   * Errors: StartError.
   */
  constructor(path: string, readOnly: boolean, maxNodes: number) {
    const fd = open(path, O_PATH | O_DIRECTORY);
    if (fd < 0) throw new StartError(`cannot share ${path}: it is not a directory that can be opened`);
    const stat = this.stat;
    if (stat.ofFd(fd) < 0 || this.fileSystem.ofFd(fd) < 0) {
      close(fd);
      throw new StartError(`cannot share ${path}: its attributes cannot be read`);
    }
    this.rootFd = fd;
    this.readOnly = readOnly;
    this.#rootMajor = stat.devMajor;
    this.#rootMinor = stat.devMinor;
    this.rootInoLow = stat.inoLow;
    this.rootInoHigh = stat.inoHigh;
    this.#rootRefused = this.fileSystem.type === PROC_SUPER_MAGIC;
    this.qids = new QidMap(stat.devMajor, stat.devMinor);
    this.nodes = new NodeTable(maxNodes);
  }

  /** Looks a name up. @param name address @returns an O_PATH descriptor, of the link itself if it is one, or -errno */
  lookUp(dirFd: number, name: number): number {
    return openat2(dirFd, name, O_PATH | O_NOFOLLOW, 0, RESOLVE_INSIDE);
  }

  /** Sets a qid from {@link stat}. */
  qidFromStat(qid: Qid): number {
    const type = this.stat.mode & S_IFMT;
    qid.type = type === S_IFDIR ? P9_QTDIR : type === S_IFLNK ? P9_QTSYMLINK : P9_QTFILE;
    return this.qids.setFromStat(qid, this.stat);
  }

  /** True if {@link stat} is of the share's root. */
  statIsRoot(): boolean {
    const { stat } = this;
    return (
      stat.inoLow === this.rootInoLow &&
      stat.inoHigh === this.rootInoHigh &&
      stat.devMinor === this.#rootMinor &&
      stat.devMajor === this.#rootMajor
    );
  }

  /** True if the node is the share's root. */
  isRoot(node: HostNode): boolean {
    return this.stat.ofFd(node.fd) === 0 && this.statIsRoot();
  }

  /**
   * The parent of a directory; the root is its own.
   * @returns an O_PATH descriptor, or -EACCES if it is not below the root: somebody has moved the directory out
   */
  parentOf(dirFd: number): number {
    const failed = this.stat.ofFd(dirFd);
    if (failed < 0) return failed;
    if (this.statIsRoot()) return openat(dirFd, DOT_NAME, O_PATH | O_DIRECTORY, 0);
    const parent = openat(dirFd, PARENT_NAME, O_PATH | O_DIRECTORY, 0);
    if (parent < 0) return parent;
    // The check is made on the descriptor that will be used, so nothing that happens in between can deceive it.
    const outside = this.#checkBeneath(parent);
    if (outside === 0) return parent;
    close(parent);
    return outside;
  }

  /** Whether I/O on a file of the node's file system is refused. */
  refuses(node: HostNode): boolean {
    if (node.devMinor === this.#rootMinor && node.devMajor === this.#rootMajor) return this.#rootRefused;
    const device = node.devMajor * 0x10_0000 + node.devMinor;
    const known = this.#devices.get(device);
    if (known !== undefined) return known;
    const refused = this.fileSystem.ofFd(node.fd) < 0 || this.fileSystem.type === PROC_SUPER_MAGIC;
    this.#devices.set(device, refused);
    return refused;
  }

  /**
   * Finds the directory and name under which a node is known now, for the messages that name a file by its fid alone.
   * The kernel tells the path of the descriptor; it is resolved beneath the root and the result compared with the node.
   * @returns an O_PATH descriptor of the directory, the name being at `locatedName`; -ENOENT if it has no name
   */
  locate(node: HostNode): number {
    const u8 = this.#paths.u8;
    const rootAt = MAX_PATH;
    const rootBytes = readlinkat(AT_FDCWD, procPath(this.rootFd), this.#paths.address + rootAt, MAX_PATH - 1);
    const bytes = readlinkat(AT_FDCWD, procPath(node.fd), this.#paths.address, MAX_PATH - 1);
    if (rootBytes < 0 || bytes < 0) return Math.min(rootBytes, bytes);
    if (rootBytes >= MAX_PATH - 1 || bytes >= MAX_PATH - 1) return -ENAMETOOLONG;
    const prefix = rootBytes === 1 ? 0 : rootBytes; // the root directory is "/", everything else ends without a slash
    if (bytes <= prefix + 1 || u8[prefix] !== SLASH) return -ENOENT;
    for (let i = 0; i < prefix; i++) if (u8[i] !== u8[rootAt + i]) return -ENOENT;
    u8[bytes] = 0;
    let slash = bytes - 1;
    while (u8[slash] !== SLASH) slash--;
    u8[slash] = 0;
    this.locatedName = this.#paths.address + slash + 1;
    const dir = slash === prefix ? DOT_NAME : this.#paths.address + prefix + 1;
    const dirFd = this.#openDirectory(dir);
    if (dirFd < 0) return dirFd;
    if (this.#isNamed(node, dirFd)) return dirFd;
    close(dirFd);
    return -ENOENT;
  }

  #openDirectory(path: number): number {
    for (let i = 0; i < TRIES; i++) {
      const fd = openat2(this.rootFd, path, O_PATH | O_DIRECTORY, 0, RESOLVE_INSIDE);
      if (fd !== -EAGAIN) return fd === -ELOOP ? -ENOENT : fd;
    }
    return -ENOENT;
  }

  #isNamed(node: HostNode, dirFd: number): boolean {
    const { stat } = this;
    if (stat.ofFd(node.fd) < 0) return false;
    const { inoLow, inoHigh, devMajor, devMinor } = stat;
    if (stat.ofName(dirFd, this.locatedName) < 0) return false;
    return (
      stat.inoLow === inoLow &&
      stat.inoHigh === inoHigh &&
      stat.devMajor === devMajor &&
      stat.devMinor === devMinor
    );
  }

  /** Climbs from a directory to the root. @returns 0, or -EACCES if the root is not above it */
  #checkBeneath(dirFd: number): number {
    let current = dirFd;
    let result = -EACCES;
    let last = '';
    for (let depth = 0; depth < MAX_DEPTH; depth++) {
      if (this.stat.ofFd(current) < 0) break;
      if (this.statIsRoot()) {
        result = 0;
        break;
      }
      const { devMajor, devMinor, inoLow, inoHigh } = this.stat;
      const identity = `${devMajor}:${devMinor}:${inoHigh}:${inoLow}`;
      if (identity === last) break; // the top of everything is its own parent
      last = identity;
      const up = openat(current, PARENT_NAME, O_PATH | O_DIRECTORY, 0);
      if (current !== dirFd) close(current);
      current = up;
      if (up < 0) break;
    }
    if (current !== dirFd && current >= 0) close(current);
    return result;
  }
}
