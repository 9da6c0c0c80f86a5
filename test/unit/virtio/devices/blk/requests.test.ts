// What the block device makes of a back end's answers. Spec: virtio 1.2 section 5.2.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EAGAIN, EINTR, EIO, ENOSPC } from '#lkvm/abi/errno.js';
import { ACCESS_DIRECT, ACCESS_WORD } from '#lkvm/memory/guest-memory.js';
import { COUNTER_COUNT } from '#lkvm/util/counters.js';
import { type Features, featureSet } from '#lkvm/virtio/core/features.js';
import type { BlockFacts } from '#lkvm/virtio/devices/blk/backend.js';
import { BlkDevice } from '#lkvm/virtio/devices/blk/device.js';
import { CHAIN_LOOP } from '#lkvm/virtio/queue/virt-queue.js';
import {
  BlkDriver,
  ranges,
  S_IOERR,
  S_NONE,
  S_OK,
  S_UNSUPP,
  T_DISCARD,
  T_FLUSH,
  T_IN,
  T_OUT,
  T_WRITE_ZEROES,
} from '../../../../support/blk-driver.js';
import { MemoryDisk } from '../../../../support/memory-disk.js';

const SECTORS = 4096;
// Bit numbers of section 5.2.3
const F_SEG_MAX = 2;
const F_RO = 5;
const F_BLK_SIZE = 6;
const F_FLUSH = 9;
const F_TOPOLOGY = 10;
const F_DISCARD = 13;
const F_WRITE_ZEROES = 14;

function make(
  options: { facts?: Partial<BlockFacts>; accept?: Features; size?: number; access?: number } = {},
) {
  const disk = new MemoryDisk(SECTORS, options.facts);
  const size = options.size ?? 64;
  const device = new BlkDevice({
    backend: disk,
    counters: new Float64Array(COUNTER_COUNT),
    queueSizes: [size],
  });
  const { accept, access } = options;
  const driver = new BlkDriver(device, {
    size,
    ...(accept === undefined ? {} : { accept }),
    ...(access === undefined ? {} : { access }),
  });
  return { disk, device, driver };
}

function counted(bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => 1 + (i % 251));
}

// Section 5.2.4
test('blk: config space → capacity, limits and topology of the disk', () => {
  const { device } = make({
    facts: { blockBytes: 512, physicalBlockBytes: 4096, optimalBytes: 65536, discardAlignBytes: 8192 },
    size: 256,
  });
  const view = new DataView(device.config.buffer);
  assert.equal(view.getBigUint64(0, true), 4096n, 'capacity');
  assert.equal(view.getUint32(12, true), 254, 'seg_max: the queue without header and status');
  assert.equal(view.getUint32(20, true), 512, 'blk_size');
  assert.equal(view.getUint8(24), 3, 'physical_block_exp');
  assert.equal(view.getUint16(26, true), 8, 'min_io_size in blocks');
  assert.equal(view.getUint32(28, true), 128, 'opt_io_size in blocks');
  assert.equal(view.getUint32(40, true), 16, 'max_discard_seg');
  assert.equal(view.getUint32(44, true), 16, 'discard_sector_alignment');
  assert.equal(view.getUint32(52, true), 16, 'max_write_zeroes_seg');
  assert.equal(view.getUint8(56), 1, 'write_zeroes_may_unmap');
  assert.ok(view.getUint32(36, true) > 0 && view.getUint32(48, true) > 0, 'max sectors');
});

test('blk: features → all the disk can do; a read-only one offers RO and nothing that writes', () => {
  const always = [F_SEG_MAX, F_BLK_SIZE, F_FLUSH, F_TOPOLOGY];
  assert.deepEqual(make().device.features, featureSet(...always, F_DISCARD, F_WRITE_ZEROES));
  const readOnly = make({ facts: { readOnly: true } }).device;
  assert.deepEqual(readOnly.features, featureSet(...always, F_RO));
  assert.deepEqual(readOnly.config.slice(36), new Uint8Array(24));
  const noHoles = make({ facts: { canDiscard: false } }).device;
  assert.deepEqual(noHoles.features, featureSet(...always, F_WRITE_ZEROES));
  assert.equal(noHoles.config[56], 0);
});

