// The PMM as a peer of an ivshmem server: a stand-in written from QEMU's description of the protocol, and our own server.
import assert from 'node:assert/strict';
import { openSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type IvshmemPlace, ivshmemPeerDoorbell, joinIvshmem } from '#lkvm/backends/doorbell/ivshmem-peer.js';
import { ivshmemServerDoorbell } from '#lkvm/backends/doorbell/ivshmem-server.js';
import { Reactor } from '#lkvm/reactor/reactor.js';
import { eventfd, eventfdSignal } from '#lkvm/sys/eventfd.js';
import { close } from '#lkvm/sys/fd.js';
import { createMemfd } from '#lkvm/sys/map.js';
import { StartError } from '#lkvm/util/errors.js';
import { collectLog, DoorbellProbe } from '../../../support/doorbell-rig.js';
import { IvshmemStandIn, openFds } from '../../../support/ivshmem.js';
import { tempDir } from '../../../support/temp.js';

const WAIT_US = 5_000_000;
const BYTES = 65_536;
const OURS = 3;
const OTHER = 7;

/** A peer that has joined a stand-in as peer 3, with its doorbell open. */
class Rig implements Disposable {
  readonly reactor = new Reactor();
  readonly probe = new DoorbellProbe();
  readonly log = collectLog();
  readonly doorbell;

  readonly server: IvshmemStandIn;
  readonly place: IvshmemPlace;

  private constructor(server: IvshmemStandIn, place: IvshmemPlace) {
    this.server = server;
    this.place = place;
    this.doorbell = ivshmemPeerDoorbell(place, this.reactor, this.log);
    this.doorbell.open(this.probe);
  }

  static async join(t: TestContext, vectors = 1, piece = 8): Promise<Rig> {
    const path = join(tempDir(t), 'ivshmem');
    const server = new IvshmemStandIn(path, BYTES, vectors);
    const joining = joinIvshmem(path);
    await server.accept();
    server.welcome(OURS, piece);
    return new Rig(server, await joining);
  }

  /** The stand-in tells of peer 7 and gives us our eventfds. */
  introduce(piece = 8): void {
    this.server.send(OTHER, this.server.other, piece);
    for (const fd of this.server.toPeer) this.server.send(OURS, fd, piece);
    this.reactor.round(WAIT_US);
  }

  [Symbol.dispose](): void {
    this.doorbell.close();
    close(this.place.connection);
    close(this.place.memoryFd);
    this.server[Symbol.dispose]();
    this.reactor.close();
  }
}

test('ivshmem peer: joins → its id and the memory; then doorbells in both directions', async (t) => {
  using rig = await Rig.join(t);
  rig.introduce();
  rig.doorbell.signal();
  assert.equal(rig.place.id, OURS);
  assert.equal(rig.server.rung(), true);
  eventfdSignal(rig.server.toPeer[0] ?? -1);
  rig.reactor.round(WAIT_US);
  assert.deepEqual([rig.probe.rings, rig.probe.peers], [1, [true]]);
});

test('ivshmem peer: messages come byte by byte → the same', async (t) => {
  using rig = await Rig.join(t, 2, 1);
  rig.introduce(3);
  rig.doorbell.signal();
  eventfdSignal(rig.server.toPeer[1] ?? -1);
  rig.reactor.round(WAIT_US);
  assert.deepEqual([rig.place.id, rig.server.rung(), rig.probe.rings], [OURS, true, 1]);
});

test('ivshmem peer: the other peer goes → it is not rung any more; it comes again → it is', async (t) => {
  using rig = await Rig.join(t);
  rig.introduce();
  rig.server.send(OTHER);
  rig.reactor.round(WAIT_US);
  rig.doorbell.signal();
  assert.equal(rig.server.rung(), false);
  rig.server.send(OTHER, rig.server.other);
  rig.reactor.round(WAIT_US);
  rig.doorbell.signal();
  assert.deepEqual([rig.server.rung(), rig.probe.peers], [true, [true, false, true]]);
});

test('ivshmem peer: the server ends → one line, and the peers that are there are still rung', async (t) => {
  using rig = await Rig.join(t);
  rig.introduce();
  close(rig.server.connection);
  rig.server.connection = -1;
  rig.reactor.round(WAIT_US);
  rig.doorbell.signal();
  assert.equal(rig.server.rung(), true);
  assert.deepEqual(rig.log.warnings, [
    'ivshmem: the server has ended; peers that are there stay, others cannot come',
  ]);
});

