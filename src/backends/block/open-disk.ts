/** From a disk's name to a running back end. Thread: reactor, at the start. */
import type { BlockingCalls } from '../../util/ports.js';
import { FileDisk } from './disk.js';
import { LaneQueue } from './host-queue.js';
import { type DiskOptions, openImage } from './image.js';

/** What a disk needs of the machine around it. */
export interface DiskSurroundings {
  /** Makes the system calls if the kernel has no io_uring for us. */
  readonly blocking: BlockingCalls;
}

/** Errors: StartError, see {@link openImage}. */
export function openDisk(options: DiskOptions, { blocking }: DiskSurroundings): FileDisk {
  return new FileDisk(openImage(options), (handler) => new LaneQueue(blocking, handler));
}
