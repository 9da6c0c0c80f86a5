// Ioctls that signals cut short. KVM_RUN stands for all of them: it is the one that waits until a signal comes.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { EINTR } from '#lkvm/abi/errno.js';
import { KVM_EXIT_IO } from '#lkvm/abi/kvm.js';
import { mustCall, RUN } from '#lkvm/kvm/ioctls.js';
import type { Vcpu } from '#lkvm/kvm/vcpu.js';
import { gettid, installHarmlessHandler, KICK_SIGNAL } from '#lkvm/sys/process.js';
import { SysError } from '#lkvm/util/errors.js';
import { Asm } from '../../support/asm.js';
import { COUNTER, END, type InterruptingData } from '../../support/interrupting-entry.js';
import { makeVcpu, makeVm, protectedMode, type Rig, skipWithoutKvm } from '../../support/kvm-rig.js';

const skip = skipWithoutKvm();
const PORT = 0x10;

/** Counts until it is told to end, which is an exit. */
const COUNT = new Asm(32)
  .label('again')
  .db(0xff, 0x05, COUNTER & 0xff, COUNTER >> 8, 0, 0) // inc dword [COUNTER]
  .loadAl(END)
  .cmpAl(1)
  .jne('again')
  .outAl(PORT)
  .code();

function makeCounter(t: TestContext): { vcpu: Vcpu; rig: Rig } {
  const rig = makeVm(t);
  rig.load(COUNT);
  const vcpu = makeVcpu(rig);
  protectedMode(vcpu);
  return { vcpu, rig };
}

/** Sends this thread that many signals while it is in KVM_RUN, then lets the guest end. */
async function interrupt(rig: Rig, signals: number): Promise<Worker> {
  assert.equal(installHarmlessHandler(KICK_SIGNAL), 0);
  const workerData: InterruptingData = { address: rig.ram.address, tid: gettid(), signals };
  const entry = new URL('../../support/interrupting-entry.js', import.meta.url);
  const worker = new Worker(entry, { workerData });
  const ended = once(worker, 'exit');
  rig.onClose(() => ended); // it looks into the memory
  await once(worker, 'online');
  return worker;
}

test('mustCall: ten signals, each in the middle of the call → it is made again and succeeds', {
  skip,
}, async (t) => {
  const { vcpu, rig } = makeCounter(t);
  const worker = await interrupt(rig, 10);
  const ended = once(worker, 'exit');
  assert.equal(mustCall(vcpu.fd, RUN), 0);
  assert.equal(vcpu.run.exitReason(), KVM_EXIT_IO);
  assert.deepEqual(await ended, [0]);
});

test('mustCall: cut short every time → an error with its name instead of a loop without end', {
  skip,
}, (t) => {
  const { vcpu } = makeCounter(t);
  vcpu.run.requestExit();
  assert.throws(
    () => mustCall(vcpu.fd, RUN, 0, 'vCPU 0'),
    (error) => {
      assert.ok(error instanceof SysError);
      assert.deepEqual([error.errno, error.message], [EINTR, 'vCPU 0: KVM_RUN failed: EINTR']);
      return true;
    },
  );
});
