// The drivers against the real devices and back ends, in ordinary and in device memory.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { EEXIST, EISDIR, ELOOP, ENOENT, ENOTDIR, ENOTEMPTY, EROFS } from '#lkvm/abi/errno.js';
import { VIRTIO_ID_9P, VIRTIO_ID_CONSOLE, VIRTIO_ID_ENTROPY, VIRTIO_ID_NET } from '#lkvm/abi/virtio.js';
import { NetStack } from '#lkvm/aux/net-stack.js';
import { parseIp } from '#lkvm/aux/options.js';
import { ConsoleDriver } from '#lkvm/frontend/console.js';
import type { Device } from '#lkvm/frontend/device.js';
import { NetDriver } from '#lkvm/frontend/net.js';
import { P9Driver } from '#lkvm/frontend/p9.js';
import { type DirectoryEntry, P9Files, splitPath } from '#lkvm/frontend/p9-files.js';
import { RngDriver } from '#lkvm/frontend/rng.js';
import { ACCESS_DIRECT, ACCESS_WORD } from '#lkvm/memory/guest-memory.js';
import type { VirtioDevice } from '#lkvm/virtio/core/device.js';
import {
  consoleDevice,
  netDevice,
  PipeConsole,
  p9Device,
  rngDevice,
} from '../../support/front-end-devices.js';
import { FrontEndRig } from '../../support/front-end-rig.js';
import { tempDir } from '../../support/temp.js';

const KINDS = [
  { access: ACCESS_DIRECT, kind: 'direct' },
  { access: ACCESS_WORD, kind: 'word' },
];

function attach(device: VirtioDevice, access: number, bytes?: number): { rig: FrontEndRig; found: Device } {
  const rig = new FrontEndRig({ devices: [{ device }], withDtb: true, access, ...(bytes ? { bytes } : {}) });
  const found = rig.attach().devices[0];
  if (found === undefined) throw new Error('no device');
  return { rig, found };
}

function share(t: TestContext, access: number, options: { readOnly?: boolean; bytes?: number } = {}) {
  const dir = tempDir(t);
  const { rig, found } = attach(p9Device(dir, options.readOnly), access, options.bytes);
  assert.equal(found.found.deviceId, VIRTIO_ID_9P);
  const driver = new P9Driver(found);
  assert.equal(driver.mount(), 0);
  return { dir, rig, driver, files: new P9Files(driver) };
}

function readAll(files: P9Files, path: string): Uint8Array | number {
  const fid = files.open(path);
  if (fid < 0) return fid;
  const { data, ioBytes } = files.driver;
  const parts: Uint8Array[] = [];
  for (let offset = 0; ; ) {
    const got = files.read(fid, offset, data, ioBytes);
    if (got <= 0) break;
    const part = new Uint8Array(got);
    data.read(0, part, 0, got);
    parts.push(part);
    offset += got;
  }
  files.driver.clunk(fid);
  return Buffer.concat(parts);
}

