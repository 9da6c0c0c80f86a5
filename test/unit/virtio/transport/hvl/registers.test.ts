import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { HVL_REGISTERS, HVLS_REGISTERS, registerValue } from '#lkvm/virtio/transport/hvl/registers.js';
import { projectRoot } from '../../../../support/project.js';

const all = [...HVL_REGISTERS, ...HVLS_REGISTERS];

test('register table: offsets ascend, aligned, without overlap', () => {
  for (const [i, register] of all.entries()) {
    assert.equal(register.offset % register.bytes, 0);
    const before = all[i - 1];
    if (before !== undefined) assert.ok(before.offset + before.bytes <= register.offset, register.name);
  }
});

test('register table: every register is in docs/hvl.md with its offset and access', () => {
  const page = readFileSync(join(projectRoot, 'docs/hvl.md'), 'utf8');
  const missing = all
    .map(({ offset, name, access }) => `| 0x${offset.toString(16).padStart(3, '0')} | ${name} | ${access} |`)
    .filter((row) => !page.includes(row));
  assert.deepEqual(missing, []);
});

test('registerValue: 2- and 4-byte registers → little-endian values', () => {
  const block = new DataView(new ArrayBuffer(0x200));
  block.setUint32(0x184, 0x0002_0001, true);
  const byName = new Map(all.map((register) => [register.name, registerValue(block, register)]));
  assert.equal(byName.get('STATIC_VERSION'), 1);
  assert.equal(byName.get('STATIC_QUEUES'), 2);
});
