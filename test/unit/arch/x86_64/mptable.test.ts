import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { mpTable } from '#lkvm/arch/x86_64/mptable.js';
import { mpEntries, sum, text, u16, u32 } from '../../../support/firmware-tables.js';

const GPA = 0xf_0000;

/** Table behind the floating pointer. */
function tableOf(cpus: number, pciSlots: readonly number[] = []): Uint8Array {
  return mpTable(GPA, { cpus, pciSlots, mmio: [], ecam: true }).subarray(16);
}

/** Entries of a type, as bytes. */
function ofType(type: number, table: Uint8Array): number[][] {
  return mpEntries(table)
    .filter((entry) => entry[0] === type)
    .map((entry) => [...entry]);
}

test('mpTable: floating pointer → checksum, revision 1.4, one paragraph, table right behind, virtual wire mode', () => {
  const pointer = mpTable(GPA, { cpus: 1, pciSlots: [], mmio: [], ecam: false }).subarray(0, 16);
  assert.equal(text(pointer.subarray(0, 4)), '_MP_');
  assert.equal(u32(pointer, 4), GPA + 16);
  assert.deepEqual([pointer[8], pointer[9], sum(pointer)], [1, 4, 0]);
  assert.deepEqual([...pointer.subarray(11)], [0, 0, 0, 0, 0]);
});

test('mpTable: 1 ... 255 processors, any slots → length, entry count and checksum are right, types ascend', () => {
  const slots = fc.uniqueArray(fc.integer({ min: 0, max: 31 }));
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 255 }), slots, (cpus, pciSlots) => {
      const table = tableOf(cpus, pciSlots);
      const types = mpEntries(table).map((entry) => entry[0] ?? -1);
      assert.equal(text(table.subarray(0, 4)), 'PCMP');
      assert.deepEqual([u16(table, 4), u16(table, 34), sum(table)], [table.length, types.length, 0]);
      assert.deepEqual(
        types,
        types.toSorted((a, b) => a - b),
      );
    }),
    { numRuns: 30 },
  );
});

test('mpTable: 3 processors → ids 0, 1, 2, all enabled, the first is the boot processor', () => {
  const processors = ofType(0, tableOf(3));
  assert.deepEqual(
    processors.map(([, id, , flags]) => [id, flags]),
    [
      [0, 3],
      [1, 1],
      [2, 1],
    ],
  );
});

test('mpTable: 255 processors → the IOAPIC has an id that no processor has', () => {
  const table = tableOf(255);
  const ids = ofType(0, table).map(([, id]) => id);
  assert.equal(ids.includes(ofType(2, table)[0]?.[1]), false);
});

test('mpTable: buses and IOAPIC → PCI is 0, ISA is 1, IOAPIC at 0xfec00000 is enabled', () => {
  const table = tableOf(1);
  assert.deepEqual(
    mpEntries(table)
      .filter((entry) => entry[0] === 1)
      .map((entry) => [entry[1], text(entry.subarray(2))]),
    [
      [0, 'PCI   '],
      [1, 'ISA   '],
    ],
  );
  assert.deepEqual(ofType(2, table), [[2, 1, 0x11, 1, 0, 0, 0xc0, 0xfe]]);
});

test('mpTable: slots 1, 2 and 31 → ISA lines but not those of PCI, then INTA# by slot on 11, 10 and 11', () => {
  const lines = ofType(3, tableOf(1, [1, 2, 31]));
  assert.ok(
    lines.every(([, type, low, high, , , ioapic]) => [type, low, high].every((n) => n === 0) && ioapic === 1),
  );
  assert.deepEqual(
    lines.map(([, , , , bus, source, , pin]) => [bus, source, pin]),
    [
      [1, 0, 2],
      [1, 1, 1],
      ...[3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15].map((irq) => [1, irq, irq]),
      [0, 1 << 2, 11],
      [0, 2 << 2, 10],
      [0, 31 << 2, 11],
    ],
  );
});

test('mpTable: local interrupts → LINT0 of the boot processor is ExtINT, LINT1 of all is NMI', () => {
  assert.deepEqual(ofType(4, tableOf(2)), [
    [4, 3, 0, 0, 1, 0, 0, 0],
    [4, 1, 0, 0, 1, 0, 0xff, 1],
  ]);
});
