// Calls on files in memory: made when they are submitted, everything else elsewhere.
import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { EBADF } from '#lkvm/abi/errno.js';
import { LaneQueue } from '#lkvm/backends/block/host-queue.js';
import { closeImage, openImage } from '#lkvm/backends/block/image.js';
import { MemoryQueue } from '#lkvm/backends/block/memory-queue.js';
import { Reactor } from '#lkvm/reactor/reactor.js';
import { NativeBuffer } from '#lkvm/sys/map.js';
import { mountExt4, mountTmpfs, noLoops } from '../../../support/host-disks.js';
import { ManualBlocking } from '../../../support/p9-rig.js';
import { tempDir } from '../../../support/temp.js';
import { undo } from '../../../support/undo.js';

function make(t: TestContext) {
  const reactor = new Reactor();
  const blocking = new ManualBlocking();
  const answers: [token: number, result: number][] = [];
  const state = { batches: 0, onDone: (_token: number): void => {} };
  const handler = {
    onDone: (token: number, result: number) => {
      answers.push([token, result]);
      state.onDone(token);
    },
    onBatchEnd: () => {
      state.batches++;
    },
  };
  const queue = new MemoryQueue(new LaneQueue(blocking, handler), reactor, handler);
  const path = join(tempDir(t), 'file');
  writeFileSync(path, new Uint8Array(64));
  const fd = openSync(path, 'r+');
  undo(t, () => {
    queue.close();
    reactor.close();
    closeSync(fd);
  });
  return { queue, reactor, blocking, answers, state, fd };
}

/** An iovec over 8 bytes. */
function vector(): number {
  const buffer = new NativeBuffer(24);
  buffer.view.setBigUint64(0, BigInt(buffer.address + 16), true);
  buffer.view.setBigUint64(8, 8n, true);
  return buffer.address;
}

test('MemoryQueue: read, write, flush → answered within submit, in order, as one batch; nothing before', (t) => {
  const { queue, answers, state, fd } = make(t);
  queue.pwritev(fd, vector(), 1, 0, 1);
  queue.preadv(fd, vector(), 1, 60, 2);
  queue.preadv(99_999, vector(), 1, 0, 3);
  queue.fdatasync(fd, 4);
  assert.deepEqual(answers, []);
  assert.equal(queue.pending, 4);
  queue.submit();
  assert.equal(queue.pending, 0);
  assert.deepEqual(answers, [
    [1, 8],
    [2, 4],
    [3, -EBADF],
    [4, 0],
  ]);
  assert.equal(state.batches, 1);
});

test('MemoryQueue: more calls than ever before, and calls given by answers → all, in order', (t) => {
  const { queue, answers, state, fd } = make(t);
  // So that the list of calls does not begin at its first place when it grows
  for (let i = 0; i < 5; i++) queue.fdatasync(fd, 0);
  queue.submit();
  answers.length = 0;
  state.onDone = (token) => {
    if (token < 100) queue.preadv(fd, vector(), 1, 0, token + 100);
  };
  for (let token = 0; token < 100; token++) queue.preadv(fd, vector(), 1, 0, token);
  queue.submit();
  assert.deepEqual(
    answers.map(([token]) => token),
    Array.from({ length: 200 }, (_, i) => i),
  );
});

test('MemoryQueue: each answer gives the next call → the event loop goes round in between', (t) => {
  const { queue, reactor, answers, state, fd } = make(t);
  state.onDone = (token) => {
    if (token < 5000) queue.fdatasync(fd, token + 1);
  };
  queue.fdatasync(fd, 0);
  queue.submit();
  assert.ok(answers.length < 5000, `${answers.length} at once`);
  for (let rounds = 0; queue.pending > 0 && rounds < 1000; rounds++) reactor.round(1000);
  assert.equal(answers.length, 5001);
});

test('MemoryQueue: fallocate and discard → not made here', (t) => {
  const { queue, blocking, answers, fd } = make(t);
  queue.fallocate(fd, 3, 0, 8, 1);
  queue.discard(fd, 0, 512, 2);
  queue.submit();
  assert.deepEqual(answers, []);
  blocking.run();
  assert.deepEqual(blocking.log, ['fallocate', 'discard']);
  assert.equal(answers.length, 2);
});

test('MemoryQueue.settle: calls not submitted → made', (t) => {
  const { queue, answers, fd } = make(t);
  queue.fdatasync(fd, 1);
  assert.equal(queue.settle(), true);
  assert.deepEqual(answers, [[1, 0]]);
});

test('openImage: a file on a disk → not in memory; on a tmpfs → in memory unless there is swap', {
  skip: noLoops(),
}, (t) => {
  const open = (path: string) => {
    writeFileSync(path, new Uint8Array(512));
    const image = openImage({ path, readOnly: false, direct: false });
    closeImage(image);
    return image.isMemory;
  };
  const swap = readFileSync('/proc/swaps', 'utf8').trim().split('\n').length > 1;
  assert.equal(open(join(mountTmpfs(t, 'size=1m'), 'disk.img')), !swap);
  const { folder } = mountExt4(t);
  assert.equal(open(join(folder, 'disk.img')), false);
});
