// A host directory as the client sees it: names, large directories, attributes, locks, several file systems.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { HostTree } from '#lkvm/backends/hostfs/host-tree.js';
import { QidMap } from '#lkvm/backends/hostfs/qids.js';
import { Qid } from '#lkvm/p9/tree-output.js';
import { StartError } from '#lkvm/util/errors.js';
import { hostShare } from '../../../support/host-share.js';
import { ManualBlocking, type P9Rig } from '../../../support/p9-rig.js';

const RDWR = 2;
const EINVAL = -22;
const ENODATA = -61;

test('HostTree: path missing or not a directory → StartError that names it', (t) => {
  const { dir } = hostShare(t);
  writeFileSync(join(dir, 'f'), '');
  const make = (path: string) => new HostTree({ path, readOnly: false, blocking: new ManualBlocking() });
  assert.throws(() => make(join(dir, 'missing')), StartError);
  assert.throws(() => make(join(dir, 'f')), /f: it is not a directory/);
});

test('names: not UTF-8 → survive creation, listing, walking and removal byte by byte', (t) => {
  const { rig, dir } = hostShare(t);
  const name = new Uint8Array([0xff, 0x20, 0xc3, 0x28, 0x80]);
  rig.walk(0, 1);
  assert.equal(rig.create(1, name, RDWR), 0);
  assert.deepEqual(readdirSync(dir, { encoding: 'buffer' })[0], Buffer.from(name));
  rig.walk(0, 2);
  rig.open(2);
  rig.call((b, tag) => rig.encoder.treaddir(b, tag, 2, { low: 0, high: 0 }, 4096));
  const seen: string[] = [];
  while (rig.reply.nextEntry()) {
    const { entryNameAt, entryNameBytes } = rig.reply;
    seen.push(
      Buffer.from(rig.replyView(4096).slice(entryNameAt, entryNameAt + entryNameBytes)).toString('hex'),
    );
  }
  assert.ok(seen.includes(Buffer.from(name).toString('hex')));
  assert.equal(rig.walk(0, 3, name), 1);
  assert.equal(rig.unlink(0, name), 0);
  assert.deepEqual(readdirSync(dir), []);
});

test('names: 255 bytes → fine', (t) => {
  const { rig, dir } = hostShare(t);
  rig.walk(0, 1);
  assert.equal(rig.create(1, 'n'.repeat(255), RDWR), 0);
  assert.deepEqual(readdirSync(dir), ['n'.repeat(255)]);
});

test('readdir: 10,000 entries, small and large counts → each once, in any step width', (t) => {
  const { rig, dir } = hostShare(t);
  const names = Array.from({ length: 10_000 }, (_, i) => `file-number-${i}`);
  for (const name of names) writeFileSync(join(dir, name), '');
  const all = ['.', '..', ...names].sort();
  let fid = 1;
  for (const count of [300, 1000, 8192, 0x10_0000]) {
    rig.walk(0, fid);
    rig.open(fid);
    assert.deepEqual(rig.list(fid, count).sort(), all);
    fid++;
  }
});

test('readdir: reading on from an old cookie, and from the beginning again → the same entries', (t) => {
  const { rig, dir } = hostShare(t);
  for (let i = 0; i < 100; i++) writeFileSync(join(dir, `f${i}`), '');
  rig.walk(0, 1);
  rig.open(1);
  const first = rig.list(1, 400);
  rig.call((b, tag) => rig.encoder.treaddir(b, tag, 1, { low: 0, high: 0 }, 400));
  const seen: string[] = [];
  let cookie = { low: 0, high: 0 };
  for (let i = 0; i < 5; i++) {
    rig.reply.nextEntry();
    seen.push(rig.reply.entryName());
    cookie = { ...rig.reply.entryCookie };
  }
  rig.call((b, tag) => rig.encoder.treaddir(b, tag, 1, cookie, 400));
  rig.reply.nextEntry();
  assert.deepEqual([...seen, rig.reply.entryName()], first.slice(0, 6));
  assert.deepEqual(rig.list(1, 1000), first);
});

test('readdir: ".." at the root → the root\'s own qid, nothing about the host above', (t) => {
  const { rig } = hostShare(t);
  rig.getattr(0);
  const root = rig.reply.qidPathLow;
  rig.walk(0, 1);
  rig.open(1);
  rig.call((b, tag) => rig.encoder.treaddir(b, tag, 1, { low: 0, high: 0 }, 4096));
  const found = new Map<string, number>();
  while (rig.reply.nextEntry()) found.set(rig.reply.entryName(), rig.reply.qidPathLow);
  assert.deepEqual(
    found,
    new Map([
      ['.', root],
      ['..', root],
    ]),
  );
});

