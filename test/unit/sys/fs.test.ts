// The calls by directory descriptor, against what node:fs says of the same files.
import assert from 'node:assert/strict';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statfsSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  O_PATH,
  PROC_SUPER_MAGIC,
  RESOLVE_BENEATH,
  RESOLVE_NO_SYMLINKS,
  STATX_BTIME,
  UTIME_OMIT,
} from '#lkvm/abi/linux.js';
import { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_RDWR } from '#lkvm/sys/arch.js';
import { close, open, write } from '#lkvm/sys/fd.js';
import * as fs from '#lkvm/sys/fs.js';
import { viewOf } from '#lkvm/sys/libc.js';
import { NativeBuffer } from '#lkvm/sys/map.js';
import { FileStat, FileSystemStat } from '#lkvm/sys/stat.js';
import { tempDir } from '../../support/temp.js';

const AT_FDCWD = -100;
const names = new NativeBuffer(4096);
let used = 0;

/** Address of a NUL-terminated name; the buffer is used round and round. */
function name(text: string): number {
  const bytes = Buffer.from(`${text}\0`);
  if (used + bytes.length > names.u8.length) used = 0;
  names.u8.set(bytes, used);
  used += bytes.length;
  return names.address + used - bytes.length;
}

function folder(t: TestContext): { path: string; fd: number } {
  const path = tempDir(t);
  const fd = open(path, O_PATH | O_DIRECTORY);
  t.after(() => close(fd));
  return { path, fd };
}

test('openat2: creates below a directory; refuses "..", absolute names and links → -EXDEV, -ELOOP', (t) => {
  const { path, fd } = folder(t);
  const file = fs.openat2(fd, name('f'), O_RDWR | O_CREAT | O_EXCL, 0o600, RESOLVE_BENEATH);
  assert.ok(file >= 0);
  assert.equal(write(file, Buffer.from('text')), 4);
  close(file);
  assert.equal(readFileSync(join(path, 'f'), 'utf8'), 'text');
  assert.equal(statSync(join(path, 'f')).mode & 0o777, 0o600);
  assert.equal(fs.openat2(fd, name('../x'), O_PATH, 0, RESOLVE_BENEATH), -18);
  assert.equal(fs.openat2(fd, name('/etc'), O_PATH, 0, RESOLVE_BENEATH), -18);
  symlinkSync('f', join(path, 'l'));
  assert.equal(fs.openat2(fd, name('l'), O_RDONLY, 0, RESOLVE_NO_SYMLINKS), -40);
  const link = fs.openat2(fd, name('l'), O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS);
  assert.ok(link >= 0);
  close(link);
});

test('procPath: any descriptor number → its path', () => {
  for (const fd of [0, 7, 10, 99, 100, 1234, 0x7fff_ffff]) {
    const bytes = new Uint8Array(viewOf(fs.procPath(fd), 32));
    assert.equal(Buffer.from(bytes.slice(0, bytes.indexOf(0))).toString(), `/proc/self/fd/${fd}`);
  }
});

test('procPath: of a file that was renamed → opens that very file', (t) => {
  const { fd } = folder(t);
  const file = fs.openat2(fd, name('a'), O_RDWR | O_CREAT, 0o600, 0);
  fs.renameat(fd, name('a'), fd, name('b'));
  const again = fs.openat(AT_FDCWD, fs.procPath(file), O_RDONLY, 0);
  assert.ok(again >= 0);
  close(again);
  close(file);
});

test('mkdirat, mknodat, symlinkat, linkat, renameat, unlinkat, readlinkat → as on the host', (t) => {
  const { path, fd } = folder(t);
  assert.equal(fs.mkdirat(fd, name('d'), 0o700), 0);
  assert.equal(fs.mknodat(fd, name('fifo'), 0o010600, 0), 0);
  assert.equal(fs.symlinkat(name('../target'), fd, name('l')), 0);
  writeFileSync(join(path, 'f'), 'x');
  assert.equal(fs.linkat(fd, name('f'), fd, name('g'), 0), 0);
  assert.equal(fs.renameat(fd, name('g'), fd, name('h')), 0);
  assert.deepEqual(readdirSync(path).sort(), ['d', 'f', 'fifo', 'h', 'l']);
  assert.equal(statSync(join(path, 'f')).nlink, 2);
  assert.ok(statSync(join(path, 'fifo')).isFIFO());
  const buffer = new NativeBuffer(64);
  const bytes = fs.readlinkat(fd, name('l'), buffer.address, 64);
  assert.equal(Buffer.from(buffer.u8.slice(0, bytes)).toString(), readlinkSync(join(path, 'l')));
  assert.equal(fs.unlinkat(fd, name('h'), 0), 0);
  assert.equal(fs.unlinkat(fd, name('d'), 0), -21);
  assert.equal(fs.unlinkat(fd, name('d'), 0x200), 0);
  assert.equal(fs.unlinkat(fd, name('nothing'), 0), -2);
});

