/**
 * The block device on hosts that fail: a full file system, a medium that cannot be written, a file cut off behind our back,
 * a disk that hangs. Each becomes a status in the guest, or waits, and never more than that. And real block devices.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { closeImage, openImage } from '#lkvm/backends/block/image.js';
import {
  ranges,
  S_IOERR,
  S_OK,
  T_DISCARD,
  T_FLUSH,
  T_GET_ID,
  T_IN,
  T_OUT,
  T_WRITE_ZEROES,
} from '../support/blk-driver.js';
import { type BlockRig, blockRig, type Engine, noIoUring } from '../support/block-rig.js';
import {
  freeze,
  loopDevice,
  mountExt4,
  mountTmpfs,
  noLoops,
  noMounts,
  sparseFile,
  thaw,
} from '../support/host-disks.js';
import { tempDir } from '../support/temp.js';
import { undo } from '../support/undo.js';

const MIB = 1 << 20;
const PIECE = 0x1_0000;
const SECTORS_PER_PIECE = PIECE / 512;

/** Registers a test once for each engine. */
function hostTest(
  title: string,
  missing: string | false,
  body: (t: TestContext, engine: Engine) => Promise<void>,
): void {
  const uring = missing === false ? noIoUring() : missing;
  test(`${title} (io_uring)`, { skip: uring }, (t) => body(t, 'io_uring'));
  test(`${title} (worker)`, { skip: missing }, (t) => body(t, 'worker'));
}

/** As {@link hostTest}, for disks that may lie in memory. */
function memoryTest(
  title: string,
  missing: string | false,
  body: (t: TestContext, engine: Engine) => Promise<void>,
): void {
  hostTest(title, missing, body);
  const uring = missing === false ? noIoUring() : missing;
  test(`${title} (memory)`, { skip: uring }, (t) => body(t, 'memory'));
}

/** Writes pieces one after the other until one fails. @returns how many succeeded */
async function fill(rig: BlockRig, pieces: number): Promise<number> {
  for (let i = 0; i < pieces; i++) {
    const data = new Uint8Array(PIECE).fill(i + 1);
    const { status } = await rig.request(T_OUT, { sector: i * SECTORS_PER_PIECE, data });
    rig.forget();
    if (status === S_OK) continue;
    assert.equal(status, S_IOERR);
    return i;
  }
  return pieces;
}

const mounts = noMounts();
const loops = noLoops();

memoryTest(
  'blk on a full file system: writes → IOERR; reads and flush work; space again → writes too',
  mounts,
  async (t, engine) => {
    const folder = mountTmpfs(t, 'size=1m');
    const path = join(folder, 'disk.img');
    const ballast = join(folder, 'ballast');
    sparseFile(path, 4 * MIB);
    writeFileSync(ballast, new Uint8Array(MIB / 2));
    const rig = await blockRig(t, { path, engine });
    const written = await fill(rig, 64);
    assert.ok(written > 0 && written < 16, `${written} pieces`);
    const last = await rig.request(T_IN, { sector: (written - 1) * SECTORS_PER_PIECE, room: 512 });
    assert.deepEqual(last.data, new Uint8Array(512).fill(written));
    assert.equal((await rig.request(T_FLUSH)).status, S_OK);
    // tmpfs has no zeroing, so zeros are written, for which there is no room
    const sector = 32 * SECTORS_PER_PIECE;
    assert.equal((await rig.request(T_WRITE_ZEROES, { data: ranges([sector, 2048, 0]) })).status, S_IOERR);
    rmSync(ballast);
    const data = new Uint8Array(PIECE).fill(0xee);
    assert.equal((await rig.request(T_OUT, { sector: written * SECTORS_PER_PIECE, data })).status, S_OK);
  },
);

