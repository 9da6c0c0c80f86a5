// ELF kernels that are a few instructions long, by every protocol they may speak, entered on the host's real KVM.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Asm } from '../../../support/asm.js';
import { elf, multibootHeader, pvhNotes } from '../../../support/boot-images.js';
import { type BootRig, boot, imageFile, MIB, runUntil } from '../../../support/boot-rig.js';
import { skipWithoutKvm } from '../../../support/kvm-rig.js';

const skip = skipWithoutKvm();
const DONE = 0xf5;
const LOAD = 0x40_0000;

/** Reports CR0, EAX at entry, EBX, ESI and the segment registers, in protected mode. */
const report32 = new Asm(32)
  .outAx(0x11)
  .db(0x0f, 0x20, 0xc0) // mov eax, cr0
  .outAx(0x10)
  .db(0x89, 0xd8) // mov eax, ebx
  .outAx(0x12)
  .db(0x89, 0xf0) // mov eax, esi
  .outAx(0x13)
  .db(0x8c, 0xc8) // mov eax, cs
  .outAx(0x14)
  .db(0x8c, 0xd0) // mov eax, ss
  .outAx(0x15)
  .db(0x0f, 0x00, 0xc8) // str eax
  .outAx(0x16)
  .outByte(DONE, 0)
  .code();

/** What {@link report32} wrote, by port. */
function reported(rig: BootRig): (port: number) => number {
  const values = new Map(runUntil(rig.vcpu, DONE).map(({ port, value }) => [port, value]));
  return (port) => values.get(port) ?? -1;
}

function textAt(rig: BootRig, gpa: number): string {
  const bytes = Buffer.from(rig.view.buffer, rig.view.byteOffset + gpa, 256);
  return bytes.toString('utf8', 0, bytes.indexOf(0));
}

/** Two code segments: the flat ones of the boot protocols, code 0x10 and data 0x18. */
const CODE = 0x10;
const DATA = 0x18;

test('loadGuest: an ELF kernel with a PVH note → protected mode at the note’s entry, start info in EBX', {
  skip,
}, (t) => {
  const initrd = imageFile(t, 'initrd', Buffer.alloc(5000, 0x5a));
  const kernel = imageFile(
    t,
    'vmlinux',
    elf(64, LOAD, [{ gpa: LOAD, bytes: report32 }, pvhNotes(LOAD, true)]),
  );
  const rig = boot(t, { kernel, initrd, commandLine: 'a=b', rsdp: 0xe_0000 });
  const got = reported(rig);
  assert.equal(got(0x10) & 0x8000_0001, 1, 'protected, not paged');
  assert.deepEqual([got(0x14), got(0x15), got(0x16)], [CODE, DATA, 0x20]);
  const info = got(0x12);
  const u32 = (offset: number): number => rig.view.getUint32(info + offset, true);
  assert.deepEqual([u32(0), u32(4), u32(12)], [0x336e_c578, 1, 1], 'magic, version, one module');
  assert.equal(textAt(rig, u32(24)), 'a=b');
  assert.equal(u32(32), 0xe_0000);
  const module = u32(16);
  const [start, bytes] = [rig.view.getUint32(module, true), rig.view.getUint32(module + 8, true)];
  assert.equal(bytes, 5000);
  assert.equal(rig.view.getUint8(start) + rig.view.getUint8(start + 4999), 0x5a * 2);
  assert.equal(u32(48), 6, 'entries of the memory map');
  const last = u32(40) + 3 * 24; // RAM from 1 MiB on
  assert.deepEqual(
    [0, 8, 16].map((offset) => rig.view.getUint32(last + offset, true)),
    [MIB, 31 * MIB, 1],
  );
});