test('FileStat: of a descriptor and of a name → what stat says; a link is not followed', (t) => {
  const { path, fd } = folder(t);
  writeFileSync(join(path, 'f'), 'abc');
  symlinkSync('f', join(path, 'l'));
  const stat = new FileStat();
  assert.equal(stat.ofName(fd, name('f')), 0);
  const expected = statSync(join(path, 'f'), { bigint: true });
  assert.deepEqual(
    [stat.mode, stat.nlink, stat.uid, stat.gid, stat.size, stat.blocks, stat.blockBytes].map(BigInt),
    [
      expected.mode,
      expected.nlink,
      expected.uid,
      expected.gid,
      expected.size,
      expected.blocks,
      expected.blksize,
    ],
  );
  assert.equal(BigInt(stat.inoHigh) * 2n ** 32n + BigInt(stat.inoLow), expected.ino);
  assert.equal(BigInt(stat.mtimeSec) * 10n ** 9n + BigInt(stat.mtimeNsec), expected.mtimeNs);
  assert.equal(BigInt(stat.ctimeSec) * 10n ** 9n + BigInt(stat.ctimeNsec), expected.ctimeNs);
  if ((stat.mask & STATX_BTIME) !== 0) assert.ok(stat.btimeSec > 1e9);
  assert.equal(stat.ofName(fd, name('l')), 0);
  assert.equal(stat.mode & 0o170000, 0o120000);
  assert.equal(stat.ofFd(fd), 0);
  assert.equal(stat.mode, statSync(path).mode);
  assert.equal(stat.ofFd(-1), -9);
});

test('FileSystemStat → what statfs says; /proc is recognised', (t) => {
  const { path, fd } = folder(t);
  const stat = new FileSystemStat();
  assert.equal(stat.ofFd(fd), 0);
  const expected = statfsSync(path);
  assert.deepEqual(
    [stat.type, stat.blockBytes, stat.blocks, stat.files],
    [expected.type, expected.bsize, expected.blocks, expected.files],
  );
  const proc = open('/proc', O_PATH | O_DIRECTORY);
  assert.equal(stat.ofFd(proc), 0);
  assert.equal(stat.type, PROC_SUPER_MAGIC);
  close(proc);
});

test('utimensFd: negative seconds, nanoseconds, and "leave it" → as set', (t) => {
  const { path, fd } = folder(t);
  writeFileSync(join(path, 'f'), '');
  const file = fs.openat2(fd, name('f'), O_PATH, 0, 0);
  assert.equal(fs.utimensFd(file, { sec: -5, nsec: 7 }, { sec: 2 ** 32 + 1, nsec: 999_999_999 }), 0);
  const stat = new FileStat();
  stat.ofFd(file);
  assert.deepEqual(
    [stat.atimeSec, stat.atimeNsec, stat.mtimeSec, stat.mtimeNsec],
    [-5, 7, 2 ** 32 + 1, 999_999_999],
  );
  assert.equal(fs.utimensFd(file, { sec: 0, nsec: UTIME_OMIT }, { sec: 1, nsec: 0 }), 0);
  stat.ofFd(file);
  assert.deepEqual([stat.atimeSec, stat.mtimeSec], [-5, 1]);
  close(file);
});

test('getdents64, seekDirectory: entries, and on from any cookie of 64 bits → the same rest', (t) => {
  const { path, fd } = folder(t);
  for (let i = 0; i < 20; i++) mkdirSync(join(path, `d${i}`));
  const dir = fs.openat(fd, fs.DOT_NAME, O_RDONLY | O_DIRECTORY, 0);
  const buffer = new NativeBuffer(4096);
  const list = (): { name: string; low: number; high: number }[] => {
    const entries = [];
    const bytes = fs.getdents64(dir, buffer.address, 4096);
    assert.ok(bytes >= 0);
    for (let at = 0; at < bytes; at += buffer.view.getUint16(at + 16, true)) {
      const end = buffer.u8.indexOf(0, at + 19);
      entries.push({
        name: Buffer.from(buffer.u8.slice(at + 19, end)).toString(),
        low: buffer.view.getUint32(at + 8, true),
        high: buffer.view.getUint32(at + 12, true),
      });
    }
    return entries;
  };
  const all = list();
  assert.equal(all.length, 22);
  const tenth = all[9] as (typeof all)[0];
  assert.equal(fs.seekDirectory(dir, tenth.low, tenth.high), 0);
  assert.deepEqual(
    list().map((e) => e.name),
    all.slice(10).map((e) => e.name),
  );
  assert.equal(fs.seekDirectory(dir, 0, 0), 0);
  assert.equal(list().length, 22);
  close(dir);
  assert.equal(fs.seekDirectory(dir, 0, 0), -9);
});

test('openFileLimit → at least 64', () => {
  assert.ok(fs.openFileLimit() >= 64);
});
