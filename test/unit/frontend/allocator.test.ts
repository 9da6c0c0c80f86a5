import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Arena, DeviceMemory } from '#lkvm/frontend/allocator.js';
import { FrontEndPool } from '#lkvm/frontend/pool.js';
import { GuestMemory } from '#lkvm/memory/guest-memory.js';
import { mapPrivate } from '#lkvm/sys/map.js';

const BASE = 0x3700_0000;
const { address, bytes } = mapPrivate(0x10_0000);
const pool = new FrontEndPool(new GuestMemory([{ gpa: 0, hva: address, bytes }]), BASE, bytes);

test('Arena: any order of take and give → pieces are aligned, inside, disjoint, and all of it comes back', () => {
  const operation = fc.record({
    bytes: fc.integer({ min: 1, max: 5000 }),
    align: fc.constantFrom(1, 4, 64, 4096),
    give: fc.nat(),
  });
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
      const arena = new Arena(100, 20_000);
      const taken: { start: number; bytes: number }[] = [];
      for (const { bytes: size, align, give } of operations) {
        const start = arena.take(size, align);
        if (start >= 0) {
          assert.equal(start % align, 0);
          assert.ok(start >= 100 && start + size <= 20_100);
          assert.ok(taken.every((t) => start + size <= t.start || t.start + t.bytes <= start));
          taken.push({ start, bytes: size });
        } else if (taken.length > 0) {
          const [piece] = taken.splice(give % taken.length, 1);
          if (piece !== undefined) arena.give(piece.start, piece.bytes);
        }
      }
      assert.equal(
        arena.usedBytes,
        taken.reduce((sum, t) => sum + t.bytes, 0),
      );
      for (const piece of taken) arena.give(piece.start, piece.bytes);
      assert.equal(arena.usedBytes, 0);
      assert.equal(arena.largest(1), 20_000);
    }),
  );
});

test('Arena: peakBytes → the most that was in use at once', () => {
  const arena = new Arena(0, 8192);
  arena.give(arena.take(4096, 4096), 4096);
  arena.take(100, 4);
  assert.equal(arena.peakBytes, 4096);
});

test('DeviceMemory: the own region is full → the common arena is used', () => {
  const memory = new DeviceMemory(pool, 'net', [new Arena(0x1000, 0x1000), new Arena(0x8000, 0x4000)]);
  assert.equal(memory.alloc('first', 0x800, 64).offset, 0x1000);
  const second = memory.alloc('second', 0x1000, 4096);
  assert.equal(second.offset, 0x8000);
  assert.equal(second.address, BASE + 0x8000);
});

test('DeviceMemory: nothing fits → PoolExhaustedError that names the device, the need and what to enlarge', () => {
  const memory = new DeviceMemory(pool, 'net', [new Arena(0x1000, 0x1000), new Arena(0x8000, 0x800)]);
  assert.throws(() => memory.alloc('receive buffers', 0x2000, 64), {
    code: 'POOL_EXHAUSTED',
    message: /net needs 8192 bytes for receive buffers.*4096 of 4096 and 2048 of 2048.*--shmem-size/,
  });
});

test('DeviceMemory: a buffer is freed → its place is given again', () => {
  const memory = new DeviceMemory(pool, 'p9', [new Arena(0x1000, 0x1000)]);
  const buffer = memory.alloc('data', 0x1000, 4096);
  assert.equal(memory.tryAlloc(4, 4), undefined);
  memory.free(buffer);
  assert.equal(memory.alloc('data', 0x1000, 4096).offset, 0x1000);
});
