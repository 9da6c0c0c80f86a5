import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { guestCpuid } from '#lkvm/arch/x86_64/cpuid.js';
import { Cpuid, type CpuidEntry } from '#lkvm/kvm/cpuid.js';

type Row = readonly [leaf: number, index: number, eax: number, ebx: number, ecx: number, edx: number];

/** Leaves with sub-leaves. */
const INDEXED = [4, 0xb, 0x1f, 0x8000_001d];

function table(rows: readonly Row[]): Cpuid {
  return new Cpuid(
    rows.map(([leaf, index, eax, ebx, ecx, edx]) => {
      return { function: leaf, index, flags: INDEXED.includes(leaf) ? 1 : 0, eax, ebx, ecx, edx };
    }),
  );
}

/** Words of the vendor names: "GenuineIntel", "AuthenticAMD". */
const INTEL = [0x756e_6547, 0x6c65_746e, 0x4965_6e69] as const;
const AMD = [0x6874_7541, 0x444d_4163, 0x6974_6e65] as const;

/** An Intel host with 8 cores of two threads: one that tells everything about itself. */
const intel = table([
  [0, 0, 0x1f, INTEL[0], INTEL[1], INTEL[2]],
  [1, 0, 0x906ea, 0x0710_0800, 0x0020_0020 | (1 << 5), 0x1783_fbff],
  [4, 0, (7 << 26) | (1 << 14) | 0x121, 0, 0, 0], // level 1, two threads share it
  [4, 1, (7 << 26) | (15 << 14) | 0x163, 0, 0, 0], // level 3, all share it
  [4, 2, 0, 0, 0, 0],
  [6, 0, 0x4, 0, 0x9, 0],
  [0xa, 0, 0x0730_0402, 0, 0, 0],
  [0xb, 0, 1, 2, 0x100, 0x33],
  [0xb, 1, 4, 16, 0x201, 0x33],
  [0x1f, 0, 1, 2, 0x100, 0x33],
  [0x1f, 5, 1, 2, 0x105, 0x33],
  [0x4000_0000, 0, 0x4000_0001, 0x4b4d_564b, 0x564b_4d56, 0x4d],
  [0x4000_0001, 0, 0x0100_7efb, 0, 0, 0],
  [0x8000_0001, 0, 0, 0, 0x121, 0x2c10_0800],
  [0x8000_0008, 0, 0x3027, 0, 0, 0],
]);

const amd = table([
  [0, 0, 0x10, AMD[0], AMD[1], AMD[2]],
  [1, 0, 0xa2_0f10, 0x0710_0800, 0x0020_0000, 0x178b_fbff],
  [0xa, 0, 0, 0, 0, 0],
  [0xb, 0, 1, 2, 0x100, 0x33],
  [0x8000_0001, 0, 0, 0, 0x0040_0006, 0x2fd3_fbff],
  [0x8000_0008, 0, 0x3030, 0, 0x501f, 0],
  [0x8000_000a, 0, 1, 8, 0, 0x119b_bcff],
  [0x8000_001d, 0, 0x0000_4121, 0, 0, 0],
  [0x8000_001d, 3, 0x003f_c163, 0, 0, 0],
  [0x8000_001e, 0, 0x33, 0x119, 0x300, 0],
  [0x8000_0026, 0, 1, 2, 0x100, 0x33],
]);

function options(index: number, cpus: number): { index: number; cpus: number; tscDeadline: boolean } {
  return { index, cpus, tscDeadline: true };
}

function leaf(of: Cpuid, number: number, index = 0): CpuidEntry {
  const found = of.find(number, index);
  assert.ok(found, `leaf 0x${number.toString(16)}.${index}`);
  return found;
}

test('guestCpuid: Intel, vCPU 2 of 3 → one socket of three cores without hyper-threads in every leaf', () => {
  const got = guestCpuid(intel, options(2, 3));
  const one = leaf(got, 1);
  assert.equal(one.ebx, 0x0204_0800, 'APIC id 2, four ids, the rest kept');
  assert.equal((one.edx >>> 28) & 1, 1, 'several processors');
  assert.deepEqual(
    [0, 1].map((i) => [(leaf(got, 4, i).eax >>> 14) & 0xfff, leaf(got, 4, i).eax >>> 26]),
    [
      [0, 3],
      [3, 3],
    ],
    'the first level is private, the third shared by all',
  );
  for (const number of [0xb, 0x1f]) {
    const levels = [0, 1, 2].map((i) => leaf(got, number, i)).map((e) => [e.eax, e.ebx, e.ecx, e.edx]);
    assert.deepEqual(levels, [
      [0, 1, 0x100, 2],
      [2, 3, 0x201, 2],
      [0, 0, 2, 2],
    ]);
    assert.equal(got.entries.filter((each) => each.function === number).length, 3);
  }
  assert.equal(leaf(got, 0x8000_0008).ecx, 0, 'a leaf of AMD');
});

