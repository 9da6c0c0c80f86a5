// Block device over real files. Spec: virtio 1.2 section 5.2.
import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { COUNTER_BYTES, COUNTER_FAULTS, COUNTER_REQUESTS } from '#lkvm/util/counters.js';
import { hasFeature } from '#lkvm/virtio/core/features.js';
import {
  ranges,
  S_IOERR,
  S_OK,
  S_UNSUPP,
  T_DISCARD,
  T_FLUSH,
  T_GET_ID,
  T_IN,
  T_OUT,
  T_WRITE_ZEROES,
} from '../../../../support/blk-driver.js';
import { type BlockRigOptions, blockRig, type Engine, engineTest } from '../../../../support/block-rig.js';
import { tempDir } from '../../../../support/temp.js';

const SECTORS = 256;

/** Bytes that differ from sector to sector and within one. */
function pattern(bytes: number, seed = 0): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => (i + seed + 7 * (i >> 9)) & 0xff);
}

async function rigOf(t: TestContext, engine: Engine, options: Partial<BlockRigOptions> = {}) {
  const path = join(tempDir(t), 'disk.img');
  const content = pattern(SECTORS * 512);
  writeFileSync(path, content);
  const rig = await blockRig(t, { path, engine, ...options });
  return { rig, path, content };
}

engineTest(
  'blk: read of some sectors → their bytes, status OK, used length = data + 1',
  async (t, engine) => {
    const { rig, content } = await rigOf(t, engine);
    const answer = await rig.request(T_IN, { sector: 3, room: 1024 });
    assert.equal(answer.status, S_OK);
    assert.equal(answer.written, 1025);
    assert.deepEqual(answer.data, content.slice(3 * 512, 5 * 512));
    assert.equal(rig.device.counters[COUNTER_REQUESTS], 1);
    assert.equal(rig.device.counters[COUNTER_BYTES], 1024);
  },
);

engineTest(
  'blk: write, then read → the new bytes in the guest and in the file, nothing around them',
  async (t, engine) => {
    const { rig, path, content } = await rigOf(t, engine);
    const data = pattern(1536, 99);
    const wrote = await rig.request(T_OUT, { sector: 7, data });
    assert.deepEqual(wrote, { status: S_OK, written: 1, data: new Uint8Array(0) });
    assert.deepEqual((await rig.request(T_IN, { sector: 7, room: 1536 })).data, data);
    content.set(data, 7 * 512);
    assert.deepEqual(new Uint8Array(readFileSync(path)), content);
  },
);

// Section 2.6.4: no assumption about the framing of messages.
for (const cuts of [[1], [16], [15, 1], [16, 512], [17, 1, 2, 500], [0, 16, 0], [8, 8, 511, 1, 512]]) {
  engineTest(`blk: parts cut at ${cuts.join(', ')} → the same request`, async (t, engine) => {
    const { rig, content } = await rigOf(t, engine);
    const data = pattern(1024, 5);
    assert.equal((await rig.request(T_OUT, { sector: 1, data, cuts })).status, S_OK);
    content.set(data, 512);
    const answer = await rig.request(T_IN, { sector: 0, room: 2048, cuts });
    assert.equal(answer.status, S_OK);
    assert.equal(answer.written, 2049);
    assert.deepEqual(answer.data, content.slice(0, 2048));
  });
}

engineTest('blk: flush → OK', async (t, engine) => {
  const { rig } = await rigOf(t, engine);
  assert.equal((await rig.request(T_FLUSH)).status, S_OK);
});

engineTest('blk: get-id → 20 bytes, the same at each start, then zeros', async (t, engine) => {
  const { rig, path } = await rigOf(t, engine);
  const answer = await rig.request(T_GET_ID, { room: 20 });
  assert.equal(answer.status, S_OK);
  assert.equal(answer.written, 21);
  const text = Buffer.from(answer.data).toString('latin1').replace(/\0+$/, '');
  assert.ok(text.length > 0 && text.endsWith(statSync(path).ino.toString(16)), text);
});

