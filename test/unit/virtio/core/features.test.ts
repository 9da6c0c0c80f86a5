import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { featureSet, hasFeature, NO_FEATURES } from '#lkvm/virtio/core/features.js';

const bits = fc.uniqueArray(fc.nat(63));

test('featureSet, hasFeature: any bits → exactly those, both words unsigned', () => {
  fc.assert(
    fc.property(bits, (list) => {
      const set = featureSet(...list);
      assert.ok(set.low >= 0 && set.high >= 0);
      const found = Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => hasFeature(set, bit));
      assert.deepEqual(
        found,
        [...list].sort((a, b) => a - b),
      );
    }),
  );
});

test('featureSet: no bits → NO_FEATURES; 31 and 63 → unsigned words', () => {
  assert.deepEqual(featureSet(), NO_FEATURES);
  assert.deepEqual(featureSet(31, 63), { low: 0x8000_0000, high: 0x8000_0000 });
});
