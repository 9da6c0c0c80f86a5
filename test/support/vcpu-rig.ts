// A vCPU in its worker, stopped and closed before its VM.
import { setImmediate } from 'node:timers/promises';
import type { Vcpu } from '#lkvm/kvm/vcpu.js';
import { Reactor } from '#lkvm/reactor/reactor.js';
import { ShutdownGuard } from '#lkvm/workers/guard.js';
import { type CommandChannel, closeChannel, createChannel } from '#lkvm/workers/vcpu/channel.js';
import { type CallHandler, CommandServer } from '#lkvm/workers/vcpu/command-server.js';
import { type VcpuEnd, VcpuThread } from '#lkvm/workers/vcpu/thread.js';
import { AccessReader, createAccessRecord } from './access-record.js';
import type { Rig } from './kvm-rig.js';
import type { RecorderData } from './recorder-entry.js';

const guard = new ShutdownGuard();

/** What vCPUs are connected to. */
export interface TestChannel extends CommandChannel {
  /** What the vCPUs' accesses were, and what their reads get. */
  readonly recorder: AccessReader;
}

/** A channel for some vCPUs, with nobody at its other end. */
export function makeChannel(rig: Rig, vcpus = 1, spinTurns = 0): TestChannel {
  const channel = createChannel(vcpus);
  rig.onClose(() => closeChannel(channel));
  return { ...channel, spinTurns, recorder: new AccessReader(createAccessRecord()) };
}

export interface RunningVcpu {
  readonly vcpu: Vcpu;
  readonly thread: VcpuThread;
  readonly control: Int32Array;
  /** Ends the worker has reported; one at most. */
  readonly ends: VcpuEnd[];
}

/** The worker module of a vCPU, and what it gets. */
export interface VcpuWorker {
  readonly entry: URL;
  readonly port: unknown;
}

/** Starts a vCPU, made by `rig.vm.createVcpu` and not by makeVcpu: its end closes it. Its accesses are recorded. */
export function startVcpu(rig: Rig, vcpu: Vcpu, channel: TestChannel, paused = false): RunningVcpu {
  const { controls, doorbellFd, recorder, spinTurns } = channel;
  const port: RecorderData = { channel: { controls, doorbellFd, spinTurns }, record: recorder.shared };
  const worker = { entry: new URL('./recorder-entry.js', import.meta.url), port };
  return startVcpuIn(rig, vcpu, channel, worker, paused);
}

/** As {@link startVcpu}, with a worker of the caller's. */
export function startVcpuIn(
  rig: Rig,
  vcpu: Vcpu,
  channel: CommandChannel,
  worker: VcpuWorker,
  paused = false,
): RunningVcpu {
  const control = channel.controls[vcpu.index] as SharedArrayBuffer;
  const ends: VcpuEnd[] = [];
  const thread = new VcpuThread({
    vcpu,
    memory: rig.memory.regions,
    control,
    ...worker,
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

/** The test's own thread as reactor thread: a reactor that is turned by {@link DeviceSide.until}. */
export interface DeviceSide {
  readonly reactor: Reactor;
  readonly server: CommandServer;
  /** Serves until `done` says so. Rejects after 30 s, and when a vCPU has died. */
  until(done: () => boolean): Promise<void>;
}

/** Puts a reactor at the other end of a channel. */
export function serve(
  rig: Rig,
  channel: CommandChannel,
  handler: CallHandler = { onCall: () => 0 },
): DeviceSide {
  const reactor = new Reactor();
  const server = new CommandServer(channel, handler, reactor);
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