test('loadGuest: a 64-bit ELF kernel without notes → long mode, zero page in RSI', { skip }, (t) => {
  const code = new Asm(64)
    .db(0x0f, 0x20, 0xc0) // mov rax, cr0
    .outAx(0x10)
    .db(0x8b, 0x86, 0x02, 0x02, 0x00, 0x00) // mov eax, [rsi + 0x202]
    .outAx(0x11)
    .db(0x8b, 0x86, 0x18, 0x02, 0x00, 0x00) // mov eax, [rsi + 0x218]: initrd
    .outAx(0x12)
    .db(0x8a, 0x00) // mov al, [rax]
    .outAl(0x13)
    .outByte(DONE, 0)
    .code();
  const initrd = imageFile(t, 'initrd', Uint8Array.of(0x77));
  const kernel = imageFile(
    t,
    'vmlinux',
    elf(64, LOAD + 0x10, [{ gpa: LOAD, bytes: Buffer.concat([Buffer.alloc(16), code]), memoryBytes: MIB }]),
  );
  const rig = boot(t, { kernel, initrd });
  const [cr0, magic, at, byte] = runUntil(rig.vcpu, DONE).map(({ value }) => value);
  assert.equal((cr0 as number) >>> 31, 1);
  assert.equal(magic, Buffer.from('HdrS').readUInt32LE());
  assert.equal(at, 32 * MIB - 4096, 'the highest page of RAM');
  assert.equal(byte, 0x77);
});

test('loadGuest: a 32-bit ELF kernel without headers of a protocol → protected mode, zero page in ESI', {
  skip,
}, (t) => {
  const kernel = imageFile(t, 'vmlinux', elf(32, LOAD, [{ gpa: LOAD, bytes: report32 }]));
  const got = reported(boot(t, { kernel }));
  assert.equal(got(0x10) & 0x8000_0001, 1);
  assert.equal(got(0x13), 0x7000);
});

test('loadGuest: a multiboot ELF kernel → magic in EAX, information with command line, modules and memory map', {
  skip,
}, (t) => {
  const initrd = imageFile(t, 'env', Buffer.from('NR_CPUS=1\n'));
  const bytes = Buffer.concat([multibootHeader(3), report32]);
  const kernel = imageFile(t, 'test.elf', elf(32, LOAD + 12, [{ gpa: LOAD, bytes }]));
  const rig = boot(t, { kernel, initrd, commandLine: 'one two' });
  const got = reported(rig);
  assert.equal(got(0x10) & 0x8000_0001, 1);
  assert.equal(got(0x11) >>> 0, 0x2bad_b002);
  assert.deepEqual([got(0x14), got(0x15)], [CODE, DATA]);
  const info = got(0x12);
  const u32 = (offset: number): number => rig.view.getUint32(info + offset, true);
  assert.equal(u32(0), 0x24d, 'memory, command line, modules, memory map, loader name');
  assert.deepEqual([u32(4), u32(8)], [639, 31 * 1024]);
  assert.equal(textAt(rig, u32(16)), `${kernel} one two`);
  assert.equal(u32(20), 1);
  const module = u32(24);
  const [start, end] = [rig.view.getUint32(module, true), rig.view.getUint32(module + 4, true)];
  assert.equal(end - start, 10);
  assert.equal(textAt(rig, start), 'NR_CPUS=1\n');
  assert.equal(textAt(rig, rig.view.getUint32(module + 8, true)), initrd);
  assert.deepEqual([u32(44), rig.view.getUint32(u32(48), true)], [6 * 24, 20]);
  assert.equal(textAt(rig, u32(64)), 'lkvm');
});

test('loadGuest: a multiboot file that is not ELF, with addresses in its header → loaded and entered there', {
  skip,
}, (t) => {
  const front = 0x20; // bytes in front of the header are loaded, too
  const entry = LOAD + front + 32;
  const header = multibootHeader(0, [LOAD + front, LOAD, 0, LOAD + MIB, entry]);
  const kernel = imageFile(t, 'kernel', Buffer.concat([Buffer.alloc(front), header, report32]));
  const got = reported(boot(t, { kernel }));
  assert.equal(got(0x11) >>> 0, 0x2bad_b002);
});
