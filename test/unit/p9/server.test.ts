// The protocol server over a real host directory, by messages as a client sends them.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { PENDING } from '#lkvm/util/pending.js';
import { hostShare } from '../../support/host-share.js';

const EPERM = -1;
const ENOENT = -2;
const EBADF = -9;
const EEXIST = -17;
const ENOTDIR = -20;
const EISDIR = -21;
const EINVAL = -22;
const ENFILE = -23;
const EROFS = -30;
const EPROTO = -71;
const EOVERFLOW = -75;
const EMSGSIZE = -90;
const EOPNOTSUPP = -95;

const RDONLY = 0;
const WRONLY = 1;
const RDWR = 2;
const EXCL = 0o200;
const TRUNC = 0o1000;
const APPEND = 0o2000;

test('Tversion: msize above ours → ours; another version → "unknown"; tiny msize → EINVAL', (t) => {
  const { rig } = hostShare(t);
  assert.equal(
    rig.call((b) => rig.encoder.tversion(b, 0x7fff_ffff)),
    0,
  );
  assert.equal(rig.reply.msize, 0x10_0000);
  assert.equal(rig.send(100, '00200000 0600 395032303030'), 0);
  assert.equal(rig.reply.version, 'unknown');
  assert.equal(
    rig.call((b) => rig.encoder.tversion(b, 100)),
    EINVAL,
  );
});

test('Tversion: in the middle of a session → all fids gone, descriptors closed', (t) => {
  const { rig, tree } = hostShare(t);
  rig.walk(0, 1);
  rig.walk(0, 2);
  assert.equal(tree.nodes, 3);
  assert.equal(
    rig.call((b) => rig.encoder.tversion(b, 8192)),
    0,
  );
  assert.equal(tree.nodes, 0);
  assert.equal(rig.getattr(1), EBADF);
});

test('Tauth → EOPNOTSUPP; unknown and reply types → EOPNOTSUPP', (t) => {
  const { rig } = hostShare(t);
  assert.equal(rig.send(102, '01000000 0000 0000 00000000'), EOPNOTSUPP);
  assert.equal(rig.send(200, ''), EOPNOTSUPP);
  assert.equal(rig.send(0, ''), EOPNOTSUPP);
  assert.equal(rig.send(121, ''), EOPNOTSUPP);
});

test('Tattach: fid in use or NOFID → EBADF', (t) => {
  const { rig } = hostShare(t);
  assert.equal(
    rig.call((b, tag) => rig.encoder.tattach(b, tag, 0, 0)),
    EBADF,
  );
  assert.equal(
    rig.call((b, tag) => rig.encoder.tattach(b, tag, 0xffffffff, 0)),
    EBADF,
  );
});

test('message: size field smaller than a header, or larger than the buffers → EPROTO', (t) => {
  const { rig } = hostShare(t);
  const short = rig.message(120, '00000000');
  short[0] = 6;
  assert.equal(rig.raw(short), 11);
  assert.equal(rig.reply.parse(rig.replyView(11), 11), EPROTO);
  const long = rig.message(120, '00000000');
  long[0] = 12;
  assert.equal(rig.raw(long), 11);
  assert.equal(rig.reply.parse(rig.replyView(11), 11), EPROTO);
});

test('message: fields cut off → EPROTO, string longer than the message → EPROTO', (t) => {
  const { rig } = hostShare(t);
  assert.equal(rig.send(120, '0000'), EPROTO);
  assert.equal(rig.send(72, '00000000 ffff 61'), EPROTO);
});

test('message: longer than any legal one → EMSGSIZE', (t) => {
  const { rig } = hostShare(t);
  assert.equal(rig.send(120, '00'.repeat(9000)), EMSGSIZE);
});

test('message: no whole header, or no room for an error → cannot be answered: 0', (t) => {
  const { rig } = hostShare(t);
  assert.equal(rig.raw(new Uint8Array(6)), 0);
  assert.equal(rig.raw(rig.message(120, '00000000'), 10), 0);
});

test('message: room for an error but not for the reply → EMSGSIZE, nothing done', (t) => {
  const { rig, dir } = hostShare(t);
  const mkdir = rig.message(72, '00000000 0100 64 ed010000 00000000');
  assert.equal(rig.raw(mkdir, 19), 11);
  assert.equal(rig.reply.parse(rig.replyView(11), 11), EMSGSIZE);
  assert.equal(existsSync(join(dir, 'd')), false);
});

