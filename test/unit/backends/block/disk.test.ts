// FileDisk: which calls a request takes, in what order, and on which descriptor. The calls go to a queue that notes them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EINVAL, EIO, ENOSPC, EOPNOTSUPP } from '#lkvm/abi/errno.js';
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE } from '#lkvm/abi/linux.js';
import { FileDisk } from '#lkvm/backends/block/disk.js';
import type { HostQueue, HostQueueHandler } from '#lkvm/backends/block/host-queue.js';
import type { DiskImage } from '#lkvm/backends/block/image.js';
import { IovArray } from '#lkvm/memory/iov-array.js';
import { TestMemory } from '../../../support/driver-sim-memory.js';

const FD = 1000;
const DIRECT_FD = 1001;
const PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
const ZERO = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;

/** Notes calls; the test ends them. */
class NotingQueue implements HostQueue {
  readonly calls: (readonly [string, ...number[]])[] = [];
  pending = 0;
  settled = true;
  handler: HostQueueHandler | undefined;

  preadv(fd: number, _iov: number, count: number, offset: number, _token: number): void {
    this.#note('preadv', fd, count, offset);
  }
  pwritev(fd: number, _iov: number, count: number, offset: number, _token: number): void {
    this.#note('pwritev', fd, count, offset);
  }
  fdatasync(fd: number, _token: number): void {
    this.#note('fdatasync', fd);
  }
  fallocate(fd: number, mode: number, offset: number, bytes: number, _token: number): void {
    this.#note('fallocate', fd, mode, offset, bytes);
  }
  discard(fd: number, offset: number, bytes: number, _token: number): void {
    this.#note('discard', fd, offset, bytes);
  }
  submit(): void {}
  cancel(): void {
    this.#note('cancel');
  }
  settle(): boolean {
    return this.settled;
  }
  close(): void {}

  /** Ends the call of token 0. @returns the calls since the last time */
  end(result: number): (readonly [string, ...number[]])[] {
    this.pending--;
    this.handler?.onDone(0, result);
    return this.take();
  }

  take(): (readonly [string, ...number[]])[] {
    return this.calls.splice(0);
  }

  #note(name: string, ...values: number[]): void {
    this.pending++;
    this.calls.push([name, ...values]);
  }
}

function make(image: Partial<DiskImage> = {}) {
  const queue = new NotingQueue();
  const whole: DiskImage = {
    fd: FD,
    directFd: -1,
    isBlockDevice: false,
    isMemory: false,
    directAlign: 512,
    directMemoryAlign: 512,
    facts: {
      sectors: 1 << 20,
      readOnly: false,
      blockBytes: 512,
      physicalBlockBytes: 4096,
      optimalBytes: 0,
      canDiscard: true,
      discardAlignBytes: 4096,
      id: 'test',
    },
    ...image,
  };
  const disk = new FileDisk(whole, (handler) => {
    queue.handler = handler;
    return queue;
  });
  const results: number[] = [];
  disk.setListener({ requestDone: (_token, result) => results.push(result), batchDone: () => {} });
  return { disk, queue, results };
}

const memory = new TestMemory({ bytes: 0x1_0000 });

/** A list of one buffer, its window all of it. */
function buffer(offset: number, bytes: number): IovArray {
  const iov = new IovArray(memory.memory, 4, 0);
  iov.add(0, offset, bytes, false);
  iov.window(0, bytes);
  return iov;
}

test('FileDisk: read, write, flush → one call each on the buffered descriptor', () => {
  const { disk, queue, results } = make();
  disk.read(0, buffer(0, 512), 1024);
  assert.deepEqual(queue.end(512), [['preadv', FD, 1, 1024]]);
  disk.write(0, buffer(0, 512), 2048);
  assert.deepEqual(queue.end(-ENOSPC), [['pwritev', FD, 1, 2048]]);
  disk.flush(0);
  assert.deepEqual(queue.end(0), [['fdatasync', FD]]);
  assert.deepEqual(results, [512, -ENOSPC, 0]);
});

test('FileDisk direct: aligned → the direct descriptor; address, length or offset not → the other', () => {
  const { disk, queue } = make({ directFd: DIRECT_FD, directMemoryAlign: 4 });
  const fdOf = (iov: IovArray, offset: number): unknown => {
    disk.read(0, iov, offset);
    const [[, fd] = []] = queue.end(512);
    return fd;
  };
  assert.equal(fdOf(buffer(0, 1024), 512), DIRECT_FD);
  assert.equal(fdOf(buffer(4, 1024), 512), DIRECT_FD);
  assert.equal(fdOf(buffer(2, 1024), 512), FD);
  assert.equal(fdOf(buffer(0, 1000), 512), FD);
  assert.equal(fdOf(buffer(0, 1024), 256), FD);
  const blocks = make({ directFd: DIRECT_FD, directAlign: 4096 });
  blocks.disk.write(0, buffer(0, 4096), 512);
  assert.deepEqual(blocks.queue.end(4096), [['pwritev', FD, 1, 512]]);
});

