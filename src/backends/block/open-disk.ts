/** From a disk's name to a running back end. Thread: reactor, at the start. */
import { errnoName } from '../../sys/libc.js';
import type { BlockingCalls, EventLoop, Log } from '../../util/ports.js';
import { FileDisk } from './disk.js';
import { type HostQueue, type HostQueueHandler, LaneQueue } from './host-queue.js';
import { type DiskOptions, openImage } from './image.js';
import { MemoryQueue } from './memory-queue.js';
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
  /** Who makes the calls, instead of whoever is best: for tests and benches. */
  readonly engine?: DiskEngine | undefined;
}

/** io_uring, the I/O worker, or, for files in memory, the reactor itself. */
export type DiskEngine = 'io_uring' | 'worker' | 'memory';

/** Errors: StartError, see {@link openImage}. */
export function openDisk(options: OpenDiskOptions, around: DiskSurroundings): FileDisk {
  const image = openImage(options);
  const { engine } = options;
  const inMemory = engine === undefined ? image.isMemory : engine === 'memory';
  return new FileDisk(image, (handler) => {
    const queue = hostQueue(options, around, handler);
    if (!inMemory) return queue;
    around.log.debug?.(`disk ${options.path}: in memory, read and written at once`);
    return new MemoryQueue(queue, around.loop, handler);
  });
}

function hostQueue(
  { path, requests, engine }: OpenDiskOptions,
  around: DiskSurroundings,
  handler: HostQueueHandler,
): HostQueue {
  const queue = engine === 'worker' ? 0 : UringQueue.create(requests, around, handler);
  if (typeof queue !== 'number') {
    around.log.debug?.(`disk ${path}: I/O by io_uring`);
    return queue;
  }
  const why = queue === 0 ? 'io_uring is switched off' : `no io_uring: ${errnoName(-queue)}`;
  around.log.debug?.(`disk ${path}: I/O by the I/O worker (${why})`);
  return new LaneQueue(around.blocking, handler);
}