engineTest('blk: get-id into more or fewer than 20 bytes → what fits', async (t, engine) => {
  const { rig } = await rigOf(t, engine);
  const whole = await rig.request(T_GET_ID, { room: 64 });
  assert.equal(whole.status, S_OK);
  assert.equal(whole.written, 20);
  const cut = await rig.request(T_GET_ID, { room: 4 });
  assert.deepEqual(cut.data, whole.data.slice(0, 4));
  assert.equal((await rig.request(T_GET_ID)).status, S_OK);
});

for (const type of [2, 14, 3, 5, 0x8000_0000, 0xffff_ffff]) {
  engineTest(`blk: request type ${type} → UNSUPP`, async (t, engine) => {
    const { rig } = await rigOf(t, engine);
    const answer = await rig.request(type, { room: 512, data: new Uint8Array(512) });
    assert.equal(answer.status, S_UNSUPP);
    assert.equal((await rig.request(T_FLUSH)).status, S_OK);
  });
}

// [what, first sector, bytes]
const OUTSIDE: readonly [string, number | bigint, number][] = [
  ['the sector behind the last', SECTORS, 512],
  ['a transfer over the end', SECTORS - 1, 1024],
  ['an empty one behind the end', SECTORS + 1, 0],
  ['2^55, whose byte offset is 2^64', 2n ** 55n, 512],
  ['2^64 - 1, which wraps', 2n ** 64n - 1n, 1024],
  ['half a sector', 0, 256],
  ['a sector and a byte', 0, 513],
];

for (const [what, sector, bytes] of OUTSIDE) {
  engineTest(`blk: ${what} → IOERR for reads and writes, the file stays as it is`, async (t, engine) => {
    const { rig, path, content } = await rigOf(t, engine);
    assert.equal((await rig.request(T_IN, { sector, room: bytes })).status, S_IOERR);
    assert.equal((await rig.request(T_OUT, { sector, data: new Uint8Array(bytes) })).status, S_IOERR);
    assert.deepEqual(new Uint8Array(readFileSync(path)), content);
    assert.equal((await rig.request(T_IN, { sector: SECTORS - 1, room: 512 })).status, S_OK);
  });
}

engineTest('blk: nothing to move → OK', async (t, engine) => {
  const { rig } = await rigOf(t, engine);
  assert.equal((await rig.request(T_IN, { sector: SECTORS })).status, S_OK);
  assert.equal((await rig.request(T_OUT)).status, S_OK);
});

engineTest(
  'blk: header too short → IOERR and a fault; no place for a status → length 0 and a fault',
  async (t, engine) => {
    const { rig } = await rigOf(t, engine);
    assert.equal((await rig.request(T_IN, { header: new Uint8Array(15), room: 512 })).status, S_IOERR);
    assert.equal(rig.device.counters[COUNTER_FAULTS], 1);
    const answer = await rig.request(T_OUT, { data: new Uint8Array(512), noStatus: true });
    assert.equal(answer.written, 0);
    assert.equal(rig.device.counters[COUNTER_FAULTS], 2);
    assert.equal((await rig.request(T_FLUSH)).status, S_OK);
  },
);

engineTest(
  'blk: read-only disk → RO offered, writes of all kinds are IOERR, reads work',
  async (t, engine) => {
    const { rig, path, content } = await rigOf(t, engine, { readOnly: true });
    assert.equal(hasFeature(rig.device.features, 5), true);
    assert.equal(hasFeature(rig.device.features, 13), false);
    assert.equal(hasFeature(rig.device.features, 14), false);
    assert.equal((await rig.request(T_OUT, { data: new Uint8Array(512) })).status, S_IOERR);
    assert.equal((await rig.request(T_DISCARD, { data: ranges([0, 1, 0]) })).status, S_UNSUPP);
    assert.equal((await rig.request(T_WRITE_ZEROES, { data: ranges([0, 1, 0]) })).status, S_UNSUPP);
    assert.equal((await rig.request(T_FLUSH)).status, S_OK);
    assert.deepEqual((await rig.request(T_IN, { room: 512 })).data, content.slice(0, 512));
    assert.deepEqual(new Uint8Array(readFileSync(path)), content);
  },
);