test('message: in pieces of one byte each, reply too → served alike', (t) => {
  const { rig, dir } = hostShare(t);
  writeFileSync(join(dir, 'f'), 'abc');
  const message = rig.message(110, '00000000 01000000 0100 0100 66');
  assert.equal(rig.raw(message, 1000, 2), 22);
  assert.equal(rig.reply.parse(rig.replyView(22), 22), 0);
  assert.equal(rig.reply.walked, 1);
});

test('Twalk: all names resolve → newfid bound; a later name missing → fewer qids, newfid not bound', (t) => {
  const { rig } = hostShare(t);
  rig.mkdir(0, 'a');
  rig.walk(0, 1, 'a');
  rig.mkdir(1, 'b');
  assert.equal(rig.walk(0, 2, 'a', 'b'), 2);
  assert.equal(rig.getattr(2), 0);
  assert.equal(rig.walk(0, 3, 'a', 'missing', 'b'), 1);
  assert.equal(rig.getattr(3), EBADF);
  assert.equal(rig.walk(0, 3, 'missing'), ENOENT);
});

test('Twalk: through a regular file → stops at it; no names → a second fid on the same file', (t) => {
  const { rig, dir } = hostShare(t);
  writeFileSync(join(dir, 'f'), 'x');
  assert.equal(rig.walk(0, 1, 'f', 'g'), 1);
  assert.equal(rig.walk(0, 1, 'f'), 1);
  assert.equal(rig.walk(1, 2), 0);
  assert.equal(rig.clunk(1), 0);
  assert.equal(rig.open(2), 0);
  assert.equal(rig.readText(2), 'x');
  assert.equal(rig.walk(2, 3, 'g'), ENOTDIR);
});

test('Twalk: newfid equal to fid → replaced, the old handle freed; newfid in use → EBADF', (t) => {
  const { rig, tree } = hostShare(t);
  rig.mkdir(0, 'a');
  rig.walk(0, 1);
  assert.equal(rig.walk(1, 1, 'a'), 1);
  assert.equal(tree.nodes, 2);
  assert.equal(rig.walk(1, 0, '..'), EBADF);
  assert.equal(tree.nodes, 2);
});

test('Twalk: ".", an empty name, a slash, a NUL, 256 bytes, 17 names → refused', (t) => {
  const { rig } = hostShare(t);
  assert.equal(rig.walk(0, 1, '.'), EINVAL);
  assert.equal(rig.walk(0, 1, ''), EINVAL);
  assert.equal(rig.walk(0, 1, 'a/b'), EINVAL);
  assert.equal(rig.walk(0, 1, '/etc'), EINVAL);
  assert.equal(rig.walk(0, 1, 'a\0b'), EINVAL);
  assert.equal(rig.walk(0, 1, 'x'.repeat(256)), -36);
  assert.equal(rig.walk(0, 1, ...new Array<string>(17).fill('..')), EINVAL);
});

test('Tlcreate: O_EXCL on an existing name → EEXIST; without → opened; O_TRUNC → emptied', (t) => {
  const { rig, dir } = hostShare(t);
  writeFileSync(join(dir, 'f'), 'old text');
  rig.walk(0, 1);
  assert.equal(rig.create(1, 'f', RDWR | EXCL), EEXIST);
  assert.equal(rig.create(1, 'f', RDWR), 0);
  assert.equal(rig.readText(1), 'old text');
  rig.walk(0, 2);
  assert.equal(rig.create(2, 'f', RDWR | TRUNC), 0);
  assert.equal(statSync(join(dir, 'f')).size, 0);
});

test("Tlcreate: mode is the client's whatever our umask is; mkdir and mknod alike", (t) => {
  const { rig, dir } = hostShare(t);
  const old = process.umask(0o077);
  t.after(() => process.umask(old));
  rig.walk(0, 1);
  assert.equal(rig.create(1, 'f', RDWR, 0o666), 0);
  assert.equal(rig.mkdir(0, 'd', 0o775), 0);
  assert.equal(rig.send(18, '00000000 0400 6669666f b6110000 00000000 00000000 00000000'), 0);
  assert.equal(statSync(join(dir, 'f')).mode & 0o7777, 0o666);
  assert.equal(statSync(join(dir, 'd')).mode & 0o7777, 0o775);
  assert.equal(statSync(join(dir, 'fifo')).mode, 0o010666);
});