test('blk: a feature list with something the disk cannot do → ConfigError', () => {
  const backend = new MemoryDisk(8, { readOnly: true });
  const options = { backend, counters: new Float64Array(COUNTER_COUNT), queueSizes: [64] };
  assert.throws(() => new BlkDevice({ ...options, features: featureSet(F_WRITE_ZEROES) }), {
    code: 'CONFIG',
  });
  assert.deepEqual(new BlkDevice({ ...options, features: featureSet(F_RO) }).features, featureSet(F_RO));
});

for (const access of [ACCESS_DIRECT, ACCESS_WORD]) {
  test(`blk (access ${access}): the host moves 100 bytes at a time → the whole request, in order`, () => {
    const { disk, driver } = make({ access });
    disk.perCall = 100;
    const data = counted(1024);
    assert.equal(driver.now(T_OUT, { sector: 2, data, cuts: [7, 300, 1] }).status, S_OK);
    assert.deepEqual(disk.content.slice(1024, 2048), data);
    const answer = driver.now(T_IN, { sector: 2, room: 1024, cuts: [1, 500] });
    assert.deepEqual(answer, { status: S_OK, written: 1025, data });
    assert.equal(disk.calls.filter(({ what }) => what === 'read').length, 11);
  });
}

test('blk: interrupted and then done → OK', () => {
  const { disk, driver } = make();
  disk.results.push(-EINTR, -EAGAIN, -EINTR);
  assert.equal(driver.now(T_OUT, { data: counted(512) }).status, S_OK);
  assert.deepEqual(disk.content.slice(0, 512), counted(512));
  disk.results.push(-EINTR);
  assert.equal(driver.now(T_FLUSH).status, S_OK);
});

test('blk: interrupted for ever → IOERR, not a loop', () => {
  const { disk, driver } = make();
  disk.results.push(...new Array(100).fill(-EINTR));
  assert.equal(driver.now(T_IN, { room: 512 }).status, S_IOERR);
  assert.equal(driver.now(T_FLUSH).status, S_IOERR);
});

for (const [what, result] of [
  ['EIO', -EIO],
  ['ENOSPC', -ENOSPC],
  ['nothing (the file has become shorter)', 0],
] as const) {
  test(`blk: the host answers ${what} → IOERR for reads and writes, the next request is served`, () => {
    const { disk, driver } = make();
    disk.results.push(result, result);
    const read = driver.now(T_IN, { room: 512 });
    assert.deepEqual(read, { status: S_IOERR, written: 0, data: new Uint8Array(512).fill(S_NONE) });
    assert.equal(driver.now(T_OUT, { data: counted(512) }).status, S_IOERR);
    assert.equal(driver.now(T_IN, { room: 512 }).status, S_OK);
  });
}

test('blk: an error after a part of a read → IOERR, used length = that part', () => {
  const { disk, driver } = make();
  disk.content.set(counted(1024));
  disk.perCall = 512;
  disk.results.push(undefined, -EIO);
  const answer = driver.now(T_IN, { room: 1024 });
  assert.equal(answer.status, S_IOERR);
  assert.equal(answer.written, 512);
  assert.deepEqual(answer.data.slice(0, 512), counted(512));
});

for (const type of [T_FLUSH, T_DISCARD, T_WRITE_ZEROES]) {
  test(`blk: the host fails request type ${type} → IOERR`, () => {
    const { disk, driver } = make();
    disk.results.push(-EIO);
    const data = type === T_FLUSH ? new Uint8Array(0) : ranges([0, 1, 0]);
    assert.equal(driver.now(type, { data }).status, S_IOERR);
    assert.equal(driver.now(type, { data }).status, S_OK);
  });
}

