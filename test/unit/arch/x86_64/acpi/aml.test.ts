import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  amlBuffer,
  amlDevice,
  amlEisaId,
  amlInteger,
  amlPackage,
  amlPackageLength,
  amlPath,
  amlString,
  amlUuid,
} from '#lkvm/arch/x86_64/acpi/aml.js';
import { InvariantError } from '#lkvm/util/errors.js';

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** A package length as ACPI 6.3 section 20.2.4 reads: how many bytes it takes, and how many it stands for. */
function readLength(bytes: Uint8Array): { own: number; total: number } {
  const lead = bytes[0] ?? 0;
  const extra = lead >> 6;
  if (extra === 0) return { own: 1, total: lead & 0x3f };
  const high = [...bytes.subarray(1, 1 + extra)].reduce((sum, byte, index) => sum + byte * 256 ** index, 0);
  return { own: 1 + extra, total: (lead & 0x0f) + 16 * high };
}

/** An integer as section 20.2.3 reads. */
function readInteger(bytes: Uint8Array): bigint {
  const width = [0, 0, 1, 2, 4, 8][[0x00, 0x01, 0x0a, 0x0b, 0x0c, 0x0e].indexOf(bytes[0] ?? -1)] ?? -1;
  if (width === 0) return BigInt(bytes[0] ?? 0);
  assert.equal(bytes.length, 1 + width);
  return BigInt(`0x${hex(bytes.slice(1).reverse())}`);
}

test('amlPackageLength: any size → counts its own bytes, and bits 4 and 5 of a long lead byte are 0', () => {
  const size = fc.oneof(
    fc.nat(0xfff_fffb),
    fc.nat(5000),
    fc.constantFrom(62, 63, 4092, 4093, 4094, 0xf_fffb, 0xf_fffc),
  );
  fc.assert(
    fc.property(size, (bytes) => {
      const encoded = amlPackageLength(bytes);
      const { own, total } = readLength(encoded);
      assert.deepEqual([own, total], [encoded.length, bytes + encoded.length]);
      assert.equal(own > 1 ? (encoded[0] ?? 0) & 0x30 : 0, 0);
    }),
  );
});

test('amlPackageLength: the last size of each form and the next → one byte more', () => {
  const lengths = [62, 63, 4093, 4094, 0xf_fffc, 0xf_fffd, 0xfff_fffb].map(
    (bytes) => amlPackageLength(bytes).length,
  );
  assert.deepEqual(lengths, [1, 2, 2, 3, 3, 4, 4]);
});

test('amlPackageLength: more than 2^28 - 1 with itself → InvariantError', () => {
  assert.throws(() => amlPackageLength(0xfff_fffc), InvariantError);
});

test('amlInteger: any value → reads back, in the shortest form', () => {
  const value = fc.oneof(fc.nat(0x1_0000), fc.nat(0xffff_ffff), fc.maxSafeNat());
  fc.assert(
    fc.property(value, (n) => {
      assert.equal(readInteger(amlInteger(n)), BigInt(n));
    }),
  );
  const widths = [0, 1, 2, 0xff, 0x100, 0xffff, 0x1_0000, 0xffff_ffff, 0x1_0000_0000].map(
    (n) => amlInteger(n).length,
  );
  assert.deepEqual(widths, [1, 1, 2, 2, 3, 3, 5, 5, 9]);
});

test('amlEisaId: known IDs → the integers in tables of real machines', () => {
  assert.equal(readInteger(amlEisaId('PNP0A03')), 0x030a_d041n);
  assert.equal(readInteger(amlEisaId('PNP0501')), 0x0105_d041n);
  assert.equal(readInteger(amlEisaId('QEM0001')), 0x0100_ad44n);
});

test('amlEisaId: not three letters and four digits → InvariantError', () => {
  for (const id of ['LNRO0005', 'PNP0A0', 'pnp0a03', 'PNP0A0G']) {
    assert.throws(() => amlEisaId(id), InvariantError);
  }
});

test('amlPath: one, two and more segments, from the root and relative → prefixes of section 20.2.2', () => {
  assert.equal(hex(amlPath('_CRS')), hex(Buffer.from('_CRS')));
  assert.equal(hex(amlPath('A')), hex(Buffer.from('A___')));
  assert.equal(hex(amlPath('\\')), '5c00');
  assert.equal(hex(amlPath('\\_SB')), hex(Buffer.from('\\_SB_')));
  assert.equal(hex(amlPath('\\_SB.PCI0')), hex(Buffer.from('\\._SB_PCI0')));
  assert.equal(hex(amlPath('\\_SB.PCI0.COM1')), hex(Buffer.from('\\/\u0003_SB_PCI0COM1')));
});

test('amlPath: a segment too long, empty, with a small letter, or a digit first → InvariantError', () => {
  for (const path of ['ABCDE', 'AB.', 'abc', '0ABC', '\\_SB..PCI0']) {
    assert.throws(() => amlPath(path), InvariantError);
  }
});

test('amlUuid: the PCI host bridge UUID → byte order of ToUUID', () => {
  assert.equal(
    hex(amlUuid('33DB4D5B-1FF7-401C-9657-7441C03DD766')),
    '11130a105b4ddb33f71f1c4096577441c03dd766',
  );
});

test('amlString, amlBuffer, amlPackage, amlDevice: small terms → bytes of section 20.2', () => {
  assert.equal(hex(amlString('LNRO0005')), `0d${hex(Buffer.from('LNRO0005'))}00`);
  assert.equal(hex(amlBuffer(Uint8Array.of(0x79, 0))), '11050a027900');
  assert.equal(hex(amlBuffer(new Uint8Array(0))), '110200');
  assert.equal(hex(amlPackage(amlInteger(5), amlInteger(0))), '1205020a0500');
  assert.equal(hex(amlDevice('PCI0')), `5b8205${hex(Buffer.from('PCI0'))}`);
});

test('amlPackage: 255 elements and one more → fits, InvariantError', () => {
  const elements = Array.from({ length: 256 }, () => amlInteger(0));
  assert.equal(amlPackage(...elements.slice(1)).length, 1 + 2 + 1 + 255);
  assert.throws(() => amlPackage(...elements), InvariantError);
});