test('Tlopen: twice, or access mode 3 → EINVAL; directory for writing → EISDIR', (t) => {
  const { rig } = hostShare(t);
  rig.walk(0, 1);
  assert.equal(rig.open(1, 3), EINVAL);
  assert.equal(rig.open(1, WRONLY), EISDIR);
  assert.equal(rig.open(1, RDONLY), 0);
  assert.equal(rig.open(1, RDONLY), EINVAL);
});

test('Tlopen: iounit → what fits the msize beside a header of 24 bytes', (t) => {
  const { rig } = hostShare(t);
  rig.mount(8192);
  rig.walk(0, 1);
  assert.equal(rig.open(1), 0);
  assert.equal(rig.reply.iounit, 8168);
});

test('Tread, Twrite: not open, or against the access mode → EBADF; directory → EISDIR', (t) => {
  const { rig, dir } = hostShare(t);
  writeFileSync(join(dir, 'f'), 'x');
  rig.walk(0, 1, 'f');
  assert.equal(rig.read(1, 0, 10), EBADF);
  assert.equal(rig.open(1, WRONLY), 0);
  assert.equal(rig.read(1, 0, 10), EBADF);
  rig.walk(0, 2, 'f');
  rig.open(2, RDONLY);
  assert.equal(rig.write(2, 0, 'y'), EBADF);
  rig.walk(0, 3);
  rig.open(3);
  assert.equal(rig.read(3, 0, 10), EISDIR);
});

test('Tread: at and behind the end → 0 bytes; count above msize → cut to msize', (t) => {
  const { rig, dir } = hostShare(t);
  rig.mount(4096);
  writeFileSync(join(dir, 'f'), Buffer.alloc(10_000, 'q'));
  rig.walk(0, 1, 'f');
  rig.open(1);
  assert.equal((rig.read(1, 0, 100_000) as Buffer).length, 4096 - 11);
  assert.equal((rig.read(1, 9_999, 100) as Buffer).length, 1);
  assert.equal((rig.read(1, 10_000, 100) as Buffer).length, 0);
});

test('Tread: offset above 2^53 → EOVERFLOW', (t) => {
  const { rig, dir } = hostShare(t);
  writeFileSync(join(dir, 'f'), 'x');
  rig.walk(0, 1, 'f');
  rig.open(1);
  assert.equal(rig.send(116, '01000000 ffffffffffffff7f 10000000'), EOVERFLOW);
});

test('Twrite: more announced than sent → EPROTO; size field without the data, as old Linux sends it → written', (t) => {
  const { rig, dir } = hostShare(t);
  rig.walk(0, 1);
  rig.create(1, 'f', RDWR);
  assert.equal(rig.send(118, '01000000 0000000000000000 05000000 61626364'), EPROTO);
  const message = rig.message(118, '01000000 0000000000000000 04000000 61626364');
  message[0] = 23;
  assert.equal(rig.raw(message), 11);
  assert.equal(readFileSync(join(dir, 'f'), 'utf8'), 'abcd');
});

test('Twrite: 1 MiB message, sparse offset beyond 4 GiB → data where it belongs', (t) => {
  const { rig } = hostShare(t);
  rig.walk(0, 1);
  rig.create(1, 'f', RDWR);
  const data = Buffer.alloc(0x10_0000 - 24, 'z');
  assert.equal(rig.write(1, 0x1_4000_0000, data), data.length);
  rig.getattr(1);
  assert.equal(rig.reply.size, 0x1_4000_0000 + data.length);
  assert.deepEqual(rig.read(1, 0x1_4000_0000 + 5, data.length - 5), data.subarray(5));
});

test('Twrite: O_APPEND → at the end, whatever the offset', (t) => {
  const { rig, dir } = hostShare(t);
  writeFileSync(join(dir, 'f'), 'one,');
  rig.walk(0, 1, 'f');
  rig.open(1, WRONLY | APPEND);
  assert.equal(rig.write(1, 0, 'two'), 3);
  assert.equal(readFileSync(join(dir, 'f'), 'utf8'), 'one,two');
});