test('blk: many in flight → given together, answered in the order they end, one interrupt per batch', () => {
  const { disk, driver } = make();
  disk.content.set(counted(8 * 512));
  disk.hold = true;
  const submits = disk.submits;
  const heads = [0, 1, 2, 3, 4, 5].map((sector) => driver.add(T_IN, { sector, room: 512 }));
  driver.send();
  assert.equal(disk.submits, submits + 1);
  assert.equal(disk.pending, 6);
  disk.release((count) => count - 1, 3);
  assert.equal(driver.rig.interrupts[0], 1);
  assert.deepEqual(
    driver.rig
      .driver(0)
      .takeAllUsed()
      .map(({ head }) => head),
    [heads[5], heads[4], heads[3]],
  );
  disk.release();
  assert.equal(driver.rig.interrupts[0], 2);
  assert.equal(driver.rig.driver(0).takeAllUsed().length, 3);
});

test('blk: more data than a round may move → the rest in the next round', () => {
  const { driver, device } = make();
  for (let i = 0; i < 4; i++) driver.add(T_IN, { sector: 0, room: 0x10_0000 });
  driver.rig.driver(0).publish();
  assert.equal(device.processQueue(0), true);
  assert.equal(driver.rig.driver(0).takeAllUsed().length, 2);
  driver.rig.kick();
  assert.equal(driver.rig.driver(0).takeAllUsed().length, 2);
});

// Section 5.2.6.2: with FLUSH offered and not accepted, a write is stable when it is completed.
test('blk: the driver did not accept FLUSH → each write is flushed before its answer, reads are not', () => {
  const { disk, driver } = make({ accept: featureSet(F_WRITE_ZEROES) });
  const names = () => disk.calls.splice(0).map(({ what }) => what);
  assert.equal(driver.now(T_OUT, { data: counted(512) }).status, S_OK);
  assert.deepEqual(names(), ['write', 'flush']);
  assert.equal(driver.now(T_WRITE_ZEROES, { data: ranges([0, 1, 0], [1, 1, 0]) }).status, S_OK);
  assert.deepEqual(names(), ['zero', 'zero', 'flush']);
  assert.equal(driver.now(T_IN, { room: 512 }).status, S_OK);
  assert.deepEqual(names(), ['read']);
  disk.results.push(512, -EIO);
  assert.equal(driver.now(T_OUT, { data: counted(512) }).status, S_IOERR);
});

test('blk: discard and write-zeroes of several ranges → each, in order', () => {
  const { disk, driver } = make();
  disk.content.fill(1);
  const data = ranges([8, 8, 0], [100, 0, 0], [64, 2, 1]);
  assert.equal(driver.now(T_WRITE_ZEROES, { data, cuts: [16, 5, 20] }).status, S_OK);
  assert.equal(driver.now(T_DISCARD, { data: ranges([0, 16, 0], [32, 1, 0]) }).status, S_OK);
  assert.deepEqual(
    disk.calls.map(({ what, offset, bytes }) => [what, offset / 512, bytes / 512]),
    [
      ['zero', 8, 8],
      ['unmap', 64, 2],
      ['discard', 0, 16],
      ['discard', 32, 1],
    ],
  );
  assert.equal(disk.content.indexOf(0), 8 * 512);
});

// Section 5.2.6.2
const BAD_RANGES: readonly [what: string, type: number, data: Uint8Array, status: number][] = [
  ['no range', T_DISCARD, new Uint8Array(0), S_IOERR],
  ['half a range', T_DISCARD, new Uint8Array(8), S_IOERR],
  ['a range and a byte', T_WRITE_ZEROES, new Uint8Array(17), S_IOERR],
  ['17 ranges', T_DISCARD, new Uint8Array(17 * 16), S_IOERR],
  ['a range over the end', T_WRITE_ZEROES, ranges([SECTORS - 1, 2, 0]), S_IOERR],
  ['a good and a bad range', T_WRITE_ZEROES, ranges([0, 2, 0], [2n ** 64n - 1n, 2, 0]), S_IOERR],
  ['more sectors than allowed', T_DISCARD, ranges([0, 0xffff_ffff, 0]), S_IOERR],
  ['discard with unmap', T_DISCARD, ranges([0, 1, 1]), S_UNSUPP],
  ['an unknown flag', T_WRITE_ZEROES, ranges([0, 1, 2]), S_UNSUPP],
  ['all flags', T_WRITE_ZEROES, ranges([0, 1, 0xffff_ffff]), S_UNSUPP],
];

