/**
 * The reactor worker of a KVM machine: opens the devices' back ends, joins the serial ports to the host, and runs the event
 * loop until main says stop; then it writes out what the guest has printed.
 *
 * Thread: reactor.
 */
import { EPOLLET, EPOLLIN } from '../abi/linux.js';
import { TerminalBackend } from '../backends/terminal/terminal.js';
import { GuestMemory } from '../memory/guest-memory.js';
import { attachPlatform, type Platform } from '../platform/platform.js';
import { PollAll } from '../reactor/poll-all.js';
import type { Reactor } from '../reactor/reactor.js';
import { RunDelay } from '../sys/run-delay.js';
import type { Log, Watch } from '../util/ports.js';
import type { VirtioDevice } from '../virtio/core/device.js';
import { MmioInterrupts } from '../virtio/transport/mmio/interrupts.js';
import { NO_ROUTES, PciInterrupts } from '../virtio/transport/pci/interrupts.js';
import { type TrappedDeviceSpec, TrappedTransport } from '../virtio/transport/trapped/transport.js';
import { runThread, type ThreadContext } from '../workers/entry.js';
import type { ReactorMessage } from '../workers/reactor/messages.js';
import { pollPolicyOf } from '../workers/reactor/poll-of.js';
import { finishPumps, PumpBell, SerialPump } from '../workers/reactor/serial-pump.js';
import { type DeviceThread, withDevices } from '../workers/reactor/with-devices.js';
import { CommandServer } from '../workers/vcpu/command-server.js';
import { allDeviceSpecs } from './config.js';
import type { DeviceParts } from './device-parts.js';
import { PoolCalls } from './hvl-doorbell.js';
import type { VmReactorData } from './messages.js';
import { type ServedPool, servePool } from './serve-pool.js';
import { NO_END, PinSignal, ThreadParts } from './thread-parts.js';

/** How long output may stand still at the end before it is given up, milliseconds. */
const FINISH_MS = 1000;
/** A port that is not connected to anything. */
const NO_HOST = { inputFd: -1, outputFd: -1, escape: 'none' } as const;

void runThread<VmReactorData>(main);

function main(context: ThreadContext<VmReactorData>): Promise<void> {
  const { config, io, counters } = context.data;
  const given = { specs: allDeviceSpecs(config), io, counters };
  return withDevices(context, given, (thread) => serve(context, thread));
}

function serve(context: ThreadContext<VmReactorData>, { reactor, log, devices, taps }: DeviceThread): void {
  const { parts, config } = context.data;
  const post = (message: ReactorMessage): void => context.post(message);
  const load = new RunDelay();
  const thread = new ThreadParts(parts);
  const platform = attachPlatform(parts.platform, thread.platformPorts(NO_END));
  const { bus } = parts;
  const transport = new TrappedTransport({
    devices: bus.devices.map((part, i) => trappedDevice(devices[i] as VirtioDevice, part, thread)),
    memory: new GuestMemory(parts.memory),
    log,
    answer: (device, result) => calls.answer(device, result),
  });
  const pool = poolOf(context.data, devices.slice(bus.devices.length), thread, reactor, log);
  const handler = pool === undefined ? transport : new PoolCalls(pool, transport);
  const calls = new CommandServer(parts.channel, handler, reactor);
  const kicks = watchKicks(reactor, bus.devices, transport);
  const pumps = makePumps(context.data, reactor, platform, () => post({ type: 'escape' }));
  const bell = new PumpBell(reactor, parts.serialDoorbellFd, pumps);
  try {
    const pollable = pool === undefined ? transport : new PollAll([transport, pool.transport]);
    reactor.setPollable(pollable, pollPolicyOf(config.poll, load));
    post({ type: 'ready', taps });
    while (!context.stopRequested()) reactor.round();
    finishPumps(pumps, reactor, (us) => reactor.round(us), FINISH_MS);
  } finally {
    transport.stop();
    pool?.close();
    calls.close();
    for (const kick of kicks) kick.close();
    bell.close();
    for (const pump of pumps) pump.close();
    load.close();
  }
}

/** The hypervisorless devices, if the machine has some; they come behind the others. */
function poolOf(
  { config, parts }: VmReactorData,
  devices: readonly VirtioDevice[],
  { vm }: ThreadParts,
  loop: Reactor,
  log: Log,
): ServedPool | undefined {
  if (config.hvl === undefined || parts.hvl === undefined) return undefined;
  const interrupt = new PinSignal(vm, config.hvl.irq);
  return servePool({ config: config.hvl, parts: parts.hvl, interrupt, devices, loop, log });
}

/** A device with its registers and its interrupts. */
function trappedDevice(device: VirtioDevice, parts: DeviceParts, thread: ThreadParts): TrappedDeviceSpec {
  const { registers } = parts;
  const interrupts =
    parts.transport === 'pci'
      ? new PciInterrupts(parts.pci, thread.interruptPorts(parts, NO_ROUTES))
      : new MmioInterrupts(registers, new PinSignal(thread.vm, parts.gsi));
  return { device, registers, interrupts };
}

/** Kicks of all queues. Edge-triggered: each one is an event of its own, and the counters need not be read. */
function watchKicks(reactor: Reactor, devices: readonly DeviceParts[], transport: TrappedTransport): Watch[] {
  return devices.flatMap(({ device, kickFds }) =>
    kickFds.map((fd, queue) =>
      reactor.watch(fd, EPOLLIN | EPOLLET, { onReady: () => transport.kicked(device, queue) }),
    ),
  );
}

/** Serial ports with a host end, and the debug ports, which print to the standard output. */
function makePumps(
  { config }: VmReactorData,
  reactor: Reactor,
  platform: Platform,
  onEscape: () => void,
): SerialPump[] {
  const pumps = platform.serial.map((port, index) => {
    const host = config.serial[index] ?? NO_HOST;
    const backend = new TerminalBackend(reactor, { ...host, onEscape });
    return new SerialPump(reactor, port, port, backend);
  });
  for (const output of [platform.debugOutput, platform.firmwareOutput]) {
    const backend = new TerminalBackend(reactor, { ...NO_HOST, outputFd: 1, onEscape });
    pumps.push(new SerialPump(reactor, output, undefined, backend));
  }
  return pumps;
}
