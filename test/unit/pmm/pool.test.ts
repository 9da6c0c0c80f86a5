// The pool: every kind, opened for real. UIO and the physical window are stood in for by files, with an injectable sysfs.
import assert from 'node:assert/strict';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ACCESS_DIRECT, ACCESS_WORD, GuestMemory } from '#lkvm/memory/guest-memory.js';
import type { PmmConfig, PoolSpec } from '#lkvm/pmm/config.js';
import { openPool } from '#lkvm/pmm/pool.js';
import { reserveRoom } from '#lkvm/pmm/pool-room.js';
import { ConfigError, StartError } from '#lkvm/util/errors.js';
import { collectLog } from '../../support/doorbell-rig.js';
import { mountTmpfs, noMounts, sparseFile } from '../../support/host-disks.js';
import { tempDir } from '../../support/temp.js';
import { undo } from '../../support/undo.js';

const BYTES = 0x20000;
const ADDRESS = 0x37000000;

function configWith(pool: PoolSpec): PmmConfig {
  return {
    shmemAddr: ADDRESS,
    shmemSize: BYTES,
    withDtb: true,
    pool,
    notify: { kind: 'poll', us: 1000 },
    poll: { kind: 'none' },
    devices: [],
    confine: false,
    restartDetector: true,
    eventIdx: false,
  };
}

const filePool = (path: string, force = false) => configWith({ kind: 'file', path, force });

test('file pool: the file is missing → made with mode 0600 and the pool size, and it stays afterwards', (t) => {
  const path = join(tempDir(t), 'pool');
  openPool(filePool(path), collectLog()).close();
  const stat = statSync(path);
  assert.deepEqual([stat.mode & 0o777, stat.size], [0o600, BYTES]);
});

test('file pool: a longer file → its first bytes are zeroed, the rest and the size are left alone', (t) => {
  const path = join(tempDir(t), 'pool');
  writeFileSync(path, Buffer.alloc(BYTES + 16, 0xaa));
  openPool(filePool(path), collectLog()).close();
  const after = readFileSync(path);
  assert.equal(after.length, BYTES + 16);
  assert.equal(
    after.subarray(0, BYTES).every((byte) => byte === 0),
    true,
  );
  assert.equal(
    after.subarray(BYTES).every((byte) => byte === 0xaa),
    true,
  );
});

test('file pool: another PMM holds it → StartError; with force → a warning', (t) => {
  const path = join(tempDir(t), 'pool');
  const first = openPool(filePool(path), collectLog());
  assert.throws(
    () => openPool(filePool(path), collectLog()),
    (error) => error instanceof StartError && error.message.includes('--force'),
  );
  const log = collectLog();
  openPool(filePool(path, true), log).close();
  assert.equal(log.warnings.length, 1);
  first.close();
  openPool(filePool(path), collectLog()).close(); // the lock went with the first
});

test('file pool: a driver state was left behind → wiped with one warning', (t) => {
  const path = join(tempDir(t), 'pool');
  const left = Buffer.alloc(BYTES);
  left.writeUInt32LE(0x74726976, 0); // MAGIC of block 0 without a device tree
  left.writeUInt32LE(7, 0x70); // STATUS
  writeFileSync(path, left);
  const log = collectLog();
  openPool(filePool(path), log).close();
  assert.equal(log.warnings.length, 1);
  assert.equal(
    readFileSync(path).every((byte) => byte === 0),
    true,
  );
});

test('file pool: a file is made → its room is taken at once, not page by page', { skip: noMounts() }, (t) => {
  const path = join(mountTmpfs(t, 'size=1m'), 'pool');
  openPool(filePool(path), collectLog()).close();
  assert.equal(statSync(path).blocks * 512, BYTES);
  openPool(filePool(path), collectLog()).close(); // wiped, and taken again
  assert.equal(statSync(path).blocks * 512, BYTES);
});

test('file pool: larger than what is free → StartError with size, file and free bytes; no file is made', {
  skip: noMounts(),
}, (t) => {
  const path = join(mountTmpfs(t, 'size=64k'), 'pool');
  assert.throws(
    () => openPool(filePool(path), collectLog()),
    (error) =>
      error instanceof StartError &&
      error.message.includes(path) &&
      /^--shmem-size 0x20000: there is no room .* 0x10000 free; make room/.test(error.message),
  );
  assert.equal(existsSync(path), false);
});

test('file pool: a file without room for its missing pages → StartError; its size stays', {
  skip: noMounts(),
}, (t) => {
  const path = join(mountTmpfs(t, 'size=64k'), 'pool');
  for (const size of [BYTES, 4096]) {
    sparseFile(path, size);
    assert.throws(() => openPool(filePool(path), collectLog()), StartError);
    assert.equal(statSync(path).size, size);
  }
});

test('file pool: a full file system, but the file has all its pages → opened', { skip: noMounts() }, (t) => {
  const path = join(mountTmpfs(t, 'size=128k'), 'pool');
  writeFileSync(path, Buffer.alloc(BYTES, 0xaa));
  openPool(filePool(path), collectLog()).close();
  assert.equal(statSync(path).blocks * 512, BYTES);
});

