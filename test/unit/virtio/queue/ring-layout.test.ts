import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  availRingBytes,
  descTableBytes,
  legacyRingBytes,
  legacyRingLayout,
  usedRingBytes,
} from '#lkvm/virtio/queue/ring-layout.js';
import { simLegacyLayout } from '../../../support/driver-sim.js';

// Protocol section 6.1: size, offset of the available ring, of the used ring, bytes in all.
const TABLE = [
  [2, 0x20, 0x1000, 0x1016],
  [4, 0x40, 0x1000, 0x1026],
  [128, 0x800, 0x1000, 0x1406],
  [256, 0x1000, 0x2000, 0x2806],
] as const;

for (const [size, avail, used, bytes] of TABLE) {
  test(`legacyRingLayout: ${size} entries, alignment 4096 → the protocol's table`, () => {
    const layout = legacyRingLayout(0x3700_6000, size, 4096);
    assert.deepEqual(layout, { desc: 0x3700_6000, avail: 0x3700_6000 + avail, used: 0x3700_6000 + used });
    assert.equal(legacyRingBytes(size, 4096), bytes);
  });
}

test('legacyRingLayout: any size, alignment and address → as the driver lays it out', () => {
  const sizes = fc.integer({ min: 0, max: 15 }).map((n) => 2 ** n);
  const aligns = fc.integer({ min: 2, max: 16 }).map((n) => 2 ** n);
  const base = fc.integer({ min: 0, max: 2 ** 36 }).map((page) => page * 4096);
  fc.assert(
    fc.property(base, sizes, aligns, (at, size, align) => {
      const { desc, avail, used, end } = simLegacyLayout(at, size, align);
      assert.deepEqual(legacyRingLayout(at, size, align), { desc, avail, used });
      assert.equal(used % align, 0);
      assert.equal(desc + descTableBytes(size), avail);
      assert.ok(avail + availRingBytes(size) <= used);
      assert.equal(used + usedRingBytes(size), end);
    }),
  );
});