test('Tfsync: → pending until the blocking call ends, then Rfsync; datasync → fdatasync; not open → EBADF', (t) => {
  const { rig, blocking } = hostShare(t, { manual: true });
  rig.walk(0, 1);
  rig.create(1, 'f', RDWR);
  assert.equal(rig.send(50, '01000000 00000000'), PENDING);
  assert.equal(rig.send(50, '01000000 01000000'), PENDING);
  assert.equal(rig.server.pending, 2);
  blocking.run();
  assert.deepEqual(blocking.log, ['fsync', 'fdatasync']);
  assert.deepEqual(
    rig.completions.map((c) => c.bytes),
    [7, 7],
  );
  rig.walk(0, 2);
  assert.equal(rig.send(50, '02000000 00000000'), EBADF);
});

test('Twrite: file opened with O_SYNC → answered after fdatasync', (t) => {
  const { rig, blocking } = hostShare(t, { manual: true });
  rig.walk(0, 1);
  rig.create(1, 'f', RDWR | 0o4000000);
  assert.equal(rig.send(118, '01000000 0000000000000000 04000000 61626364'), PENDING);
  blocking.run();
  assert.deepEqual(blocking.log, ['fdatasync']);
  assert.deepEqual(rig.completions, [{ token: 7, bytes: 11 }]);
});

test('Tclunk, Tremove: while a request about the fid is pending → the descriptor lives until it is complete', (t) => {
  const { rig, tree, blocking } = hostShare(t, { manual: true });
  rig.walk(0, 1);
  rig.create(1, 'f', RDWR);
  assert.equal(rig.send(50, '01000000 00000000'), PENDING);
  assert.equal(rig.clunk(1), 0);
  assert.equal(rig.getattr(1), EBADF);
  assert.equal(tree.nodes, 2);
  blocking.run();
  assert.equal(tree.nodes, 1);
  assert.equal(rig.completions.length, 1);
});

test('Tflush: of a pending request → answered after it; of nothing → at once', (t) => {
  const { rig, blocking } = hostShare(t, { manual: true });
  rig.walk(0, 1);
  rig.create(1, 'f', RDWR);
  assert.equal(rig.send(50, '01000000 00000000'), PENDING); // tag 1
  assert.equal(rig.send(108, '0100'), PENDING);
  assert.equal(rig.send(108, '0900'), 0);
  assert.deepEqual(rig.completions, []);
  blocking.run();
  assert.equal(rig.completions.length, 2);
  assert.equal(rig.server.pending, 0);
  assert.equal(rig.replyView(5)[4], 109); // the last one written is Rflush
});

test('reset: with a request pending → never answered, its buffer not touched, descriptors closed', (t) => {
  const { rig, tree, blocking } = hostShare(t, { manual: true });
  rig.walk(0, 1);
  rig.create(1, 'f', RDWR);
  assert.equal(rig.send(50, '01000000 00000000'), PENDING);
  rig.server.reset();
  rig.replyView(64).fill(0xaa);
  assert.equal(tree.nodes, 1);
  blocking.run();
  assert.deepEqual(rig.completions, []);
  assert.deepEqual(new Set(rig.replyView(64)), new Set([0xaa]));
  assert.equal(tree.nodes, 0);
});

test('Tversion: with a request pending → that one still gets its answer, an error', (t) => {
  const { rig, blocking } = hostShare(t, { manual: true });
  rig.walk(0, 1);
  rig.create(1, 'f', RDWR);
  assert.equal(rig.send(50, '01000000 00000000'), PENDING);
  rig.mount();
  blocking.run();
  assert.deepEqual(rig.completions, [{ token: 7, bytes: 11 }]);
  assert.equal(rig.reply.parse(rig.replyView(11), 11), EINVAL);
});

test('Tunlinkat: file, directory by flag; wrong kind → EISDIR / ENOTDIR; unknown flag, ".." → EINVAL', (t) => {
  const { rig, dir } = hostShare(t);
  writeFileSync(join(dir, 'f'), 'x');
  rig.mkdir(0, 'd');
  assert.equal(rig.unlink(0, 'd'), EISDIR);
  assert.equal(rig.unlink(0, 'f', 0x200), ENOTDIR);
  assert.equal(rig.unlink(0, 'd', 0x200), 0);
  assert.equal(rig.unlink(0, 'f'), 0);
  assert.equal(rig.unlink(0, 'f'), ENOENT);
  assert.equal(rig.unlink(0, 'f', 0x1000), EINVAL);
  assert.equal(rig.unlink(0, '..', 0x200), EINVAL);
});

