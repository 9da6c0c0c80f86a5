// io_uring on this kernel.
import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { EBADF, ECANCELED, EINVAL, ETIME } from '#lkvm/abi/errno.js';
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE } from '#lkvm/abi/linux.js';
import { eventfd, eventfdDrain } from '#lkvm/sys/eventfd.js';
import { close, pipe, writeFrom } from '#lkvm/sys/fd.js';
import { IoUring } from '#lkvm/sys/io-uring.js';
import { NativeBuffer } from '#lkvm/sys/map.js';
import { noIoUring } from '../../support/block-rig.js';
import { tempDir } from '../../support/temp.js';
import { undo } from '../../support/undo.js';

const skip = noIoUring();
const WAIT_MS = 20_000;

function ringOf(t: TestContext, entries: number): IoUring {
  const ring = IoUring.create(entries);
  if (typeof ring === 'number') throw new Error(`io_uring: ${ring}`);
  undo(t, () => ring.close());
  return ring;
}

/** A buffer and, in front of it, an iovec that names it. */
function vector(bytes: number): { iov: number; data: Uint8Array } {
  const buffer = new NativeBuffer(16 + bytes);
  buffer.view.setBigUint64(0, BigInt(buffer.address + 16), true);
  buffer.view.setBigUint64(8, BigInt(bytes), true);
  return { iov: buffer.address, data: buffer.u8.subarray(16) };
}

/** Submits and takes `count` results. @returns token → result */
function finish(ring: IoUring, count: number): Map<number, number> {
  const results = new Map<number, number>();
  while (results.size < count) {
    const entered = ring.enterAndWait(WAIT_MS);
    assert.ok(entered >= 0, `enter: ${entered}`);
    while (ring.next()) results.set(ring.token, ring.result);
  }
  return results;
}

function fileOf(t: TestContext, content: Uint8Array): { path: string; fd: number } {
  const path = join(tempDir(t), 'file');
  writeFileSync(path, content);
  const fd = openSync(path, 'r+');
  undo(t, () => closeSync(fd));
  return { path, fd };
}

test('IoUring: writev, fdatasync, fallocate, readv → done, each by its token', { skip }, (t) => {
  const ring = ringOf(t, 8);
  const { path, fd } = fileOf(t, new Uint8Array(16384).fill(1));
  const out = vector(3);
  out.data.set([7, 8, 9]);
  assert.equal(ring.writev(fd, out.iov, 1, 100, 0xffff_ffff), true);
  assert.equal(ring.queued, 1);
  assert.deepEqual(finish(ring, 1), new Map([[0xffff_ffff, 3]]));
  assert.equal(ring.queued, 0);
  ring.fdatasync(fd, 1);
  ring.fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 8192, 2);
  assert.deepEqual(
    finish(ring, 2),
    new Map([
      [1, 0],
      [2, 0],
    ]),
  );
  const into = vector(5);
  ring.readv(fd, into.iov, 1, 99, 3);
  assert.deepEqual(finish(ring, 1), new Map([[3, 5]]));
  assert.deepEqual(Array.from(into.data), [1, 7, 8, 9, 1]);
  const now = readFileSync(path);
  assert.deepEqual(Array.from(now.subarray(98, 105)), [1, 1, 7, 8, 9, 1, 1]);
  assert.ok(now.subarray(4096, 12288).every((byte) => byte === 0) && now[12288] === 1 && now[4095] === 1);
});

test('IoUring: offsets beyond 4 GiB → 64 bits arrive', { skip }, (t) => {
  const ring = ringOf(t, 1);
  const { path, fd } = fileOf(t, new Uint8Array(1));
  const one = vector(1);
  one.data[0] = 0x77;
  const far = 5 * 2 ** 32 + 3;
  ring.writev(fd, one.iov, 1, far, 0);
  assert.deepEqual(finish(ring, 1), new Map([[0, 1]]));
  one.data[0] = 0;
  ring.readv(fd, one.iov, 1, far, 0);
  assert.deepEqual(finish(ring, 1), new Map([[0, 1]]));
  assert.equal(one.data[0], 0x77);
  assert.equal(statSync(path).size, far + 1);
});