test('FileDisk direct: the kernel refuses with EINVAL → the same call on the other descriptor; EIO is the end', () => {
  const { disk, queue, results } = make({ directFd: DIRECT_FD });
  disk.write(0, buffer(0, 512), 1024);
  assert.deepEqual(queue.take(), [['pwritev', DIRECT_FD, 1, 1024]]);
  assert.deepEqual(queue.end(-EINVAL), [['pwritev', FD, 1, 1024]]);
  queue.end(-EINVAL);
  disk.read(0, buffer(0, 512), 1024);
  queue.take();
  assert.deepEqual(queue.end(-EIO), []);
  assert.deepEqual(results, [-EINVAL, -EIO]);
});

test('FileDisk: discard → a hole; no holes: BLKDISCARD; not that either: done, since it was a hint', () => {
  const { disk, queue, results } = make();
  disk.discard(0, 4096, 8192);
  assert.deepEqual(queue.end(0), [['fallocate', FD, PUNCH, 4096, 8192]]);
  disk.discard(0, 4096, 8192);
  queue.take();
  assert.deepEqual(queue.end(-EOPNOTSUPP), [['discard', FD, 4096, 8192]]);
  queue.end(-EOPNOTSUPP);
  disk.discard(0, 0, 512);
  assert.deepEqual(queue.take(), [['discard', FD, 0, 512]], 'what is missing is not tried again');
  queue.end(-EIO);
  assert.deepEqual(results, [0, 0, -EIO]);
});

test('FileDisk: write-zeroes → with unmap a hole, then zeroing, then writing zeros; each only if the one before is missing', () => {
  const { disk, queue, results } = make();
  disk.writeZeroes(0, 512, 1024, true);
  assert.deepEqual(queue.end(0), [['fallocate', FD, PUNCH, 512, 1024]]);
  disk.writeZeroes(0, 512, 1024, false);
  assert.deepEqual(queue.end(0), [['fallocate', FD, ZERO, 512, 1024]]);
  disk.writeZeroes(0, 512, 1024, true);
  queue.take();
  assert.deepEqual(queue.end(-EINVAL), [['fallocate', FD, ZERO, 512, 1024]]);
  assert.deepEqual(queue.end(-EOPNOTSUPP), [['pwritev', FD, 1, 512]]);
  assert.deepEqual(queue.end(1024), []);
  disk.writeZeroes(0, 512, 1024, false);
  assert.deepEqual(queue.take(), [['pwritev', FD, 1, 512]], 'zeroing is not tried again');
  assert.deepEqual(results, [0, 0, 1024]);
});

test('FileDisk: zeros written by hand → 4 MiB at most per call, goes on after short ones, an error ends it', () => {
  const { disk, queue, results } = make();
  const total = (9 << 20) + 1536;
  disk.writeZeroes(0, 0, total, false);
  queue.take();
  assert.deepEqual(queue.end(-EOPNOTSUPP), [['pwritev', FD, 64, 0]]);
  assert.deepEqual(queue.end(4 << 20), [['pwritev', FD, 64, 4 << 20]]);
  assert.deepEqual(queue.end(512), [['pwritev', FD, 64, (4 << 20) + 512]]);
  assert.deepEqual(queue.end(4 << 20), [['pwritev', FD, 16, (8 << 20) + 512]]);
  assert.deepEqual(queue.end(1 << 20), [['pwritev', FD, 1, (9 << 20) + 512]]);
  queue.end(1024);
  assert.equal(results.length, 1);
  disk.writeZeroes(0, 0, total, false);
  queue.end(-ENOSPC);
  assert.equal(results[1], -ENOSPC);
});

test('FileDisk: cancel while zeros are written → no further call', () => {
  const { disk, queue, results } = make();
  disk.writeZeroes(0, 0, 8 << 20, false);
  queue.end(-EOPNOTSUPP);
  disk.cancel();
  assert.deepEqual(queue.take(), [['cancel']]);
  assert.deepEqual(queue.end(4 << 20), []);
  assert.deepEqual(results, [4 << 20]);
});
