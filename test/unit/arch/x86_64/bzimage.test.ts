// bzImages whose headers say this and that: where they are loaded, what is refused, and what is in the zero page.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { loadGuest } from '#lkvm/arch/x86_64/load-guest.js';
import type { LoadedGuest } from '#lkvm/arch/x86_64/load-request.js';
import { type BzimageOptions, bzimage } from '../../../support/boot-images.js';
import { type BootOptions, imageFile, MIB, makeMemory, request } from '../../../support/boot-rig.js';

const ZERO_PAGE = 0x7000;
const CODE = Uint8Array.of(0xf4);

interface Loaded extends LoadedGuest {
  readonly view: DataView;
  readonly u8: Uint8Array;
}

function load(t: TestContext, header: BzimageOptions, options: BootOptions = {}): Loaded {
  const kernel = imageFile(t, 'bzImage', bzimage(CODE, Uint8Array.of(0x90), header));
  const wanted = request({ kernel, ...options });
  const memory = makeMemory(t, wanted.ramBytes);
  const loaded = loadGuest(memory, wanted);
  memory.translate(0, 1);
  const { u8 } = memory.chunk;
  return { ...loaded, u8, view: new DataView(u8.buffer, u8.byteOffset, u8.length) };
}

function refusal(t: TestContext, header: BzimageOptions, options: BootOptions, pattern: RegExp): void {
  assert.throws(() => load(t, header, options), { name: 'StartError', exitCode: 128, message: pattern });
}

test('bzImage: zero page → the setup header alone is copied, the loader’s fields are filled in', (t) => {
  const { view, u8 } = load(t, {}, { commandLine: 'quiet', rsdp: 0xe_0000 });
  const page = (offset: number): number => view.getUint32(ZERO_PAGE + offset, true);
  assert.equal(view.getUint8(ZERO_PAGE + 0x1ef), 0, 'the sentinel of a careless loader');
  assert.equal(page(0x202), Buffer.from('HdrS').readUInt32LE());
  assert.equal(view.getUint8(ZERO_PAGE + 0x210), 0xff, 'type of loader');
  assert.equal(view.getUint8(ZERO_PAGE + 0x211), 0x01, 'loaded high; segments may be reloaded');
  assert.equal(view.getUint16(ZERO_PAGE + 0x1fa, true), 0xffff, 'video mode');
  assert.equal(page(0x228), 0x2_0000, 'command line');
  assert.deepEqual([page(0x218), page(0x21c)], [0, 0], 'no initrd');
  assert.equal(page(0x70), 0xe_0000);
  assert.equal(page(0x26c), 0, 'behind the end of the header');
  assert.equal(Buffer.from(u8.subarray(0x2_0000, 0x2_0006)).toString(), 'quiet\0');
});

test('bzImage: seed for the guest’s random numbers → a setup_data of type 9 with 32 bytes, never the same', (t) => {
  const seeds = [load(t, {}), load(t, {})].map(({ view, u8 }) => {
    const at = view.getUint32(ZERO_PAGE + 0x250, true);
    const head = [0, 4, 8, 12].map((offset) => view.getUint32(at + offset, true));
    assert.deepEqual(head, [0, 0, 9, 32]);
    return Buffer.from(u8.subarray(at + 16, at + 48)).toString('hex');
  });
  assert.notEqual(seeds[0], seeds[1]);
});

test('bzImage: memory map in the zero page → six entries of 20 bytes', (t) => {
  const { view } = load(t, {});
  assert.equal(view.getUint8(ZERO_PAGE + 0x1e8), 6);
  const fourth = ZERO_PAGE + 0x2d0 + 3 * 20;
  assert.deepEqual(
    [0, 4, 8, 12, 16].map((offset) => view.getUint32(fourth + offset, true)),
    [MIB, 0, 31 * MIB, 0, 1],
  );
});

test('bzImage: relocatable → at the preferred address; not relocatable → at 1 MiB', (t) => {
  const there = load(t, { preferred: 12 * MIB });
  assert.equal(there.entry.rip, 12 * MIB + 0x200);
  assert.deepEqual([there.u8[12 * MIB], there.u8[12 * MIB + 0x200]], [0xf4, 0x90]);
  const fixed = load(t, { relocatable: false, preferred: 12 * MIB });
  assert.equal(fixed.entry.rip, MIB + 0x200);
  assert.equal(fixed.view.getUint32(ZERO_PAGE + 0x214, true), MIB);
});

