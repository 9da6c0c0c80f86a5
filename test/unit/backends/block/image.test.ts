// What can be wrong with a disk is found at the start, in one line.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { closeImage, type DiskOptions, openImage } from '#lkvm/backends/block/image.js';
import { mountTmpfs, noMounts } from '../../../support/host-disks.js';
import { tempDir } from '../../../support/temp.js';
import { undo } from '../../../support/undo.js';

/** A regular file of one page, as all in sysfs. */
const SYSFS_FILE = '/sys/kernel/uevent_seqnum';

function opened(t: TestContext, path: string, options: Partial<DiskOptions> = {}) {
  const image = openImage({ path, readOnly: false, direct: false, ...options });
  undo(t, () => closeImage(image));
  return image;
}

function file(t: TestContext, bytes: number): string {
  const path = join(tempDir(t), 'disk.img');
  writeFileSync(path, new Uint8Array(bytes));
  return path;
}

test('openImage: a file of 3 sectors → 3 sectors of 512 bytes, writable, holes where the file system has them', (t) => {
  const { facts, isBlockDevice, directFd } = opened(t, file(t, 1536));
  assert.equal(facts.sectors, 3);
  assert.equal(facts.blockBytes, 512);
  assert.ok(facts.physicalBlockBytes >= 512);
  assert.equal(facts.readOnly, false);
  assert.equal(isBlockDevice, false);
  assert.equal(directFd, -1);
  assert.match(facts.id, /^[0-9a-f]+-[0-9a-f]+-[0-9a-f]+$/);
});

test('openImage: a symbolic link → the file behind it', (t) => {
  const path = file(t, 512);
  const link = `${path}.link`;
  symlinkSync(path, link);
  assert.equal(opened(t, link).facts.sectors, 1);
});

const REFUSED: readonly [what: string, make: (path: string) => void, message: RegExp][] = [
  ['no such file', () => {}, /cannot be opened: ENOENT/],
  ['a directory', (path) => mkdirSync(path), /is a directory/],
  ['a FIFO', (path) => execFileSync('mkfifo', [path]), /neither a file nor a block device/],
  ['an empty file', (path) => writeFileSync(path, ''), /is empty/],
  ['513 bytes', (path) => writeFileSync(path, new Uint8Array(513)), /has 513 bytes, .*multiple of 512/],
];

for (const [what, make, message] of REFUSED) {
  test(`openImage: ${what} → StartError naming it, exit code 128`, (t) => {
    const path = join(tempDir(t), 'odd.img');
    make(path);
    assert.throws(
      () => opened(t, path),
      (error: Error & { exitCode?: number }) => {
        assert.match(error.message, message);
        assert.ok(error.message.includes(path) && !error.message.includes('\n'), error.message);
        assert.equal(error.exitCode, 128);
        return true;
      },
    );
  });
}

test('openImage: /dev/null, a character device → StartError', (t) => {
  assert.throws(() => opened(t, '/dev/null'), {
    code: 'START',
    message: /neither a file nor a block device/,
  });
});

for (const [first, second, allowed] of [
  [false, false, false],
  [false, true, false],
  [true, false, false],
  [true, true, true],
] as const) {
  const words = (readOnly: boolean) => (readOnly ? 'read-only' : 'writable');
  test(`openImage: open ${words(first)}, then ${words(second)} → ${allowed ? 'both' : 'refused'}`, (t) => {
    const path = file(t, 512);
    opened(t, path, { readOnly: first });
    if (allowed) {
      opened(t, path, { readOnly: second });
      return;
    }
    assert.throws(() => opened(t, path, { readOnly: second }), {
      code: 'START',
      message: `disk ${path} is in use by another program that has locked it${second ? ' for writing' : ''}`,
    });
  });
}

test('openImage: closed → the lock is free again', (t) => {
  const path = file(t, 512);
  closeImage(openImage({ path, readOnly: false, direct: false }));
  opened(t, path);
});

test('openImage: a read-only file system → StartError that mentions ",ro", and ",ro" works', {
  skip: noMounts(),
}, (t) => {
  const folder = mountTmpfs(t, 'size=1m');
  const path = join(folder, 'disk.img');
  writeFileSync(path, new Uint8Array(512));
  execFileSync('mount', ['-o', 'remount,ro', folder]);
  assert.throws(() => opened(t, path), { code: 'START', message: /",ro" opens it read-only.*EROFS/ });
  assert.equal(opened(t, path, { readOnly: true }).facts.readOnly, true);
});

test('openImage: direct on a file system that has it → a second descriptor and what it needs', (t) => {
  const { directFd, directAlign, directMemoryAlign } = opened(t, file(t, 4096), { direct: true });
  assert.ok(directFd >= 0);
  assert.ok(directAlign >= 512 && (directAlign & (directAlign - 1)) === 0);
  assert.ok(directMemoryAlign >= 1);
});

test('openImage: direct on a file system that has not (sysfs stands for it) → StartError, without it: opened', {
  skip: !existsSync(SYSFS_FILE) && 'no sysfs',
}, (t) => {
  const options = { readOnly: true, direct: true };
  assert.throws(() => opened(t, SYSFS_FILE, options), { code: 'START', message: /no direct I\/O/ });
  assert.equal(opened(t, SYSFS_FILE, { readOnly: true }).facts.sectors, 8);
});