test('Tunlinkat: file that is open → read, written, fstat-ed as before; link count 0', (t) => {
  const { rig, dir } = hostShare(t);
  rig.walk(0, 1);
  rig.create(1, 'f', RDWR);
  rig.write(1, 0, 'still here');
  rig.walk(0, 2, 'f');
  assert.equal(rig.unlink(0, 'f'), 0);
  assert.equal(existsSync(join(dir, 'f')), false);
  assert.equal(rig.readText(1), 'still here');
  assert.equal(rig.getattr(1), 0);
  assert.equal(rig.reply.nlink, 0);
  assert.equal(rig.reply.size, 10);
  assert.equal(rig.getattr(2), 0);
  assert.equal(rig.open(2), 0); // not open when it was unlinked: the handle is on the file, not on the name
  assert.equal(rig.readText(2), 'still here');
});

test('Trenameat: file that is open, directory with a fid in it → fids go on working', (t) => {
  const { rig, dir } = hostShare(t);
  rig.mkdir(0, 'a');
  rig.walk(0, 1, 'a');
  rig.walk(1, 2);
  rig.create(2, 'f', RDWR);
  rig.mkdir(0, 'b');
  rig.walk(0, 3, 'b');
  assert.equal(rig.rename(0, 'a', 3, 'moved'), 0);
  assert.equal(rig.write(2, 0, 'text'), 4);
  assert.equal(readFileSync(join(dir, 'b/moved/f'), 'utf8'), 'text');
  assert.equal(rig.mkdir(1, 'sub'), 0);
  assert.equal(existsSync(join(dir, 'b/moved/sub')), true);
  assert.equal(rig.rename(0, '..', 0, 'x'), EINVAL);
});

test('Trename, Tremove: by fid alone → the name the file has now', (t) => {
  const { rig, dir } = hostShare(t);
  rig.mkdir(0, 'd');
  rig.walk(0, 1, 'd');
  writeFileSync(join(dir, 'f'), 'x');
  rig.walk(0, 2, 'f');
  assert.equal(rig.send(20, '02000000 01000000 0100 67'), 0); // f → d/g
  assert.equal(existsSync(join(dir, 'd/g')), true);
  assert.equal(rig.send(122, '02000000'), 0);
  assert.equal(existsSync(join(dir, 'd/g')), false);
  assert.equal(rig.getattr(2), EBADF);
  assert.equal(rig.send(122, '01000000'), 0);
  assert.equal(existsSync(join(dir, 'd')), false);
});

test('Tremove: failing (directory not empty) → error, and the fid is gone all the same', (t) => {
  const { rig, dir } = hostShare(t);
  rig.mkdir(0, 'd');
  writeFileSync(join(dir, 'd/f'), '');
  rig.walk(0, 1, 'd');
  assert.equal(rig.send(122, '01000000'), -39);
  assert.equal(rig.getattr(1), EBADF);
});

test('Tremove: the root of the share, or a file unlinked already → ENOENT', (t) => {
  const { rig, dir } = hostShare(t);
  rig.walk(0, 1);
  assert.equal(rig.send(122, '01000000'), ENOENT);
  assert.equal(existsSync(dir), true);
  rig.walk(0, 1);
  rig.create(1, 'f', RDWR);
  rig.unlink(0, 'f');
  assert.equal(rig.send(122, '01000000'), ENOENT);
});

test('Tlink: second name for a file → same qid path, link count 2; for a directory → EPERM', (t) => {
  const { rig, dir } = hostShare(t);
  writeFileSync(join(dir, 'f'), 'x');
  rig.walk(0, 1, 'f');
  assert.equal(rig.send(70, '00000000 01000000 0100 67'), 0);
  rig.getattr(1);
  const { qidPathLow, nlink } = rig.reply;
  assert.equal(nlink, 2);
  assert.equal(rig.walk(0, 2, 'g'), 1);
  assert.equal(rig.reply.qidPathLow, qidPathLow);
  rig.mkdir(0, 'd');
  rig.walk(0, 3, 'd');
  assert.equal(rig.send(70, '00000000 03000000 0100 68'), EPERM);
});

