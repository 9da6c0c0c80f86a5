/** From a disk's name to a running back end. Thread: reactor, at the start. */
import { errnoName } from '../../sys/libc.js';
import type { BlockingCalls, EventLoop, Log } from '../../util/ports.js';
import { FileDisk } from './disk.js';
import { type HostQueueHandler, LaneQueue } from './host-queue.js';
import { type DiskOptions, openImage } from './image.js';
import { UringQueue } from './uring-queue.js';

/** What a disk needs of the machine around it. */
export interface DiskSurroundings {
  readonly loop: EventLoop;
  readonly log: Log;
  /** Makes the system calls if the kernel has no io_uring for us. */
  readonly blocking: BlockingCalls;
}

export interface OpenDiskOptions extends DiskOptions {
  /** Most requests at a time: the size of the device's queue. */
  readonly requests: number;
  /** False: the I/O worker, in any case. Default true. */
  readonly ioUring?: boolean;
}

/** Errors: StartError, see {@link openImage}. */
export function openDisk(options: OpenDiskOptions, around: DiskSurroundings): FileDisk {
  const { path, ioUring } = options;
  const makeQueue = (handler: HostQueueHandler) => {
    const queue = ioUring === false ? 0 : UringQueue.create(options.requests, around, handler);
    if (typeof queue !== 'number') {
      around.log.debug?.(`disk ${path}: I/O by io_uring`);
      return queue;
    }
    const why = queue === 0 ? 'io_uring is switched off' : `no io_uring: ${errnoName(-queue)}`;
    around.log.debug?.(`disk ${path}: I/O by the I/O worker (${why})`);
    return new LaneQueue(around.blocking, handler);
  };
  return new FileDisk(openImage(options), makeQueue);
}
