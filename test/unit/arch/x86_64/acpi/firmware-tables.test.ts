import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { FirmwareDescription } from '#lkvm/arch/x86_64/acpi/description.js';
import { firmwareTables, writeFirmwareTables } from '#lkvm/arch/x86_64/acpi/firmware-tables.js';
import { GuestMemory } from '#lkvm/memory/guest-memory.js';
import { mapPrivate } from '#lkvm/sys/map.js';
import { InvariantError } from '#lkvm/util/errors.js';
import {
  address,
  madtEntries,
  type ReadTable,
  rootEntries,
  sum,
  TableReader,
  text,
  u16,
  u32,
} from '../../../../support/firmware-tables.js';

const START = 0xe_0000;
const END = 0x10_0000;
const SMALL: FirmwareDescription = {
  cpus: 2,
  mmio: [
    { gpa: 0xd300_0000, gsi: 5 },
    { gpa: 0xd300_0200, gsi: 23 },
  ],
  pciSlots: [1, 2, 3],
  ecam: true,
};

const description: fc.Arbitrary<FirmwareDescription> = fc.record({
  cpus: fc.integer({ min: 1, max: 255 }),
  mmio: fc
    .array(fc.integer({ min: 0, max: 23 }), { maxLength: 16 })
    .map((gsis) => gsis.map((gsi, index) => ({ gpa: 0xd300_0000 + 0x200 * index, gsi }))),
  pciSlots: fc.uniqueArray(fc.integer({ min: 0, max: 31 })),
  ecam: fc.boolean(),
});

/** The firmware's region of a machine. */
function region(of: FirmwareDescription): TableReader {
  const bytes = new Uint8Array(END - START);
  for (const table of firmwareTables(of).tables) bytes.set(table.bytes, table.gpa - START);
  return new TableReader(bytes, START);
}

/** Tables of a machine as a kernel finds them, from the signature in low memory on. */
function found(of: FirmwareDescription): Map<string, ReadTable> {
  const reader = region(of);
  const root = reader.at(reader.scan('RSD PTR ', START, END), 36);
  const xsdt = reader.table(address(root, 24));
  const tables = rootEntries(xsdt, 8).map((gpa) => reader.table(gpa));
  const fadt = tables.find(({ signature }) => signature === 'FACP')?.bytes ?? new Uint8Array(276);
  const rest = [u32(root, 16), u32(fadt, 36), address(fadt, 140)].map((gpa) => reader.table(gpa));
  return new Map([xsdt, ...tables, ...rest].map((table) => [table.signature, table]));
}

function named(of: FirmwareDescription, signature: string): ReadTable {
  const table = found(of).get(signature);
  assert.ok(table !== undefined, `${signature} is there`);
  return table;
}

test('firmwareTables: any machine → RSDP found by scan, both checksums right, revision 2', () => {
  fc.assert(
    fc.property(description, (of) => {
      const reader = region(of);
      const gpa = reader.scan('RSD PTR ', START, END);
      assert.equal(gpa, firmwareTables(of).rsdp);
      const bytes = reader.at(gpa, 36);
      assert.deepEqual([sum(bytes.subarray(0, 20)), sum(bytes)], [0, 0]);
      assert.deepEqual([bytes[15], u32(bytes, 20)], [2, 36]);
    }),
    { numRuns: 20 },
  );
});

test('firmwareTables: any machine → all tables found, checksums right, RSDT and XSDT agree', () => {
  fc.assert(
    fc.property(description, (of) => {
      const tables = found(of);
      const names = ['XSDT', 'FACP', 'APIC', ...(of.ecam ? ['MCFG'] : []), 'RSDT', 'FACS', 'DSDT'];
      assert.deepEqual([...tables.keys()], names);
      const wrong = [...tables.values()].filter((t) => t.signature !== 'FACS' && sum(t.bytes) !== 0);
      assert.deepEqual(wrong, []);
      const [rsdt, xsdt] = [tables.get('RSDT'), tables.get('XSDT')] as [ReadTable, ReadTable];
      assert.deepEqual(rootEntries(rsdt, 4), rootEntries(xsdt, 8));
    }),
    { numRuns: 20 },
  );
});

test('firmwareTables: any machine → tables ascend without overlap inside 0xe0000 ... 0xfffff', () => {
  fc.assert(
    fc.property(description, (of) => {
      const { tables } = firmwareTables(of);
      const ends = tables.map(({ gpa, bytes }) => gpa + bytes.length);
      const starts = [...tables.slice(1).map(({ gpa }) => gpa), END];
      assert.equal(tables[0]?.gpa, START);
      assert.ok(ends.every((end, index) => end <= (starts[index] ?? 0)));
    }),
    { numRuns: 20 },
  );
});

test('firmwareTables: 255 processors and 255 virtio-mmio devices → fit, the MP table where kernels look', () => {
  const mmio = Array.from({ length: 255 }, (_, index) => ({ gpa: 0xd300_0000 + 0x200 * index, gsi: 5 }));
  const pciSlots = Array.from({ length: 32 }, (_, slot) => slot);
  const of = { cpus: 255, mmio, pciSlots, ecam: true };
  assert.equal(region(of).scan('_MP_', 0xf_0000, END), firmwareTables(of).mp);
  assert.equal(madtEntries(named(of, 'APIC')).filter(([type]) => type === 0).length, 255);
});