memoryTest(
  'blk: discard on a full file system → its space can be written elsewhere',
  mounts,
  async (t, engine) => {
    const folder = mountTmpfs(t, 'size=1m');
    const path = join(folder, 'disk.img');
    sparseFile(path, 4 * MIB);
    const rig = await blockRig(t, { path, engine });
    const written = await fill(rig, 64);
    const data = new Uint8Array(PIECE).fill(0x77);
    const sector = 40 * SECTORS_PER_PIECE;
    assert.equal((await rig.request(T_OUT, { sector, data })).status, S_IOERR);
    const before = statSync(path).blocks;
    assert.equal(
      (await rig.request(T_DISCARD, { data: ranges([0, 4 * SECTORS_PER_PIECE, 0]) })).status,
      S_OK,
    );
    assert.ok(statSync(path).blocks < before);
    assert.equal((await rig.request(T_OUT, { sector, data })).status, S_OK);
    assert.deepEqual((await rig.request(T_IN, { sector: 0, room: 512 })).data, new Uint8Array(512));
    const kept = await rig.request(T_IN, { sector: (written - 1) * SECTORS_PER_PIECE, room: 512 });
    assert.deepEqual(kept.data, new Uint8Array(512).fill(written));
  },
);

for (const direct of [false, true]) {
  const how = direct ? 'direct: the write' : 'page cache: the flush';
  hostTest(`blk on a device whose medium takes nothing more, ${how} → IOERR`, loops, async (t, engine) => {
    const folder = mountTmpfs(t, 'size=1m');
    const file = join(folder, 'medium');
    sparseFile(file, 4 * MIB);
    const path = loopDevice(t, file);
    const rig = await blockRig(t, { path, engine, direct });
    const written = await fill(rig, 64);
    if (direct) assert.ok(written < 64, `${written} pieces`);
    else assert.equal((await rig.request(T_FLUSH)).status, S_IOERR);
    assert.equal((await rig.request(T_IN, { room: 512 })).status, S_OK);
  });
}

memoryTest(
  'blk: the image is cut off behind our back → reads there are IOERR, before it they work, writes end',
  false,
  async (t, engine) => {
    const path = join(tempDir(t), 'disk.img');
    writeFileSync(path, new Uint8Array(MIB).fill(5));
    const rig = await blockRig(t, { path, engine });
    truncateSync(path, MIB / 2);
    const half = MIB / 1024;
    assert.equal((await rig.request(T_IN, { sector: half, room: 512 })).status, S_IOERR);
    const across = await rig.request(T_IN, { sector: half - 1, room: 1024 });
    assert.equal(across.status, S_IOERR);
    assert.equal(across.written, 512);
    assert.deepEqual(
      (await rig.request(T_IN, { sector: half - 1, room: 512 })).data,
      new Uint8Array(512).fill(5),
    );
    const data = new Uint8Array(512).fill(6);
    assert.equal((await rig.request(T_OUT, { sector: half + 1, data })).status, S_OK);
    assert.deepEqual((await rig.request(T_IN, { sector: half + 1, room: 512 })).data, data);
  },
);

