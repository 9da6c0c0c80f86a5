import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkBootFiles, findKernel, kernelPlaces } from '#lkvm/cli/kernel-search.js';
import { tempDir } from '../../support/temp.js';

const boot = (files: object) => ({
  kernel: undefined,
  firmware: undefined,
  initrd: undefined,
  commandLine: '',
  vxworks: false,
  ...files,
});

test("kernelPlaces: a release → kvmtool's list", () => {
  assert.deepEqual(kernelPlaces('6.1.0'), [
    './bzImage',
    'arch/x86/boot/bzImage',
    '../../arch/x86/boot/bzImage',
    '/boot/vmlinuz-6.1.0',
    '/boot/bzImage-6.1.0',
  ]);
});

test('findKernel: first regular file in order → that one; directories and missing ones are passed over', (t) => {
  const dir = tempDir(t);
  const places = ['a', 'b', 'c', 'd'].map((name) => join(dir, name));
  mkdirSync(join(dir, 'b'));
  writeFileSync(join(dir, 'c'), '');
  writeFileSync(join(dir, 'd'), '');
  assert.equal(findKernel(places), join(dir, 'c'));
});

test('findKernel: none → StartError with the places and the option', () => {
  assert.throws(() => findKernel(['/nonexistent/a', '/nonexistent/b']), {
    exitCode: 128,
    message: /^no kernel found in \/nonexistent\/a, \/nonexistent\/b; name one: lkvm run -k FILE/,
  });
});

test('checkBootFiles: a missing file → the text that test suites look for', () => {
  for (const kind of ['kernel', 'initrd', 'firmware']) {
    assert.throws(() => checkBootFiles(boot({ [kind]: '/nonexistent/f' })), {
      exitCode: 128,
      message: `Unable to open ${kind} /nonexistent/f: no such file`,
    });
  }
});

test('checkBootFiles: a file for root only → says how to get a copy', {
  skip: process.getuid?.() === 0,
}, (t) => {
  const file = join(tempDir(t), 'vmlinuz');
  writeFileSync(file, '');
  chmodSync(file, 0);
  assert.throws(() => checkBootFiles(boot({ kernel: file })), {
    exitCode: 128,
    message: new RegExp(`Unable to open kernel .*: permission denied; .*sudo install -m 644 ${file}`),
  });
});

test('checkBootFiles: readable files → nothing', (t) => {
  const file = join(tempDir(t), 'k');
  writeFileSync(file, '');
  checkBootFiles(boot({ kernel: file, initrd: file }));
});
