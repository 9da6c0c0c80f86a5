// A vCPU in its worker on the host's real KVM: kicks, pause and resume, stop, ends.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { KVM_REGS_RIP_OFF, KVM_SREGS_IDT_OFF } from '#lkvm/abi/kvm-x86.js';
import { writeTable } from '#lkvm/kvm/segments.js';
import {
  exitCodeOf,
  VCPU_FAILED,
  VCPU_HALTED,
  VCPU_STOPPED,
  VCPU_TRIPLE_FAULT,
} from '#lkvm/workers/vcpu/outcome.js';
import { VCPU_IS_PAUSED, VCPU_KICKS, VCPU_STATE } from '#lkvm/workers/vcpu/words.js';
import { CALL_PORT } from '../../support/access-record.js';
import { Asm } from '../../support/asm.js';
import { makeVm, protectedMode, type Rig, realMode, skipWithoutKvm } from '../../support/kvm-rig.js';
import { makeChannel, type RunningVcpu, startVcpu } from '../../support/vcpu-rig.js';

const skip = skipWithoutKvm();
const COUNTER = 0x2000;

/** inc dword [COUNTER]; jmp */
const SPIN = new Asm(32).label('again').db(0xff, 0x05, 0x00, 0x20, 0x00, 0x00).jmp('again').code();
/** With interrupt controllers in the kernel the vCPU sleeps in KVM_RUN for ever. */
const HALT = new Asm(32).label('again').cli().hlt().jmp('again').code();
function startGuest(t: TestContext, code: Uint8Array, paused = false): RunningVcpu & { rig: Rig } {
  const rig = makeVm(t, true);
  rig.load(code);
  const vcpu = rig.vm.createVcpu(0);
  protectedMode(vcpu);
  return { ...startVcpu(rig, vcpu, makeChannel(rig), paused), rig };
}

function counter(rig: Rig): number {
  return Atomics.load(rig.memory.chunk.u32, COUNTER / 4);
}

/** Waits until a word has another value than `old`. @returns false after 20 s */
function hasChanged(control: Int32Array, word: number, old: number): boolean {
  const nobody = new Int32Array(new SharedArrayBuffer(4));
  for (const end = Date.now() + 20_000; Date.now() < end; Atomics.wait(nobody, 0, 0, 0.05)) {
    for (let turn = 0; turn < 100; turn++) if (Atomics.load(control, word) !== old) return true;
  }
  return false;
}

async function started(guest: RunningVcpu): Promise<void> {
  await guest.thread.pause();
  guest.thread.resume();
}

for (const [name, code] of [
  ['spins', SPIN],
  ['has halted', HALT],
] as const) {
  test(`VcpuThread.kick: 3000 kicks of a guest that ${name} → each arrives`, { skip }, async (t) => {
    const guest = startGuest(t, code);
    await started(guest);
    let lost = 0;
    for (let i = 0; i < 3000 && lost === 0; i++) {
      const before = Atomics.load(guest.control, VCPU_KICKS);
      guest.thread.kick();
      if (!hasChanged(guest.control, VCPU_KICKS, before)) lost++;
    }
    assert.equal(lost, 0);
    assert.deepEqual(guest.ends, []);
  });

  test(`VcpuThread.pause, resume: 500 times a guest that ${name} → parked each time, then goes on`, {
    skip,
  }, async (t) => {
    const guest = startGuest(t, code);
    for (let i = 0; i < 500; i++) {
      await guest.thread.pause();
      assert.equal(Atomics.load(guest.control, VCPU_STATE), VCPU_IS_PAUSED);
      guest.thread.resume();
    }
    const { outcome } = await guest.thread.stop();
    assert.equal(outcome, VCPU_STOPPED);
  });
}

test('VcpuThread.pause: parked → the guest stands still; resume → it goes on', { skip }, async (t) => {
  const guest = startGuest(t, SPIN);
  await guest.thread.pause();
  const stood = counter(guest.rig);
  await sleep(50);
  assert.equal(counter(guest.rig), stood);
  guest.thread.resume();
  while (counter(guest.rig) === stood) await sleep(1);
  await guest.thread.pause();
  await guest.thread.pause();
});

test('VcpuThread.pause: resumed and paused again at once, many times → each pause is answered by a parked vCPU', {
  skip,
}, async (t) => {
  const guest = startGuest(t, SPIN);
  for (let i = 0; i < 200; i++) {
    void guest.thread.pause();
    guest.thread.resume();
    await guest.thread.pause();
    const stood = counter(guest.rig);
    assert.equal(Atomics.load(guest.control, VCPU_STATE), VCPU_IS_PAUSED);
    assert.equal(counter(guest.rig), stood);
    guest.thread.resume();
  }
});

