import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { EAGAIN, EBADF, EFAULT, EINVAL, ENOENT, ENOTTY, EPIPE, ESPIPE } from '#lkvm/abi/errno.js';
import { F_GETFL, FIONREAD, IOVEC_BYTES, LOCK_EX, LOCK_NB } from '#lkvm/abi/linux.js';
import { O_CREAT, O_NONBLOCK, O_RDONLY, O_RDWR, O_TRUNC } from '#lkvm/sys/arch.js';
import {
  close,
  fcntl,
  fdatasync,
  flock,
  fsync,
  ftruncate,
  ioctl,
  lockRange,
  open,
  pipe,
  preadv,
  punchHole,
  pwritev,
  read,
  readTo,
  readv,
  seekEnd,
  write,
  writeFrom,
  writev,
} from '#lkvm/sys/fd.js';
import { NativeBuffer } from '#lkvm/sys/map.js';
import { tempDir } from '../../support/temp.js';

const F_GETFD = 1;
const FD_CLOEXEC = 1;
/** An offset that needs 43 bits: what a 32-bit off_t or an int would cut. */
const FAR = 2 ** 42 + 5;

function file(t: TestContext, content = ''): { fd: number; path: string } {
  const path = join(tempDir(t), 'file');
  if (content !== '') writeFileSync(path, content);
  const fd = open(path, O_RDWR | O_CREAT, 0o600);
  assert.ok(fd >= 0);
  t.after(() => close(fd));
  return { fd, path };
}

function pipeEnds(t: TestContext, flags = 0): [number, number] {
  const ends = pipe(flags);
  assert.ok(typeof ends !== 'number');
  t.after(() => ends.forEach(close));
  return ends;
}