test('ivshmem peer: the server sends no id → one line, and it is not listened to any more', async (t) => {
  using rig = await Rig.join(t);
  rig.introduce();
  rig.server.send(70_000, rig.server.other);
  rig.server.send(OTHER); // not heard
  rig.reactor.round(WAIT_US);
  rig.reactor.round(1000);
  rig.doorbell.signal();
  assert.equal(rig.server.rung(), true);
  assert.equal(rig.log.warnings.length, 1);
  assert.match(rig.log.warnings[0] ?? '', /has sent 70000, which is no peer's id/);
});

test('ivshmem peer: a file instead of an eventfd → one line, and the rest works', async (t) => {
  using rig = await Rig.join(t);
  const file = openSync(process.execPath, 'r');
  rig.server.send(OURS, file);
  close(file);
  rig.introduce();
  eventfdSignal(rig.server.toPeer[0] ?? -1);
  rig.reactor.round(WAIT_US);
  assert.equal(rig.probe.rings, 1);
  assert.equal(rig.log.warnings.length, 1);
});

test('ivshmem peer: another peer joins and leaves 500 times → no descriptor is left', async (t) => {
  using rig = await Rig.join(t);
  rig.introduce();
  const before = openFds();
  for (let i = 0; i < 500; i++) {
    const line = eventfd();
    rig.server.send(9, line);
    rig.server.send(9, line); // its vector 1
    close(line);
    rig.server.send(9);
    rig.reactor.round(WAIT_US);
  }
  assert.equal(openFds(), before);
});

/** What a foreign server sends before its end or silence. */
type Foreign = readonly [what: string, expected: RegExp, messages: readonly (readonly [number, 'fd'?])[]];
const FOREIGN: readonly Foreign[] = [
  ['version 1', /has sent protocol version 1, not 0/, [[1]]],
  ['an id that is none', /has sent peer id 65536/, [[0], [65_536]]],
  ['no memory', /something else instead of the memory/, [[0], [1], [-1]]],
  ['a peer before the memory', /something else instead of the memory/, [[0], [1], [2, 'fd']]],
  ['garbage', /protocol version NaN/, [[0x1234_5678_9abc]]],
  ['nothing', /has sent nothing in time/, []],
];
for (const [what, expected, messages] of FOREIGN) {
  test(`ivshmem peer: the server sends ${what} → StartError, and no descriptor is left`, async (t) => {
    const path = join(tempDir(t), 'ivshmem');
    const before = openFds();
    const server = new IvshmemStandIn(path, BYTES);
    const joining = assert.rejects(
      joinIvshmem(path, 200),
      (error) => error instanceof StartError && expected.test(error.message),
    );
    await server.accept();
    for (const [value, fd] of messages) server.send(value, fd === undefined ? -1 : server.other);
    await joining;
    server[Symbol.dispose]();
    assert.equal(openFds(), before);
  });
}

test('ivshmem peer: the server ends at once → StartError', async (t) => {
  const path = join(tempDir(t), 'ivshmem');
  const server = new IvshmemStandIn(path, BYTES);
  const joining = assert.rejects(joinIvshmem(path), /has sent the end of the connection/);
  await server.accept();
  server[Symbol.dispose]();
  await joining;
});

test('ivshmem peer: nobody listens → StartError that says what to do', async (t) => {
  const path = join(tempDir(t), 'ivshmem');
  await assert.rejects(
    joinIvshmem(path),
    (error) => error instanceof StartError && /start it first/.test(error.message),
  );
});

test('ivshmem peer: at our own server → doorbells in both directions', async (t) => {
  const path = join(tempDir(t), 'ivshmem');
  const reactor = new Reactor();
  const [above, below] = [new DoorbellProbe(), new DoorbellProbe()];
  const memoryFd = createMemfd('pool', BYTES);
  const server = ivshmemServerDoorbell({ path, memoryFd, vectors: 2 }, reactor, collectLog());
  server.open(above);
  const joining = joinIvshmem(path);
  reactor.round(WAIT_US);
  const place = await joining;
  const peer = ivshmemPeerDoorbell(place, reactor, collectLog());
  peer.open(below);
  reactor.round(WAIT_US);
  peer.signal();
  server.signal();
  for (let i = 0; i < 5; i++) reactor.round(1000);
  assert.deepEqual([place.id, above.rings, below.rings, below.peers], [1, 1, 1, [true]]);
  server.close();
  peer.close();
  for (const fd of [memoryFd, place.connection, place.memoryFd]) close(fd);
  reactor.close();
});