test('bzImage: protocol 2.09, before preferred addresses → 32-bit entry at 1 MiB', (t) => {
  const { entry } = load(t, { version: 0x209, preferred: 12 * MIB });
  assert.deepEqual([entry.mode, entry.rip], ['protected', MIB]);
});

test('bzImage: protocol below 2.06, or no bzImage → refused', (t) => {
  refusal(t, { version: 0x205 }, {}, /^Too old kernel: .* has boot protocol 2\.05, 2\.06 is needed$/);
  refusal(t, { loadflags: 0 }, {}, /is a zImage/);
});

test('bzImage: header that says 0 sectors of set-up code → four', (t) => {
  const kernel = bzimage(Uint8Array.of(0x90), CODE, { setupSectors: 4 });
  kernel[0x1f1] = 0;
  const wanted = request({ kernel: imageFile(t, 'bzImage', kernel) });
  const memory = makeMemory(t, wanted.ramBytes);
  const { entry } = loadGuest(memory, wanted);
  memory.translate(entry.rip, 1);
  assert.equal(memory.chunk.u8[memory.offset], 0xf4);
});

test('bzImage: less RAM than the kernel needs → refused with the amount it needs', (t) => {
  refusal(t, { initBytes: 60 * MIB }, { ramBytes: 64 * MIB }, /at least 76 MiB with -m \(it has 64 MiB\)$/);
  load(t, { initBytes: 60 * MIB }, { ramBytes: 76 * MIB });
  refusal(t, { preferred: 0xcff0_0000 }, {}, /RAM in one piece up to 0xd0000000$/);
  refusal(t, { preferred: 0xffff_ffff_fff0_0000 }, {}, /RAM in one piece/);
  refusal(t, { alignment: 0xffff_ffff }, {}, /RAM in one piece/);
});

test('bzImage: file shorter than its header says → refused as cut off', (t) => {
  refusal(t, { syssize: 0x1000 }, {}, /is cut off: it has 3584 bytes of 68096$/);
  load(t, { syssize: 0 }); // an old build tool that does not say
});

test('bzImage: command line → as long as the header allows, and no longer', (t) => {
  const { u8 } = load(t, { commandLineMax: 10 }, { commandLine: '0123456789' });
  assert.equal(u8[0x2_000a], 0);
  refusal(t, { commandLineMax: 10 }, { commandLine: '0123456789a' }, /has 11 bytes, .* at most 10$/);
  const long = 'ä'.repeat(0x8000);
  refusal(t, { commandLineMax: 0xffff_ffff }, { commandLine: long }, /has 65536 bytes, .* at most 65535$/);
});

test('bzImage: initrd → whole pages below the end of RAM or its own limit, in the zero page', (t) => {
  const initrd = imageFile(t, 'initrd', Buffer.alloc(4097, 0x42));
  const top = load(t, {}, { initrd });
  const place = (of: Loaded): number[] =>
    [0x218, 0x21c].map((offset) => of.view.getUint32(ZERO_PAGE + offset, true));
  assert.deepEqual(place(top), [32 * MIB - 8192, 4097]);
  assert.deepEqual([top.u8[32 * MIB - 8192], top.u8[32 * MIB - 8192 + 4096]], [0x42, 0x42]);
  const limited = load(t, { initrdMax: 24 * MIB - 1 }, { initrd });
  assert.deepEqual(place(limited), [24 * MIB - 8192, 4097], 'its last byte counts, not its first');
  const empty = load(t, {}, { initrd: imageFile(t, 'empty', new Uint8Array(0)) });
  assert.deepEqual(place(empty), [0, 0]);
});

test('bzImage: initrd that does not fit above the kernel → refused with the memory it needs', (t) => {
  const initrd = imageFile(t, 'initrd', Buffer.alloc(5 * MIB));
  const header = { initBytes: 12 * MIB }; // from 16 to 28 MiB
  refusal(t, header, { initrd }, /of 5 MiB does not fit in 32 MiB of RAM, .* at least 33 MiB with -m$/);
  load(t, header, { initrd, ramBytes: 33 * MIB });
  refusal(
    t,
    { ...header, initrdMax: 30 * MIB },
    { initrd, ramBytes: 64 * MIB },
    /takes no initrd above 0x1e00001$/,
  );
});

test('bzImage: more RAM than fits below the hole → initrd below 2 GiB, where the kernel reaches it', (t) => {
  const initrd = imageFile(t, 'initrd', Uint8Array.of(1, 2, 3));
  const { view } = load(t, {}, { initrd, ramBytes: 5 * 1024 * MIB });
  assert.equal(view.getUint32(ZERO_PAGE + 0x218, true), 0x8000_0000 - 4096);
});