test('reserveRoom: more than there is → StartError with the errno, and nothing is taken', {
  skip: noMounts(),
}, (t) => {
  const path = join(mountTmpfs(t, 'size=64k'), 'pool');
  sparseFile(path, 0);
  const fd = openSync(path, 'r+');
  undo(t, () => closeSync(fd));
  assert.throws(() => reserveRoom(fd, BYTES, 'the pool'), /0x10000 free \(ENOSPC\)/);
  assert.equal(statSync(path).blocks, 0);
});

test('file pool: the folder does not exist → StartError with the path', () => {
  assert.throws(
    () => openPool(filePool('/no-such-folder/pool'), collectLog()),
    (error) => error instanceof StartError && /no-such-folder\/pool: ENOENT/.test(error.message),
  );
});

test('memfd pool: mapped, zero, and with a descriptor to hand over', () => {
  const pool = openPool(configWith({ kind: 'memfd' }), collectLog());
  const memory = new GuestMemory([{ gpa: 0, hva: pool.mapping.address, bytes: BYTES }]);
  assert.equal(
    memory.chunk.u8.every((byte) => byte === 0),
    true,
  );
  assert.ok(pool.handOverFd >= 0);
  assert.equal(pool.access, ACCESS_DIRECT);
  pool.close();
});

function standInUio(folder: string, size: number): PoolSpec {
  const maps = join(folder, 'class/uio/uio7/maps/map0');
  mkdirSync(maps, { recursive: true });
  writeFileSync(join(maps, 'addr'), '0x37000000\n');
  writeFileSync(join(maps, 'size'), `0x${size.toString(16)}\n`);
  writeFileSync(join(folder, 'uio7'), Buffer.alloc(size, 0xaa));
  return { kind: 'uio', path: join(folder, 'uio7'), map: 0, sysfs: folder, force: false };
}

test('uio pool: zeroed, of access kind word', (t) => {
  const pool = openPool(configWith(standInUio(tempDir(t), BYTES)), collectLog());
  const memory = new GuestMemory([{ gpa: 0, hva: pool.mapping.address, bytes: BYTES }]);
  assert.equal(pool.access, ACCESS_WORD);
  assert.equal(
    memory.chunk.u8.every((byte) => byte === 0),
    true,
  );
  pool.close();
});

test('uio pool: another PMM holds the map → StartError, nothing wiped; with force → a warning; free again after its end', (t) => {
  const folder = tempDir(t);
  const uio = configWith(standInUio(folder, BYTES));
  const first = openPool(uio, collectLog());
  new GuestMemory([{ gpa: 0, hva: first.mapping.address, bytes: BYTES }]).chunk.u8[77] = 5;
  assert.throws(
    () => openPool(uio, collectLog()),
    (error) => error instanceof StartError && /uio7 is used by another PMM; .*--force/.test(error.message),
  );
  assert.equal(readFileSync(join(folder, 'uio7'))[77], 5);
  const log = collectLog();
  const forced = { kind: 'uio', path: join(folder, 'uio7'), map: 0, sysfs: folder, force: true } as const;
  openPool(configWith(forced), log).close();
  assert.match(log.warnings.join(), /is locked by another PMM; --force takes it over/);
  first.close();
  openPool(uio, collectLog()).close();
});

test('physical window: two PMMs at different addresses → both; at addresses that overlap → StartError', (t) => {
  const path = join(tempDir(t), 'mem');
  writeFileSync(path, Buffer.alloc(4 * BYTES));
  const at = (shmemAddr: number) => ({ ...configWith({ kind: 'devmem', path, force: false }), shmemAddr });
  const first = openPool(at(BYTES), collectLog());
  const second = openPool(at(2 * BYTES), collectLog());
  assert.throws(
    () => openPool(at(BYTES / 2), collectLog()),
    (error) => error instanceof StartError && /mem is used by another PMM/.test(error.message),
  );
  first.close();
  openPool(at(BYTES / 2), collectLog()).close();
  second.close();
});

test('uio pool: the map is smaller than the pool → ConfigError with both numbers', (t) => {
  assert.throws(
    () => openPool(configWith(standInUio(tempDir(t), 0x8000)), collectLog()),
    (error) => error instanceof ConfigError && /0x20000.*0x8000/.test(error.message),
  );
});

test('uio pool: no such device → StartError that names file, socket and the demo', (t) => {
  const folder = tempDir(t);
  assert.throws(
    () =>
      openPool(
        configWith({ kind: 'uio', path: '/dev/uio0', map: 0, sysfs: folder, force: false }),
        collectLog(),
      ),
    (error) => error instanceof StartError && /file:PATH --notify socket:PATH.*lkvm demo/.test(error.message),
  );
});

test('physical window: the file is mapped at the pool address', (t) => {
  const path = join(tempDir(t), 'mem');
  const config = { ...configWith({ kind: 'devmem', path, force: false }), shmemAddr: 0x10000 };
  writeFileSync(path, Buffer.alloc(0x10000 + BYTES, 0xaa));
  openPool(config, collectLog()).close();
  const after = readFileSync(path);
  assert.equal(
    after.subarray(0, 0x10000).every((byte) => byte === 0xaa),
    true,
  );
  assert.equal(
    after.subarray(0x10000).every((byte) => byte === 0),
    true,
  );
});
