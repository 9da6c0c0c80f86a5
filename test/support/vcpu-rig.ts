// A vCPU in its worker, stopped and closed before its VM.
import { setImmediate } from 'node:timers/promises';
import type { Vcpu } from '#lkvm/kvm/vcpu.js';
import { Reactor } from '#lkvm/reactor/reactor.js';
import { ShutdownGuard } from '#lkvm/workers/guard.js';
import { type AccessPort, ALL_ONES } from '#lkvm/workers/vcpu/access-port.js';
import { type CommandChannel, closeChannel, createChannel } from '#lkvm/workers/vcpu/channel.js';
import { CommandServer } from '#lkvm/workers/vcpu/command-server.js';
import { type VcpuEnd, VcpuThread } from '#lkvm/workers/vcpu/thread.js';
import type { Rig } from './kvm-rig.js';

const guard = new ShutdownGuard();

/** A ring for some vCPUs, with nobody at its other end. */
export function makeChannel(rig: Rig, vcpus = 1, spinTurns = 0): CommandChannel {
  const channel = createChannel(vcpus);
  rig.onClose(() => closeChannel(channel));
  return { ...channel, spinTurns };
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
      if (end.text !== '') rig.failures.push(end.text);
      vcpu.close();
    },
    guard,
  });
  rig.onClose(() => thread.stop());
  return { vcpu, thread, control: new Int32Array(control), ends };
}

/** An access as a test compares it: "out 0x80 1 0x5". */
export class Recorder implements AccessPort {
  readonly log: string[] = [];
  /** What reads get, the first first; then all ones. */
  readonly answers: number[] = [];

  pioWrite(port: number, bytes: number, value: number): void {
    this.log.push(`out ${hex(port)} ${bytes} ${hex(value)}`);
  }

  pioRead(port: number, bytes: number): number {
    this.log.push(`in ${hex(port)} ${bytes}`);
    return this.answers.shift() ?? ALL_ONES;
  }

  mmioWrite(gpa: number, bytes: number, value: number): void {
    this.log.push(`store ${hex(gpa)} ${bytes} ${hex(value)}`);
  }

  mmioRead(gpa: number, bytes: number): number {
    this.log.push(`load ${hex(gpa)} ${bytes}`);
    return this.answers.shift() ?? ALL_ONES;
  }
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

/** The test's own thread as device thread: a reactor that is turned by {@link DeviceSide.until}. */
export interface DeviceSide {
  readonly reactor: Reactor;
  readonly server: CommandServer;
  /** Serves until `done` says so. Rejects after 30 s, and when a vCPU has died. */
  until(done: () => boolean): Promise<void>;
}

/** Puts a device thread at the other end of a channel. */
export function serve(rig: Rig, channel: CommandChannel, port: AccessPort): DeviceSide {
  const reactor = new Reactor();
  const server = new CommandServer(channel, port, reactor);
  rig.onClose(() => {
    server.close();
    reactor.close();
  });
  const until = async (done: () => boolean): Promise<void> => {
    for (const end = Date.now() + 30_000; !done(); await setImmediate()) {
      if (rig.failures.length > 0) throw new Error(rig.failures.join('\n'));
      if (Date.now() > end) throw new Error('the guest did not do what was expected');
      reactor.round(1000);
    }
  };
  return { reactor, server, until };
}
