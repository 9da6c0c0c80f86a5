import assert from 'node:assert/strict';
import { closeSync, existsSync, readSync, statSync, writeFileSync } from 'node:fs';
import { connect as netConnect } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  EADDRINUSE,
  EAGAIN,
  ECONNREFUSED,
  EMSGSIZE,
  ENAMETOOLONG,
  ENOENT,
  ENOTSOCK,
  EPIPE,
} from '#lkvm/abi/errno.js';
import { F_GETFL } from '#lkvm/abi/linux.js';
import { O_NONBLOCK } from '#lkvm/sys/arch.js';
import { eventfd, eventfdDrain, eventfdSignal } from '#lkvm/sys/eventfd.js';
import { close, fcntl, pipe } from '#lkvm/sys/fd.js';
import {
  acceptUnix,
  connectUnix,
  FD_MESSAGE_MAX_BYTES,
  listenUnix,
  recv,
  recvWithFds,
  send,
  sendWithFds,
  socketpair,
} from '#lkvm/sys/socket.js';
import { tempDir } from '../../support/temp.js';

const F_GETFD = 1;
const FD_CLOEXEC = 1;

/** A non-negative fd, closed after the test. */
function owned(t: TestContext, fd: number): number {
  assert.ok(fd >= 0, `errno ${-fd}`);
  t.after(() => close(fd));
  return fd;
}

function pair(t: TestContext): [number, number] {
  const fds = socketpair();
  assert.ok(typeof fds !== 'number', 'socketpair');
  return [owned(t, fds[0]), owned(t, fds[1])];
}

test('listenUnix, connectUnix, acceptUnix: one connection → bytes go both ways, all fds are non-blocking and close-on-exec', (t) => {
  const path = join(tempDir(t), 's');
  const listener = owned(t, listenUnix(path));
  assert.equal(acceptUnix(listener), -EAGAIN);
  const client = owned(t, connectUnix(path));
  const server = owned(t, acceptUnix(listener));

  assert.equal(send(client, Uint8Array.of(1, 2, 3)), 3);
  const got = new Uint8Array(8);
  assert.equal(recv(server, got), 3);
  assert.deepEqual([...got.subarray(0, 3)], [1, 2, 3]);
  assert.equal(recv(server, got), -EAGAIN);
  assert.equal(send(server, Uint8Array.of(9), 1), 1);
  assert.equal(recv(client, got, 1), 1);
  assert.equal(got[0], 9);
  for (const fd of [listener, client, server]) {
    assert.equal(fcntl(fd, F_GETFL, 0) & O_NONBLOCK, O_NONBLOCK);
    assert.equal(fcntl(fd, F_GETFD, 0) & FD_CLOEXEC, FD_CLOEXEC);
  }
});

