// Flat binaries and firmware on the host's real KVM: real mode, and the reset vector.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadGuest } from '#lkvm/arch/x86_64/load-guest.js';
import { Asm } from '../../../support/asm.js';
import { boot, imageFile, MIB, makeMemory, request, runUntil } from '../../../support/boot-rig.js';
import { skipWithoutKvm } from '../../../support/kvm-rig.js';

const skip = skipWithoutKvm();
const DONE = 0xf5;

test('loadGuest: any other file → real mode at 0x1000:0 with a stack, all segments alike', { skip }, (t) => {
  const code = new Asm(16)
    .db(0x0f, 0x20, 0xc0) // mov eax, cr0
    .outAx(0x10)
    .db(0x8c, 0xc8) // mov ax, cs
    .outAx(0x11)
    .db(0x8c, 0xd8) // mov ax, ds
    .outAx(0x12)
    .db(0x8c, 0xd0) // mov ax, ss
    .outAx(0x13)
    .db(0x89, 0xe0) // mov ax, sp
    .outAx(0x14)
    .db(0xa1, 0x00, 0x00) // mov ax, [0]: its own first bytes
    .outAx(0x15)
    .db(0xe8, 0x00, 0x00) // call the next instruction: the stack works
    .popAx()
    .outAx(0x16)
    .outByte(DONE, 0)
    .code();
  const { vcpu } = boot(t, { kernel: imageFile(t, 'tick.bin', code), ramBytes: MIB });
  const [cr0, cs, ds, ss, sp, first, rip] = runUntil(vcpu, DONE).map(({ value }) => value);
  assert.equal((cr0 as number) & 1, 0);
  assert.deepEqual([cs, ds, ss, sp], [0x1000, 0x1000, 0x1000, 0x8000]);
  assert.equal(first, 0x200f);
  assert.equal(rip, code.length - 7, 'the address behind the call');
});

test('loadGuest: VxWorks → its first byte at 0x408000 in protected mode, a stack below 3 MiB, the boot line', {
  skip,
}, (t) => {
  const code = new Asm(32)
    .db(0x0f, 0x20, 0xc0) // mov eax, cr0
    .outAx(0x10)
    .db(0x89, 0xe0) // mov eax, esp
    .outAx(0x11)
    .db(0xe8, 0, 0, 0, 0) // call the next instruction
    .popAx()
    .outAx(0x12)
    .db(0xa1, 0x00, 0x12, 0x10, 0x00) // mov eax, [0x101200]
    .outAx(0x13)
    .outByte(DONE, 0)
    .code();
  const kernel = imageFile(t, 'vxWorks', code);
  const { vcpu } = boot(t, { kernel, vxworks: true, commandLine: 'fs(0', ramBytes: 8 * MIB });
  const [cr0, esp, rip, line] = runUntil(vcpu, DONE).map(({ value }) => value);
  assert.equal((cr0 as number) & 0x8000_0001, 1, 'protected mode, no paging');
  assert.deepEqual([esp, rip], [0x30_0000, 0x40_8000 + 14]);
  assert.equal(line, Buffer.from('fs(0').readUInt32LE());
});

test('loadGuest: a VxWorks image that is empty, or larger than RAM → one line', (t) => {
  const load = (bytes: number): unknown =>
    loadGuest(
      makeMemory(t, 8 * MIB),
      request({ kernel: imageFile(t, 'vxWorks', new Uint8Array(bytes)), vxworks: true, ramBytes: 8 * MIB }),
    );
  assert.throws(() => load(0), { name: 'StartError', message: /vxWorks is empty$/ });
  assert.throws(() => load(4 * MIB), {
    name: 'StartError',
    message: /needs RAM at 0x408000 \.\.\. 0x808000, and has none there: give it more with -m$/,
  });
});

test('loadGuest: firmware → starts at the reset vector, is read-only below 4 GiB and RAM below 1 MiB', {
  skip,
}, (t) => {
  const image = Buffer.alloc(0x2_0000, 0xf4);
  // far jump to f000:e000, as firmware does it
  image.set([0xea, 0x00, 0xe0, 0x00, 0xf0], 0x1_fff0);
  const code = new Asm(16)
    .db(0x8c, 0xc8) // mov ax, cs
    .outAx(0x10)
    .db(0x8e, 0xd8) // mov ds, ax
    .movAl(0x99)
    .storeAl(0x0010)
    .loadAl(0x0010)
    .outAl(0x11)
    .loadAl(0xfff0)
    .outAl(0x12)
    .outByte(DONE, 0)
    .code();
  image.set(code, 0x1_e000);
  const rig = boot(t, { firmware: imageFile(t, 'bios.bin', image), ramBytes: 4 * MIB });
  const [cs, changed, jump] = runUntil(rig.vcpu, DONE).map(({ value }) => value);
  assert.deepEqual([cs, changed, jump], [0xf000, 0x99, 0xea]);
  assert.deepEqual(
    rig.loaded.extraRegions.map(({ gpa, bytes }) => [gpa, bytes]),
    [[0xfffe_0000, 0x2_0000]],
  );
  assert.equal(rig.view.getUint8(0xe_0000), 0xf4, 'the image’s beginning');
});

test('loadGuest: firmware whose size is no multiple of a page → its end is at 4 GiB', { skip }, (t) => {
  const image = Buffer.alloc(0x1_0010, 0x90);
  image.set(new Asm(16).outByte(DONE, 0x12).code(), 0x1_0000);
  const rig = boot(t, { firmware: imageFile(t, 'bios.bin', image), ramBytes: 4 * MIB });
  assert.deepEqual(runUntil(rig.vcpu, DONE), [{ port: DONE, value: 0x12 }]);
  assert.deepEqual(
    rig.loaded.extraRegions.map(({ gpa, bytes }) => [gpa, bytes]),
    [[0xfffe_f000, 0x1_1000]],
  );
});
