import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import * as errnos from '#lkvm/abi/errno.js';
import { declare, errno, errnoName, must, status } from '#lkvm/sys/libc.js';
import { NativeBuffer } from '#lkvm/sys/map.js';
import { SysError } from '#lkvm/util/errors.js';

test('errnoName: every constant of abi/errno → its own name; an unknown number → "errno N"', () => {
  // EOPNOTSUPP and ENOTSUP are one number
  const known = constants.errno as Record<string, number>;
  for (const [name, number] of Object.entries(errnos)) {
    assert.equal(known[errnoName(number)] ?? number, number, name);
  }
  assert.equal(errnoName(errnos.ENOENT), 'ENOENT');
  assert.equal(errnoName(4000), 'errno 4000');
});

test('status, errno: a failed call → -errno; a successful one → its result', () => {
  const close = declare('int close(int fd)');
  assert.equal(status(close(-1)), -errnos.EBADF);
  assert.equal(errno(), errnos.EBADF);
  assert.equal(status(5), 5);
});

test('must: a negative result → SysError that names call, object and errno; else the result', () => {
  assert.equal(must(3, 'open'), 3);
  assert.throws(
    () => must(-errnos.EACCES, 'open', '/dev/umb'),
    (error) =>
      error instanceof SysError &&
      error.code === 'EACCES' &&
      error.errno === errnos.EACCES &&
      error.exitCode === 1 &&
      error.message === '/dev/umb: open failed: EACCES',
  );
});

test('declare: what all of sys/ relies on in koffi → typed arrays by address, offsets, null, numbers to 2^53', () => {
  const strlen = declare('size_t strlen(const void *text)');
  const bytes = new TextEncoder().encode('hello\0');
  assert.equal(strlen(bytes), 5);
  assert.equal(strlen(bytes.subarray(2)), 3);
  assert.equal(strlen(new Uint8Array(new SharedArrayBuffer(8)).fill(65, 0, 4)), 4);

  const byAddress = declare('size_t strlen(uintptr_t text)');
  const memory = new NativeBuffer(64);
  memory.u8.set(bytes, 32);
  assert.equal(byAddress(memory.address + 32), 5);

  const identity = declare('int64_t llabs(int64_t value)');
  assert.equal(identity(2 ** 53 - 1), 2 ** 53 - 1);
  assert.equal(identity(-(2 ** 47)), 2 ** 47);
  assert.equal(declare('int access(const char *path, int mode)')(null, 0), -1);
  assert.equal(errno(), errnos.EFAULT);
});
