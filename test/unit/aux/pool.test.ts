import assert from 'node:assert/strict';
import { mkdirSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { AUX_DEFAULTS, type AuxOptions, type AuxPool, parseAuxNotify } from '#lkvm/aux/options.js';
import { openAuxPool, poolIdentity } from '#lkvm/aux/pool.js';
import { ACCESS_DIRECT, ACCESS_WORD } from '#lkvm/memory/guest-memory.js';
import { close } from '#lkvm/sys/fd.js';
import { createMemfd } from '#lkvm/sys/map.js';
import { tempDir } from '../../support/temp.js';

function optionsOf(pool: AuxPool, more: Partial<AuxOptions> = {}): AuxOptions {
  return { ...AUX_DEFAULTS, pool, notify: parseAuxNotify('poll'), ...more };
}

/** A file whose every page begins with its number. */
function numberedFile(t: TestContext, pages: number): string {
  const path = join(tempDir(t), 'pool');
  const bytes = new Uint8Array(pages * 4096);
  for (let i = 0; i < pages; i++) bytes[i * 4096] = i;
  writeFileSync(path, bytes);
  return path;
}

test('openAuxPool: file missing, or shorter than a page → undefined, try again', (t) => {
  const path = join(tempDir(t), 'pool');
  const options = optionsOf({ kind: 'file', path });
  assert.equal(openAuxPool(options, undefined), undefined);
  writeFileSync(path, 'short');
  assert.equal(openAuxPool(options, undefined), undefined);
});

test('openAuxPool: a file → mapped whole, or as much as asked for', (t) => {
  const path = numberedFile(t, 5);
  truncateSync(path, 5 * 4096 - 1);
  const mapping = openAuxPool(optionsOf({ kind: 'file', path }), undefined) ?? assert.fail();
  assert.equal(mapping.memory.access, ACCESS_DIRECT);
  assert.equal(mapping.memory.regions[0]?.bytes, 4 * 4096);
  assert.equal(mapping.memory.chunk.u8[3 * 4096], 3);
  mapping.close();
  const part =
    openAuxPool(optionsOf({ kind: 'file', path }, { shmemSize: 8192 }), undefined) ?? assert.fail();
  assert.equal(part.memory.regions[0]?.bytes, 8192);
  part.close();
});

test('openAuxPool: something that is no file, or must not be opened → StartError', (t) => {
  const dir = tempDir(t);
  assert.throws(() => openAuxPool(optionsOf({ kind: 'file', path: dir }), undefined), { exitCode: 128 });
  assert.throws(() => openAuxPool(optionsOf({ kind: 'file', path: '/dev/null' }), undefined), {
    exitCode: 128,
  });
});

test("poolIdentity: the file was replaced → another identity than the mapping's", (t) => {
  const path = numberedFile(t, 2);
  const options = optionsOf({ kind: 'file', path });
  const mapping = openAuxPool(options, undefined) ?? assert.fail();
  assert.equal(poolIdentity(options, undefined), mapping.identity);
  renameSync(numberedFile(t, 2), path);
  assert.notEqual(poolIdentity(options, undefined), mapping.identity);
  mapping.close();
});

test('openAuxPool: memfd → from the doorbell; before it has one → undefined', () => {
  const options = optionsOf({ kind: 'memfd' });
  assert.equal(openAuxPool(options, undefined), undefined);
  const fd = createMemfd('test', 8192);
  const handed = { address: 0x1000, bytes: 8192, fd };
  const mapping = openAuxPool(options, handed) ?? assert.fail();
  assert.equal(mapping.memory.regions[0]?.bytes, 8192);
  assert.equal(poolIdentity(options, handed), mapping.identity);
  mapping.close();
  close(fd);
});

test('openAuxPool: uio → the map named, its size from sysfs, device memory', (t) => {
  const path = numberedFile(t, 4); // stands in for the device: the offset selects the map, in pages
  const sysfs = tempDir(t);
  const folder = join(sysfs, 'class/uio/pool/maps/map1');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'size'), '0x00002000\n');
  const mapping = openAuxPool(optionsOf({ kind: 'uio', path, map: 1, sysfs }), undefined) ?? assert.fail();
  assert.equal(mapping.memory.access, ACCESS_WORD);
  assert.equal(mapping.memory.regions[0]?.bytes, 8192);
  assert.equal(mapping.memory.chunk.u8[0], 1);
  mapping.close();
  assert.throws(() => openAuxPool(optionsOf({ kind: 'uio', path, map: 2, sysfs }), undefined), {
    exitCode: 128,
  });
});

test('openAuxPool: physical window → at the address given', (t) => {
  const path = numberedFile(t, 4); // stands in for /dev/mem
  const options = optionsOf({ kind: 'devmem', path }, { shmemAddr: 0x2000, shmemSize: 0x1000 });
  const mapping = openAuxPool(options, undefined) ?? assert.fail();
  assert.equal(mapping.memory.access, ACCESS_WORD);
  assert.equal(mapping.memory.chunk.u8[0], 2);
  mapping.close();
});