test('firmwareTables: what no table can say → InvariantError', () => {
  const wrong: Partial<FirmwareDescription>[] = [
    { cpus: 0 },
    { cpus: 256 },
    { cpus: 1.5 },
    { mmio: [{ gpa: 0xd300_0000, gsi: 24 }] },
    { pciSlots: [32] },
  ];
  for (const part of wrong) assert.throws(() => firmwareTables({ ...SMALL, ...part }), InvariantError);
});

test('FADT: a machine → fixed hardware where the memory map has it, no SMI, power button, reset by 6 to 0xcf9', () => {
  const { bytes } = named(SMALL, 'FACP');
  assert.deepEqual([bytes[8], bytes.length], [6, 276]);
  assert.equal(u16(bytes, 46), 9, 'SCI');
  assert.deepEqual([u32(bytes, 48), bytes[52], bytes[53]], [0, 0, 0], 'SMI_CMD, ACPI_ENABLE, ACPI_DISABLE');
  assert.deepEqual([u32(bytes, 56), u32(bytes, 64), u32(bytes, 76)], [0x600, 0x604, 0x608]);
  assert.deepEqual([bytes[88], bytes[89], bytes[91]], [4, 2, 4], 'lengths');
  const flags = u32(bytes, 112);
  assert.equal(flags & (1 << 4), 0, 'the power button is a fixed feature');
  assert.notEqual(flags & (1 << 10), 0, 'RESET_REG_SUP');
  assert.equal(flags & (1 << 20), 0, 'not HW_REDUCED');
  assert.equal(Buffer.from(bytes.subarray(116, 129)).toString('hex'), '01080001f90c00000000000006');
  assert.deepEqual(
    [148, 172, 208].map((at) => address(bytes, at + 4)),
    [0x600, 0x604, 0x608],
  );
});

test('FADT: FACS and DSDT → FACS on 64 bytes by its 32-bit address alone, DSDT by both', () => {
  const { bytes } = named(SMALL, 'FACP');
  assert.equal(u32(bytes, 36) % 64, 0);
  assert.equal(address(bytes, 132), 0);
  assert.equal(u32(bytes, 40), address(bytes, 140));
  assert.equal(named(SMALL, 'FACS').bytes.length, 64);
});

test('MADT: 3 processors → APIC ids 0, 1, 2, enabled; an IOAPIC with an id of its own; LINT1 is NMI', () => {
  const madt = named({ ...SMALL, cpus: 3 }, 'APIC');
  assert.equal(u32(madt.bytes, 36), 0xfee0_0000);
  assert.equal(u32(madt.bytes, 40), 1, 'PCAT_COMPAT');
  const entries = madtEntries(madt).map((entry) => Buffer.from(entry).toString('hex'));
  assert.deepEqual(entries.slice(0, 4), [
    '0008000001000000',
    '0008010101000000',
    '0008020201000000',
    '010c03000000c0fe00000000',
  ]);
  assert.equal(entries.at(-1), '0406ff000001');
});

test('MADT: overrides → timer on pin 2 as ISA, SCI and PCI lines level high', () => {
  const overrides = madtEntries(named(SMALL, 'APIC')).filter(([type]) => type === 2);
  assert.deepEqual(
    overrides.map((entry) => [entry[3], u32(entry, 4), u16(entry, 8)]),
    [
      [0, 2, 0],
      [9, 9, 0xd],
      [10, 10, 0xd],
      [11, 11, 0xd],
    ],
  );
});

test('MCFG: ECAM → bus 0 of segment 0 at 0xe8000000', () => {
  const { bytes } = named(SMALL, 'MCFG');
  assert.equal(
    Buffer.from(bytes.subarray(36)).toString('hex'),
    `${'00'.repeat(8)}000000e8${'00'.repeat(12)}`,
  );
});

test('writeFirmwareTables: RAM → holds the tables, the RSDP is found there by scan', () => {
  const ram = mapPrivate(0x10_0000);
  const memory = new GuestMemory([{ gpa: 0, hva: ram.address, bytes: 0x10_0000 }]);
  const { rsdp } = writeFirmwareTables(memory, SMALL);
  const reader = new TableReader(memory.chunk.u8, 0);
  assert.equal(reader.scan('RSD PTR ', START, END), rsdp);
  assert.equal(text(reader.at(reader.scan('_MP_', 0xf_0000, END), 4)), '_MP_');
  assert.equal(named(SMALL, 'DSDT').bytes.length, u32(reader.at(named(SMALL, 'DSDT').gpa, 8), 4));
});

test('writeFirmwareTables: memory that ends below → InvariantError', () => {
  const ram = mapPrivate(0x1000);
  const memory = new GuestMemory([{ gpa: 0, hva: ram.address, bytes: 0x1000 }]);
  assert.throws(() => writeFirmwareTables(memory, SMALL), InvariantError);
});
