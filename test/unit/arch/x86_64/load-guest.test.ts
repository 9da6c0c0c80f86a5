// Files that cannot be started: one line each that says why.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadGuest } from '#lkvm/arch/x86_64/load-guest.js';
import { elf, multibootHeader, pvhNotes } from '../../../support/boot-images.js';
import { type BootOptions, imageFile, MIB, makeMemory, request } from '../../../support/boot-rig.js';
import { tempDir } from '../../../support/temp.js';

const LOAD = 0x40_0000;
const CODE = Uint8Array.of(0xf4, 0xf4, 0xf4, 0xf4);

function refused(t: TestContext, options: BootOptions, message: RegExp | string): void {
  const wanted = request(options);
  assert.throws(() => loadGuest(makeMemory(t, wanted.ramBytes), wanted), {
    name: 'StartError',
    exitCode: 128,
    message,
  });
}

/** A file of these bytes is refused. */
function refusedBytes(t: TestContext, bytes: Uint8Array, message: RegExp): void {
  refused(t, { kernel: imageFile(t, 'kernel', bytes) }, message);
}

test('loadGuest: files that are missing → the bare text that test suites look for', (t) => {
  refused(t, { kernel: '_NO_FILE_4Uhere_' }, 'Unable to open kernel _NO_FILE_4Uhere_');
  refused(t, { firmware: '/nonexistent/bios' }, 'Unable to open firmware /nonexistent/bios');
  const kernel = imageFile(t, 'kernel', elf(64, LOAD, [{ gpa: LOAD, bytes: CODE }]));
  refused(t, { kernel, initrd: '/nonexistent/initrd' }, 'Unable to open initrd /nonexistent/initrd');
  refused(t, {}, /no kernel/);
});

test('loadGuest: directory, device, FIFO → not a regular file, without waiting for a writer', (t) => {
  const dir = tempDir(t);
  const fifo = join(dir, 'fifo');
  assert.equal(spawnSync('mkfifo', [fifo]).status, 0);
  for (const kernel of [dir, '/dev/zero', fifo]) refused(t, { kernel }, /it is not a regular file$/);
});

test('loadGuest: a component of the path that is no directory → its error code', (t) => {
  const file = imageFile(t, 'file', CODE);
  refused(t, { kernel: `${file}/kernel` }, `Unable to open kernel ${file}/kernel: ENOTDIR`);
});

test('loadGuest: empty file, and one that is too big for real mode → refused with both numbers', (t) => {
  refusedBytes(t, new Uint8Array(0), /is empty$/);
  refusedBytes(t, Buffer.alloc(0x8_fc01, 0x90), /as a flat binary it may have 588800 bytes, it has 588801$/);
  const wanted = request({ kernel: imageFile(t, 'flat', Buffer.alloc(0x8_fc00, 0x90)), ramBytes: MIB });
  loadGuest(makeMemory(t, MIB), wanted);
});

test('loadGuest: a text file → refused, whatever its length', (t) => {
  const message =
    /kernel .* is a text file; a bzImage, an ELF or multiboot kernel, or a flat binary is expected$/;
  const texts = [
    '#!/bin/sh\nexec "$@"\n',
    '/dts-v1/;\r\n/ {\r\n\tmodel = "x";\r\n};\r\n',
    'x = 1;\n'.repeat(90_000),
  ];
  for (const text of [...texts, 'A'.repeat(512)]) refusedBytes(t, Buffer.from(text), message);
});

test('loadGuest: code that looks like text at its start, or is printable but has no lines → a flat binary', (t) => {
  const printable = Buffer.from('X5O!P%@AP[4\\PZX54(P^)7CC)7}$');
  const later = Buffer.concat([Buffer.alloc(511, 'push\n'), Buffer.of(0xf4)]);
  for (const bytes of [printable, later, Buffer.of(0x90, 0x0a)]) {
    const wanted = request({ kernel: imageFile(t, 'flat', bytes) });
    assert.match(loadGuest(makeMemory(t, wanted.ramBytes), wanted).description, /^flat binary/);
  }
});

test('loadGuest: flat binary with an initrd → refused, since nothing would come of it', (t) => {
  const kernel = imageFile(t, 'flat', CODE);
  refused(t, { kernel, initrd: kernel }, /takes no initrd/);
});

test('loadGuest: less than 1 MiB of RAM → refused', (t) => {
  refused(t, { kernel: imageFile(t, 'flat', CODE), ramBytes: 0x8_0000 }, /at least 1 MiB of RAM/);
});

test('loadGuest: ELF of another processor or without program headers → refused', (t) => {
  const arm = Buffer.from(elf(64, LOAD, [{ gpa: LOAD, bytes: CODE }]));
  arm.writeUInt16LE(183, 18);
  refusedBytes(t, arm, /another processor \(e_machine 183\)/);
  const arm32 = Buffer.from(elf(32, LOAD, [{ gpa: LOAD, bytes: CODE }]));
  arm32.writeUInt16LE(40, 18);
  refusedBytes(t, arm32, /another processor \(e_machine 40\)/);
  refusedBytes(t, elf(64, LOAD, []), /without program headers/);
  const big = Buffer.from(elf(32, LOAD, [{ gpa: LOAD, bytes: CODE }]));
  big[5] = 2; // big-endian
  refusedBytes(t, big, /another processor/);
  const odd = Buffer.from(elf(64, LOAD, [{ gpa: LOAD, bytes: CODE }]));
  odd.writeUInt16LE(55, 54);
  refusedBytes(t, odd, /without program headers/);
});