test('getattr: all fields as the host has them; qid version changes with the content', (t) => {
  const { rig, dir } = hostShare(t);
  writeFileSync(join(dir, 'f'), 'abc');
  rig.walk(0, 1, 'f');
  rig.getattr(1);
  const stat = statSync(join(dir, 'f'));
  const { mode, uid, gid, nlink, size, blocks, qidVersion, qidPathLow, mtimeSec } = rig.reply;
  assert.deepEqual(
    { mode, uid, gid, nlink, size, blocks, ino: qidPathLow, mtimeSec },
    {
      mode: stat.mode,
      uid: stat.uid,
      gid: stat.gid,
      nlink: 1,
      size: 3,
      blocks: stat.blocks,
      ino: stat.ino % 2 ** 32,
      mtimeSec: Math.floor(stat.mtimeMs / 1000),
    },
  );
  writeFileSync(join(dir, 'f'), 'abcd');
  rig.getattr(1);
  assert.notEqual(rig.reply.qidVersion, qidVersion);
});

test("QidMap: equal inode numbers on two file systems → different paths, stable; the root's stay inode numbers", () => {
  const map = new QidMap(8, 1);
  const path = (major: number, minor: number, low: number, high: number) => {
    const qid = new Qid();
    assert.equal(map.setPath(qid, major, minor, low, high), 0);
    return [qid.pathLow, qid.pathHigh];
  };
  assert.deepEqual(path(8, 1, 42, 3), [42, 3]);
  assert.deepEqual(path(0, 25, 42, 3), [42, 0x1_0003]);
  assert.deepEqual(path(8, 1, 42, 0xffff_0003), [42, 0x2_0003]);
  assert.deepEqual(path(0, 25, 42, 3), [42, 0x1_0003]);
  assert.deepEqual(path(8, 1, 42, 3), [42, 3]);
});

test('QidMap: more file systems than numbers → EOVERFLOW, those known go on', () => {
  const map = new QidMap(0, 0);
  const qid = new Qid();
  for (let minor = 1; minor < 0x1_0000; minor++) assert.equal(map.setPath(qid, 1, minor, 1, 0), 0);
  assert.equal(map.setPath(qid, 2, 1, 1, 0), -75);
  assert.equal(map.setPath(qid, 1, 5, 1, 0), 0);
});

/** Whether the temporary folder's file system takes user.* attributes. */
function xattrs(rig: P9Rig): boolean {
  rig.walk(0, 90);
  rig.create(90, 'probe', RDWR);
  rig.walk(0, 91, 'probe');
  const set = setXattr(rig, 91, 'user.probe', 'x', 0);
  rig.unlink(0, 'probe');
  rig.clunk(90);
  return set === 0;
}

function nameField(name: string): string {
  const bytes = Buffer.from(name);
  return `${Buffer.from([bytes.length & 255, bytes.length >> 8]).toString('hex')}${bytes.toString('hex')}`;
}

function u32(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes.toString('hex');
}

/** As Linux's client does it: Txattrcreate, Twrite, Tclunk. @returns the first error, or 0 */
function setXattr(rig: P9Rig, fid: number, name: string, value: string, flags: number): number {
  const failed = rig.send(32, `${u32(fid)} ${nameField(name)} ${u32(value.length)}00000000 ${u32(flags)}`);
  if (failed !== 0) return failed;
  const written = value.length > 0 ? rig.write(fid, 0, value) : 0;
  const set = rig.clunk(fid);
  return written < 0 ? written : set;
}

/** Txattrwalk, Tread, Tclunk. */
function getXattr(rig: P9Rig, fid: number, name: string): string | number {
  const failed = rig.send(30, `${u32(fid)} ${u32(77)} ${nameField(name)}`);
  if (failed !== 0) return failed;
  const text = rig.readText(77, 0, 65536);
  rig.clunk(77);
  return text;
}