test('Treaddir: not open → EBADF; file → ENOTDIR; no room for one entry → EINVAL, never a false end', (t) => {
  const { rig, dir } = hostShare(t);
  writeFileSync(join(dir, 'a-rather-long-name-that-does-not-fit'), '');
  rig.walk(0, 1);
  const readdir = (fid: number, count: number) =>
    rig.call((b, tag) => rig.encoder.treaddir(b, tag, fid, { low: 0, high: 0 }, count));
  assert.equal(readdir(1, 100), EBADF);
  rig.open(1);
  assert.equal(readdir(1, 20), EINVAL);
  rig.walk(0, 2, 'a-rather-long-name-that-does-not-fit');
  rig.open(2);
  assert.equal(readdir(2, 100), ENOTDIR);
});

test('reply: longer than the msize although the buffers have room → EMSGSIZE, or fewer entries', (t) => {
  const { rig, dir } = hostShare(t);
  for (let i = 0; i < 20; i++) writeFileSync(join(dir, `some-file-${i}`), '');
  rig.symlink(0, 'l', 'x'.repeat(1000));
  rig.mount(256);
  rig.walk(0, 1, 'l');
  assert.equal(
    rig.call((b, tag) => rig.encoder.treadlink(b, tag, 1)),
    EMSGSIZE,
  );
  rig.walk(0, 2);
  rig.open(2);
  assert.equal(
    rig.call((b, tag) => rig.encoder.treaddir(b, tag, 2, { low: 0, high: 0 }, 8192)),
    0,
  );
  assert.ok(rig.replyBytes <= 256);
  assert.equal(rig.list(2, 8192).length, 23);
});

test('Tlcreate, Tmkdir: mode with bits that mean nothing → the permission bits of it', (t) => {
  const { rig, dir } = hostShare(t);
  rig.walk(0, 1);
  assert.equal(rig.create(1, 'f', RDWR, 0xffff_8180), 0); // S_IFREG | 0600 and all bits above
  assert.equal(rig.mkdir(0, 'd', 0xffff_41c0), 0);
  assert.equal(statSync(join(dir, 'f')).mode & 0o777, 0o600);
  assert.equal(statSync(join(dir, 'd')).mode & 0o777, 0o700);
});

test('Tsetattr: size, mode, times (before 1970 too), "now"; fields not named are not looked at', (t) => {
  const { rig, dir } = hostShare(t);
  writeFileSync(join(dir, 'f'), 'some text');
  rig.walk(0, 1, 'f');
  const change = {
    valid: 0x8 | 0x1 | 0x10 | 0x80 | 0x20 | 0x100,
    mode: 0o100640,
    uid: 0,
    gid: 0,
    size: 4,
    atimeSec: -1000,
    atimeNsec: 5,
    mtimeSec: 1_000_000_000,
    mtimeNsec: 999_999_999,
  };
  assert.equal(
    rig.call((b, tag) => rig.encoder.tsetattr(b, tag, 1, change)),
    0,
  );
  const stat = statSync(join(dir, 'f'), { bigint: true });
  assert.equal(stat.size, 4n);
  assert.equal(stat.mode & 0o7777n, 0o640n);
  assert.equal(stat.mtimeNs, 1_000_000_000_999_999_999n);
  assert.equal(stat.atimeNs, -999_999_999_995n);
  // mtime = now; everything else full of ones
  const ones = 'ff'.repeat(52);
  assert.equal(rig.send(26, `01000000 20000000 ${ones}`), 0);
  assert.ok(statSync(join(dir, 'f')).mtimeMs > 1_500_000_000_000);
  assert.equal(statSync(join(dir, 'f')).size, 4);
  assert.equal(rig.send(26, `01000000 08000000 ${ones}`), EOVERFLOW);
  assert.equal(rig.send(26, `01000000 a0010000 ${'00'.repeat(44)} 00ca9a3b00000000`), EINVAL);
});