for (const { access, kind } of KINDS) {
  test(`RngDriver: ${kind}, more than all slots hold → filled completely, nothing beyond`, () => {
    const { rig, found } = attach(rngDevice(), access);
    using _ = rig;
    assert.equal(found.found.deviceId, VIRTIO_ID_ENTROPY);
    const rng = new RngDriver(found);
    const data = new Uint8Array(10_000);
    rng.fill(data, 100, 9000);
    assert.ok(data.subarray(0, 100).every((byte) => byte === 0));
    assert.ok(data.subarray(9100).every((byte) => byte === 0));
    const ones = data.subarray(100, 9100).reduce((sum, byte) => sum + (byte & 1), 0);
    assert.ok(ones > 4000 && ones < 5000, `${ones} of 9000 low bits are set`);
  });

  test(`ConsoleDriver: ${kind}, text of any length both ways → arrives unchanged`, () => {
    const terminal = new PipeConsole();
    const { rig, found } = attach(consoleDevice(terminal), access);
    using _ = rig;
    assert.equal(found.found.deviceId, VIRTIO_ID_CONSOLE);
    const tty = new ConsoleDriver(found);
    const long = 'abcdefghij'.repeat(3000);
    tty.write(Buffer.from(long));
    assert.equal(tty.drain(1000), true);
    assert.equal(terminal.printed(), long);
    terminal.type('hello\n');
    rig.settle();
    const buffer = new Uint8Array(4);
    assert.equal(tty.ready(), true);
    const got: number[] = [];
    while (tty.ready()) got.push(...buffer.subarray(0, tty.read(buffer)));
    assert.equal(Buffer.from(got).toString(), 'hello\n');
    assert.equal(tty.read(buffer), 0);
  });

  test(`NetDriver: ${kind}, echo request to the gateway → answered, MAC as configured`, () => {
    const { rig, found } = attach(netDevice(), access);
    using _ = rig;
    assert.equal(found.found.deviceId, VIRTIO_ID_NET);
    const net = new NetDriver(found, { bulk: false, offloads: false });
    const stack = new NetStack(net, parseIp('ip', '192.168.33.15'));
    const gateway = parseIp('ip', '192.168.33.1');
    const mac = stack.resolve(gateway, 1000);
    assert.deepEqual([...(mac ?? [])], [2, 1, 1, 1, 1, 1]);
    for (let i = 0; i < 300; i++)
      assert.ok(stack.echo(gateway, mac ?? new Uint8Array(6), i, 1000) >= 0, `ping ${i}`);
    assert.equal(stack.resolve(parseIp('ip', '192.168.33.77'), 100), undefined);
  });

  test(`P9Files: ${kind}, write, read back, list, stat, remove → the host directory shows it`, (t) => {
    const { dir, rig, files } = share(t, access);
    using _ = rig;
    const big = Buffer.alloc(1_500_000, 'The quick brown fox. ');
    const fid = files.create('/new/../big.bin', 0o640);
    assert.ok(fid >= 0);
    assert.equal(files.writeAll(fid, 0, big), 0);
    files.driver.clunk(fid);
    assert.deepEqual(readFileSync(join(dir, 'big.bin')), big);
    assert.deepEqual(readAll(files, '/big.bin'), big);
    assert.equal(files.mkdir('/sub', 0o755), 0);
    writeFileSync(join(dir, 'sub', 'x'), 'x');
    const entries: DirectoryEntry[] = [];
    assert.equal(files.list('/', entries), 0);
    assert.deepEqual(entries.map((entry) => entry.name).toSorted(), ['big.bin', 'sub']);
    const attributes = files.stat('big.bin');
    assert.ok(typeof attributes === 'object');
    assert.equal(attributes.size, big.length);
    assert.equal(files.remove('/sub'), -ENOTEMPTY);
    assert.equal(files.remove('/sub/x'), 0);
    assert.equal(files.remove('/sub'), 0);
    assert.equal(files.remove('/big.bin'), 0);
    assert.equal(files.list('/', entries), 0);
    assert.equal(entries.length, 2, 'nothing was added to the two from before');
  });
}

test('ConsoleDriver: the terminal is stopped → write waits, and goes on when it is resumed', () => {
  const terminal = new PipeConsole();
  const { rig, found } = attach(consoleDevice(terminal), ACCESS_DIRECT);
  using _ = rig;
  const tty = new ConsoleDriver(found);
  terminal.open = false;
  const { waitUntil } = rig;
  let shown = '';
  let waits = 0;
  rig.waitUntil = (condition, ms) => {
    waits++;
    shown += terminal.printed(); // the pipe holds 64 KiB
    terminal.resume();
    return waitUntil.call(rig, condition, ms);
  };
  tty.write(Buffer.from('x'.repeat(100_000))); // more than all slots hold
  while (!tty.drain(1)) shown += terminal.printed();
  shown += terminal.printed();
  assert.ok(waits > 0);
  assert.equal(shown.length, 100_000);
});

test('ConsoleDriver: nobody reads → input waits in the ring and beyond, and nothing is lost', () => {
  const terminal = new PipeConsole();
  const { rig, found } = attach(consoleDevice(terminal), ACCESS_DIRECT);
  using _ = rig;
  const tty = new ConsoleDriver(found);
  const typed = Array.from({ length: 2000 }, (_, i) => `${i}`).join(' ');
  terminal.type(typed);
  rig.settle();
  const got: number[] = [];
  const buffer = new Uint8Array(100);
  for (let n = 1; n > 0; rig.settle()) {
    n = tty.read(buffer);
    got.push(...buffer.subarray(0, n));
  }
  assert.equal(Buffer.from(got).toString(), typed);
});

test('ConsoleDriver: the default region and no common arena → works with small buffers', () => {
  const terminal = new PipeConsole();
  const { rig, found } = attach(consoleDevice(terminal), ACCESS_DIRECT, 0x10000 + 0x6000);
  using _ = rig;
  new ConsoleDriver(found).write(Buffer.from('small'));
  rig.settle();
  assert.equal(terminal.printed(), 'small');
});

test('NetDriver: the ring is full → send says so, and works again after completions', () => {
  const { rig, found } = attach(netDevice(), ACCESS_DIRECT);
  using _ = rig;
  const net = new NetDriver(found, { bulk: false, offloads: false });
  rig.settle();
  const frame = new Uint8Array(60);
  let sent = 0;
  while (net.send(frame, 60)) sent++;
  assert.equal(sent, net.tx.slotCount);
  rig.settle();
  assert.equal(net.send(frame, 60), true);
});