test('VcpuThread: started paused → does not run until resumed', { skip }, async (t) => {
  const guest = startGuest(t, SPIN, true);
  await guest.thread.pause();
  assert.equal(counter(guest.rig), 0);
  guest.thread.resume();
  while (counter(guest.rig) === 0) await sleep(1);
});

test('VcpuThread.stop: before it runs, spinning, parked; twice → VCPU_STOPPED, one end', {
  skip,
}, async (t) => {
  const early = startGuest(t, SPIN);
  assert.equal((await early.thread.stop()).outcome, VCPU_STOPPED);
  const parked = startGuest(t, SPIN);
  await parked.thread.pause();
  assert.equal((await parked.thread.stop()).outcome, VCPU_STOPPED);
  assert.equal((await parked.thread.stop()).outcome, VCPU_STOPPED);
  parked.thread.kick();
  parked.thread.resume();
  await parked.thread.pause();
  assert.equal(parked.ends.length, 1);
  assert.equal(parked.ends[0]?.error, undefined);
});

test('VcpuThread.stop: a call that nobody answers → stops', { skip }, async (t) => {
  const guest = startGuest(
    t,
    new Asm(32).db(0xff, 0x05, 0x00, 0x20, 0x00, 0x00).inAl(CALL_PORT).hlt().code(),
  );
  while (counter(guest.rig) === 0) await sleep(1);
  await sleep(20);
  assert.equal((await guest.thread.stop()).outcome, VCPU_STOPPED);
});

test('VcpuThread: HLT without interrupt controllers → VCPU_HALTED', { skip }, async (t) => {
  const rig = makeVm(t);
  rig.load(new Asm(16).hlt().code());
  const vcpu = rig.vm.createVcpu(0);
  realMode(vcpu);
  const { thread } = startVcpu(rig, vcpu, makeChannel(rig));
  const { outcome, error } = await thread.ended;
  assert.deepEqual({ outcome, error }, { outcome: VCPU_HALTED, error: undefined });
});

test('VcpuThread: triple fault → its outcome, exit code 33, registers and 64 bytes of code', {
  skip,
}, async (t) => {
  const rig = makeVm(t);
  rig.load(new Asm(32).mov(0, 0x1234_5678).db(0x0f, 0x0b).hlt().code()); // mov eax; ud2
  const vcpu = rig.vm.createVcpu(0);
  protectedMode(vcpu);
  const sregs = vcpu.sregs.load();
  writeTable(sregs.view, KVM_SREGS_IDT_OFF, 0, 0);
  sregs.store();
  const { thread } = startVcpu(rig, vcpu, makeChannel(rig));
  const { outcome, text } = await thread.ended;
  assert.equal(outcome, VCPU_TRIPLE_FAULT);
  assert.equal(exitCodeOf(outcome), 33);
  const [first, ...dump] = text.split('\n');
  assert.match(first ?? '', /^vCPU 0: triple fault/);
  // Intel's KVM leaves the registers of the fault, AMD's has reset the processor and the text says so.
  assert.match(text, /rip: 0000000000001005|KVM has reset the processor[\s\S]*rip: 000000000000fff0/);
  assert.equal(dump.filter((line) => line.startsWith(' code: ')).length, 1);
});

test('VcpuThread: KVM cannot run the guest → VCPU_FAILED, exit code 34, what KVM says, registers', {
  skip,
}, async (t) => {
  const rig = makeVm(t);
  const vcpu = rig.vm.createVcpu(0);
  // Code where the guest has no memory cannot be fetched.
  protectedMode(vcpu, 0x8000_0000);
  vcpu.regs.load();
  vcpu.regs.setNumber(KVM_REGS_RIP_OFF, 0x8000_0000);
  vcpu.regs.store();
  const { thread } = startVcpu(rig, vcpu, makeChannel(rig));
  const { outcome, text } = await thread.ended;
  assert.equal(outcome, VCPU_FAILED);
  assert.equal(exitCodeOf(outcome), 34);
  assert.match(text, /^vCPU 0: .*(KVM_EXIT_INTERNAL_ERROR|KVM_EXIT_FAIL_ENTRY|KVM_RUN failed)/);
  assert.match(text, /rip: 0000000080000000/);
  assert.match(text, /code: (-- ){32}<--> /);
});
