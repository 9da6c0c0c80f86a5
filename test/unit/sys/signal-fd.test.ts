import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import koffi from 'koffi';
import { UV_SIGNAL } from '#lkvm/abi/libuv.js';
import { EPOLLIN, SIGHUP, SIGINT } from '#lkvm/abi/linux.js';
import { Epoll } from '#lkvm/sys/epoll.js';
import { SignalFd } from '#lkvm/sys/signal-fd.js';

/** What a loop of ours sees: 1 if the descriptor is readable, 0 if it is not after a while. */
function ready(epoll: Epoll, us: number): number {
  return Math.max(0, epoll.wait(us)); // a signal interrupts the wait, too
}

test('SignalFd: a signal comes → readable until it is drained, and no sooner', () => {
  const signals = new SignalFd([SIGINT, SIGHUP]);
  const epoll = new Epoll();
  epoll.add(signals.fd, EPOLLIN, 7);
  assert.equal(ready(epoll, 0), 0);
  for (const signal of ['SIGHUP', 'SIGINT'] as const) {
    process.kill(process.pid, signal);
    assert.equal(ready(epoll, 10_000_000) || ready(epoll, 10_000_000), 1);
    assert.equal(epoll.token(0), 7);
    assert.equal(ready(epoll, 0), 1);
    signals.drain();
    assert.equal(ready(epoll, 0), 0);
  }
  epoll.close();
});

test('SignalFd: a signal comes, Node listens for it, too → both hear of it', async () => {
  const signals = new SignalFd([SIGHUP]);
  const epoll = new Epoll();
  epoll.add(signals.fd, EPOLLIN, 7);
  const awake = setInterval(() => {}, 1000); // Node would not wait for a signal alone
  const heard = once(process, 'SIGHUP');
  process.kill(process.pid, 'SIGHUP');
  await heard;
  clearInterval(awake);
  assert.equal(ready(epoll, 0), 1);
  epoll.close();
});

test('UV_SIGNAL: asked of libuv itself → the type it calls "signal"', () => {
  const nameOf = koffi.load(null).func('const char *uv_handle_type_name(int type)');
  assert.equal(nameOf(UV_SIGNAL), 'signal');
});
