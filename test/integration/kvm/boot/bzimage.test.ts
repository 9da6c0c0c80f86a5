// bzImages that are a few instructions long, loaded and entered on the host's real KVM: what the guest sees of its entry state.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Asm } from '../../../support/asm.js';
import { bzimage } from '../../../support/boot-images.js';
import { boot, imageFile, MIB, runUntil } from '../../../support/boot-rig.js';
import { skipWithoutKvm } from '../../../support/kvm-rig.js';

const skip = skipWithoutKvm();
const DONE = 0xf5;

/** Reports CR0, CR4 and EFER, then words of the zero page that its register points to, in long mode. */
const long = new Asm(64)
  .db(0x0f, 0x20, 0xc0) // mov rax, cr0
  .outAx(0x10)
  .db(0x0f, 0x20, 0xe0) // mov rax, cr4
  .outAx(0x11)
  .db(0xb9, 0x80, 0x00, 0x00, 0xc0) // mov ecx, 0xc0000080: EFER
  .db(0x0f, 0x32) // rdmsr
  .outAx(0x12)
  .db(0x89, 0xf0) // mov eax, esi
  .outAx(0x13)
  .db(0x0f, 0xb6, 0x86, 0xe8, 0x01, 0x00, 0x00) // movzx eax, byte [rsi + 0x1e8]: E820 entries
  .outAx(0x14)
  .db(0x8b, 0x9e, 0x28, 0x02, 0x00, 0x00) // mov ebx, [rsi + 0x228]: command line
  .db(0x8b, 0x03) // mov eax, [rbx]
  .outAx(0x15)
  .db(0x48, 0x8d, 0x05, 0x00, 0x00, 0x00, 0x00) // lea rax, [rip]
  .outAx(0x16)
  .db(0x8c, 0xc8) // mov eax, cs
  .outAx(0x17)
  .db(0x8c, 0xd8) // mov eax, ds
  .outAx(0x18)
  .outByte(DONE, 0)
  .code();

test('loadGuest: a bzImage with a 64-bit entry → long mode, zero page in RSI, command line, memory map', {
  skip,
}, (t) => {
  const kernel = imageFile(t, 'bzImage', bzimage(new Asm(32).hlt().code(), long));
  const { vcpu } = boot(t, { kernel, commandLine: 'console=ttyS0 one two' });
  const [cr0, cr4, efer, rsi, e820, text, rip, cs, ds] = runUntil(vcpu, DONE).map(({ value }) => value);
  assert.equal((cr0 as number) >>> 31, 1, 'paging');
  assert.equal((cr4 as number) & 0x20, 0x20, 'PAE');
  assert.equal((efer as number) & 0x500, 0x500, 'long mode');
  assert.equal(rsi, 0x7000);
  assert.equal(e820, 6);
  assert.equal(text, Buffer.from('cons').readUInt32LE());
  assert.ok((rip as number) > 0x100_0200 && (rip as number) < 0x100_0300);
  assert.deepEqual([cs, ds], [0x10, 0x18]);
});

test('loadGuest: a bzImage without a 64-bit entry → protected mode, zero page in ESI', { skip }, (t) => {
  const code = new Asm(32)
    .db(0x0f, 0x20, 0xc0) // mov eax, cr0
    .outAx(0x10)
    .db(0x89, 0xf0) // mov eax, esi
    .outAx(0x11)
    .db(0x8b, 0x86, 0x14, 0x02, 0x00, 0x00) // mov eax, [esi + 0x214]: code32_start
    .outAx(0x12)
    .db(0x8c, 0xc8) // mov eax, cs
    .outAx(0x13)
    .outByte(DONE, 0)
    .code();
  const kernel = imageFile(t, 'bzImage', bzimage(code, new Asm(64).hlt().code(), { xloadflags: 0 }));
  const { vcpu } = boot(t, { kernel, ramBytes: 64 * MIB });
  const [cr0, esi, code32, cs] = runUntil(vcpu, DONE).map(({ value }) => value);
  assert.equal((cr0 as number) & 0x8000_0001, 1, 'protected, not paged');
  assert.deepEqual([esi, code32, cs], [0x7000, 0x100_0000, 0x10]);
});
