import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { EBADF, EIO, ENOTTY } from '#lkvm/abi/errno.js';
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE } from '#lkvm/abi/linux.js';
import { Reactor } from '#lkvm/reactor/reactor.js';
import { eventfd, eventfdSignal } from '#lkvm/sys/eventfd.js';
import { close } from '#lkvm/sys/fd.js';
import { NativeBuffer } from '#lkvm/sys/map.js';
import { createControl } from '#lkvm/workers/control-block.js';
import { ShutdownGuard } from '#lkvm/workers/guard.js';
import { IoClient } from '#lkvm/workers/io/client.js';
import {
  createIoRing,
  IO_BUSY,
  IO_DONE,
  IO_FAILED,
  IO_FSYNC,
  IO_GIVEN,
  IO_PWRITEV,
  IO_SLOTS,
  IoRing,
  SLOT_COUNT,
  SLOT_FD,
  SLOT_IOV,
  SLOT_OFFSET,
  SLOT_OP,
  SLOT_RESULT,
} from '#lkvm/workers/io/ring.js';
import { IoService } from '#lkvm/workers/io/service.js';
import { tempDir } from '../../../support/temp.js';

/** Collects answers. */
class Answers {
  readonly list: [token: number, result: number][] = [];
  onAnswer: ((token: number) => void) | undefined;

  onDone(token: number, result: number): void {
    this.list.push([token, result]);
    this.onAnswer?.(token);
  }
}

/** A client whose other end is the test: it fills in results itself. */
function handMade(t: TestContext) {
  const reactor = new Reactor();
  const init = { ring: createIoRing(), control: createControl(), doneFd: eventfd() };
  const ring = new IoRing(init.ring);
  const client = new IoClient(init, reactor);
  t.after(() => {
    reactor.close();
    close(init.doneFd);
  });
  /** Answers calls up to `end` with 100 + their number, as the worker does. */
  const answer = (end: number): void => {
    for (let n = Atomics.load(ring.words, IO_DONE); n < end; n++) {
      ring.slots[ring.slot(n) + SLOT_RESULT] = 100 + n;
    }
    Atomics.store(ring.words, IO_DONE, end);
    eventfdSignal(init.doneFd);
    reactor.round(0);
  };
  return { reactor, ring, client, answer, doneFd: init.doneFd };
}

/** A client with the real service and worker; `until` runs both event loops. */
function real(t: TestContext) {
  const reactor = new Reactor();
  const errors: unknown[] = [];
  const service = new IoService(new ShutdownGuard(), (error) => errors.push(error));
  const client = new IoClient(service.init, reactor);
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) {
      reactor.round(1000);
      await nextTurn();
    }
  };
  t.after(async () => {
    client.close();
    reactor.close();
    await service.stop();
    assert.deepEqual(errors, []);
  });
  return { reactor, service, client, until };
}

test('IoClient: fsync and fdatasync of a real file → 0, each by its token, in order', async (t) => {
  const { client, service, until } = real(t);
  const fd = openSync(join(tempDir(t), 'file'), 'w');
  t.after(() => closeSync(fd));
  const answers = new Answers();
  const lane = client.lane(answers);
  assert.equal(service.started, false);
  lane.fsync(fd, 7);
  lane.fdatasync(fd, 8);
  lane.fsync(99_999, 9);
  assert.equal(lane.pending, 3);
  await until(() => lane.pending === 0);
  assert.deepEqual(answers.list, [
    [7, 0],
    [8, 0],
    [9, -EBADF],
  ]);
  assert.equal(service.started, true);
});

test('IoClient: pwritev and preadv → the bytes, at the offset', async (t) => {
  const { client, until } = real(t);
  const path = join(tempDir(t), 'file');
  writeFileSync(path, '0123456789');
  const fd = openSync(path, 'r+');
  t.after(() => closeSync(fd));
  const memory = new NativeBuffer(256);
  memory.u8.set(Buffer.from('AB'), 128);
  // two iovecs: 2 bytes at 128 to write, 4 bytes at 192 to read into
  [128, 2, 192, 4].forEach((value, i) => {
    memory.view.setBigUint64(i * 8, BigInt(i % 2 === 0 ? memory.address + value : value), true);
  });
  const answers = new Answers();
  const lane = client.lane(answers);
  lane.pwritev(fd, memory.address, 1, 3, 1);
  lane.preadv(fd, memory.address + 16, 1, 2, 2);
  await until(() => lane.pending === 0);
  assert.deepEqual(answers.list, [
    [1, 2],
    [2, 4],
  ]);
  assert.equal(readFileSync(path, 'latin1'), '012AB56789');
  assert.equal(Buffer.from(memory.u8.subarray(192, 196)).toString(), '2AB5');
});