test('listenUnix: mode → only those bits on the socket file', (t) => {
  const path = join(tempDir(t), 's');
  owned(t, listenUnix(path, 0o600));
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('listenUnix: a living listener → EADDRINUSE, and it still works', (t) => {
  const path = join(tempDir(t), 's');
  const listener = owned(t, listenUnix(path));
  assert.equal(listenUnix(path), -EADDRINUSE);
  close(acceptUnix(listener)); // the probe's connection
  owned(t, connectUnix(path));
  owned(t, acceptUnix(listener));
});

test('listenUnix: a living listener whose backlog is full → EADDRINUSE', (t) => {
  const path = join(tempDir(t), 's');
  owned(t, listenUnix(path, 0o600, 1));
  let result = 0;
  while (result >= 0) {
    result = connectUnix(path);
    if (result >= 0) owned(t, result);
  }
  assert.equal(result, -EAGAIN);
  assert.equal(listenUnix(path), -EADDRINUSE);
});

test('listenUnix: a stale socket file → replaced', (t) => {
  const path = join(tempDir(t), 's');
  close(listenUnix(path));
  assert.ok(existsSync(path));
  assert.equal(connectUnix(path), -ECONNREFUSED);
  owned(t, listenUnix(path));
  owned(t, connectUnix(path));
});

test('listenUnix: a file that is no socket → ENOTSOCK, the file is left alone', (t) => {
  const path = join(tempDir(t), 'precious');
  writeFileSync(path, 'data');
  assert.equal(listenUnix(path), -ENOTSOCK);
  assert.equal(statSync(path).size, 4);
});

test('listenUnix: no such folder, empty path, NUL in the path → ENOENT', (t) => {
  const dir = tempDir(t);
  assert.equal(listenUnix(join(dir, 'missing', 's')), -ENOENT);
  assert.equal(listenUnix(''), -ENOENT);
  assert.equal(listenUnix(`${dir}/a\0b`), -ENOENT);
  assert.equal(connectUnix(join(dir, 'nothing')), -ENOENT);
});

test('listenUnix, connectUnix: a path longer than sockaddr_un → reached through its folder', async (t) => {
  const { mkdirSync } = await import('node:fs');
  const dir = join(tempDir(t), 'd'.repeat(100), 'e'.repeat(100));
  mkdirSync(dir, { recursive: true });
  const path = join(dir, 'socket');
  close(listenUnix(path));
  const listener = owned(t, listenUnix(path)); // stale replacement works there too
  owned(t, connectUnix(path));
  owned(t, acceptUnix(listener));
  assert.ok(statSync(path).isSocket());
  assert.equal(listenUnix(join(dir, 'n'.repeat(108))), -ENAMETOOLONG);
});

test('listenUnix: a client of Node → connects', async (t) => {
  const path = join(tempDir(t), 's');
  const listener = owned(t, listenUnix(path));
  const client = netConnect(path);
  await new Promise((resolve, reject) => client.once('connect', resolve).once('error', reject));
  const server = owned(t, acceptUnix(listener));
  const closed = new Promise((resolve) => client.once('end', resolve).resume());
  close(server);
  await closed;
});

test('send: the other end is closed → EPIPE and no SIGPIPE', (t) => {
  const [a, b] = pair(t);
  close(b);
  assert.equal(send(a, Uint8Array.of(1)), -EPIPE);
  assert.equal(recv(a, new Uint8Array(1)), 0);
});

test('send: the socket buffer is full → EAGAIN, nothing waits', (t) => {
  const [a] = pair(t);
  const block = new Uint8Array(65536);
  let result = 0;
  while (result >= 0) result = send(a, block);
  assert.equal(result, -EAGAIN);
});

test('sendWithFds, recvWithFds: an eventfd and a pipe → usable copies, close-on-exec', (t) => {
  const [a, b] = pair(t);
  const event = owned(t, eventfd());
  const ends = pipe();
  assert.ok(typeof ends !== 'number');
  const [readEnd, writeEnd] = [owned(t, ends[0]), owned(t, ends[1])];

  assert.equal(sendWithFds(a, Uint8Array.of(7, 8), [event, writeEnd]), 2);
  const fds: number[] = [];
  const bytes = new Uint8Array(16);
  assert.equal(recvWithFds(b, bytes, fds), 2);
  assert.deepEqual([...bytes.subarray(0, 2)], [7, 8]);
  assert.equal(fds.length, 2);
  const [event2, writeEnd2] = fds.map((fd) => owned(t, fd)) as [number, number];
  assert.equal(fcntl(event2, F_GETFD, 0) & FD_CLOEXEC, FD_CLOEXEC);

  eventfdSignal(event2);
  assert.equal(eventfdDrain(event), 8);
  const { writeSync } = process.getBuiltinModule('fs');
  writeSync(writeEnd2, 'x');
  assert.equal(readSync(readEnd, bytes, 0, 1, null), 1);
});

test('recvWithFds: a message without fds, then a closed peer → no fds, then 0', (t) => {
  const [a, b] = pair(t);
  const fds: number[] = [];
  const bytes = new Uint8Array(4);
  assert.equal(recvWithFds(b, bytes, fds), -EAGAIN);
  assert.equal(sendWithFds(a, Uint8Array.of(1), []), 1);
  assert.equal(recvWithFds(b, bytes, fds), 1);
  close(a);
  assert.equal(recvWithFds(b, bytes, fds), 0);
  assert.deepEqual(fds, []);
});

test('sendWithFds: the most fds a message can carry → all arrive; one more → EMSGSIZE', (t) => {
  const [a, b] = pair(t);
  const event = owned(t, eventfd());
  const many = new Array<number>(253).fill(event);
  assert.equal(sendWithFds(a, Uint8Array.of(1), many), 1);
  const fds: number[] = [];
  assert.equal(recvWithFds(b, new Uint8Array(1), fds), 1);
  for (const fd of fds) closeSync(fd);
  assert.equal(fds.length, 253);
  assert.equal(sendWithFds(a, Uint8Array.of(1), [...many, event]), -EMSGSIZE);
  assert.equal(sendWithFds(a, new Uint8Array(FD_MESSAGE_MAX_BYTES + 1), []), -EMSGSIZE);
});