test('Tsetattr: size of a directory → EISDIR; of an open file without write permission bits → works', (t) => {
  const { rig } = hostShare(t);
  const truncate = {
    valid: 8,
    mode: 0,
    uid: 0,
    gid: 0,
    size: 1,
    atimeSec: 0,
    atimeNsec: 0,
    mtimeSec: 0,
    mtimeNsec: 0,
  };
  assert.equal(
    rig.call((b, tag) => rig.encoder.tsetattr(b, tag, 0, truncate)),
    EISDIR,
  );
  rig.walk(0, 1);
  rig.create(1, 'f', RDWR, 0o444);
  rig.write(1, 0, 'abc');
  assert.equal(
    rig.call((b, tag) => rig.encoder.tsetattr(b, tag, 1, truncate)),
    0,
  );
  assert.equal(rig.readText(1), 'a');
});

test('Tstatfs, Treadlink → what the host says; readlink of a file → EINVAL', (t) => {
  const { rig, dir } = hostShare(t);
  assert.equal(
    rig.call((b, tag) => rig.encoder.tstatfs(b, tag, 0)),
    0,
  );
  assert.ok(rig.reply.fsBlocks > 0);
  assert.ok(rig.reply.fsBlockBytes >= 512);
  assert.equal(rig.symlink(0, 'l', '../some/where'), 0);
  assert.equal(rig.reply.qidType, 2);
  rig.walk(0, 1, 'l');
  assert.equal(
    rig.call((b, tag) => rig.encoder.treadlink(b, tag, 1)),
    0,
  );
  assert.equal(rig.reply.linkTarget(), '../some/where');
  writeFileSync(join(dir, 'f'), '');
  rig.walk(0, 2, 'f');
  assert.equal(
    rig.call((b, tag) => rig.encoder.treadlink(b, tag, 2)),
    EINVAL,
  );
});

test('fid limit: reached → ENFILE, one clunked → room again', (t) => {
  const { rig } = hostShare(t, { maxFids: 4 });
  for (let fid = 1; fid < 4; fid++) assert.equal(rig.walk(0, fid), 0);
  assert.equal(rig.walk(0, 9), ENFILE);
  assert.equal(rig.clunk(3), 0);
  assert.equal(rig.walk(0, 9), 0);
});

test('descriptor limit of a tree: reached → ENFILE, nothing leaked', (t) => {
  const { rig, tree } = hostShare(t, { maxNodes: 3 });
  assert.equal(rig.walk(0, 1), 0);
  assert.equal(rig.walk(0, 2), 0);
  assert.equal(rig.walk(0, 3), ENFILE);
  assert.equal(tree.nodes, 3);
});

test('read-only share: every change → EROFS, reading works', (t) => {
  const { rig, dir } = hostShare(t, { readOnly: true });
  writeFileSync(join(dir, 'f'), 'text');
  rig.walk(0, 1, 'f');
  assert.equal(rig.open(1, RDWR), EROFS);
  assert.equal(rig.open(1, WRONLY), EROFS);
  assert.equal(rig.open(1, RDONLY | TRUNC), EROFS);
  assert.equal(rig.open(1, RDONLY), 0);
  assert.equal(rig.readText(1), 'text');
  rig.walk(0, 2);
  assert.equal(rig.create(2, 'n', RDONLY), EROFS);
  assert.equal(rig.mkdir(0, 'd'), EROFS);
  assert.equal(rig.symlink(0, 'l', 'x'), EROFS);
  assert.equal(rig.send(18, '00000000 0100 70 a4110000 00000000 00000000 00000000'), EROFS);
  assert.equal(rig.send(70, '00000000 01000000 0100 67'), EROFS);
  assert.equal(rig.unlink(0, 'f'), EROFS);
  assert.equal(rig.rename(0, 'f', 0, 'g'), EROFS);
  assert.equal(rig.send(20, '01000000 00000000 0100 67'), EROFS);
  assert.equal(rig.send(26, `01000000 20000000 ${'00'.repeat(52)}`), EROFS);
  assert.equal(rig.send(32, '02000000 0600 757365722e61 0100000000000000 00000000'), EROFS);
  assert.equal(rig.write(1, 0, 'x'), EROFS);
  assert.equal(rig.send(122, '02000000'), EROFS);
  assert.equal(readFileSync(join(dir, 'f'), 'utf8'), 'text');
});