test('IoClient: ten times more calls than slots, from two lanes → all answered, in order', async (t) => {
  const { client, until } = real(t);
  const fd = openSync(join(tempDir(t), 'file'), 'w');
  t.after(() => closeSync(fd));
  const answers = new Answers();
  const lanes = [client.lane(answers), client.lane(answers)] as const;
  const calls = IO_SLOTS * 10;
  for (let i = 0; i < calls; i += 2) {
    lanes[0].fdatasync(fd, i);
    lanes[1].fdatasync(fd, i + 1);
  }
  await until(() => lanes[0].pending + lanes[1].pending === 0);
  assert.deepEqual(
    answers.list.map(([token]) => token),
    Array.from({ length: calls }, (_, i) => i),
  );
});

test('IoClient: calls → slots as documented', (t) => {
  const { client, ring } = handMade(t);
  const lane = client.lane(new Answers());
  lane.fsync(3, 1);
  lane.pwritev(4, 0x7f12_3456_7890, 5, 2 ** 40, 2);
  assert.equal(Atomics.load(ring.words, IO_GIVEN), 2);
  const second = ring.slots.slice(ring.slot(1), ring.slot(2));
  assert.equal(ring.slots[SLOT_OP], IO_FSYNC);
  assert.equal(ring.slots[SLOT_FD], 3);
  assert.equal(second[SLOT_OP], IO_PWRITEV);
  assert.equal(second[SLOT_IOV], 0x7f12_3456_7890);
  assert.equal(second[SLOT_COUNT], 5);
  assert.equal(second[SLOT_OFFSET], 2 ** 40);
});

test('IoClient: ring full → later calls wait in order and enter as slots become free', (t) => {
  const { client, ring, answer } = handMade(t);
  const answers = new Answers();
  const lane = client.lane(answers);
  for (let i = 0; i < IO_SLOTS + 3; i++) lane.fsync(0, i);
  assert.equal(Atomics.load(ring.words, IO_GIVEN), IO_SLOTS);
  answer(2);
  assert.equal(Atomics.load(ring.words, IO_GIVEN), IO_SLOTS + 2);
  answer(IO_SLOTS);
  answer(IO_SLOTS + 3);
  assert.deepEqual(
    answers.list,
    Array.from({ length: IO_SLOTS + 3 }, (_, i) => [i, 100 + i]),
  );
});

test('IoClient: a handler that gives another call while the ring is full → behind those that wait', (t) => {
  const { client, answer } = handMade(t);
  const answers = new Answers();
  const lane = client.lane(answers);
  answers.onAnswer = (token) => {
    if (token === 0) lane.fsync(0, 1000);
  };
  for (let i = 0; i < IO_SLOTS + 1; i++) lane.fsync(0, i);
  answer(1);
  answer(IO_SLOTS);
  answer(IO_SLOTS + 2);
  assert.deepEqual(
    answers.list.slice(-2).map(([token]) => token),
    [IO_SLOTS, 1000],
  );
});

test('BlockingLane.close: calls in flight → not answered; another lane is', (t) => {
  const { client, answer } = handMade(t);
  const [gone, kept] = [new Answers(), new Answers()];
  const [goneLane, keptLane] = [client.lane(gone), client.lane(kept)];
  goneLane.fsync(0, 1);
  keptLane.fsync(0, 2);
  goneLane.close();
  goneLane.fsync(0, 3);
  const later = new Answers();
  client.lane(later).fsync(0, 4); // must not get the closed lane's number while its call is in flight
  answer(3);
  assert.deepEqual(gone.list, []);
  assert.deepEqual(kept.list, [[2, 101]]);
  assert.deepEqual(later.list, [[4, 102]]);
});