for (const direct of [false, true]) {
  for (const block of [512, 4096]) {
    hostTest(
      `blk on a block device with blocks of ${block} bytes, direct: ${direct} → all requests, of single sectors, too`,
      loops,
      async (t, engine) => {
        const file = join(mountTmpfs(t, 'size=16m'), 'medium');
        writeFileSync(file, new Uint8Array(4 * MIB).fill(9));
        const path = loopDevice(t, file, '-b', `${block}`);
        const rig = await blockRig(t, { path, engine, direct });
        const config = new DataView(rig.device.config.buffer);
        assert.equal(config.getBigUint64(0, true), BigInt((4 * MIB) / 512));
        assert.equal(config.getUint32(20, true), block);
        const id = Buffer.from((await rig.request(T_GET_ID, { room: 20 })).data).toString('latin1');
        assert.match(id, /^dev-\d+-\d+\0+$/);
        const data = Uint8Array.from({ length: 1536 }, (_, i) => i & 0xff);
        assert.equal((await rig.request(T_OUT, { sector: 3, data })).status, S_OK);
        assert.equal(
          (await rig.request(T_OUT, { sector: 16, data: new Uint8Array(4096).fill(3), align: 4096 })).status,
          S_OK,
        );
        assert.equal((await rig.request(T_DISCARD, { data: ranges([64, 64, 0]) })).status, S_OK);
        assert.equal(
          (await rig.request(T_WRITE_ZEROES, { data: ranges([129, 9, 0], [201, 3, 1]) })).status,
          S_OK,
        );
        assert.equal((await rig.request(T_FLUSH)).status, S_OK);
        assert.deepEqual((await rig.request(T_IN, { sector: 3, room: 1536 })).data, data);
        const expected = new Uint8Array(256 * 512).fill(9);
        expected.set(data, 3 * 512);
        expected.fill(3, 16 * 512, 24 * 512);
        expected.fill(0, 129 * 512, 138 * 512);
        expected.fill(0, 201 * 512, 204 * 512);
        const now = readFileSync(file).subarray(0, expected.length);
        now.copy(expected, 64 * 512, 64 * 512, 128 * 512); // what was discarded may hold anything
        assert.ok(now.equals(expected));
      },
    );
  }
}

test('openImage: a mounted block device → refused for writing, allowed for reading', { skip: loops }, (t) => {
  const { device } = mountExt4(t);
  assert.throws(() => openImage({ path: device, readOnly: false, direct: false }), {
    code: 'START',
    message: new RegExp(`disk ${device} is in use on this host \\(mounted`),
  });
  closeImage(openImage({ path: device, readOnly: true, direct: false }));
});

test('openImage: a block device open for writing → mounting it is refused', { skip: loops }, (t) => {
  const file = join(mountTmpfs(t, 'size=32m'), 'medium');
  sparseFile(file, 16 * MIB);
  execFileSync('mkfs.ext4', ['-q', '-F', file]);
  const path = loopDevice(t, file);
  const image = openImage({ path, readOnly: false, direct: false });
  undo(t, () => closeImage(image));
  const folder = mkdtempSync(join(tmpdir(), 'lkvm-mount-'));
  undo(t, () => rmdirSync(folder));
  const { status, stderr } = spawnSync('mount', [path, folder], { encoding: 'utf8' });
  if (status === 0) execFileSync('umount', [folder]); // what must not be is undone, too
  assert.notEqual(status, 0);
  assert.match(stderr, /busy|already/);
});

hostTest(
  'blk: the host hangs (frozen file system), the driver resets → at once, not quiesced until it goes on',
  loops,
  async (t, engine) => {
    const { folder } = mountExt4(t);
    const path = join(folder, 'disk.img');
    writeFileSync(path, new Uint8Array(MIB).fill(1));
    const rig = await blockRig(t, { path, engine });
    let frozen = true;
    freeze(folder);
    const release = () => {
      if (frozen) thaw(folder);
      frozen = false;
    };
    undo(t, release);
    const head = rig.add(T_OUT, { sector: 0, data: new Uint8Array(512).fill(2) });
    rig.add(T_OUT, { sector: 8, data: new Uint8Array(512).fill(2) });
    rig.send();
    // Longer than any honest write takes; if the machine is slower than that, the test only shows less.
    await sleep(100);
    rig.reactor.round(0);
    rig.collect();
    assert.equal(rig.take(head), undefined);
    rig.device.reset();
    assert.equal(rig.device.quiesced(), false);
    rig.reactor.round(0);
    release();
    await rig.quiesce();
    rig.restart();
    assert.equal((await rig.request(T_OUT, { sector: 1, data: new Uint8Array(512).fill(3) })).status, S_OK);
    assert.equal((await rig.request(T_FLUSH)).status, S_OK);
  },
);