test('P9Driver: only the default region → msize as much as fits; a large pool → half a megabyte', (t) => {
  const small = share(t, ACCESS_DIRECT, { bytes: 0x10000 + 0x6000 });
  using _small = small.rig;
  assert.ok(small.driver.msize >= 4096 && small.driver.msize <= 0x3000, `${small.driver.msize}`);
  writeFileSync(join(small.dir, 'f'), Buffer.alloc(100_000, 'abc'));
  assert.deepEqual(readAll(small.files, 'f'), Buffer.alloc(100_000, 'abc'));
  const large = share(t, ACCESS_DIRECT);
  using _large = large.rig;
  assert.ok(large.driver.msize >= 512_000, `${large.driver.msize}`);
});

test("P9Files: what goes wrong → the server's errno", (t) => {
  const { dir, rig, files } = share(t, ACCESS_DIRECT);
  using _ = rig;
  writeFileSync(join(dir, 'file'), 'x');
  mkdirSync(join(dir, 'd'));
  symlinkSync('loop', join(dir, 'loop'));
  assert.equal(readAll(files, '/nothing'), -ENOENT);
  assert.equal(readAll(files, '/nothing/at/all'), -ENOENT);
  assert.equal(readAll(files, '/file/below'), -ENOTDIR);
  assert.equal(readAll(files, '/loop'), -ELOOP);
  assert.equal(files.create('/d', 0o644), -EISDIR);
  assert.equal(files.mkdir('/d', 0o755), -EEXIST);
  assert.equal(files.mkdir('/', 0o755), -EEXIST);
  assert.equal(files.list('/file', []), -ENOTDIR);
  assert.equal(files.remove('/nothing'), -ENOENT);
});

test('P9Files: a read-only share → -EROFS for every change', (t) => {
  const { dir, rig, files } = share(t, ACCESS_DIRECT, { readOnly: true });
  using _ = rig;
  writeFileSync(join(dir, 'file'), 'x');
  assert.equal(files.create('/new', 0o644), -EROFS);
  assert.equal(files.create('/file', 0o644), -EROFS);
  assert.equal(files.mkdir('/d', 0o755), -EROFS);
  assert.equal(files.remove('/file'), -EROFS);
  assert.deepEqual(readAll(files, '/file'), Buffer.from('x'));
});

test('P9Files: symbolic links, relative, absolute, in the middle, chained → followed within the share', (t) => {
  const { dir, rig, files } = share(t, ACCESS_DIRECT);
  using _ = rig;
  mkdirSync(join(dir, 'a/b'), { recursive: true });
  writeFileSync(join(dir, 'a/b/target'), 'found');
  symlinkSync('target', join(dir, 'a/b/same'));
  symlinkSync('/a/b', join(dir, 'absolute'));
  symlinkSync('absolute/same', join(dir, 'chained'));
  symlinkSync('../../../../a', join(dir, 'a/up'));
  for (const path of ['a/b/same', 'absolute/target', 'absolute/same', 'chained', 'a/up/b/target']) {
    assert.deepEqual(readAll(files, path), Buffer.from('found'), path);
  }
  assert.equal(files.remove('chained'), 0, 'the link itself');
  assert.deepEqual(readAll(files, 'a/b/target'), Buffer.from('found'));
});

test('P9Files: a directory of 3000 entries and a path of 40 names → complete', (t) => {
  const { dir, rig, files } = share(t, ACCESS_DIRECT);
  using _ = rig;
  const deep = Array.from({ length: 40 }, (_, i) => `d${i}`).join('/');
  mkdirSync(join(dir, deep), { recursive: true });
  writeFileSync(join(dir, deep, 'leaf'), 'leaf');
  assert.deepEqual(readAll(files, `${deep}/leaf`), Buffer.from('leaf'));
  mkdirSync(join(dir, 'many'));
  const names = Array.from({ length: 3000 }, (_, i) => `a file with a rather long name ${i}`);
  for (const name of names) writeFileSync(join(dir, 'many', name), '');
  const entries: DirectoryEntry[] = [];
  assert.equal(files.list('many', entries), 0);
  assert.deepEqual(entries.map((entry) => entry.name).toSorted(), names.toSorted());
});

test('P9Driver: fids are given back → a thousand operations need a handful', (t) => {
  const { rig, driver, files } = share(t, ACCESS_DIRECT);
  using _ = rig;
  for (let i = 0; i < 1000; i++) {
    files.stat('/');
    files.stat('/nothing/here');
  }
  assert.ok(driver.takeFid() < 10);
});

test('splitPath: dots, doubled slashes, climbing → never above the root', () => {
  assert.deepEqual(splitPath('//a/./b/../c/'), ['a', 'c']);
  assert.deepEqual(splitPath('../../x'), ['x']);
  assert.deepEqual(splitPath('/'), []);
});
