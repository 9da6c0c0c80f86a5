/** Block devices: size, block sizes, discard. Results are >= 0 or -errno. Thread: any. */
import { BLKDISCARD, BLKGETSIZE64, BLKIOOPT, BLKPBSZGET, BLKSSZGET } from '../abi/linux.js';
import { getU64, setU64 } from '../util/u64.js';
import { ioctl } from './fd.js';
import { NativeBuffer } from './map.js';

/** Per worker: what the requests below read or write, 16 bytes at most. Safety: used only during a call. */
const scratch = new NativeBuffer(16);

function readInt(fd: number, request: number): number {
  scratch.view.setInt32(0, 0, true);
  const failed = ioctl(fd, request, scratch.address);
  return failed < 0 ? failed : scratch.view.getInt32(0, true);
}

/** Size in bytes. @returns -ENOTTY if `fd` is not a block device */
export function blockDeviceBytes(fd: number): number {
  const failed = ioctl(fd, BLKGETSIZE64, scratch.address);
  return failed < 0 ? failed : getU64(scratch.view, 0);
}

/** Smallest addressable block, in bytes. */
export function logicalBlockBytes(fd: number): number {
  return readInt(fd, BLKSSZGET);
}

/** Smallest block that is written without reading around it, in bytes. */
export function physicalBlockBytes(fd: number): number {
  return readInt(fd, BLKPBSZGET);
}

/** Best size of large transfers in bytes; 0 = not known. */
export function optimalIoBytes(fd: number): number {
  return readInt(fd, BLKIOOPT);
}

/** Gives a range back to the device. Can block for long: never on the reactor. */
export function blockDiscard(fd: number, offset: number, bytes: number): number {
  setU64(scratch.view, 0, offset);
  setU64(scratch.view, 8, bytes);
  return ioctl(fd, BLKDISCARD, scratch.address);
}
