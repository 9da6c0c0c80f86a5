// Every way out of a share that we know of, tried through the protocol.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { test } from 'node:test';
import { HostTree } from '#lkvm/backends/hostfs/host-tree.js';
import { hostShare } from '../../../support/host-share.js';
import { ManualBlocking, P9Rig } from '../../../support/p9-rig.js';

const EPERM = -1;
const ENOENT = -2;
const EACCES = -13;
const ENOTDIR = -20;
const EINVAL = -22;
const ELOOP = -40;

const RDWR = 2;

test('confinement: ".." at the root → the root itself, however often', (t) => {
  const { rig } = hostShare(t);
  rig.getattr(0);
  const { qidPathLow, qidPathHigh } = rig.reply;
  assert.equal(rig.walk(0, 1, '..', '..', '..'), 3);
  rig.getattr(1);
  assert.deepEqual([rig.reply.qidPathLow, rig.reply.qidPathHigh], [qidPathLow, qidPathHigh]);
  assert.equal(rig.walk(0, 2, '..', 'outside'), 1);
});

test('confinement: ".." below the root → the parent', (t) => {
  const { rig } = hostShare(t);
  rig.mkdir(0, 'a');
  rig.walk(0, 1, 'a');
  const a = rig.reply.qidPathLow;
  rig.mkdir(1, 'b');
  assert.equal(rig.walk(0, 2, 'a', 'b', '..'), 3);
  assert.equal(rig.reply.qidPathLow, a);
  assert.equal(rig.walk(2, 3, 'b'), 1);
});

test('confinement: directory moved out of the share by the host → ".." from it is refused', (t) => {
  const { rig, dir, outside } = hostShare(t);
  rig.mkdir(0, 'a');
  rig.walk(0, 1, 'a');
  writeFileSync(join(outside, 'secret'), 'secret');
  renameSync(join(dir, 'a'), join(outside, 'a'));
  assert.equal(rig.walk(1, 2, '..', 'secret'), EACCES);
  assert.equal(rig.walk(1, 2, '..', '..', 'outside'), EACCES);
});

test('confinement: links planted by the host or by the client → handed out, never followed', (t) => {
  const { rig, dir, outside } = hostShare(t);
  writeFileSync(join(outside, 'secret'), 'secret');
  symlinkSync(join(outside, 'secret'), join(dir, 'file-link'));
  assert.equal(rig.symlink(0, 'dir-link', outside), 0);
  assert.equal(rig.symlink(0, 'up-link', '../outside'), 0);
  for (const name of ['dir-link', 'up-link']) {
    assert.equal(rig.walk(0, 1, name), 1);
    assert.equal(rig.reply.qidType, 2);
    assert.equal(rig.walk(1, 2, 'secret'), ENOTDIR);
    assert.equal(rig.open(1), ELOOP);
    assert.equal(rig.mkdir(1, 'd'), ENOTDIR);
    assert.equal(rig.create(1, 'f', RDWR), ENOTDIR);
    assert.equal(rig.unlink(1, 'secret'), ENOTDIR);
    assert.equal(rig.walk(0, 3, name, 'secret'), 1);
    rig.clunk(1);
  }
  assert.equal(rig.walk(0, 4, 'file-link'), 1);
  assert.equal(rig.open(4), ELOOP);
  rig.walk(0, 5);
  assert.equal(rig.create(5, 'file-link', RDWR), ELOOP);
  assert.equal(rig.create(5, 'file-link', RDWR | 0o1000), ELOOP);
  assert.equal(readFileSync(join(outside, 'secret'), 'utf8'), 'secret');
});

test('confinement: attributes set through a link → on the link or refused, never on its target', (t) => {
  const { rig, dir, outside } = hostShare(t);
  const secret = join(outside, 'secret');
  writeFileSync(secret, 'secret', { mode: 0o600 });
  symlinkSync(secret, join(dir, 'l'));
  rig.walk(0, 1, 'l');
  const nothing = {
    valid: 0,
    mode: 0o777,
    uid: 0,
    gid: 0,
    size: 0,
    atimeSec: 0,
    atimeNsec: 0,
    mtimeSec: 7,
    mtimeNsec: 0,
  };
  const set = (valid: number) => rig.call((b, tag) => rig.encoder.tsetattr(b, tag, 1, { ...nothing, valid }));
  assert.equal(set(1), -95); // mode
  assert.equal(set(8), EINVAL); // size
  assert.equal(set(0x20 | 0x100), 0); // mtime
  assert.equal(lstatSync(join(dir, 'l')).mtimeMs, 7000);
  assert.notEqual(statSync(secret).mtimeMs, 7000);
  assert.equal(statSync(secret).mode & 0o777, 0o600);
  assert.equal(readFileSync(secret, 'utf8'), 'secret');
  assert.equal(rig.getattr(1), 0);
  assert.equal(rig.reply.mode & 0o170000, 0o120000);
});

