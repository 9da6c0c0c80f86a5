// The handles on the host's real KVM: a vCPU in each mode, port and MMIO exits, read in place. Every program ends with an exit, so
// the vCPU may run on the test's own thread.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  KVM_EXIT_HLT,
  KVM_EXIT_IO,
  KVM_EXIT_IO_IN,
  KVM_EXIT_IO_OUT,
  KVM_EXIT_MMIO,
  KVM_EXIT_SHUTDOWN,
} from '#lkvm/abi/kvm.js';
import { KVM_REGS_RAX_OFF, KVM_REGS_RBX_OFF, KVM_SREGS_IDT_OFF } from '#lkvm/abi/kvm-x86.js';
import { dumpVcpu } from '#lkvm/kvm/dump.js';
import { MMIO_DATA_OFF } from '#lkvm/kvm/kvm-run.js';
import { writeTable } from '#lkvm/kvm/segments.js';
import type { Vcpu } from '#lkvm/kvm/vcpu.js';
import { Asm, AX, CX, DI, DX } from '../../support/asm.js';
import {
  CODE,
  longMode,
  makeVcpu,
  makeVm,
  protectedMode,
  realMode,
  skipWithoutKvm,
} from '../../support/kvm-rig.js';

const skip = skipWithoutKvm();
/** Guest-physical, behind the memory. */
const DEVICE = 0x20_0000;

/** Enters the guest, which must exit for `reason`. */
function exit(vcpu: Vcpu, reason: number): void {
  assert.equal(vcpu.enter(), 0);
  assert.equal(vcpu.run.exitReason(), reason);
}

test('Vcpu: OUT, IN and HLT in real mode → exits with port, width and data; what IN gets is in AL', {
  skip,
}, (t) => {
  const rig = makeVm(t);
  const vcpu = makeVcpu(rig);
  rig.load(new Asm(16).mov(DX, 0x3f8).movAl(0x41).outDx().inAl(0x60).outAl(0x61).hlt().code());
  realMode(vcpu);
  const { run } = vcpu;
  exit(vcpu, KVM_EXIT_IO);
  assert.deepEqual(
    [run.ioDirection(), run.ioPort(), run.ioBytes(), run.ioCount()],
    [KVM_EXIT_IO_OUT, 0x3f8, 1, 1],
  );
  assert.equal(run.u8[run.ioDataOffset()], 0x41);
  exit(vcpu, KVM_EXIT_IO);
  assert.deepEqual([run.ioDirection(), run.ioPort()], [KVM_EXIT_IO_IN, 0x60]);
  run.u8[run.ioDataOffset()] = 0x99;
  exit(vcpu, KVM_EXIT_IO);
  assert.equal(run.ioPort(), 0x61);
  assert.equal(run.u8[run.ioDataOffset()], 0x99);
  exit(vcpu, KVM_EXIT_HLT);
  assert.equal(vcpu.regs.load().number(KVM_REGS_RAX_OFF) & 0xff, 0x99);
});

test('Vcpu: REP OUTSB → all its bytes arrive in order', { skip }, (t) => {
  const rig = makeVm(t);
  const vcpu = makeVcpu(rig);
  const text = 'string instructions';
  rig.load(Buffer.from(text), 0x2000);
  // mov si, 0x2000; rep outsb
  rig.load(new Asm(16).db(0xbe, 0x00, 0x20).mov(CX, text.length).mov(DX, 0xe9).db(0xf3, 0x6e).hlt().code());
  realMode(vcpu);
  let got = '';
  for (assert.equal(vcpu.enter(), 0); vcpu.run.exitReason() === KVM_EXIT_IO; assert.equal(vcpu.enter(), 0)) {
    const at = vcpu.run.ioDataOffset();
    got += Buffer.from(vcpu.run.u8.subarray(at, at + vcpu.run.ioCount())).toString();
  }
  assert.equal(got, text);
});

