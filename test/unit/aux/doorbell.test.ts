// Both ends of the doorbell sockets: the PMM's, which listens, and the peer's, which connects and keeps trying.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeAuxDoorbell } from '#lkvm/aux/doorbell.js';
import { ivshmemServerDoorbell } from '#lkvm/backends/doorbell/ivshmem-server.js';
import { eventfdDoorbell, socketDoorbell } from '#lkvm/backends/doorbell/socket.js';
import { Reactor } from '#lkvm/reactor/reactor.js';
import { close } from '#lkvm/sys/fd.js';
import { createMemfd } from '#lkvm/sys/map.js';
import { acceptUnix, listenUnix, sendWithFds } from '#lkvm/sys/socket.js';
import { collectLog, DoorbellProbe } from '../../support/doorbell-rig.js';
import { IvshmemStandIn, openFds } from '../../support/ivshmem.js';
import { runUntil } from '../../support/rounds.js';
import { tempDir } from '../../support/temp.js';

function ends(t: TestContext, kind: 'socket' | 'eventfd', poolFd = -1) {
  const path = join(tempDir(t), 'doorbell');
  const loop = new Reactor();
  const log = collectLog();
  const peer = makeAuxDoorbell({ kind, path }, loop, log);
  const probe = new DoorbellProbe();
  const hand = { address: 0x3700_0000, bytes: 8192, fd: poolFd };
  const makePmm = () => (kind === 'socket' ? socketDoorbell(path, loop) : eventfdDoorbell(path, loop, hand));
  t.after(() => {
    peer.close();
    loop.close();
  });
  return { path, loop, log, peer, probe, makePmm };
}

for (const kind of ['socket', 'eventfd', 'ivshmem'] as const) {
  test(`${kind} doorbell: it cannot be connected to → says why, and what to do if not just to wait`, (t) => {
    const folder = tempDir(t);
    const [path, file, stale] = [join(folder, 'none'), join(folder, 'file'), join(folder, 'stale')];
    writeFileSync(file, '');
    close(listenUnix(stale)); // the socket's file stays
    const loop = new Reactor();
    const troubleAt = (where: string) => {
      const peer = makeAuxDoorbell({ kind, path: where }, loop, collectLog());
      peer.open(new DoorbellProbe());
      const { trouble } = peer;
      peer.close();
      return trouble;
    };
    assert.deepEqual(troubleAt(path), { what: `there is no socket ${path}`, advice: undefined });
    assert.deepEqual(troubleAt(stale), { what: `nobody listens on ${stale}`, advice: undefined });
    assert.deepEqual(troubleAt(file), {
      what: `${file} is not a socket`,
      advice: 'use another path on both sides',
    });
    assert.match(troubleAt(join(file, 'x'))?.what ?? '', /^cannot connect to .*: ENOTDIR$/);
    loop.close();
  });
}

for (const kind of ['socket', 'eventfd'] as const) {
  test(`${kind} doorbell: the peer is first → connects when the PMM listens, signals go both ways`, (t) => {
    const { loop, peer, probe, makePmm } = ends(t, kind);
    peer.open(probe);
    loop.round(1000);
    assert.equal(peer.up, false);
    peer.signal(); // into nothing
    const pmm = makePmm();
    const pmmProbe = new DoorbellProbe();
    pmm.open(pmmProbe);
    runUntil(loop, () => peer.up && pmmProbe.peers.length > 0);
    assert.deepEqual(probe.peers, [true]);
    peer.signal();
    runUntil(loop, () => pmmProbe.rings > 0);
    for (let i = 1; i <= 3; i++) {
      pmm.signal();
      runUntil(loop, () => probe.rings >= i);
    }
    pmm.close();
  });

  test(`${kind} doorbell: the PMM goes and comes back → down, then up again, and signals arrive`, (t) => {
    const { loop, peer, probe, makePmm } = ends(t, kind);
    let pmm = makePmm();
    pmm.open(new DoorbellProbe());
    peer.open(probe);
    runUntil(loop, () => peer.up);
    pmm.close();
    runUntil(loop, () => !peer.up);
    pmm = makePmm();
    const pmmProbe = new DoorbellProbe();
    pmm.open(pmmProbe);
    runUntil(loop, () => peer.up && pmmProbe.peers.length > 0);
    assert.deepEqual(probe.peers, [true, false, true]);
    peer.signal();
    pmm.signal();
    runUntil(loop, () => probe.rings > 0 && pmmProbe.rings > 0);
    pmm.close();
  });
}

