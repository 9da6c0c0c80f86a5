/**
 * Kernel and firmware files of any content: random bytes, and images of every format with some bytes changed or cut off.
 * Whatever is in them, loading ends in a guest that could be entered or in one line of a StartError.
 *
 * A failure prints its seed: LKVM_FUZZ_SEED=N npm test -- test/fuzz/boot-images.test.ts repeats it.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadGuest } from '#lkvm/arch/x86_64/load-guest.js';
import { unmap } from '#lkvm/sys/map.js';
import { StartError } from '#lkvm/util/errors.js';
import { bzimage, elf, multibootHeader, pvhNotes } from '../support/boot-images.js';
import { MIB, makeMemory, request } from '../support/boot-rig.js';
import { projectRoot } from '../support/project.js';
import { fuzzSeeds, Random } from '../support/random.js';
import { tempDir } from '../support/temp.js';

const IMAGES = 150;
const RAM = 24 * MIB;
const LOAD = 0x40_0000;
const CODE = Buffer.alloc(600, 0xf4);
const kept = JSON.parse(
  readFileSync(join(projectRoot, 'test/fuzz/corpus/boot-images.json'), 'utf8'),
) as number[];

/** One image of every format; all of them load as they are. */
const GOOD: readonly Uint8Array[] = [
  bzimage(CODE.subarray(0, 16), CODE.subarray(0, 16)),
  elf(64, LOAD, [
    { gpa: LOAD, bytes: CODE, memoryBytes: MIB },
    { gpa: LOAD + MIB, bytes: CODE },
    pvhNotes(LOAD),
  ]),
  elf(64, LOAD, [{ gpa: LOAD, bytes: CODE }]),
  elf(32, LOAD, [{ gpa: LOAD, bytes: Buffer.concat([multibootHeader(3), CODE]) }]),
  Buffer.concat([multibootHeader(0, [LOAD, LOAD, 0, LOAD + MIB, LOAD + 40]), CODE]),
];

/** Values that have broken loaders. */
const NASTY = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xffff_f000, LOAD, RAM, 0x9_fc00, 0x10_0000];

function mutate(random: Random, good: Uint8Array): Uint8Array {
  const bytes = Buffer.from(good);
  for (let i = random.below(6); i >= 0; i--) {
    // Headers decide: most changes are there.
    const at = random.below(random.chance(0.8) ? Math.min(bytes.length, 0x280) : bytes.length);
    if (random.chance(0.5)) bytes[at] = random.u32() & 0xff;
    else if (at + 4 <= bytes.length) bytes.writeUInt32LE(random.pick(NASTY), at);
  }
  return random.chance(0.2) ? bytes.subarray(0, random.below(bytes.length)) : bytes;
}

function anyImage(random: Random): Uint8Array {
  if (random.chance(0.7)) return mutate(random, random.pick(GOOD));
  const bytes = Buffer.alloc(random.below(20_000));
  random.fill(bytes);
  if (random.chance(0.5)) bytes.write(random.pick(['\x7fELF\x02\x01', '\x7fELF\x01\x01', 'MZ']), 'latin1');
  return bytes;
}

test('loadGuest: one image of every format, unchanged → loads', (t) => {
  const path = join(tempDir(t), 'kernel');
  for (const image of GOOD) {
    writeFileSync(path, image);
    loadGuest(makeMemory(t, RAM), request({ kernel: path, ramBytes: RAM }));
  }
});

for (const seed of fuzzSeeds(kept, 6)) {
  test(`loadGuest: files of any content, seed ${seed} → loaded, or one line`, (t: TestContext) => {
    const random = new Random(seed);
    const dir = tempDir(t);
    const kernel = join(dir, 'kernel');
    const initrd = join(dir, 'initrd');
    writeFileSync(initrd, Buffer.alloc(5000, 1));
    const memory = makeMemory(t, RAM);
    for (let i = 0; i < IMAGES; i++) {
      writeFileSync(kernel, anyImage(random));
      const file = random.chance(0.1) ? { firmware: kernel } : { kernel };
      const more = random.chance(0.5) ? { initrd } : {};
      try {
        const loaded = loadGuest(memory, request({ ...file, ...more, ramBytes: RAM, commandLine: 'a=b' }));
        for (const { hva, bytes } of loaded.extraRegions) unmap({ address: hva, bytes });
        assert.ok(loaded.entry.rip < 0x1_0000_0000 && loaded.entry.rip >= 0);
      } catch (error) {
        assert.ok(error instanceof StartError, String(error));
        assert.match(error.message, /^[^\n]{10,400}$/);
      }
    }
  });
}
