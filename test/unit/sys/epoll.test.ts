import assert from 'node:assert/strict';
import { openSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { EBADF, EEXIST, ENOENT, EPERM } from '#lkvm/abi/errno.js';
import { EPOLLHUP, EPOLLIN, EPOLLOUT } from '#lkvm/abi/linux.js';
import { Epoll } from '#lkvm/sys/epoll.js';
import { eventfd, eventfdDrain, eventfdSignal } from '#lkvm/sys/eventfd.js';
import { close, pipe } from '#lkvm/sys/fd.js';
import { socketpair } from '#lkvm/sys/socket.js';

function epoll(t: TestContext): Epoll {
  const made = new Epoll();
  t.after(() => made.close());
  return made;
}

function event(t: TestContext): number {
  const fd = eventfd();
  t.after(() => close(fd));
  return fd;
}

test('Epoll: two eventfds signalled → their tokens and EPOLLIN, until drained', (t) => {
  const poll = epoll(t);
  const [a, b, quiet] = [event(t), event(t), event(t)];
  poll.add(a, EPOLLIN, 7);
  poll.add(b, EPOLLIN, 0xffff_ffff);
  poll.add(quiet, EPOLLIN, 1);
  assert.equal(poll.wait(0), 0);
  eventfdSignal(a);
  eventfdSignal(b);
  assert.equal(poll.wait(0), 2);
  assert.deepEqual([poll.token(0), poll.token(1)].sort(), [0xffff_ffff, 7].sort());
  assert.deepEqual([poll.events(0), poll.events(1)], [EPOLLIN, EPOLLIN]);
  eventfdDrain(a);
  eventfdDrain(b);
  assert.equal(poll.wait(0), 0);
});

test('Epoll.modify: 0 → silent but for a hang-up; EPOLLOUT → writable', (t) => {
  const poll = epoll(t);
  const pair = socketpair();
  assert.ok(typeof pair !== 'number');
  t.after(() => close(pair[0]));
  poll.add(pair[0], EPOLLIN | EPOLLOUT, 1);
  assert.equal(poll.wait(0), 1);
  assert.equal(poll.events(0), EPOLLOUT);
  poll.modify(pair[0], 0, 2);
  assert.equal(poll.wait(0), 0);
  close(pair[1]);
  assert.equal(poll.wait(-1), 1);
  assert.equal(poll.token(0), 2);
  assert.equal(poll.events(0), EPOLLHUP);
});

test('Epoll.add, modify, remove: what the kernel refuses → -errno', (t) => {
  const poll = epoll(t);
  const fd = event(t);
  const file = openSync(process.execPath, 'r');
  t.after(() => close(file));
  assert.equal(poll.add(file, EPOLLIN, 1), -EPERM);
  assert.equal(poll.add(fd, EPOLLIN, 1), 0);
  assert.equal(poll.add(fd, EPOLLIN, 1), -EEXIST);
  assert.equal(poll.remove(fd), 0);
  assert.equal(poll.remove(fd), -ENOENT);
  assert.equal(poll.modify(fd, EPOLLIN, 1), -ENOENT);
  assert.equal(poll.add(-1, EPOLLIN, 1), -EBADF);
});

test('Epoll.wait: timeouts of 0, 100 us, 1.5 s with an event there → at once or not before their time', (t) => {
  const poll = epoll(t);
  const fd = event(t);
  poll.add(fd, EPOLLIN, 1);
  const start = performance.now();
  assert.equal(poll.wait(100), 0);
  assert.ok(performance.now() - start >= 0.1, 'woke early');
  assert.equal(poll.wait(2_000), 0);
  assert.ok(performance.now() - start >= 2.1, 'woke early');
  eventfdSignal(fd);
  assert.equal(poll.wait(1_500_000), 1);
});

test('Epoll.wait: shorter than a millisecond → not rounded up to milliseconds', (t) => {
  const poll = epoll(t);
  // epoll_wait alone would take at least 1 ms each time; one quick wait among many shows that it is not used, on any load
  const quick = Array.from({ length: 1000 }).some(() => {
    const start = performance.now();
    poll.wait(20);
    return performance.now() - start < 0.9;
  });
  assert.ok(quick);
});

test('Epoll.wait: more descriptors ready than fit at once → the rest later, none lost', (t) => {
  const poll = epoll(t);
  const tokens = new Set<number>();
  const fds = Array.from({ length: 100 }, () => event(t));
  fds.forEach((fd, token) => {
    poll.add(fd, EPOLLIN, token);
    eventfdSignal(fd);
  });
  const first = poll.wait(0);
  assert.equal(first, 64);
  for (let n = first; n > 0; n = poll.wait(0)) {
    for (let i = 0; i < n; i++) {
      tokens.add(poll.token(i));
      eventfdDrain(fds[poll.token(i)] as number);
    }
  }
  assert.equal(tokens.size, 100);
});

test('Epoll.wait: the only writer of a pipe closes → EPOLLHUP', (t) => {
  const poll = epoll(t);
  const ends = pipe();
  assert.ok(typeof ends !== 'number');
  t.after(() => close(ends[0]));
  poll.add(ends[0], EPOLLIN, 3);
  close(ends[1]);
  assert.equal(poll.wait(-1), 1);
  assert.equal(poll.events(0), EPOLLHUP);
});
