// The PMM as an ivshmem server: real sockets, memory and eventfds; peers written from QEMU's description of the protocol.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Doorbell } from '#lkvm/backends/doorbell/doorbell.js';
import { ivshmemServerDoorbell } from '#lkvm/backends/doorbell/ivshmem-server.js';
import { Reactor } from '#lkvm/reactor/reactor.js';
import { close, writeFrom } from '#lkvm/sys/fd.js';
import { viewOf } from '#lkvm/sys/libc.js';
import { createMemfd, mapShared, NativeBuffer, unmap } from '#lkvm/sys/map.js';
import { StartError } from '#lkvm/util/errors.js';
import { collectLog, DoorbellProbe } from '../../../support/doorbell-rig.js';
import { IvshmemClient, openFds } from '../../../support/ivshmem.js';
import { tempDir } from '../../../support/temp.js';

const WAIT_US = 5_000_000;
const BYTES = 65_536;
/** Rounds that surely empty what is waiting: none waits longer than 1 ms. */
const SETTLE = 40;

class Rig implements Disposable {
  readonly path: string;
  readonly reactor = new Reactor();
  readonly probe = new DoorbellProbe();
  readonly log = collectLog();
  readonly memory = createMemfd('pool', BYTES);
  readonly doorbell: Doorbell;

  constructor(t: TestContext, vectors = 1) {
    this.path = join(tempDir(t), 'ivshmem');
    this.doorbell = ivshmemServerDoorbell(
      { path: this.path, memoryFd: this.memory, vectors },
      this.reactor,
      this.log,
    );
    this.doorbell.open(this.probe);
  }

  /** A peer that has been let in and has read what it was sent. */
  join(): IvshmemClient {
    const client = new IvshmemClient(this.path);
    this.reactor.round(WAIT_US);
    client.take();
    return client;
  }

  settle(): void {
    for (let i = 0; i < SETTLE; i++) this.reactor.round(1000);
  }

  [Symbol.dispose](): void {
    this.doorbell.close();
    close(this.memory);
    this.reactor.close();
  }
}

test('ivshmem server: the first peer → version 0, id 1, the memory, peer 0 (the PMM), itself; nothing else', (t) => {
  using rig = new Rig(t);
  using peer = new IvshmemClient(rig.path);
  rig.reactor.round(WAIT_US);
  assert.deepEqual(peer.take(), [0, 1, '-1+fd', '0+fd', '1+fd']);
  assert.deepEqual(rig.probe.peers, [true]);
});

test('ivshmem server: the memory → the same that the PMM has', (t) => {
  using rig = new Rig(t);
  using peer = rig.join();
  const [ours, theirs] = [mapShared(rig.memory, BYTES), mapShared(peer.memory, BYTES)];
  new Uint8Array(viewOf(theirs.address, BYTES))[BYTES - 1] = 0x5a;
  assert.equal(new Uint8Array(viewOf(ours.address, BYTES))[BYTES - 1], 0x5a);
  unmap(ours);
  unmap(theirs);
});

test('ivshmem server: doorbells in both directions → one each', (t) => {
  using rig = new Rig(t);
  using peer = rig.join();
  peer.ring(0);
  rig.reactor.round(WAIT_US);
  assert.equal(rig.probe.rings, 1);
  assert.equal(peer.interrupted(), false);
  rig.doorbell.signal();
  assert.equal(peer.interrupted(), true);
});

test('ivshmem server: two vectors → each id twice; any vector rings the PMM, the PMM rings vector 0', (t) => {
  using rig = new Rig(t, 2);
  using peer = new IvshmemClient(rig.path);
  rig.reactor.round(WAIT_US);
  assert.deepEqual(peer.take(), [0, 1, '-1+fd', '0+fd', '0+fd', '1+fd', '1+fd']);
  peer.ring(0, 1);
  rig.reactor.round(WAIT_US);
  assert.equal(rig.probe.rings, 1);
  rig.doorbell.signal();
  assert.deepEqual([peer.interrupted(0), peer.interrupted(1)], [true, false]);
});

test('ivshmem server: a second peer → each hears of the other, can ring it, and hears when it goes', (t) => {
  using rig = new Rig(t);
  using first = rig.join();
  const second = new IvshmemClient(rig.path);
  rig.reactor.round(WAIT_US);
  assert.deepEqual(second.take(), [0, 2, '-1+fd', '0+fd', '1+fd', '2+fd']);
  assert.deepEqual(first.take(), ['2+fd']);
  first.ring(2);
  assert.equal(second.interrupted(), true);
  rig.doorbell.signal();
  assert.deepEqual([first.interrupted(), second.interrupted()], [true, true]);
  second[Symbol.dispose]();
  rig.reactor.round(WAIT_US);
  assert.deepEqual(first.take(), [2]);
  assert.deepEqual(rig.probe.peers, [true, true, false]);
});