test('confinement: hard link to a symbolic link → the link itself, not what it points to', (t) => {
  const { rig, dir, outside } = hostShare(t);
  writeFileSync(join(outside, 'secret'), 'secret');
  symlinkSync(join(outside, 'secret'), join(dir, 'l'));
  rig.walk(0, 1, 'l');
  assert.equal(rig.send(70, '00000000 01000000 0100 6d'), 0);
  assert.equal(readlinkSync(join(dir, 'm')), join(outside, 'secret'));
  assert.equal(statSync(join(outside, 'secret')).nlink, 1);
});

test('confinement: rename and unlink of links → the links', (t) => {
  const { rig, dir, outside } = hostShare(t);
  writeFileSync(join(outside, 'secret'), 'secret');
  symlinkSync(outside, join(dir, 'l'));
  rig.mkdir(0, 'd');
  rig.walk(0, 1, 'd');
  assert.equal(rig.rename(0, 'l', 1, 'm'), 0);
  assert.equal(readlinkSync(join(dir, 'd/m')), outside);
  assert.equal(rig.unlink(1, 'm'), 0);
  assert.equal(existsSync(join(outside, 'secret')), true);
});

test('confinement: fid of a file whose parent is swapped for a link → Trename and Tremove act inside or not at all', (t) => {
  const { rig, dir, outside } = hostShare(t);
  mkdirSync(join(dir, 'a'));
  writeFileSync(join(dir, 'a/f'), 'inside');
  rig.walk(0, 1, 'a', 'f');
  rig.walk(0, 2, 'a', 'f');
  renameSync(join(dir, 'a'), join(outside, 'a'));
  symlinkSync(join(outside, 'a'), join(dir, 'a'));
  assert.equal(rig.send(20, '01000000 00000000 0600 73746f6c656e'), ENOENT);
  assert.equal(rig.send(122, '02000000'), ENOENT);
  assert.equal(readFileSync(join(outside, 'a/f'), 'utf8'), 'inside');
});

test('confinement: proc file system below a share → links are data, files are not opened', {
  skip: !existsSync('/proc/self/fd'),
}, () => {
  const blocking = new ManualBlocking();
  const rig = new P9Rig({ tree: new HostTree({ path: '/', readOnly: true, blocking }) });
  rig.mount();
  assert.equal(rig.walk(0, 1, 'proc', 'self'), 2);
  assert.equal(rig.reply.qidType, 2);
  const pid = String(process.pid);
  assert.equal(rig.walk(0, 2, 'proc', pid, 'root'), 3);
  assert.equal(rig.walk(2, 3, 'etc'), ENOTDIR);
  assert.equal(rig.walk(0, 4, 'proc', pid, 'mem'), 3);
  assert.equal(rig.open(4), EACCES);
  assert.equal(rig.walk(0, 5, 'proc', pid, 'cwd', 'package.json'), 3);
  assert.equal(rig.walk(0, 6, 'proc', pid, 'fd'), 3);
  assert.equal(rig.open(6), 0);
  const open = rig.list(6).filter((name) => /^\d+$/.test(name));
  assert.ok(open.length > 0);
  assert.equal(rig.walk(6, 7, open[0] as string), 1);
  assert.ok([ELOOP, EACCES].includes(rig.open(7)));
  rig.server.close();
});

test('confinement: device files → refused to make, refused to open', (t) => {
  const { rig } = hostShare(t);
  assert.equal(rig.send(18, '00000000 0100 63 a4210000 01000000 03000000 00000000'), EPERM); // character
  assert.equal(rig.send(18, '00000000 0100 62 a4610000 08000000 00000000 00000000'), EPERM); // block
  const blocking = new ManualBlocking();
  const root = new P9Rig({ tree: new HostTree({ path: '/dev', readOnly: false, blocking }) });
  root.mount();
  assert.equal(root.walk(0, 1, 'null'), 1);
  assert.equal(root.open(1), EACCES);
  assert.equal(root.open(1, RDWR), EACCES);
  root.walk(0, 2);
  assert.equal(root.create(2, 'null', RDWR), EACCES);
  root.server.close();
});

test('confinement: FIFO and socket → neither hang nor open, for reading, writing or creation', (t) => {
  const { rig, dir } = hostShare(t);
  execFileSync('mkfifo', [join(dir, 'fifo')]);
  assert.equal(rig.send(18, '00000000 0400 736f636b a4c10000 00000000 00000000 00000000'), 0);
  for (const name of ['fifo', 'sock']) {
    rig.walk(0, 1, name);
    assert.equal(rig.open(1), EACCES);
    assert.equal(rig.open(1, 1), EACCES);
    assert.equal(rig.open(1, RDWR), EACCES);
    const truncate = {
      valid: 8,
      mode: 0,
      uid: 0,
      gid: 0,
      size: 0,
      atimeSec: 0,
      atimeNsec: 0,
      mtimeSec: 0,
      mtimeNsec: 0,
    };
    assert.equal(
      rig.call((b, tag) => rig.encoder.tsetattr(b, tag, 1, truncate)),
      EINVAL,
    );
    rig.clunk(1);
    rig.walk(0, 2);
    assert.equal(rig.create(2, name, 0), EACCES);
    assert.equal(rig.create(2, name, 1), EACCES);
    rig.clunk(2);
  }
});

