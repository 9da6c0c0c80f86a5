/**
 * Unique qid paths over several file systems in one share: inode numbers repeat from one to the next. The upper 16 bits
 * of the path number the pairs of file system and upper 16 inode bits, in the order they are met; the share's own file
 * system, whose inode numbers are below 2^48 nearly always, keeps the plain inode number.
 *
 * Thread: reactor.
 */
import { EOVERFLOW } from '../../abi/errno.js';
import type { Qid } from '../../p9/tree-output.js';
import type { FileStat } from '../../sys/stat.js';

const MAX_PREFIX = 0xffff;

export class QidMap {
  readonly #prefixes = new Map<string, number>();
  #lastMajor: number;
  #lastMinor: number;
  #lastInode = 0;
  #lastPrefix = 0;

  /** @param devMajor, devMinor of the share's root: its inode numbers are kept */
  constructor(devMajor: number, devMinor: number) {
    this.#prefixes.set(key(devMajor, devMinor, 0), 0);
    this.#lastMajor = devMajor;
    this.#lastMinor = devMinor;
  }

  /** Sets the path. @returns 0, or -EOVERFLOW after 65536 pairs (see the file's head) */
  setPath(qid: Qid, devMajor: number, devMinor: number, inoLow: number, inoHigh: number): number {
    const inode = inoHigh >>> 16;
    if (devMinor !== this.#lastMinor || devMajor !== this.#lastMajor || inode !== this.#lastInode) {
      const prefix = this.#prefix(devMajor, devMinor, inode);
      if (prefix < 0) return prefix;
      this.#lastMajor = devMajor;
      this.#lastMinor = devMinor;
      this.#lastInode = inode;
      this.#lastPrefix = prefix;
    }
    qid.pathLow = inoLow;
    qid.pathHigh = ((this.#lastPrefix << 16) | (inoHigh & 0xffff)) >>> 0;
    return 0;
  }

  /** Sets path and version; the type is the caller's. The version changes with content or attributes, times being ns. */
  setFromStat(qid: Qid, stat: FileStat): number {
    qid.version = (stat.mtimeSec ^ (stat.mtimeNsec << 2) ^ (stat.size << 8)) >>> 0;
    return this.setPath(qid, stat.devMajor, stat.devMinor, stat.inoLow, stat.inoHigh);
  }

  #prefix(devMajor: number, devMinor: number, inode: number): number {
    const name = key(devMajor, devMinor, inode);
    const known = this.#prefixes.get(name);
    if (known !== undefined) return known;
    if (this.#prefixes.size > MAX_PREFIX) return -EOVERFLOW;
    const prefix = this.#prefixes.size;
    this.#prefixes.set(name, prefix);
    return prefix;
  }
}

function key(devMajor: number, devMinor: number, inode: number): string {
  return `${devMajor}:${devMinor}:${inode}`;
}
