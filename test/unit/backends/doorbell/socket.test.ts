// Socket doorbells: real unix sockets, and eventfds passed over them.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventfdDoorbell, socketDoorbell } from '#lkvm/backends/doorbell/socket.js';
import { Reactor } from '#lkvm/reactor/reactor.js';
import { eventfdDrain, eventfdSignal } from '#lkvm/sys/eventfd.js';
import { close } from '#lkvm/sys/fd.js';
import { createMemfd } from '#lkvm/sys/map.js';
import { connectUnix, recv, recvWithFds, send } from '#lkvm/sys/socket.js';
import { StartError } from '#lkvm/util/errors.js';
import { DoorbellProbe } from '../../../support/doorbell-rig.js';
import { tempDir } from '../../../support/temp.js';

const WAIT_US = 5_000_000;
const EAGAIN = 11;
const BYTE = Uint8Array.of(0x55);

test('socket: a byte from the peer → one doorbell; signal → one byte to the peer', (t) => {
  const path = join(tempDir(t), 'bell');
  const reactor = new Reactor();
  const probe = new DoorbellProbe();
  const doorbell = socketDoorbell(path, reactor);
  doorbell.open(probe);
  const peer = connectUnix(path);
  reactor.round(WAIT_US); // accept

  send(peer, BYTE);
  reactor.round(WAIT_US);
  doorbell.signal();
  const received = recv(peer, new Uint8Array(8));

  assert.deepEqual(probe.peers, [true]);
  assert.equal(probe.rings, 1);
  assert.equal(received, 1);
  close(peer);
  doorbell.close();
  reactor.close();
});

test('socket: a second connection → replaces the first, which is closed', (t) => {
  const path = join(tempDir(t), 'bell');
  const reactor = new Reactor();
  const probe = new DoorbellProbe();
  const doorbell = socketDoorbell(path, reactor);
  doorbell.open(probe);
  const first = connectUnix(path);
  reactor.round(WAIT_US);
  const second = connectUnix(path);
  reactor.round(WAIT_US);

  doorbell.signal();

  assert.equal(recv(first, new Uint8Array(8)), 0);
  assert.equal(recv(second, new Uint8Array(8)), 1);
  assert.deepEqual(probe.peers, [true, true]);
  for (const fd of [first, second]) close(fd);
  doorbell.close();
  reactor.close();
});

test('socket: the peer goes and another comes → both are reported, signals in between are dropped', (t) => {
  const path = join(tempDir(t), 'bell');
  const reactor = new Reactor();
  const probe = new DoorbellProbe();
  const doorbell = socketDoorbell(path, reactor);
  doorbell.open(probe);
  const first = connectUnix(path);
  reactor.round(WAIT_US);
  close(first);
  reactor.round(WAIT_US);
  doorbell.signal();
  const second = connectUnix(path);
  reactor.round(WAIT_US);

  assert.deepEqual(probe.peers, [true, false, true]);
  assert.equal(recv(second, new Uint8Array(8)), -EAGAIN);
  close(second);
  doorbell.close();
  reactor.close();
});

test('socket: a peer that never reads → signals are dropped, nothing blocks', (t) => {
  const path = join(tempDir(t), 'bell');
  const reactor = new Reactor();
  const doorbell = socketDoorbell(path, reactor);
  doorbell.open(new DoorbellProbe());
  const peer = connectUnix(path);
  reactor.round(WAIT_US);

  const enough = 100_000; // bytes beyond what the socket's buffers hold, one per message
  for (let i = 0; i < enough; i++) doorbell.signal();

  assert.ok(recv(peer, new Uint8Array(1)) === 1);
  close(peer);
  doorbell.close();
  reactor.close();
});

test('socket: another process listens already → StartError; a stale file → replaced; closing → removed', (t) => {
  const path = join(tempDir(t), 'bell');
  const reactor = new Reactor();
  const first = socketDoorbell(path, reactor);
  first.open(new DoorbellProbe());

  assert.throws(
    () => socketDoorbell(path, reactor).open(new DoorbellProbe()),
    (error) => error instanceof StartError && error.message.includes(path),
  );
  first.close();
  assert.equal(existsSync(path), false);
  reactor.close();
});

test('socket: no folder, or a file that is no socket → StartError that says what to do; the file stays', (t) => {
  const folder = tempDir(t);
  const file = join(folder, 'file');
  writeFileSync(file, 'mine');
  const reactor = new Reactor();
  t.after(() => reactor.close());
  const open = (path: string) => () => socketDoorbell(path, reactor).open(new DoorbellProbe());
  assert.throws(open(join(folder, 'none/bell')), {
    code: 'START',
    message: /none\/bell: ENOENT; make its folder/,
  });
  assert.throws(open(join(file, 'bell')), { code: 'START', message: /file\/bell: ENOTDIR; make its folder/ });
  assert.throws(open(file), { code: 'START', message: /file: ENOTSOCK; .* is no socket .*: remove it/ });
  assert.equal(readFileSync(file, 'utf8'), 'mine');
});

test('eventfd: a peer connects → gets the pool, both lines and where the pool is; both lines work', (t) => {
  const path = join(tempDir(t), 'bell');
  const reactor = new Reactor();
  const probe = new DoorbellProbe();
  const pool = createMemfd('pool', 4096);
  const doorbell = eventfdDoorbell(path, reactor, { address: 0x1_3700_0000, bytes: 4096, fd: pool });
  doorbell.open(probe);
  const peer = connectUnix(path);
  reactor.round(WAIT_US);
  const hello = new Uint8Array(64);
  const fds: number[] = [];
  const n = recvWithFds(peer, hello, fds);
  const [, toPmm = -1, toPeer = -1] = fds;

  eventfdSignal(toPmm);
  reactor.round(WAIT_US);
  doorbell.signal();

  const view = new DataView(hello.buffer);
  assert.equal(n, 24);
  assert.deepEqual([view.getUint32(0, true), view.getUint32(4, true)], [0x4d56484c, 1]);
  assert.deepEqual([view.getBigUint64(8, true), view.getBigUint64(16, true)], [0x1_3700_0000n, 4096n]);
  assert.equal(fds.length, 3);
  assert.equal(probe.rings, 1);
  assert.equal(eventfdDrain(toPeer), 8);
  for (const fd of [...fds, peer, pool]) close(fd);
  doorbell.close();
  reactor.close();
});

test('eventfd: a pool the peer opens itself → two descriptors only', (t) => {
  const path = join(tempDir(t), 'bell');
  const reactor = new Reactor();
  const doorbell = eventfdDoorbell(path, reactor, { address: 0x37000000, bytes: 4096, fd: -1 });
  doorbell.open(new DoorbellProbe());
  const peer = connectUnix(path);
  reactor.round(WAIT_US);
  const fds: number[] = [];

  recvWithFds(peer, new Uint8Array(64), fds);

  assert.equal(fds.length, 2);
  for (const fd of [...fds, peer]) close(fd);
  doorbell.close();
  reactor.close();
});
