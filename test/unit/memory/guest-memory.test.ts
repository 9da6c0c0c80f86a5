import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ACCESS_DIRECT, ACCESS_WORD, GuestMemory } from '#lkvm/memory/guest-memory.js';
import { mapPrivate } from '#lkvm/sys/map.js';
import { InvariantError } from '#lkvm/util/errors.js';

const KIB4 = 0x1000;
const GIB = 0x4000_0000;

function region(gpa: number, bytes: number): { gpa: number; hva: number; bytes: number } {
  return { gpa, hva: mapPrivate(bytes).address, bytes };
}

/** What translate() must answer, said in the most direct way. */
function inOneRegion(
  regions: readonly { gpa: number; bytes: number }[],
  gpa: number,
  bytes: number,
): boolean {
  return regions.some((r) => gpa >= r.gpa && gpa + bytes <= r.gpa + r.bytes);
}

test('translate: a range inside, at both ends, and of 0 bytes at the end → found, with its offset', () => {
  const memory = new GuestMemory([region(0x3700_0000, 4 * KIB4)]);
  assert.equal(memory.translate(0x3700_0000, 4 * KIB4), true);
  assert.equal(memory.offset, 0);
  assert.equal(memory.translate(0x3700_3fff, 1), true);
  assert.equal(memory.offset, 0x3fff);
  assert.equal(memory.translate(0x3700_4000, 0), true);
  assert.equal(memory.offset, 0x4000);
});

test('translate: one byte before, across the end, behind, and the largest addresses → not found', () => {
  const memory = new GuestMemory([region(0x3700_0000, 4 * KIB4)]);
  assert.equal(memory.translate(0x36ff_ffff, 1), false);
  assert.equal(memory.translate(0x36ff_ffff, 2), false);
  assert.equal(memory.translate(0x3700_3fff, 2), false);
  assert.equal(memory.translate(0x3700_4000, 1), false);
  assert.equal(memory.translate(0x3700_0000, 0xffff_ffff), false);
  assert.equal(memory.translate(2 ** 53 - 1, 0xffff_ffff), false);
  assert.equal(memory.translate(0, 1), false);
});

test('translate: a refused range → the last result stays', () => {
  const memory = new GuestMemory([region(0, KIB4), region(0x10_0000, KIB4)]);
  assert.equal(memory.translate(0x10_0010, 4), true);
  const { chunk, chunkIndex } = memory;
  assert.equal(memory.translate(0x20_0000, 4), false);
  assert.equal(memory.chunk, chunk);
  assert.deepEqual([memory.chunkIndex, memory.offset], [chunkIndex, 0x10]);
});

test('translate: adjacent regions → a range across the border is refused, as they need not be adjacent for us', () => {
  const memory = new GuestMemory([region(0, KIB4), region(KIB4, KIB4)]);
  assert.equal(memory.translate(KIB4 - 4, 8), false);
  assert.equal(memory.translate(KIB4 - 4, 4), true);
  assert.equal(memory.chunkIndex, 0);
  assert.equal(memory.translate(KIB4, 4), true);
  assert.equal(memory.chunkIndex, 1);
});

test('translate: any range of any three regions → same answer as the definition, and the right bytes', () => {
  const regions = [region(0x1000, 2 * KIB4), region(0x4000, KIB4), region(0x1_0000_0000, 3 * KIB4)];
  const memory = new GuestMemory(regions);
  const base = fc.constantFrom(0, 0x1000, 0x3000, 0x4000, 0x5000, 0x1_0000_0000, 0x1_0000_3000);
  fc.assert(
    fc.property(base, fc.integer({ min: -20, max: 0x3010 }), fc.nat(0x3010), (start, delta, bytes) => {
      const gpa = start + delta;
      const found = memory.translate(gpa, bytes);
      assert.equal(found, inOneRegion(regions, gpa, bytes));
      if (found) assert.equal(memory.chunk.gpa + memory.offset, gpa);
    }),
  );
});

test('translate: a sparse region of 5 GiB → every range of up to 1 GiB in it is found, the views overlap', () => {
  const bytes = 5 * GIB;
  const gpa = 0x8_0000_0000;
  const memory = new GuestMemory([region(gpa, bytes)]);
  const starts = [0, GIB - 1, GIB, 2 * GIB - 4096, 2 * GIB, 3 * GIB + 17, 4 * GIB - 1, 4 * GIB];
  for (const start of starts) {
    assert.equal(memory.translate(gpa + start, GIB), true, `from ${start}`);
    assert.equal(memory.chunk.gpa + memory.offset, gpa + start);
    assert.ok(memory.offset + GIB <= memory.chunk.u8.length);
  }
  assert.equal(memory.translate(gpa + 4 * GIB + 1, GIB), false);
  assert.equal(memory.translate(gpa + bytes, 0), true);
  assert.equal(memory.translate(gpa + bytes - 1, 1), true);
});

test('translate: a byte written through one view of a large region → seen through the overlapping one', () => {
  const gpa = 0x1_0000_0000;
  const memory = new GuestMemory([region(gpa, 2 * GIB + KIB4)]);
  assert.equal(memory.chunks.length, 2);
  const at = gpa + GIB + 5; // in both views
  memory.translate(gpa, 1);
  memory.translate(at, 1);
  const first = memory.chunk;
  first.u8[memory.offset] = 0x5a;
  memory.translate(gpa + 2 * GIB + 8, 1); // only in the second
  memory.translate(at, 1);
  assert.notEqual(memory.chunk, first);
  assert.equal(memory.chunk.u8[memory.offset], 0x5a);
});

test('GuestMemory: the same memory twice in one worker → both see the same bytes', () => {
  const record = region(0x3700_0000, KIB4);
  const one = new GuestMemory([record], ACCESS_DIRECT);
  const two = new GuestMemory([record], ACCESS_WORD);
  one.chunk.u8[7] = 0x77;
  assert.equal(two.chunk.u8[7], 0x77);
  assert.equal(two.access, ACCESS_WORD);
});

test('GuestMemory: no region, unsorted, overlapping, not whole pages, empty → InvariantError', () => {
  const a = region(0x1000, KIB4);
  const b = region(0x2000, KIB4);
  assert.throws(() => new GuestMemory([]), InvariantError);
  assert.throws(() => new GuestMemory([b, a]), InvariantError);
  assert.throws(() => new GuestMemory([a, a]), InvariantError);
  assert.throws(() => new GuestMemory([{ ...a, gpa: 0x1001 }]), InvariantError);
  assert.throws(() => new GuestMemory([{ ...a, hva: a.hva + 8 }]), InvariantError);
  assert.throws(() => new GuestMemory([{ ...a, bytes: 4095 }]), InvariantError);
  assert.throws(() => new GuestMemory([{ ...a, bytes: 0 }]), InvariantError);
});
