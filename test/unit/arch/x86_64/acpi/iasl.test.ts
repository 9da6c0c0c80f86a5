// Our tables against the reference compiler: what it reads, it must also write, byte for byte.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { FirmwareDescription } from '#lkvm/arch/x86_64/acpi/description.js';
import { firmwareTables } from '#lkvm/arch/x86_64/acpi/firmware-tables.js';
import { text } from '../../../../support/firmware-tables.js';
import { tempDir } from '../../../../support/temp.js';
import { runIn, skipWithout } from '../../../../support/tools.js';

const skip = skipWithout('iasl');

/** What the compiler puts in the header itself: checksum, creator id and revision. */
const HEADER_OF_COMPILER = [9, 28, 29, 30, 31, 32, 33, 34, 35];

const MACHINES: Record<string, FirmwareDescription> = {
  'PCI with ECAM': { cpus: 1, mmio: [], pciSlots: [1, 2], ecam: true },
  'PCI without ECAM': { cpus: 4, mmio: [], pciSlots: [1], ecam: false },
  largest: {
    cpus: 255,
    mmio: Array.from({ length: 255 }, (_, index) => ({ gpa: 0xd300_0000 + 0x200 * index, gsi: index % 24 })),
    pciSlots: Array.from({ length: 32 }, (_, slot) => slot),
    ecam: true,
  },
};

function tablesOf(of: FirmwareDescription): { name: string; bytes: Uint8Array }[] {
  return firmwareTables(of)
    .tables.map(({ bytes }) => ({ name: text(bytes.subarray(0, 4)), bytes }))
    .filter(({ name }) => /^[A-Z]{4}$/.test(name));
}

function withoutCompiler(bytes: Uint8Array): string {
  const copy = Buffer.from(bytes);
  for (const offset of HEADER_OF_COMPILER) copy[offset] = 0;
  return copy.toString('hex');
}

/** Disassembles a table and compiles the source without optimizations. */
function throughIasl(t: TestContext, bytes: Uint8Array): { log: string; source: string; again: Uint8Array } {
  const folder = tempDir(t);
  writeFileSync(join(folder, 'table.dat'), bytes);
  const apart = runIn(folder, 'iasl', ['-d', 'table.dat']);
  assert.equal(apart.status, 0, apart.stderr);
  const together = runIn(folder, 'iasl', ['-oa', '-p', 'again', 'table.dsl']);
  assert.equal(together.status, 0, `${together.stdout}${together.stderr}`);
  return {
    log: `${apart.stdout}${apart.stderr}${together.stdout}${together.stderr}`,
    source: readFileSync(join(folder, 'table.dsl'), 'latin1'),
    again: readFileSync(join(folder, 'again.aml')),
  };
}

for (const [machine, of] of Object.entries(MACHINES)) {
  test(`iasl: tables of a machine, ${machine} → disassembled, compiled without a remark, the same bytes`, {
    skip,
  }, (t) => {
    for (const { name, bytes } of tablesOf(of)) {
      const { log, again } = throughIasl(t, bytes);
      const counts = log.match(/(\d+) Errors, (\d+) Warnings, (\d+) Remarks/)?.slice(1);
      assert.deepEqual([name, counts], [name, ['0', '0', '0']], log);
      assert.doesNotMatch(log, /invalid|unknown|not found|could not|checksum/i);
      assert.equal(withoutCompiler(again), withoutCompiler(bytes), name);
    }
  });
}

test('iasl: source of the DSDT → host bridge, lines, devices and reserved ranges as a person reads them', {
  skip,
}, (t) => {
  const mmio = [{ gpa: 0xd300_0400, gsi: 13 }];
  const dsdt = tablesOf({ cpus: 1, mmio, pciSlots: [1], ecam: true }).find(({ name }) => name === 'DSDT');
  const source = throughIasl(t, dsdt?.bytes ?? new Uint8Array(0))
    .source.replaceAll(/\/\/.*|\/\*.*?\*\//g, '')
    .replaceAll(/\s+/g, '');
  const expected = [
    'Name(\\_S5,Package(0x04){0x05,Zero,Zero,Zero})',
    'Device(PCI0){Name(_HID,EisaId("PNP0A08"))Name(_CID,EisaId("PNP0A03"))',
    'WordBusNumber(ResourceProducer,MinFixed,MaxFixed,PosDecode,0x0000,0x0000,0x0000,0x0000,0x0001,,,)',
    'IO(Decode16,0x0CF8,0x0CF8,0x01,0x08,)',
    'DWordMemory(ResourceProducer,PosDecode,MinFixed,MaxFixed,NonCacheable,ReadWrite,0x00000000,0xF0000000,0xFEBFFFFF,',
    'Package(0x04){0x0001FFFF,Zero,Zero,0x0B},Package(0x04){0x0002FFFF,Zero,Zero,0x0A},',
    'Package(0x04){0x001FFFFF,Zero,Zero,0x0B}})',
    'Device(COM4){Name(_HID,EisaId("PNP0501"))Name(_UID,0x04)Name(_CRS,ResourceTemplate(){IO(Decode16,0x02E8,0x02E8,0x01,0x08,)IRQ(Edge,ActiveHigh,Shared,){3}})}',
    'Device(KBD){Name(_HID,EisaId("PNP0303"))Name(_CRS,ResourceTemplate(){IO(Decode16,0x0060,0x0060,0x01,0x01,)IO(Decode16,0x0064,0x0064,0x01,0x01,)IRQ(Edge,ActiveHigh,Exclusive,){1}})}',
    'Memory32Fixed(ReadWrite,0xD4000000,0x0C010000,)',
    'Memory32Fixed(ReadWrite,0xE8000000,0x00100000,)',
    'Device(VR00){Name(_HID,"LNRO0005")Name(_UID,Zero)Name(_CCA,One)Name(_CRS,ResourceTemplate(){Memory32Fixed(ReadWrite,0xD3000400,0x00000200,)Interrupt(ResourceConsumer,Edge,ActiveHigh,Exclusive,,,){0x0000000D,}})}',
  ];
  assert.deepEqual(
    expected.filter((part) => !source.includes(part)),
    [],
  );
});
