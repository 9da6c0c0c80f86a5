import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ACCESS_DIRECT, ACCESS_WORD, GuestMemory, type MemoryChunk } from '#lkvm/memory/guest-memory.js';
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
  assert.deepEqual(
    memory.chunks.map((chunk) => [chunk.gpa - gpa, chunk.bytes]),
    [
      [0, 2 * GIB],
      [GIB, GIB + KIB4],
    ],
  );
  const [first, second] = memory.chunks as [MemoryChunk, MemoryChunk];
  first.u8[GIB + 5] = 0x5a;
  assert.equal(second.u8[5], 0x5a);
});

test('translateWords: any range, whatever was found before → same answer and same byte as translate', () => {
  // One window before, one across and one behind the border of 4 GiB; a border of 4 GiB right behind a window
  const regions = [
    region(0x1000, 2 * KIB4),
    region(0xffff_f000, 2 * KIB4),
    region(0x1_8000_0000, KIB4),
    region(0x2_ffff_f000, KIB4),
  ];
  const memory = new GuestMemory(regions);
  const near = [
    0,
    0x1000,
    0x3000,
    0xffff_f000,
    2 ** 32,
    0x1_0000_1000,
    0x1_8000_0000,
    0x3_0000_0000,
    2 ** 52,
  ];
  const address = fc
    .tuple(fc.constantFrom(...near), fc.integer({ min: -3, max: 0x1003 }))
    .map(([start, delta]) => Math.max(0, start + delta));
  const range = fc.tuple(address, fc.oneof(fc.nat(0x2003), fc.constantFrom(0xffff_ffff, 0x8000_0000)));
  fc.assert(
    fc.property(fc.array(range, { minLength: 1, maxLength: 5 }), (ranges) => {
      for (const [gpa, bytes] of ranges) {
        const found = memory.translateWords(gpa >>> 0, Math.floor(gpa / 2 ** 32), bytes);
        assert.equal(found, inOneRegion(regions, gpa, bytes), `${gpa} ${bytes}`);
        if (!found) continue;
        assert.equal(memory.chunk.gpa + memory.offset, gpa);
        assert.equal(memory.chunks[memory.chunkIndex], memory.chunk);
      }
    }),
    { numRuns: 2000 },
  );
});

test('translateWords: 0 bytes far below a window that ends at 4 GiB → not found', () => {
  const memory = new GuestMemory([region(0x2_ffff_f000, KIB4)]);
  assert.equal(memory.translateWords(0, 2, 0), false);
  assert.equal(memory.translateWords(0, 3, 0), true);
});

test('translateWords: the largest addresses → not found', () => {
  const memory = new GuestMemory([region(0, KIB4)]);
  assert.equal(memory.translateWords(0xffff_ffff, 0xffff_ffff, 1), false);
  assert.equal(memory.translateWords(0, 0xffff_ffff, 0), false);
  assert.equal(memory.translateWords(0, 0x10_0000, 1), false);
});

test('GuestMemory: the same memory twice in one worker → both see the same bytes', () => {
  const record = region(0x3700_0000, KIB4);
  const one = new GuestMemory([record], ACCESS_DIRECT);
  const two = new GuestMemory([record], ACCESS_WORD);
  one.chunk.u8[7] = 0x77;
  assert.equal(two.chunk.u8[7], 0x77);
  assert.equal(two.access, ACCESS_WORD);
});

test('GuestMemory: no region, unsorted, overlapping, not whole pages, empty, above 2^53 → InvariantError', () => {
  const a = region(0x1000, KIB4);
  const b = region(0x2000, KIB4);
  assert.throws(() => new GuestMemory([]), InvariantError);
  assert.throws(() => new GuestMemory([b, a]), InvariantError);
  assert.throws(() => new GuestMemory([a, a]), InvariantError);
  assert.throws(() => new GuestMemory([{ ...a, gpa: 0x1001 }]), InvariantError);
  assert.throws(() => new GuestMemory([{ ...a, hva: a.hva + 8 }]), InvariantError);
  assert.throws(() => new GuestMemory([{ ...a, bytes: 4095 }]), InvariantError);
  assert.throws(() => new GuestMemory([{ ...a, bytes: 0 }]), InvariantError);
  assert.throws(() => new GuestMemory([{ ...a, gpa: 2 ** 53 }]), InvariantError);
});