test('IoUring: a bad descriptor in the middle → -EBADF for it, the calls behind it are made', {
  skip,
}, (t) => {
  const ring = ringOf(t, 8);
  const { fd } = fileOf(t, new Uint8Array(8));
  const into = vector(8);
  ring.fdatasync(fd, 0);
  ring.readv(99_999, into.iov, 1, 0, 1);
  ring.fdatasync(fd, 2);
  assert.deepEqual(
    finish(ring, 3),
    new Map([
      [0, 0],
      [1, -EBADF],
      [2, 0],
    ]),
  );
});

test('IoUring: more calls than entries → refused until the next enter; the rings turn many times', {
  skip,
}, (t) => {
  const ring = ringOf(t, 4);
  assert.equal(ring.entries, 4);
  const { fd } = fileOf(t, new Uint8Array(8));
  for (let round = 0; round < 100; round++) {
    for (let i = 0; i < 4; i++) assert.equal(ring.fdatasync(fd, i), true);
    assert.equal(ring.fdatasync(fd, 4), false);
    assert.equal(finish(ring, 4).size, 4);
  }
});

test('IoUring: more results than the completion queue holds → none is lost', { skip }, (t) => {
  const ring = ringOf(t, 2); // 4 results
  const { fd } = fileOf(t, new Uint8Array(8));
  const into = vector(8);
  for (let i = 0; i < 20; i++) {
    if (!ring.readv(fd, into.iov, 1, 0, i)) {
      ring.enter();
      assert.equal(ring.readv(fd, into.iov, 1, 0, i), true);
    }
  }
  const results = new Map<number, number>();
  while (results.size < 20) {
    ring.enter();
    while (ring.next()) results.set(ring.token, ring.result);
  }
  assert.deepEqual(new Set(results.values()), new Set([8]));
});

test('IoUring: results signal the eventfd, unless it is muted', { skip }, (t) => {
  const ring = ringOf(t, 4);
  const fd = eventfd();
  undo(t, () => void close(fd));
  assert.equal(ring.registerEventfd(fd), 0);
  const { fd: file } = fileOf(t, new Uint8Array(8));
  ring.fdatasync(file, 0);
  finish(ring, 1);
  assert.equal(eventfdDrain(fd), 8);
  ring.muteEvents(true);
  ring.fdatasync(file, 0);
  finish(ring, 1);
  assert.ok(eventfdDrain(fd) < 0);
  ring.muteEvents(false);
  ring.fdatasync(file, 0);
  finish(ring, 1);
  assert.equal(eventfdDrain(fd), 8);
});

test('IoUring: nothing comes within the time → -ETIME; cancelAll ends what waits', { skip }, (t) => {
  const ring = ringOf(t, 4);
  const ends = pipe();
  if (typeof ends === 'number') throw new Error(`pipe: ${ends}`);
  undo(t, () => {
    close(ends[0]);
    close(ends[1]);
  });
  const into = vector(8);
  ring.readv(ends[0], into.iov, 1, 0, 5); // an empty pipe
  assert.equal(ring.enter(), 1);
  assert.equal(ring.enterAndWait(20), -ETIME);
  assert.equal(ring.next(), false);
  assert.equal(ring.cancelAll(), true);
  const result = finish(ring, 1).get(5);
  // A kernel before 5.19 has no such cancel; then the pipe ends it.
  if (result === undefined) writeFrom(ends[1], into.iov, 1);
  else assert.equal(result, -ECANCELED);
});

test('IoUring: unqueue → the calls not yet told of, the last one first', { skip }, (t) => {
  const ring = ringOf(t, 4);
  ring.fdatasync(0, 10);
  ring.fdatasync(0, 11);
  ring.cancelAll();
  assert.equal(ring.unqueue(), true);
  assert.equal(ring.token, 11);
  assert.equal(ring.unqueue(), true);
  assert.equal(ring.token, 10);
  assert.equal(ring.unqueue(), false);
  const { fd } = fileOf(t, new Uint8Array(8));
  ring.fdatasync(fd, 12);
  assert.deepEqual(finish(ring, 1), new Map([[12, 0]]));
});

test('IoUring.create: 0 entries → -EINVAL', { skip }, () => {
  assert.equal(IoUring.create(0), -EINVAL);
});
