// The thread of the shutdown tests when it is a vCPU in the middle of KVM_RUN.
import { shutdownGuard } from '#lkvm/workers/guard.js';
import type { ThreadEnd, ThreadOwner } from '#lkvm/workers/host.js';
import { VcpuThread } from '#lkvm/workers/vcpu/thread.js';
import { createVcpuControl } from '#lkvm/workers/vcpu/words.js';
import { Asm } from '../../support/asm.js';
import { openVm, protectedMode } from '../../support/kvm-rig.js';

/** What program.ts does with its thread. */
export interface TestThread {
  post(message: unknown): void;
  requestStop(): void;
  stop(limitMs?: number): Promise<unknown>;
  unref(): void;
}

const PROGRAMS: Record<string, Uint8Array> = {
  'vcpu-spin': new Asm(32).label('again').pause().jmp('again').code(),
  'vcpu-halt': new Asm(32).cli().label('again').hlt().jmp('again').code(),
  // waits for the resume that `post` is, then makes its port throw
  'vcpu-throw': new Asm(32).outByte(0x80, 0).label('again').hlt().jmp('again').code(),
};

/** Starts a vCPU; `onMessage` is called when it runs. */
export function startVcpu(behaviour: string, owner: ThreadOwner): TestThread {
  const rig = openVm(true);
  rig.load(PROGRAMS[behaviour] ?? new Uint8Array());
  const vcpu = rig.vm.createVcpu(0);
  protectedMode(vcpu);
  const thread = new VcpuThread({
    vcpu,
    memory: rig.memory.regions,
    control: createVcpuControl(),
    entry: new URL('./vcpu-worker.js', import.meta.url),
    port: undefined,
    paused: true,
    onEnd: (end: ThreadEnd) => owner.onEnd(end),
    guard: shutdownGuard,
  });
  void thread.pause().then(() => {
    if (behaviour !== 'vcpu-throw') thread.resume();
    owner.onMessage('ready');
  });
  return {
    post: () => thread.resume(),
    requestStop: () => thread.requestStop(),
    stop: (limitMs) => thread.stop(limitMs),
    unref: () => thread.unref(),
  };
}