test('Vcpu: MMIO in protected mode → exits with address, width and data; a read gets what was put there', {
  skip,
}, (t) => {
  const rig = makeVm(t);
  const vcpu = makeVcpu(rig);
  // mov [DEVICE], eax; mov al, [DEVICE]
  rig.load(
    new Asm(32).mov(AX, 0x1234_5678).db(0xa3, 0x00, 0x00, 0x20, 0x00).loadAl(DEVICE).outAl(0x80).hlt().code(),
  );
  protectedMode(vcpu);
  const { run } = vcpu;
  exit(vcpu, KVM_EXIT_MMIO);
  assert.deepEqual([run.mmioIsWrite(), run.mmioAddress(), run.mmioBytes()], [true, DEVICE, 4]);
  assert.equal(run.u32[MMIO_DATA_OFF / 4], 0x1234_5678);
  exit(vcpu, KVM_EXIT_MMIO);
  assert.deepEqual([run.mmioIsWrite(), run.mmioAddress(), run.mmioBytes()], [false, DEVICE, 1]);
  run.u8[MMIO_DATA_OFF] = 0x77;
  exit(vcpu, KVM_EXIT_IO);
  assert.equal(run.u8[run.ioDataOffset()], 0x77);
  exit(vcpu, KVM_EXIT_HLT);
});

test('Vcpu: 64-bit registers and an 8-byte MMIO write in long mode → exact', { skip }, (t) => {
  const rig = makeVm(t);
  const vcpu = makeVcpu(rig);
  rig.load(
    new Asm(64)
      .db(0x48, 0xbb, 0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01) // mov rbx, 0x0123456789abcdef
      .mov(DI, DEVICE)
      .db(0x48, 0x89, 0x1f) // mov [rdi], rbx
      .hlt()
      .code(),
  );
  longMode(vcpu, rig);
  exit(vcpu, KVM_EXIT_MMIO);
  assert.deepEqual([vcpu.run.mmioAddress(), vcpu.run.mmioBytes()], [DEVICE, 8]);
  assert.deepEqual(
    [vcpu.run.u32[MMIO_DATA_OFF / 4], vcpu.run.u32[MMIO_DATA_OFF / 4 + 1]],
    [0x89ab_cdef, 0x0123_4567],
  );
  exit(vcpu, KVM_EXIT_HLT);
  assert.equal(vcpu.regs.load().big(KVM_REGS_RBX_OFF), 0x0123_4567_89ab_cdefn);
  assert.equal(vcpu.translate(CODE), CODE);
  assert.equal(vcpu.translate(0x4000_0000), -1, 'not in the page tables');
});

test('Vcpu: an exception without an interrupt table → KVM_EXIT_SHUTDOWN (triple fault)', { skip }, (t) => {
  const rig = makeVm(t);
  const vcpu = makeVcpu(rig);
  rig.load(new Asm(32).db(0x0f, 0x0b).hlt().code()); // ud2
  protectedMode(vcpu);
  const sregs = vcpu.sregs.load();
  writeTable(sregs.view, KVM_SREGS_IDT_OFF, 0, 0);
  sregs.store();
  exit(vcpu, KVM_EXIT_SHUTDOWN);
});

test('Vcpu: a loop of port and MMIO writes → every value, in order', { skip }, (t) => {
  const rig = makeVm(t);
  const vcpu = makeVcpu(rig);
  rig.load(
    new Asm(32)
      .movAl(0)
      .mov(CX, 50)
      .label('next')
      .outAl(0x10)
      .storeAl(DEVICE)
      .incAl()
      .loop('next')
      .hlt()
      .code(),
  );
  protectedMode(vcpu);
  const { run } = vcpu;
  for (let i = 0; i < 50; i++) {
    exit(vcpu, KVM_EXIT_IO);
    assert.equal(run.u8[run.ioDataOffset()], i);
    exit(vcpu, KVM_EXIT_MMIO);
    assert.equal(run.u8[MMIO_DATA_OFF], i);
  }
  exit(vcpu, KVM_EXIT_HLT);
});

test('dumpVcpu: a vCPU that has halted → registers, segments, and 64 bytes of code around the instruction pointer', {
  skip,
}, (t) => {
  const rig = makeVm(t);
  const vcpu = makeVcpu(rig);
  rig.load(new Asm(32).mov(AX, 0x1234_5678).hlt().db(0x0f, 0x0b).code());
  protectedMode(vcpu);
  exit(vcpu, KVM_EXIT_HLT);
  const text = dumpVcpu(vcpu, rig.memory);
  assert.match(text, /^vCPU 0:\n rip: 0000000000001006/);
  assert.match(text, /rax: 0000000012345678/);
  assert.match(text, /cs: 0008 {2}base 0000000000000000 {2}limit ffffffff {2}type b/);
  assert.match(text, /cr0: 31 /);
  const code = text.split('\n').find((line) => line.startsWith(' code: ')) ?? '';
  assert.equal(code.trim().split(' ').length - 1, 64);
  assert.match(code, / 00 b8 78 56 34 12 f4 <0f> 0b 00/);
});
