// The calls of one disk through io_uring: batches, wake-ups, and what happens when there is no room.
import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { EBADF, EIO } from '#lkvm/abi/errno.js';
import { UringQueue } from '#lkvm/backends/block/uring-queue.js';
import { Reactor } from '#lkvm/reactor/reactor.js';
import { close, pipe, writeFrom } from '#lkvm/sys/fd.js';
import { NativeBuffer } from '#lkvm/sys/map.js';
import { noIoUring } from '../../../support/block-rig.js';
import { ManualBlocking } from '../../../support/p9-rig.js';
import { tempDir } from '../../../support/temp.js';
import { undo } from '../../../support/undo.js';

const skip = noIoUring();

/** A queue whose answers are noted. `onDone` may give more calls. */
function make(t: TestContext, entries: number) {
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
  const queue = UringQueue.create(entries, { loop: reactor, blocking }, handler);
  if (typeof queue === 'number') throw new Error(`UringQueue: ${queue}`);
  undo(t, () => {
    queue.close();
    reactor.close();
  });
  const path = join(tempDir(t), 'file');
  writeFileSync(path, new Uint8Array(8192).fill(1));
  const fd = openSync(path, 'r+');
  undo(t, () => closeSync(fd));
  const until = (condition: () => boolean): void => {
    for (let rounds = 0; !condition(); rounds++) {
      if (rounds > 2000) throw new Error('waited too long');
      reactor.round(10_000);
    }
  };
  return { queue, reactor, blocking, answers, state, fd, until };
}

/** An iovec over 8 bytes. */
function vector(): number {
  const buffer = new NativeBuffer(24);
  buffer.view.setBigUint64(0, BigInt(buffer.address + 16), true);
  buffer.view.setBigUint64(8, 8n, true);
  return buffer.address;
}

/** A pipe: a read of it waits. */
function waiting(t: TestContext): readonly [readEnd: number, writeEnd: number] {
  const ends = pipe();
  if (typeof ends === 'number') throw new Error(`pipe: ${ends}`);
  undo(t, () => {
    close(ends[0]);
    close(ends[1]);
  });
  return ends;
}

test('UringQueue: several calls, one submit → all answered; nothing is begun before', { skip }, (t) => {
  const { queue, answers, fd, until, reactor } = make(t, 8);
  for (let token = 0; token < 5; token++) queue.preadv(fd, vector(), 1, 0, token);
  queue.fdatasync(99_999, 5);
  reactor.round(0);
  assert.deepEqual(answers, []);
  assert.equal(queue.pending, 6);
  queue.submit();
  until(() => queue.pending === 0);
  assert.deepEqual(
    new Map(answers),
    new Map([
      [0, 8],
      [1, 8],
      [2, 8],
      [3, 8],
      [4, 8],
      [5, -EBADF],
    ]),
  );
});

test('UringQueue: more calls than entries → all answered', { skip }, (t) => {
  const { queue, answers, fd, until } = make(t, 4);
  for (let token = 0; token < 50; token++) queue.preadv(fd, vector(), 1, 0, token);
  queue.submit();
  until(() => queue.pending === 0);
  assert.equal(new Set(answers.map(([token]) => token)).size, 50);
});

test('UringQueue: a call that waits → its answer wakes the event loop; others overtake it', { skip }, (t) => {
  const { queue, answers, fd, until } = make(t, 8);
  const [readEnd, writeEnd] = waiting(t);
  queue.preadv(readEnd, vector(), 1, -1, 1); // the file position: pipes have no offsets
  queue.submit();
  queue.preadv(fd, vector(), 1, 0, 2);
  queue.submit();
  until(() => answers.length === 1);
  assert.deepEqual(answers, [[2, 8]]);
  writeFrom(writeEnd, vector(), 3);
  until(() => answers.length === 2);
  assert.deepEqual(answers[1], [1, 3]);
});

test('UringQueue: each answer gives the next call → all are made, and the loop goes round in between', {
  skip,
}, (t) => {
  const { queue, answers, state, fd, until } = make(t, 8);
  state.onDone = (token) => {
    if (token < 1000) queue.preadv(fd, vector(), 1, 0, token + 1);
  };
  queue.preadv(fd, vector(), 1, 0, 0);
  queue.submit();
  assert.ok(answers.length < 1000, `${answers.length} at once`);
  until(() => queue.pending === 0);
  assert.deepEqual(answers.at(-1), [1000, 8]);
});

test('UringQueue: discard → by the I/O worker, answered as the others', { skip }, (t) => {
  const { queue, blocking, answers, fd } = make(t, 8);
  queue.discard(fd, 0, 512, 3);
  assert.equal(queue.pending, 1);
  blocking.run();
  assert.equal(queue.pending, 0);
  assert.equal(answers[0]?.[0], 3);
  assert.ok((answers[0]?.[1] ?? 0) < 0, 'a file is no block device');
});

test('UringQueue: cancel → a call that waits ends soon', { skip }, (t) => {
  const { queue, answers, until } = make(t, 8);
  const [readEnd, writeEnd] = waiting(t);
  queue.preadv(readEnd, vector(), 1, -1, 1);
  queue.submit();
  queue.cancel();
  // A kernel before 5.19 cannot; the pipe ends it there.
  writeFrom(writeEnd, vector(), 3);
  until(() => queue.pending === 0);
  assert.equal(answers.length, 1);
});

test('UringQueue: settle → waits for what is under way, without the event loop', { skip }, (t) => {
  const { queue, answers, fd } = make(t, 8);
  for (let token = 0; token < 6; token++) queue.fdatasync(fd, token);
  assert.equal(queue.settle(), true);
  assert.equal(answers.length, 6);
});

test('UringQueue: the ring has gone → what is given is answered with EIO, never left', { skip }, (t) => {
  const before = rings();
  const { queue, answers, until } = make(t, 2);
  const [ringFd = -1] = rings().filter((fd) => !before.includes(fd));
  // Its number names another file from now on: the lowest free number is given out first.
  const others = [openSync('/dev/null', 'r')];
  undo(t, () => others.filter((fd) => fd !== ringFd).forEach((fd) => void closeSync(fd)));
  closeSync(ringFd);
  while (!others.includes(ringFd)) others.push(openSync('/dev/null', 'r'));
  for (let token = 0; token < 5; token++) queue.fdatasync(0, token);
  queue.submit();
  until(() => queue.pending === 0);
  assert.deepEqual(new Set(answers.map(([, result]) => result)), new Set([-EIO]));
});

/** Descriptors of io_uring instances. */
function rings(): number[] {
  const isRing = (fd: string): boolean => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).includes('io_uring');
    } catch {
      return false; // the folder's own
    }
  };
  return readdirSync('/proc/self/fd').filter(isRing).map(Number);
}