/** Native memory with `text` at 1024 and iovecs for the given [offset, bytes] ranges at 0. */
function vector(text: string, ranges: readonly (readonly [number, number])[]): NativeBuffer {
  const memory = new NativeBuffer(4096);
  memory.u8.set(Buffer.from(text), 1024);
  ranges.forEach(([offset, bytes], i) => {
    memory.view.setBigUint64(i * IOVEC_BYTES, BigInt(memory.address + offset), true);
    memory.view.setBigUint64(i * IOVEC_BYTES + 8, BigInt(bytes), true);
  });
  return memory;
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

test('open: a new file → mode as given, close-on-exec; missing, then -ENOENT; closed twice, then -EBADF', (t) => {
  const { fd, path } = file(t);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(fcntl(fd, F_GETFD, 0), FD_CLOEXEC);
  assert.equal(open(`${path}-not-there`, O_RDONLY), -ENOENT);
  const again = open(path, O_RDWR | O_TRUNC);
  assert.equal(close(again), 0);
  assert.equal(close(again), -EBADF);
});

test('read, write: byte arrays, also parts of a larger one → only those bytes', (t) => {
  const { fd, path } = file(t);
  const bytes = new TextEncoder().encode('0123456789');
  assert.equal(write(fd, bytes.subarray(2, 5)), 3);
  assert.equal(write(fd, bytes, 2), 2);
  assert.equal(write(fd, bytes, 99), 10);
  assert.equal(readFileSync(path, 'latin1'), '234010123456789');
  const again = open(path, O_RDONLY);
  t.after(() => close(again));
  const target = new Uint8Array(8);
  assert.equal(read(again, target.subarray(4), 3), 3);
  assert.deepEqual([...target], [0, 0, 0, 0, 0x32, 0x33, 0x34, 0]);
});

test('readTo, writeFrom: mapped memory → moved; an unmapped address → -EFAULT', (t) => {
  const { fd, path } = file(t, 'abcdef');
  const memory = new NativeBuffer(64);
  assert.equal(readTo(fd, memory.address + 8, 4), 4);
  assert.equal(text(memory.u8.subarray(8, 12)), 'abcd');
  assert.equal(writeFrom(fd, memory.address + 8, 4), 4);
  assert.equal(readFileSync(path, 'latin1'), 'abcdabcd');
  assert.equal(readTo(fd, 8, 4), 0); // at the end of the file nothing is touched
  assert.equal(writeFrom(fd, 8, 4), -EFAULT);
});

test('writev, readv: three ranges, one empty → in order', (t) => {
  const [reader, writer] = pipeEnds(t);
  const memory = vector('hello world', [
    [1030, 5],
    [1024, 0],
    [1024, 5],
  ]);
  assert.equal(writev(writer, memory.address, 3), 10);
  const target = vector('', [
    [2048, 3],
    [3000, 100],
  ]);
  assert.equal(readv(reader, target.address, 2), 10);
  assert.equal(text(target.u8.subarray(2048, 2051)), 'wor');
  assert.equal(text(target.u8.subarray(3000, 3007)), 'ldhello');
});

test('pwritev, preadv: offset beyond 2^42 → there, the file position stays', (t) => {
  const { fd, path } = file(t);
  const memory = vector('data', [
    [1024, 4],
    [2048, 4],
  ]);
  assert.equal(pwritev(fd, memory.address, 1, FAR), 4);
  assert.equal(statSync(path).size, FAR + 4);
  assert.equal(preadv(fd, memory.address + IOVEC_BYTES, 1, FAR), 4);
  assert.equal(text(memory.u8.subarray(2048, 2052)), 'data');
  assert.equal(write(fd, Uint8Array.of(1)), 1);
  assert.equal(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1').split(/\s+/)[1], '1');
});

test('preadv: a pipe → -ESPIPE; too many iovecs, a negative offset → -EINVAL', (t) => {
  const memory = vector('', [[1024, 4]]);
  assert.equal(preadv(pipeEnds(t)[0], memory.address, 1, 0), -ESPIPE);
  const { fd } = file(t);
  assert.equal(preadv(fd, memory.address, 1025, 0), -EINVAL);
  assert.equal(preadv(fd, memory.address, 1, -1), -EINVAL);
});

test('ftruncate, seekEnd, punchHole: sizes beyond 2^42 → as asked, a hole frees blocks and keeps the size', (t) => {
  const { fd, path } = file(t);
  assert.equal(ftruncate(fd, FAR), 0);
  assert.equal(seekEnd(fd), FAR);
  assert.equal(ftruncate(fd, 0), 0);
  write(fd, new Uint8Array(65536).fill(7));
  fsync(fd);
  const before = statSync(path);
  const punched = punchHole(fd, 0, before.size);
  assert.equal(punched, 0);
  assert.equal(statSync(path).size, before.size);
  assert.ok(statSync(path).blocks < before.blocks);
});

test('fsync, fdatasync: a file → 0; a pipe → -EINVAL', (t) => {
  const { fd } = file(t, 'x');
  assert.equal(fsync(fd), 0);
  assert.equal(fdatasync(fd), 0);
  assert.equal(fsync(pipeEnds(t)[0]), -EINVAL);
});

test('lockRange: a range of a file, of a character device → refused to others until closed, other ranges are free', (t) => {
  for (const path of [file(t).path, '/dev/zero']) {
    const first = open(path, O_RDWR);
    const second = open(path, O_RDWR);
    t.after(() => close(second));
    assert.equal(lockRange(first, FAR, 4096), 0);
    assert.equal(lockRange(second, FAR + 4095, 1), -EAGAIN);
    assert.equal(lockRange(second, FAR + 4096, 1), 0);
    close(first);
    assert.equal(lockRange(second, FAR, 4096), 0);
  }
});

test('flock: held by another open description → -EAGAIN until that one is closed', (t) => {
  const { fd, path } = file(t);
  const other = open(path, O_RDWR);
  assert.equal(flock(fd, LOCK_EX | LOCK_NB), 0);
  assert.equal(flock(other, LOCK_EX | LOCK_NB), -EAGAIN);
  close(other);
  assert.equal(flock(fd, LOCK_EX | LOCK_NB), 0);
});

test('ioctl: FIONREAD on a pipe → the count; on a file that has no such request → -ENOTTY', (t) => {
  const [reader, writer] = pipeEnds(t);
  const memory = new NativeBuffer(4);
  write(writer, new Uint8Array(5));
  assert.equal(ioctl(reader, FIONREAD, memory.address), 0);
  assert.equal(memory.view.getInt32(0, true), 5);
  assert.equal(ioctl(file(t).fd, 0x5413, memory.address), -ENOTTY);
});

test('pipe: O_NONBLOCK → both ends; empty → -EAGAIN; reader closed → -EPIPE, no signal', (t) => {
  const [reader, writer] = pipeEnds(t, O_NONBLOCK);
  for (const fd of [reader, writer]) {
    assert.equal(fcntl(fd, F_GETFL, 0) & O_NONBLOCK, O_NONBLOCK);
    assert.equal(fcntl(fd, F_GETFD, 0), FD_CLOEXEC);
  }
  assert.equal(read(reader, new Uint8Array(1)), -EAGAIN);
  close(reader);
  assert.equal(write(writer, new Uint8Array(1)), -EPIPE);
});
