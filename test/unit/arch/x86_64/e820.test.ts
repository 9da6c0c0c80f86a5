import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { memoryMap } from '#lkvm/arch/x86_64/e820.js';
import { ramRanges } from '#lkvm/arch/x86_64/memory-map.js';

const MIB = 0x10_0000;
const GIB = 0x4000_0000;
const RAM = 1;
const RESERVED = 2;

test('memoryMap: 512 MiB → RAM in two parts around the BIOS areas, then what is reserved', () => {
  assert.deepEqual(
    memoryMap(512 * MIB).map(({ gpa, bytes, type }) => [gpa, gpa + bytes, type]),
    [
      [0, 0x9_fc00, RAM],
      [0x9_fc00, 0xa_0000, RESERVED],
      [0xe_0000, 0x10_0000, RESERVED],
      [0x10_0000, 0x2000_0000, RAM],
      [0xe800_0000, 0xe810_0000, RESERVED],
      [0xfffb_c000, 0x1_0000_0000, RESERVED],
    ],
  );
});

test('memoryMap: 5 GiB → RAM ends at the hole, the rest begins at 4 GiB', () => {
  const ram = memoryMap(5 * GIB).filter(({ type }) => type === RAM);
  assert.deepEqual(
    ram.slice(1).map(({ gpa, bytes }) => [gpa, bytes]),
    [
      [MIB, 0xd000_0000 - MIB],
      [4 * GIB, 5 * GIB - 0xd000_0000],
    ],
  );
});

test('memoryMap: 1 MiB → no entry of no bytes', () => {
  assert.ok(memoryMap(MIB).every(({ bytes }) => bytes > 0));
});

test('memoryMap: any size → sorted, no overlaps, RAM only where the guest has it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 256, max: 16 * 1024 * 256 }), (pages) => {
      const bytes = pages * 4096;
      let end = 0;
      for (const entry of memoryMap(bytes)) {
        assert.ok(entry.gpa >= end && entry.bytes > 0);
        end = entry.gpa + entry.bytes;
        if (entry.type !== RAM) continue;
        assert.ok(ramRanges(bytes).some((ram) => entry.gpa >= ram.gpa && end <= ram.gpa + ram.bytes));
      }
    }),
  );
});
