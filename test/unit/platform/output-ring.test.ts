import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { OutputRing, outputRingBytes, PUSH_FULL, PUSHED, PUSHED_RING } from '#lkvm/platform/output-ring.js';

const SIZE = 16;

function ring(given = 0): OutputRing {
  const shared = new SharedArrayBuffer(8 + outputRingBytes(SIZE));
  new Int32Array(shared, 8).fill(given, 0, 2); // both counters
  return new OutputRing(shared, 8, SIZE);
}

function push(to: OutputRing, count: number): number[] {
  return Array.from({ length: count }, (_, i) => to.push(i));
}

test('OutputRing.push: first byte, half full → ring; full → not taken', () => {
  const r = ring();
  const results = push(r, SIZE + 1);
  const rings = results.map((result, i) => (result === PUSHED_RING ? i : -1)).filter((i) => i >= 0);
  assert.deepEqual(rings, [0, SIZE / 2 - 1]);
  assert.equal(results[SIZE], PUSH_FULL);
  assert.deepEqual([r.used(), r.room(), r.halfFull()], [SIZE, 0, true]);
});

test('OutputRing.sleep: bytes are there → refused, no doorbell for the next one; none → the next one rings', () => {
  const r = ring();
  push(r, 1);
  assert.ok(!r.sleep());
  assert.equal(r.push(1), PUSHED);
  r.take(new Uint8Array(SIZE), 0, SIZE);
  assert.ok(r.sleep());
  assert.equal(r.push(2), PUSHED_RING);
  assert.equal(r.push(3), PUSHED);
});

test('OutputRing.waitForRoom: room → true at once; full and nobody takes → false, the second time without waiting', () => {
  const r = ring();
  assert.ok(r.waitForRoom());
  push(r, SIZE);
  assert.ok(!r.waitForRoom());
  const begin = performance.now();
  for (let i = 0; i < 1000; i++) assert.ok(!r.waitForRoom());
  assert.ok(performance.now() - begin < 500_000, 'a thousand waits would take 1000 s');
  r.take(new Uint8Array(SIZE), 0, 1);
  assert.ok(r.waitForRoom());
});

test('OutputRing: any pushes and takes, counters about to wrap → what comes out is what went in', () => {
  const action = fc.oneof(
    fc.record({ push: fc.integer({ min: 1, max: 20 }) }),
    fc.record({ take: fc.integer({ min: 1, max: 20 }) }),
  );
  const start = fc.constantFrom(0, 0x7fff_fff0, -8);
  fc.assert(
    fc.property(start, fc.array(action), (given, actions) => {
      const r = ring(given);
      const expected: number[] = [];
      let next = 0;
      for (const one of actions) {
        if ('push' in one) {
          for (let i = 0; i < one.push; i++) {
            const byte = next++ & 0xff;
            const full = expected.length === SIZE;
            assert.equal(r.push(byte) === PUSH_FULL, full);
            if (!full) expected.push(byte);
          }
        } else {
          const to = new Uint8Array(40);
          const n = r.take(to, 3, one.take);
          assert.deepEqual([...to.subarray(3, 3 + n)], expected.splice(0, one.take));
        }
        assert.equal(r.used(), expected.length);
      }
    }),
  );
});