test('IoClient: the worker has failed → done calls keep their result, the others and later ones get -EIO, never recursively', (t) => {
  const { client, reactor, ring, doneFd } = handMade(t);
  const answers = new Answers();
  const lane = client.lane(answers);
  for (let i = 0; i < IO_SLOTS + 1; i++) lane.fsync(0, i);
  ring.slots[SLOT_RESULT] = 55;
  Atomics.store(ring.words, IO_DONE, 1);
  Atomics.store(ring.words, IO_FAILED, 1);
  eventfdSignal(doneFd);
  while (lane.pending > 0) reactor.round(0);
  assert.equal(answers.list.length, IO_SLOTS + 1);
  assert.deepEqual(answers.list.slice(0, 2), [
    [0, 55],
    [1, -EIO],
  ]);
  lane.fsync(0, 7);
  assert.equal(answers.list.length, IO_SLOTS + 1);
  reactor.round(0);
  assert.deepEqual(answers.list.at(-1), [7, -EIO]);
});

test('IoClient.close: calls in the ring → not answered, later ones ignored; a call that hangs → false after its limit', (t) => {
  const { client, ring, answer } = handMade(t);
  const answers = new Answers();
  const lane = client.lane(answers);
  lane.fsync(0, 1);
  Atomics.store(ring.words, IO_BUSY, 1);
  assert.equal(client.close(), false);
  Atomics.store(ring.words, IO_BUSY, 0);
  assert.equal(client.close(), true);
  lane.fsync(0, 2);
  answer(1);
  assert.deepEqual(answers.list, []);
  assert.equal(Atomics.load(ring.words, IO_GIVEN), 1);
});

test('IoService.stop: never used → nothing was started, the second stop does nothing', async () => {
  const service = new IoService(new ShutdownGuard(), assert.fail);
  await service.stop();
  await service.stop();
  assert.equal(service.started, false);
});

test('IoClient: fallocate → a hole in the file; discard on what is no block device → -ENOTTY', async (t) => {
  const { client, until } = real(t);
  const path = join(tempDir(t), 'file');
  writeFileSync(path, new Uint8Array(12288).fill(1));
  const fd = openSync(path, 'r+');
  t.after(() => closeSync(fd));
  const answers = new Answers();
  const lane = client.lane(answers);
  lane.fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096, 1);
  lane.discard(fd, 0, 4096, 2);
  await until(() => lane.pending === 0);
  assert.deepEqual(answers.list, [
    [1, 0],
    [2, -ENOTTY],
  ]);
  const now = readFileSync(path);
  assert.deepEqual([now[4095], now[4096], now[8191], now[8192]], [1, 0, 0, 1]);
});

test('BlockingLane.settle: calls under way → true once all are answered, without the event loop', async (t) => {
  const { client, until } = real(t);
  const fd = openSync(join(tempDir(t), 'file'), 'w');
  t.after(() => closeSync(fd));
  const answers = new Answers();
  const lane = client.lane(answers);
  lane.fsync(fd, 0);
  await until(() => lane.pending === 0); // now the worker runs
  for (let i = 1; i <= 2 * IO_SLOTS; i++) lane.fdatasync(fd, i);
  assert.equal(lane.settle(20_000), true);
  assert.equal(answers.list.length, 2 * IO_SLOTS + 1);
  assert.equal(lane.settle(0), true);
});

test('BlockingLane.settle: a call that does not end → false after the time; its answer comes later', (t) => {
  const { client, answer } = handMade(t);
  const answers = new Answers();
  const lane = client.lane(answers);
  lane.fsync(3, 7);
  assert.equal(lane.settle(60), false);
  assert.deepEqual(answers.list, []);
  answer(1);
  assert.deepEqual(answers.list, [[7, 100]]);
});

test('BlockingLane.settle: the service has ended with calls not begun → true: none is made any more', (t) => {
  const { client } = handMade(t);
  const answers = new Answers();
  const lane = client.lane(answers);
  lane.fsync(3, 7);
  assert.equal(client.close(), true);
  assert.equal(lane.settle(20_000), true);
  assert.deepEqual(answers.list, []);
});