test('confinement: names given to Tmkdir, Tlcreate, Tsymlink, Tmknod, Tlink, Trenameat → one component each', (t) => {
  const { rig, outside } = hostShare(t);
  for (const name of ['../outside/x', '/tmp/x', 'a/b', '..', '.', '']) {
    assert.equal(rig.mkdir(0, name), EINVAL);
    assert.equal(rig.symlink(0, name, 'x'), EINVAL);
    assert.equal(rig.rename(0, 'x', 0, name), EINVAL);
    assert.equal(rig.unlink(0, name), EINVAL);
    rig.walk(0, 1);
    assert.equal(rig.create(1, name, RDWR), EINVAL);
    rig.clunk(1);
  }
  assert.equal(existsSync(join(outside, 'x')), false);
});

test('confinement: hard link to a file outside made by the host → an ordinary file (the host put it there)', (t) => {
  const { rig, dir, outside } = hostShare(t);
  writeFileSync(join(outside, 'f'), 'shared on purpose');
  linkSync(join(outside, 'f'), join(dir, 'f'));
  rig.walk(0, 1, 'f');
  rig.open(1);
  assert.equal(rig.readText(1), 'shared on purpose');
});

test('confinement: security.* and trusted.* attributes → not set, not removed', (t) => {
  const { rig, dir } = hostShare(t);
  writeFileSync(join(dir, 'f'), '');
  const name = Buffer.from('security.capability');
  const field = `${Buffer.from([name.length, 0]).toString('hex')}${name.toString('hex')}`;
  rig.walk(0, 1, 'f');
  assert.equal(rig.send(32, `01000000 ${field} 0100000000000000 00000000`), 0);
  assert.equal(rig.write(1, 0, 'x'), 1);
  assert.equal(rig.clunk(1), -95);
  rig.walk(0, 1, 'f');
  assert.equal(rig.send(32, `01000000 ${field} 0000000000000000 02000000`), 0);
  assert.equal(rig.clunk(1), -95);
});

test('confinement: directories and links exchanged by another process during walks → never a file from outside', async (t) => {
  const { rig, dir, outside } = hostShare(t);
  // Every file inside the share says "inside", every one outside "outside"; `x` is by turns a directory, a link out of
  // the share, and a directory one level up.
  mkdirSync(join(dir, 'real/y'), { recursive: true });
  mkdirSync(join(dir, 'deep'));
  mkdirSync(join(outside, 'y'));
  writeFileSync(join(dir, 'real/y/f'), 'inside');
  writeFileSync(join(outside, 'y/f'), 'outside');
  writeFileSync(join(outside, 'f'), 'outside');
  symlinkSync(outside, join(dir, 'link'));
  const script = `
    const { renameSync } = require('node:fs');
    process.chdir(process.argv[1]);
    process.stdout.write('ready');
    process.on('disconnect', () => process.exit());
    const steps = [['real', 'x'], ['x', 'deep/x'], ['deep/x', 'real'], ['link', 'x'], ['x', 'link'],
      ['real', '../outside/moved'], ['../outside/moved', 'real']];
    (function round() { for (let i = 0; i < 100; i++) for (const [a, b] of steps) renameSync(a, b); setImmediate(round); })();
  `;
  const racer = spawn(process.execPath, ['-e', script, dir], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  t.after(() => racer.kill('SIGKILL'));
  await once(racer.stdout as Readable, 'data');
  let opened = 0;
  const texts = new Set<string>();
  const paths = [
    ['x', 'y', 'f'],
    ['x', '..', 'f'],
    ['x', 'y', '..', '..', '..', 'outside', 'f'],
    ['deep', 'x', '..', '..', 'f'],
    ['link', 'y', 'f'],
    ['real', 'y', '..', '..', 'y', 'f'],
  ];
  for (const end = Date.now() + 20_000; Date.now() < end && opened < 200; ) {
    for (const path of paths) {
      if (rig.walk(0, 1, ...path) !== path.length) continue;
      if (rig.open(1) === 0) {
        texts.add(rig.readText(1));
        opened++;
      }
      rig.clunk(1);
    }
  }
  racer.kill('SIGKILL');
  await once(racer, 'exit');
  assert.ok(opened > 0);
  assert.deepEqual([...texts], ['inside']);
  assert.equal(rig.server.fids, 1);
});
