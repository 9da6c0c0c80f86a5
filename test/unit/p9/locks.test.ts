// Record locks: two processes of one client, as fcntl(2) defines them.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hostShare } from '../../support/host-share.js';
import type { P9Rig } from '../../support/p9-rig.js';

const RD = 0;
const WR = 1;
const UN = 2;
const SUCCESS = 0;
const BLOCKED = 1;

function hex(value: number, bytes: number): string {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt(value));
  return buffer.subarray(0, bytes).toString('hex');
}

/** Tlock. @returns the status, or -errno */
function lock(rig: P9Rig, type: number, start: number, length: number, proc: number, fid = 1): number {
  const failed = rig.send(
    52,
    `${hex(fid, 4)} ${hex(type, 1)} 00000000 ${hex(start, 8)} ${hex(length, 8)} ${hex(proc, 4)} 0100 63`,
  );
  return failed !== 0 ? failed : (rig.replyView(8)[7] as number);
}

/** Tgetlock. @returns [type, start, length, process] */
function getlock(rig: P9Rig, type: number, start: number, length: number, proc: number, fid = 1): number[] {
  const failed = rig.send(
    54,
    `${hex(fid, 4)} ${hex(type, 1)} ${hex(start, 8)} ${hex(length, 8)} ${hex(proc, 4)} 0100 63`,
  );
  assert.equal(failed, 0);
  const view = new DataView(Uint8Array.from(rig.replyView(31)).buffer);
  return [
    view.getUint8(7),
    Number(view.getBigUint64(8, true)),
    Number(view.getBigUint64(16, true)),
    view.getUint32(24, true),
  ];
}

function twoFids(rig: P9Rig, dir: string): void {
  writeFileSync(join(dir, 'f'), 'x');
  rig.walk(0, 1, 'f');
  rig.open(1, 2);
  rig.walk(0, 2, 'f');
  rig.open(2, 2);
}

test('locks: write lock of another process → BLOCKED; its own, even through another fid → SUCCESS', (t) => {
  const { rig, dir } = hostShare(t);
  twoFids(rig, dir);
  assert.equal(lock(rig, WR, 0, 10, 1), SUCCESS);
  assert.equal(lock(rig, WR, 5, 10, 2, 2), BLOCKED);
  assert.equal(lock(rig, RD, 9, 1, 2, 2), BLOCKED);
  assert.equal(lock(rig, WR, 10, 10, 2, 2), SUCCESS);
  assert.equal(lock(rig, WR, 0, 5, 1, 2), SUCCESS);
  assert.equal(lock(rig, WR, 0, 0, 1), BLOCKED); // to the end: over the other's
});

test('locks: read locks → shared; unlock of a middle part → two remain', (t) => {
  const { rig, dir } = hostShare(t);
  twoFids(rig, dir);
  assert.equal(lock(rig, RD, 0, 100, 1), SUCCESS);
  assert.equal(lock(rig, RD, 50, 100, 2, 2), SUCCESS);
  assert.equal(lock(rig, UN, 40, 20, 1), SUCCESS);
  assert.deepEqual(getlock(rig, WR, 0, 50, 3), [RD, 0, 40, 1]);
  assert.deepEqual(getlock(rig, WR, 40, 10, 3), [UN, 40, 10, 3]);
  assert.deepEqual(getlock(rig, WR, 60, 0, 2), [RD, 60, 40, 1]);
  assert.equal(lock(rig, UN, 0, 0, 1), SUCCESS);
  assert.deepEqual(getlock(rig, WR, 0, 0, 2), [UN, 0, 0, 2]);
});

test('locks: neighbours of one owner and type → one lock', (t) => {
  const { rig, dir } = hostShare(t);
  twoFids(rig, dir);
  for (let i = 0; i < 5000; i++) assert.equal(lock(rig, WR, i * 10, 10, 1), SUCCESS);
  assert.deepEqual(getlock(rig, RD, 0, 0, 2), [WR, 0, 50_000, 1]);
});

test('locks: more than 4096 separate ones → ENOLCK, unlocking still works', (t) => {
  const { rig, dir } = hostShare(t);
  twoFids(rig, dir);
  for (let i = 0; i < 4096; i++) assert.equal(lock(rig, WR, i * 10, 5, 1), SUCCESS);
  assert.equal(lock(rig, WR, 1_000_000, 5, 1), -37);
  assert.equal(lock(rig, UN, 0, 5, 1), SUCCESS);
  assert.equal(lock(rig, WR, 1_000_000, 5, 1), SUCCESS);
});

test('locks: fid clunked, or new session → its locks are gone', (t) => {
  const { rig, dir } = hostShare(t);
  twoFids(rig, dir);
  lock(rig, WR, 0, 0, 1, 1);
  assert.equal(lock(rig, WR, 0, 0, 2, 2), BLOCKED);
  rig.clunk(1);
  assert.equal(lock(rig, WR, 0, 0, 2, 2), SUCCESS);
  rig.mount();
  twoFids(rig, dir);
  assert.equal(lock(rig, WR, 0, 0, 1, 1), SUCCESS);
});

test('locks: unknown type, range beyond 2^53, fid not open → EINVAL, EOVERFLOW, EBADF', (t) => {
  const { rig, dir } = hostShare(t);
  twoFids(rig, dir);
  assert.equal(lock(rig, 3, 0, 1, 1), -22);
  assert.equal(lock(rig, WR, Number.MAX_SAFE_INTEGER, 5, 1), -75);
  assert.equal(lock(rig, WR, 0, 0, 1, 0), -9);
  assert.equal(lock(rig, WR, 0, 0, 1, 44), -9);
});