test('guestCpuid: one vCPU → no hyper-threading bit, no bits of the APIC id for cores', () => {
  const got = guestCpuid(intel, options(0, 1));
  assert.equal((leaf(got, 1).edx >>> 28) & 1, 0);
  assert.equal(leaf(got, 1).ebx, 0x0001_0800);
  assert.deepEqual([leaf(got, 0xb, 1).eax, leaf(got, 0xb, 1).ebx], [0, 1]);
});

test('guestCpuid: AMD, vCPU 3 of 4 → core count, extended APIC id, caches; no SVM', () => {
  const got = guestCpuid(amd, options(3, 4));
  assert.equal(leaf(got, 0x8000_0008).ecx, 0x2003, 'four cores, two bits of the APIC id');
  const extended = leaf(got, 0x8000_001e);
  assert.deepEqual([extended.eax, extended.ebx, extended.ecx], [3, 3, 0], 'one thread per core, one node');
  assert.equal(leaf(got, 0x8000_0001).ecx, 0x0040_0002, 'several cores; SVM is gone');
  assert.deepEqual([leaf(got, 0x8000_000a).eax, leaf(got, 0x8000_000a).edx], [0, 0]);
  assert.deepEqual(
    [0, 3].map((i) => (leaf(got, 0x8000_001d, i).eax >>> 14) & 0xfff),
    [0, 3],
  );
  assert.equal(got.find(0x8000_0026), undefined, 'the host’s own topology does not shine through');
  assert.equal(got.find(0x1f), undefined, 'above the highest leaf');
  assert.equal(leaf(got, 0xb, 1).ebx, 4);
});

test('guestCpuid: features → hypervisor and deadline timer are there, VMX and the energy bias are not', () => {
  const got = guestCpuid(intel, options(0, 2));
  const { ecx } = leaf(got, 1);
  assert.deepEqual([(ecx >>> 31) & 1, (ecx >>> 24) & 1, (ecx >>> 21) & 1, (ecx >>> 5) & 1], [1, 1, 1, 0]);
  assert.equal(leaf(got, 6).ecx, 1);
  assert.equal(leaf(got, 6).eax, 4, 'a timer that never stops is kept');
  const without = guestCpuid(intel, { ...options(0, 2), tscDeadline: false });
  assert.equal((leaf(without, 1).ecx >>> 24) & 1, 0);
});

test('guestCpuid: performance counters → kept if there are some, else nothing is said of them', () => {
  assert.equal(leaf(guestCpuid(intel, options(0, 1)), 0xa).eax, 0x0730_0402);
  const version1 = table([[0xa, 0, 0x0730_0401, 1, 2, 3]]);
  const none = table([[0xa, 0, 0x0730_0002, 1, 2, 3]]);
  for (const odd of [version1, none]) {
    const { eax, ebx, ecx, edx } = leaf(guestCpuid(odd, options(0, 1)), 0xa);
    assert.deepEqual([eax, ebx, ecx, edx], [0, 0, 0, 0]);
  }
});

test('guestCpuid: leaves of KVM → unchanged, so that the guest finds its clock', () => {
  const got = guestCpuid(intel, options(1, 2));
  assert.deepEqual(leaf(got, 0x4000_0000), leaf(intel, 0x4000_0000));
  assert.deepEqual(leaf(got, 0x4000_0001), leaf(intel, 0x4000_0001));
});

test('guestCpuid: any number of vCPUs → ids fit, differ, and the given table is not changed', () => {
  const before = JSON.stringify([intel.entries, amd.entries]);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 255 }), fc.nat(), fc.boolean(), (cpus, any, onAmd) => {
      const index = any % cpus;
      const got = guestCpuid(onAmd ? amd : intel, options(index, cpus));
      const bits = leaf(got, 0xb, 1).eax;
      assert.ok(2 ** bits >= cpus && 2 ** bits < 2 * cpus);
      assert.equal(leaf(got, 0xb, 0).edx, index);
      assert.equal(leaf(got, 1).ebx >>> 24, index);
      assert.equal((leaf(got, 1).ebx >>> 16) & 0xff, Math.min(255, 2 ** bits));
      for (const each of got.entries) {
        for (const word of [each.eax, each.ebx, each.ecx, each.edx]) assert.equal(word, word >>> 0);
      }
    }),
  );
  assert.equal(JSON.stringify([intel.entries, amd.entries]), before);
});