test('xattr: create, replace, list, read in parts, remove, wrong flags → as setxattr(2) and friends', (t) => {
  const { rig, dir } = hostShare(t);
  if (!xattrs(rig)) return t.skip('the file system has no user.* attributes');
  writeFileSync(join(dir, 'f'), '');
  const on = (): number => {
    rig.walk(0, 5, 'f');
    return 5;
  };
  assert.equal(setXattr(rig, on(), 'user.a', 'first', 1), 0);
  assert.equal(setXattr(rig, on(), 'user.a', 'again', 1), -17);
  assert.equal(setXattr(rig, on(), 'user.b', 'none', 2), ENODATA);
  assert.equal(setXattr(rig, on(), 'user.a', 'second', 2), 0);
  assert.equal(setXattr(rig, on(), 'user.b', '', 0), 0);
  rig.walk(0, 1, 'f');
  assert.equal(getXattr(rig, 1, 'user.a'), 'second');
  assert.equal(getXattr(rig, 1, 'user.b'), '');
  assert.deepEqual(
    String(getXattr(rig, 1, ''))
      .split('\0')
      .filter((n) => n.startsWith('user.'))
      .sort(),
    ['user.a', 'user.b'],
  );
  assert.equal(rig.send(30, `${u32(1)} ${u32(6)} ${nameField('user.a')}`), 0);
  assert.equal(rig.readText(6, 3, 100), 'ond');
  assert.equal(rig.readText(6, 60, 100), '');
  assert.equal(setXattr(rig, on(), 'user.a', '', 2), 0); // removexattr(2) as Linux sends it
  assert.equal(getXattr(rig, 1, 'user.a'), ENODATA);
  assert.equal(getXattr(rig, 1, 'user.missing'), ENODATA);
});

test('xattr: value not complete at clunk → EINVAL, not set; too long → E2BIG; writes out of order → EINVAL', (t) => {
  const { rig, dir } = hostShare(t);
  if (!xattrs(rig)) return t.skip('the file system has no user.* attributes');
  writeFileSync(join(dir, 'f'), '');
  rig.walk(0, 1, 'f');
  assert.equal(rig.send(32, `${u32(1)} ${nameField('user.a')} ${u32(4)}00000000 ${u32(0)}`), 0);
  assert.equal(rig.write(1, 1, 'x'), EINVAL);
  assert.equal(rig.write(1, 0, 'ab'), 2);
  assert.equal(rig.write(1, 2, 'cde'), -28);
  assert.equal(rig.clunk(1), EINVAL);
  rig.walk(0, 1, 'f');
  assert.equal(getXattr(rig, 1, 'user.a'), ENODATA);
  assert.equal(rig.send(32, `${u32(1)} ${nameField('user.a')} ${u32(65537)}00000000 ${u32(0)}`), -7);
});

test('xattr: many large values held open → ENOSPC at 4 MiB, released by clunk', (t) => {
  const { rig } = hostShare(t);
  for (let fid = 1; fid <= 64; fid++) {
    rig.walk(0, fid);
    assert.equal(rig.send(32, `${u32(fid)} ${nameField('user.a')} ${u32(65536)}00000000 ${u32(0)}`), 0);
  }
  rig.walk(0, 65);
  const more = () => rig.send(32, `${u32(65)} ${nameField('user.a')} ${u32(65536)}00000000 ${u32(0)}`);
  assert.equal(more(), -28);
  rig.clunk(1);
  assert.equal(more(), 0);
});

test('times of a file that was read-only to us in a read-only share → access time unchanged', (t) => {
  const { rig, dir } = hostShare(t, { readOnly: true });
  writeFileSync(join(dir, 'f'), 'text');
  const before = statSync(join(dir, 'f')).atimeMs;
  rig.walk(0, 1, 'f');
  rig.open(1);
  rig.readText(1);
  assert.equal(statSync(join(dir, 'f')).atimeMs, before);
});

test('descriptors: a thousand opens, creates, failed walks and clunks → none left', (t) => {
  const { rig, dir, tree } = hostShare(t);
  mkdirSync(join(dir, 'd'));
  writeFileSync(join(dir, 'f'), '');
  const open = () => readdirSync('/proc/self/fd').length;
  const before = open();
  for (let i = 0; i < 250; i++) {
    rig.walk(0, 1, 'd', '..', 'd', 'missing');
    rig.walk(0, 1, 'f');
    rig.open(1, RDWR);
    rig.walk(1, 2);
    rig.clunk(2);
    rig.clunk(1);
    rig.walk(0, 1);
    rig.create(1, 'new', RDWR);
    rig.walk(0, 2);
    rig.create(2, 'new', RDWR | 0o200);
    rig.create(2, 'd', RDWR);
    rig.clunk(2);
    rig.send(122, u32(1));
  }
  assert.equal(open(), before);
  assert.equal(tree.nodes, 1);
  assert.equal(readFileSync(join(dir, 'f'), 'utf8'), '');
});