test('eventfd doorbell: with a memfd pool → the pool is handed over, without → none is', (t) => {
  const poolFd = createMemfd('test', 8192);
  const { loop, peer, makePmm } = ends(t, 'eventfd', poolFd);
  const pmm = makePmm();
  pmm.open(new DoorbellProbe());
  peer.open(new DoorbellProbe());
  const handed = () => peer.handed;
  assert.equal(handed(), undefined);
  runUntil(loop, () => peer.up);
  assert.equal(handed()?.address, 0x3700_0000);
  assert.equal(handed()?.bytes, 8192);
  assert.ok((handed()?.fd ?? -1) >= 0);
  pmm.close();
  runUntil(loop, () => !peer.up);
  assert.equal(handed(), undefined);
  close(poolFd);
});

test('eventfd doorbell: a greeting that makes no sense → said, not taken, and nothing leaks', (t) => {
  const { path, loop, log, peer, probe } = ends(t, 'eventfd');
  const listener = listenUnix(path);
  peer.open(probe);
  const connection = acceptUnix(listener);
  assert.ok(connection >= 0);
  sendWithFds(connection, Buffer.alloc(24, 0xff), [listener, listener]);
  runUntil(loop, () => log.warnings.length > 0);
  assert.match(log.warnings[0] ?? '', /greeting .* not understood/);
  assert.equal(peer.up, false);
  close(connection);
  close(listener);
  assert.deepEqual(probe.peers, []);
});

test('socket doorbell: two peers fight for one PMM → each tries ever more seldom', (t) => {
  const { path, loop, peer, probe, makePmm } = ends(t, 'socket');
  const other = makeAuxDoorbell({ kind: 'socket', path }, loop, collectLog());
  t.after(() => other.close());
  const pmm = makePmm();
  pmm.open(new DoorbellProbe());
  peer.open(probe);
  other.open(new DoorbellProbe());
  const end = loop.nowUs() + 700_000;
  while (loop.nowUs() < end) loop.round(10_000);
  const ups = probe.peers.filter((up) => up).length;
  assert.ok(ups <= 8, `${ups} connections in 0.7 s`);
  pmm.close();
});

/** A peer that keeps trying, and what is at the other end. */
function ivshmemEnds(t: TestContext) {
  const path = join(tempDir(t), 'server');
  const loop = new Reactor();
  const log = collectLog();
  const peer = makeAuxDoorbell({ kind: 'ivshmem', path }, loop, log);
  const probe = new DoorbellProbe();
  t.after(() => {
    peer.close();
    loop.close();
  });
  return { path, loop, log, peer, probe };
}

test('ivshmem doorbell: a PMM comes, goes and comes again → up, down and up, each time with its memory', (t) => {
  const { path, loop, log, peer, probe } = ivshmemEnds(t);
  peer.open(probe);
  loop.round(1000);
  assert.deepEqual([peer.up, peer.handed], [false, undefined]);
  for (let round = 1; round <= 3; round++) {
    const memoryFd = createMemfd('pool', round * 4096);
    const pmm = ivshmemServerDoorbell({ path, memoryFd, vectors: 1 }, loop, log);
    const pmmProbe = new DoorbellProbe();
    pmm.open(pmmProbe);
    runUntil(loop, () => peer.up);
    assert.equal(peer.handed?.bytes, round * 4096);
    peer.signal();
    runUntil(loop, () => pmmProbe.rings > 0);
    const before = probe.rings;
    pmm.signal();
    runUntil(loop, () => probe.rings > before);
    pmm.close();
    close(memoryFd);
    runUntil(loop, () => !peer.up);
  }
  assert.deepEqual(probe.peers, [true, false, true, false, true, false]);
  assert.deepEqual(log.warnings, []);
});

test('ivshmem doorbell: a server that is none → one line, and it is tried again; no descriptor is left', (t) => {
  const { path, loop, log, peer, probe } = ivshmemEnds(t);
  const before = openFds();
  const server = new IvshmemStandIn(path, 4096);
  peer.open(probe);
  server.connection = acceptUnix(server.listener);
  server.send(0);
  server.send(1);
  server.send(2, server.other);
  runUntil(loop, () => log.warnings.length > 0);
  assert.match(log.warnings[0] ?? '', /is no ivshmem server as we know them: it has sent 2/);
  assert.equal(server.closed(), true);
  peer.close();
  server[Symbol.dispose]();
  assert.equal(openFds(), before);
});
