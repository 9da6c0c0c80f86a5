import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { EPERM } from '#lkvm/abi/errno.js';
import { F_ADD_SEALS, F_SEAL_GROW, F_SEAL_SHRINK } from '#lkvm/abi/linux.js';
import { close, fcntl, ftruncate, write } from '#lkvm/sys/fd.js';
import { viewOf } from '#lkvm/sys/libc.js';
import { createMemfd, mapPrivate, mapShared, NativeBuffer, unmap } from '#lkvm/sys/map.js';
import { SysError } from '#lkvm/util/errors.js';

const F_GET_SEALS = 1034;
const GIB = 2 ** 30;

/** The line of /proc/self/smaps that says something about the mapping at `address`. */
function smaps(address: number, key: string): string {
  const all = readFileSync('/proc/self/smaps', 'latin1');
  const start = all.search(new RegExp(`^0*${address.toString(16)}-`, 'm'));
  assert.ok(start >= 0, 'mapping not found');
  return new RegExp(`^${key}:\\s+(.*?)\\s*$`, 'm').exec(all.slice(start))?.[1] ?? '';
}

test('createMemfd: sealed → may be neither shrunk nor grown, has its size', () => {
  const fd = createMemfd('lkvm-test', 8192);
  assert.equal(fcntl(fd, F_GET_SEALS, 0) & (F_SEAL_SHRINK | F_SEAL_GROW), F_SEAL_SHRINK | F_SEAL_GROW);
  assert.equal(ftruncate(fd, 4096), -EPERM);
  assert.equal(ftruncate(fd, 16384), -EPERM);
  assert.equal(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
  close(fd);
});

test('createMemfd: a size no file can have → SysError, no fd left open', () => {
  assert.throws(
    () => createMemfd('lkvm-test', -1),
    (error) => error instanceof SysError && error.code === 'EINVAL',
  );
});

test('mapShared: two mappings of a memfd, one with an offset → the same bytes', () => {
  const fd = createMemfd('lkvm-test', 8192);
  const whole = mapShared(fd, 8192);
  const second = mapShared(fd, 4096, 4096);
  close(fd);
  const a = new Uint8Array(viewOf(whole.address, 8192));
  const b = new Uint8Array(viewOf(second.address, 4096));
  a[4096 + 17] = 99;
  assert.equal(b[17], 99);
  assert.match(smaps(whole.address, 'VmFlags'), /\bdc\b/); // MADV_DONTFORK
});

test('mapShared: an fd that is not open, length 0 → SysError', () => {
  assert.throws(() => mapShared(-1, 4096), /mmap failed: EBADF/);
  const fd = createMemfd('lkvm-test', 4096);
  assert.throws(() => mapShared(fd, 0), /mmap failed: EINVAL/);
  close(fd);
});

test('mapPrivate: 16 GiB → zeroed, costs nothing until touched, not inherited; huge pages where asked', () => {
  const mapping = mapPrivate(16 * GIB, true);
  const view = new Uint32Array(viewOf(mapping.address + 12 * GIB, GIB));
  assert.equal(view[12345], 0);
  view[12345] = 7;
  assert.equal(view[12345], 7);
  assert.match(smaps(mapping.address, 'VmFlags'), /\bdc\b.*\bhg\b/);
  unmap(mapping);
});

test('unmap: afterwards → the address is free', () => {
  const mapping = mapPrivate(4096);
  unmap(mapping);
  const line = new RegExp(`^0*${mapping.address.toString(16)}-`, 'm');
  assert.doesNotMatch(readFileSync('/proc/self/maps', 'latin1'), line);
});

test('NativeBuffer: address and views → the same bytes, for C and for JavaScript', () => {
  const buffer = new NativeBuffer(5000);
  assert.equal(buffer.u8.length, 5000);
  buffer.view.setUint32(4990, 0x01020304, true);
  assert.equal(buffer.u8[4990], 4);
  // EFAULT would say that the address is not that of the view
  assert.equal(write(process.stdout.fd, buffer.u8, 0), 0);
});

test('viewOf: one mapping seen from two threads → shared, Atomics work on it', async () => {
  const mapping = mapPrivate(4096);
  const here = new Uint32Array(viewOf(mapping.address, 4096));
  const source = `
    const { workerData } = require('node:worker_threads');
    import(${JSON.stringify(import.meta.resolve('#lkvm/sys/libc.js'))}).then(({ viewOf }) => {
      const there = new Uint32Array(viewOf(workerData, 4096));
      for (let i = 0; i < 1000; i++) Atomics.add(there, 3, 1);
    });
  `;
  const worker = new Worker(source, { eval: true, workerData: mapping.address });
  for (let i = 0; i < 1000; i++) Atomics.add(here, 3, 1);
  await new Promise((resolve) => worker.once('exit', resolve));
  assert.equal(Atomics.load(here, 3), 2000);
});
