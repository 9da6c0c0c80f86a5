/** Directory listings by getdents64. */
import { EINVAL } from '../../abi/errno.js';
import {
  DIRENT64_INO_OFF,
  DIRENT64_NAME_OFF,
  DIRENT64_OFF_OFF,
  DIRENT64_RECLEN_OFF,
  DIRENT64_TYPE_OFF,
} from '../../abi/linux.js';
import { DT_DIR, DT_LNK, P9_QTDIR, P9_QTFILE, P9_QTSYMLINK } from '../../abi/p9.js';
import type { TreeCall } from '../../p9/tree-call.js';
import { getdents64, seekDirectory } from '../../sys/fs.js';
import { NativeBuffer } from '../../sys/map.js';
import { u8At } from '../../util/typed.js';
import type { HostNode } from './nodes.js';
import type { Share } from './share.js';

const BUFFER_BYTES = 0x1_0000;
/** Enough for the longest name: below this the kernel may refuse. */
const LEAST_BYTES = 512;
const DOT = 0x2e;

/** Reads directories. Thread: reactor. Hot path: allocates nothing. */
export class Listing {
  readonly #buffer = new NativeBuffer(BUFFER_BYTES);

  /** See `FileTree.readdir`. Cookies are the kernel's own (`d_off`). @param node an open directory */
  read(share: Share, call: TreeCall, node: HostNode, cookieLow: number, cookieHigh: number): number {
    if (cookieLow !== node.positionLow || cookieHigh !== node.positionHigh) {
      const failed = seekDirectory(node.fd, cookieLow, cookieHigh);
      if (failed < 0) return failed;
      node.positionLow = cookieLow;
      node.positionHigh = cookieHigh;
    }
    // In the reply an entry is at most 28/24 as long as here (names of 4 bytes). So everything that was read fits, and
    // the next request goes on without a seek, which makes ext4 read and sort the directory's block again.
    const room = Math.min(BUFFER_BYTES, Math.floor(((call.replyLimit - call.replyAt) * 6) / 7));
    const bytes = getdents64(node.fd, this.#buffer.address, Math.max(LEAST_BYTES, room));
    return bytes <= 0 ? bytes : this.#deliver(share, call, node, bytes);
  }

  #deliver(share: Share, call: TreeCall, node: HostNode, bytes: number): number {
    const { view } = this.#buffer;
    let given = 0;
    let at = 0;
    let fits = true;
    while (at < bytes) {
      const length = view.getUint16(at + DIRENT64_RECLEN_OFF, true);
      const low = view.getUint32(at + DIRENT64_OFF_OFF, true);
      const high = view.getUint32(at + DIRENT64_OFF_OFF + 4, true);
      if (fits) {
        const status = this.#entry(share, call, node, at, low, high);
        if (status < 0) return status;
        fits = status === 1;
        if (fits) given++;
      }
      // The descriptor stands behind everything that was read, also behind what did not fit.
      node.positionLow = low;
      node.positionHigh = high;
      at += length;
    }
    return given === 0 ? -EINVAL : given;
  }

  /** @returns 1 if it was given, 0 if it did not fit, -errno */
  #entry(share: Share, call: TreeCall, node: HostNode, at: number, low: number, high: number): number {
    const { u8, view } = this.#buffer;
    const type = u8At(u8, at + DIRENT64_TYPE_OFF);
    const nameAt = at + DIRENT64_NAME_OFF;
    const nameBytes = u8.indexOf(0, nameAt) - nameAt;
    let inoLow = view.getUint32(at + DIRENT64_INO_OFF, true);
    let inoHigh = view.getUint32(at + DIRENT64_INO_OFF + 4, true);
    if (nameBytes === 2 && u8[nameAt] === DOT && u8[nameAt + 1] === DOT && share.isRoot(node)) {
      inoLow = share.rootInoLow; // what lies above the share is nobody's business
      inoHigh = share.rootInoHigh;
    }
    const { qid } = call.out;
    qid.type = type === DT_DIR ? P9_QTDIR : type === DT_LNK ? P9_QTSYMLINK : P9_QTFILE;
    qid.version = 0;
    const failed = share.qids.setPath(qid, node.devMajor, node.devMinor, inoLow, inoHigh);
    if (failed < 0) return failed;
    return call.out.entry(low, high, type, u8, nameAt, nameBytes) ? 1 : 0;
  }
}