for (const [what, type, data, status] of BAD_RANGES) {
  test(`blk: ${what} → ${status === S_IOERR ? 'IOERR' : 'UNSUPP'}, nothing is done`, () => {
    const { disk, driver } = make();
    assert.equal(driver.now(type, { data }).status, status);
    assert.deepEqual(disk.calls, []);
    assert.equal(driver.now(T_FLUSH).status, S_OK);
  });
}

test('blk: discard and write-zeroes that were not negotiated → UNSUPP', () => {
  const { disk, driver } = make({ accept: featureSet(F_FLUSH) });
  assert.equal(driver.now(T_DISCARD, { data: ranges([0, 1, 0]) }).status, S_UNSUPP);
  assert.equal(driver.now(T_WRITE_ZEROES, { data: ranges([0, 1, 0]) }).status, S_UNSUPP);
  assert.deepEqual(disk.calls, []);
});

test('blk: reset with requests in flight → not quiesced until they end, nothing is written then; a new start works', () => {
  const { disk, device, driver } = make();
  disk.hold = true;
  driver.add(T_IN, { room: 512 });
  driver.add(T_OUT, { data: counted(512) });
  driver.add(T_WRITE_ZEROES, { data: ranges([0, 1, 0], [1, 1, 0]) });
  driver.send();
  device.reset();
  assert.equal(disk.cancels, 1);
  assert.equal(device.quiesced(), false);
  const before = driver.rig.memory.u8.slice();
  // What the host itself moves is the back end's affair; here only what the device does counts.
  disk.results.push(512, 512, 0);
  disk.release();
  assert.equal(device.quiesced(), true);
  assert.deepEqual(driver.rig.memory.u8, before);
  assert.equal(disk.calls.length, 3, 'no second range');
  disk.hold = false;
  driver.restart();
  assert.equal(driver.now(T_OUT, { sector: 1, data: counted(512) }).status, S_OK);
});

test('blk: started again while old requests are in flight → their answers are dropped, the new ones are not', () => {
  const { disk, driver } = make();
  disk.hold = true;
  driver.add(T_OUT, { data: counted(512) });
  driver.add(T_FLUSH);
  driver.send();
  driver.restart();
  const head = driver.add(T_FLUSH);
  driver.send();
  assert.equal(disk.pending, 3);
  disk.release(() => 0, 2);
  driver.collect();
  assert.equal(driver.take(head), undefined);
  disk.release();
  driver.collect();
  assert.equal(driver.take(head)?.status, S_OK);
});

// Section 2.6.1: virtqueue reset
test('blk: the queue is taken away and set up anew → as a reset, but the features stay', () => {
  const { disk, device, driver } = make({ accept: featureSet(F_FLUSH) });
  disk.hold = true;
  driver.add(T_FLUSH);
  driver.send();
  const { queues, drivers } = driver.rig;
  const [queue] = queues;
  const used = driver.rig.driver(0).usedIdx;
  device.resetQueue(0);
  assert.equal(device.quiesced(), false);
  disk.release();
  assert.equal(device.quiesced(), true);
  assert.equal(drivers[0]?.usedIdx, used);
  disk.hold = false;
  driver.renewQueue();
  assert.notEqual(driver.rig.queues[0], queue);
  assert.equal(driver.now(T_OUT, { data: counted(512) }).status, S_OK);
  assert.deepEqual(
    disk.calls.map(({ what }) => what),
    ['flush', 'write'],
  );
});

test('blk: a broken ring with requests in flight → stopped; the next driver is served', () => {
  const { disk, driver } = make();
  disk.hold = true;
  driver.add(T_FLUSH);
  driver.send();
  const ring = driver.rig.driver(0);
  ring.pokeDescriptor(60, driver.rig.memory.gpa, 16, 1, 60);
  ring.pokeAvailable(60);
  driver.rig.kick();
  assert.deepEqual(driver.rig.faults, [{ queue: 0, code: CHAIN_LOOP }]);
  disk.hold = false;
  disk.release();
  driver.restart();
  assert.equal(driver.now(T_FLUSH).status, S_OK);
});

test('blk: close → the back end is closed', () => {
  const { disk, device } = make();
  device.reset();
  device.close();
  assert.equal(disk.closed, true);
});