test('ivshmem server: a peer starts again 300 times → always id 1, and no descriptor is left', (t) => {
  using rig = new Rig(t);
  using resident = rig.join();
  const before = openFds();
  const ids = new Set<number>();
  for (let i = 0; i < 300; i++) {
    const peer = rig.join();
    ids.add(peer.id);
    peer[Symbol.dispose]();
    rig.reactor.round(WAIT_US);
    for (const { fd } of resident.messages.splice(5)) if (fd >= 0) close(fd);
    resident.take();
  }
  for (const { fd } of resident.messages.splice(5)) if (fd >= 0) close(fd);
  assert.deepEqual([...ids], [2]);
  assert.equal(openFds(), before);
  resident.ring(0);
  rig.reactor.round(WAIT_US);
  assert.equal(rig.probe.rings, 1);
});

test('ivshmem server: a peer that connects and is gone before it is let in → nothing is left of it', (t) => {
  using rig = new Rig(t);
  const before = openFds();
  new IvshmemClient(rig.path)[Symbol.dispose]();
  rig.settle();
  assert.equal(openFds(), before);
  using peer = rig.join();
  assert.equal(peer.id, 1);
});

test('ivshmem server: a peer that sends something → it is sent away with one line, others stay', (t) => {
  using rig = new Rig(t);
  using good = rig.join();
  using bad = rig.join();
  bad.send(new Uint8Array(4096).fill(0xff));
  rig.reactor.round(WAIT_US);
  bad.take();
  assert.equal(bad.ended, true);
  assert.deepEqual(good.take(), ['2+fd', 2]);
  assert.equal(rig.log.warnings.length, 1);
  assert.match(rig.log.warnings[0] ?? '', /peer 2 was sent away: it has sent data/);
  good.ring(0);
  rig.reactor.round(WAIT_US);
  assert.equal(rig.probe.rings, 1);
});

test('ivshmem server: a peer that never reads while others come and go → it is sent away, the rest works', (t) => {
  using rig = new Rig(t);
  using deaf = new IvshmemClient(rig.path);
  rig.reactor.round(WAIT_US);
  for (let i = 0; i < 2000 && rig.log.warnings.length === 0; i++) {
    rig.join()[Symbol.dispose]();
    rig.reactor.round(WAIT_US);
  }
  assert.deepEqual(rig.log.warnings, ['ivshmem: peer 1 was sent away: it does not take what it is sent']);
  deaf.take();
  assert.equal(deaf.ended, true);
  using peer = rig.join();
  peer.ring(0);
  rig.reactor.round(WAIT_US);
  assert.deepEqual([peer.id, rig.probe.rings], [1, 1]);
});

test('ivshmem server: more connections than peers may be → the surplus is sent away, those inside stay', (t) => {
  using rig = new Rig(t);
  const before = openFds();
  const inside = Array.from({ length: 16 }, () => rig.join());
  const more = Array.from({ length: 5 }, () => rig.join());
  assert.deepEqual(
    more.map((peer) => [peer.ended, peer.messages.length]),
    more.map(() => [true, 0]),
  );
  assert.equal(rig.log.warnings.length, 5);
  inside[15]?.ring(0);
  rig.reactor.round(WAIT_US);
  assert.equal(rig.probe.rings, 1);
  for (const peer of [...inside, ...more]) peer[Symbol.dispose]();
  rig.settle();
  assert.equal(openFds(), before);
  using next = rig.join();
  assert.equal(next.id, 1);
});

test('ivshmem server: a peer fills the count of its line → the rings of another one still come', (t) => {
  using rig = new Rig(t);
  using bad = rig.join();
  using good = rig.join();
  const most = new NativeBuffer(8);
  most.view.setBigUint64(0, 0xffff_ffff_ffff_fffen, true);
  assert.equal(writeFrom(bad.lines(0)[0] ?? -1, most.address, 8), 8);
  rig.settle();
  const before = rig.probe.rings;
  good.ring(0);
  rig.reactor.round(WAIT_US);
  assert.equal(rig.probe.rings, before + 1);
});

test('ivshmem server: another one listens there → StartError; closing → socket and descriptors are gone', (t) => {
  const before = openFds();
  const rig = new Rig(t);
  const second = ivshmemServerDoorbell(
    { path: rig.path, memoryFd: rig.memory, vectors: 1 },
    rig.reactor,
    rig.log,
  );
  assert.throws(() => second.open(new DoorbellProbe()), StartError);
  const peer = rig.join();
  rig[Symbol.dispose]();
  peer.take();
  assert.equal(peer.ended, true);
  assert.equal(existsSync(rig.path), false);
  peer[Symbol.dispose]();
  assert.equal(openFds(), before);
});