test('loadGuest: ELF headers that point outside the file → refused as cut off', (t) => {
  const whole = Buffer.from(elf(64, LOAD, [{ gpa: LOAD, bytes: CODE }]));
  refusedBytes(t, whole.subarray(0, whole.length - 1), /is cut off: the file has only 123 bytes$/);
  refusedBytes(t, whole.subarray(0, 70), /program headers are cut off/);
  refusedBytes(t, whole.subarray(0, 60), /cut off/);
  const far = Buffer.from(whole);
  far.writeBigUInt64LE(0xffff_ffff_ffff_fff0n, 32);
  refusedBytes(t, far, /program headers are cut off/);
  const huge = Buffer.from(whole);
  huge.writeBigUInt64LE(0xffff_ffff_ffff_fff0n, 64 + 8);
  refusedBytes(t, huge, /is cut off/);
});

test('loadGuest: ELF segments outside RAM, in low memory or on top of each other → refused with addresses', (t) => {
  const at = (gpa: number, memoryBytes = 4): Uint8Array => elf(64, gpa, [{ gpa, bytes: CODE, memoryBytes }]);
  refusedBytes(t, at(32 * MIB), /at 0x2000000 ... 0x2000004 is not in the guest's 32 MiB .* at least 33 MiB/);
  refusedBytes(t, at(0xfec0_0000), /is not in the guest's 32 MiB of RAM$/);
  refusedBytes(t, at(31 * MIB, 2 * MIB), /is not in the guest's 32 MiB/);
  refusedBytes(t, at(0x7ffe), /in use below 1 MiB/);
  refusedBytes(t, at(0x9_fbfd), /in use below 1 MiB/);
  refusedBytes(t, at(LOAD, 3), /more than it takes in memory/);
  const both = elf(64, LOAD, [
    { gpa: LOAD + 3, bytes: CODE },
    { gpa: LOAD, bytes: CODE },
  ]);
  refusedBytes(t, both, /overlaps another one/);
});

test('loadGuest: ELF entry outside what is loaded → refused', (t) => {
  refusedBytes(
    t,
    elf(64, LOAD + 4, [{ gpa: LOAD, bytes: CODE }]),
    /entry point 0x400004 is not in what is loaded/,
  );
  refusedBytes(t, elf(64, LOAD, [{ gpa: LOAD, bytes: CODE }, pvhNotes(0x1234)]), /entry point 0x1234/);
});

test('loadGuest: a note that is cut off or too long → as if there were none', (t) => {
  const notes = pvhNotes(LOAD);
  const short = { ...notes, bytes: notes.bytes.subarray(0, notes.bytes.length - 1) };
  const wanted = request({ kernel: imageFile(t, 'k', elf(64, LOAD, [{ gpa: LOAD, bytes: CODE }, short])) });
  assert.equal(loadGuest(makeMemory(t, wanted.ramBytes), wanted).entry.mode, 'long');
});

test('loadGuest: multiboot header with unknown demands, without ELF, with odd addresses → refused', (t) => {
  const file = (header: Uint8Array): Uint8Array => Buffer.concat([Buffer.alloc(64), header, CODE]);
  refusedBytes(t, file(multibootHeader(0x8)), /asks for unknown things \(flags 0x8\)/);
  refusedBytes(t, file(multibootHeader(0)), /neither ELF nor/);
  refusedBytes(t, file(multibootHeader(0, [LOAD, LOAD + 4, 0, 0, LOAD])), /contradict each other/);
  refusedBytes(t, file(multibootHeader(0, [LOAD + 65, LOAD, 0, 0, LOAD])), /contradict each other/);
  refusedBytes(t, file(multibootHeader(0, [LOAD, LOAD, LOAD - 1, 0, LOAD])), /contradict each other/);
  const cut = file(multibootHeader(0, [LOAD, LOAD, 0, 0, LOAD]));
  refusedBytes(t, cut.subarray(0, 64 + 31), /is cut off/);
});

test('loadGuest: multiboot command line that has no room → refused', (t) => {
  const kernel = imageFile(
    t,
    'kernel',
    elf(32, LOAD + 12, [{ gpa: LOAD, bytes: Buffer.concat([multibootHeader(0), CODE]) }]),
  );
  refused(t, { kernel, commandLine: 'x'.repeat(0x1_0000) }, /more than 65535 bytes/);
});

test('loadGuest: a multiboot header behind the first 8 KiB, or with a wrong checksum → not one', (t) => {
  const broken = Buffer.from(multibootHeader(0));
  broken[8] = (broken[8] ?? 0) ^ 1;
  for (const bytes of [
    Buffer.concat([Buffer.alloc(8192 - 8), multibootHeader(0)]),
    Buffer.concat([Buffer.alloc(2), multibootHeader(0)]),
    broken,
  ]) {
    const wanted = request({ kernel: imageFile(t, 'kernel', bytes) });
    assert.equal(loadGuest(makeMemory(t, wanted.ramBytes), wanted).entry.mode, 'real');
  }
});

test('loadGuest: firmware that is too big or too small → refused with its limits', (t) => {
  const bios = (bytes: number): BootOptions => ({ firmware: imageFile(t, 'bios', Buffer.alloc(bytes)) });
  refused(t, bios(0x4_0001), /has 262145 bytes: it must have between 16 and 262144$/);
  refused(t, bios(15), /has 15 bytes/);
});
