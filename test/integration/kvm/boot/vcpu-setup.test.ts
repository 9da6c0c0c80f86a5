// The state that every vCPU of a machine starts with, asked back from the host's real KVM and read by guests.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KVM_MP_STATE_RUNNABLE, KVM_MP_STATE_UNINITIALIZED } from '#lkvm/abi/kvm.js';
import { KVM_FPU_FCW_OFF } from '#lkvm/abi/kvm-x86.js';
import { Asm } from '../../../support/asm.js';
import { bzimage } from '../../../support/boot-images.js';
import { boot, imageFile, runUntil } from '../../../support/boot-rig.js';
import { skipWithoutKvm } from '../../../support/kvm-rig.js';

const skip = skipWithoutKvm();
const DONE = 0xf5;

test('setUpVcpus: three vCPUs → each knows its id, memory is write-back, virtual wire, FPU as firmware leaves it', {
  skip,
}, (t) => {
  const kernel = imageFile(t, 'flat', Uint8Array.of(0xf4));
  const { vcpus } = boot(t, { kernel }, 3);
  for (const vcpu of vcpus) {
    const table = vcpu.cpuid();
    assert.equal((table.find(1)?.ebx ?? 0) >>> 24, vcpu.index);
    assert.equal(table.find(0x4000_0000)?.ebx, 0x4b4d_564b, '"KVMK"');
    const [misc, defaultType, low, vga, high] = vcpu.msrs.get([0x1a0, 0x2ff, 0x250, 0x259, 0x26f]);
    assert.equal((misc as bigint) & 1n, 1n, 'fast string operations');
    assert.equal(defaultType, 0xc06n);
    assert.deepEqual([low, vga, high], [0x0606_0606_0606_0606n, 0n, 0x0606_0606_0606_0606n]);
    const apic = vcpu.lapic.load().view;
    assert.equal(apic.getUint32(0x350, true) & 0x1_0700, 0x700, 'LINT0: interrupts of the PIC');
    assert.equal(apic.getUint32(0x360, true) & 0x1_0700, 0x400, 'LINT1: NMI');
    const fpu = vcpu.fpu.load().view;
    assert.equal(fpu.getUint16(KVM_FPU_FCW_OFF, true), 0x37f);
  }
  assert.deepEqual(
    vcpus.map((vcpu) => vcpu.mpState),
    [KVM_MP_STATE_RUNNABLE, KVM_MP_STATE_UNINITIALIZED, KVM_MP_STATE_UNINITIALIZED],
  );
});

test('setUpVcpus: CPUID in the guest → hypervisor bit, one core of two, KVM’s name', { skip }, (t) => {
  const cpuid = (code: Asm, leaf: number, subleaf: number): Asm =>
    code
      .db(0xb8, leaf & 0xff, (leaf >>> 8) & 0xff, (leaf >>> 16) & 0xff, leaf >>> 24) // mov eax, leaf
      .db(0xb9, subleaf, 0, 0, 0) // mov ecx, subleaf
      .db(0x0f, 0xa2); // cpuid
  const ecxToEax = [0x89, 0xc8];
  const ebxToEax = [0x89, 0xd8];
  const code = new Asm(64);
  cpuid(code, 1, 0)
    .db(...ecxToEax)
    .outAx(0x10);
  cpuid(code, 0xb, 1)
    .db(...ebxToEax)
    .outAx(0x11);
  cpuid(code, 0x4000_0000, 0)
    .db(...ebxToEax)
    .outAx(0x12);
  code.outByte(DONE, 0);
  const kernel = imageFile(t, 'bzImage', bzimage(Uint8Array.of(0xf4), code.code()));
  const { vcpu } = boot(t, { kernel }, 2);
  const highest = vcpu.cpuid().find(0)?.eax ?? 0;
  const [features, cores, name] = runUntil(vcpu, DONE).map(({ value }) => value);
  assert.equal((features as number) >>> 31, 1);
  assert.equal(cores, highest >= 0xb ? 2 : 0);
  assert.equal(name, 0x4b4d_564b);
});
