// A vCPU in its worker, stopped and closed before its VM.
import type { Vcpu } from '#lkvm/kvm/vcpu.js';
import { eventfd } from '#lkvm/sys/eventfd.js';
import { close } from '#lkvm/sys/fd.js';
import { ShutdownGuard } from '#lkvm/workers/guard.js';
import type { CommandChannel } from '#lkvm/workers/vcpu/command-client.js';
import { createCommandRing } from '#lkvm/workers/vcpu/command-ring.js';
import { type VcpuEnd, VcpuThread } from '#lkvm/workers/vcpu/thread.js';
import { createVcpuControl } from '#lkvm/workers/vcpu/words.js';
import type { Rig } from './kvm-rig.js';

const guard = new ShutdownGuard();

/** A ring for some vCPUs, with nobody at its other end. */
export function makeChannel(rig: Rig, vcpus = 1, spinTurns = 0): CommandChannel {
  const doorbellFd = eventfd();
  rig.onClose(() => close(doorbellFd));
  const controls = Array.from({ length: vcpus }, createVcpuControl);
  return { ring: createCommandRing(), doorbellFd, controls, spinTurns };
}

export interface RunningVcpu {
  readonly vcpu: Vcpu;
  readonly thread: VcpuThread;
  readonly control: Int32Array;
  /** Ends the worker has reported; one at most. */
  readonly ends: VcpuEnd[];
}

/** Starts a vCPU, made by `rig.vm.createVcpu` and not by makeVcpu: its end closes it. */
export function startVcpu(rig: Rig, vcpu: Vcpu, channel: CommandChannel, paused = false): RunningVcpu {
  const control = channel.controls[vcpu.index] as SharedArrayBuffer;
  const ends: VcpuEnd[] = [];
  const thread = new VcpuThread({
    vcpu,
    memory: rig.memory.regions,
    control,
    port: channel,
    paused,
    onEnd: (end) => {
      ends.push(end);
      vcpu.close();
    },
    guard,
  });
  rig.onClose(() => thread.stop());
  return { vcpu, thread, control: new Int32Array(control), ends };
}
