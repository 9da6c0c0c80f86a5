/**
 * The reactor worker of a KVM machine: opens the devices' back ends, joins the serial ports to the host, and runs the event
 * loop until main says stop; then it writes out what the guest has printed.
 *
 * Thread: reactor.
 */
import { TerminalBackend } from '../backends/terminal/terminal.js';
import { GuestMemory } from '../memory/guest-memory.js';
import { attachPlatform, type Platform } from '../platform/platform.js';
import { Reactor } from '../reactor/reactor.js';
import { RunDelay } from '../sys/run-delay.js';
import { COUNTER_COUNT } from '../util/counters.js';
import type { Log } from '../util/ports.js';
import { RateLimit, RateLimitedLog } from '../util/rate-limit.js';
import type { VirtioDevice } from '../virtio/core/device.js';
import { runThread, type ThreadContext } from '../workers/entry.js';
import { IoClient } from '../workers/io/client.js';
import type { DeviceSpec } from '../workers/reactor/device-spec.js';
import { DeviceMaker } from '../workers/reactor/make-device.js';
import { finishPumps, PumpBell, SerialPump } from '../workers/reactor/serial-pump.js';
import type { VmMainMessage, VmReactorData, VmReactorMessage } from './messages.js';
import { NO_END, threadParts } from './thread-parts.js';

const SECOND_US = 1_000_000;
/** Log lines per second: a driver that breaks something in a loop must not fill main's memory. */
const LOG_LINES = 20;
/** How long output may stand still at the end before it is given up, milliseconds. */
const FINISH_MS = 1000;
/** A port that is not connected to anything. */
const NO_HOST = { inputFd: -1, outputFd: -1, escape: 'none' } as const;

await runThread<VmReactorData>(main);

async function main(context: ThreadContext<VmReactorData>): Promise<void> {
  const { data } = context;
  const post = (message: VmReactorMessage): void => context.post(message);
  const reactor = new Reactor(context.wakeFd);
  const log = new RateLimitedLog(mainLog(post), new RateLimit(LOG_LINES, SECOND_US), () => reactor.nowUs());
  const memory = new GuestMemory(data.parts.memory);
  const blocking = new IoClient(data.io, reactor);
  const maker = new DeviceMaker({
    loop: reactor,
    log,
    blocking,
    postToTree: (id, message) => post({ type: 'tree', id, message }),
    onEscape: () => post({ type: 'escape' }),
    directories: data.config.devices.filter(({ spec }) => isDirectory(spec)).length,
  });
  const devices: VirtioDevice[] = [];
  try {
    for (const [index, { spec }] of data.config.devices.entries()) {
      const counters = new Float64Array(data.counters, index * COUNTER_COUNT * 8, COUNTER_COUNT);
      devices.push(await maker.make(spec, counters));
    }
    serve({ context, reactor, memory, devices, maker, log, post });
  } finally {
    blocking.close(); // first: calls under way name files that the devices close
    for (const device of devices.reverse()) device.close();
    reactor.close();
  }
}

function isDirectory(spec: DeviceSpec): boolean {
  return spec.name === 'p9' && spec.tree.kind === 'directory';
}

interface Served {
  readonly context: ThreadContext<VmReactorData>;
  readonly reactor: Reactor;
  readonly memory: GuestMemory;
  readonly devices: readonly VirtioDevice[];
  readonly maker: DeviceMaker;
  readonly log: Log;
  readonly post: (message: VmReactorMessage) => void;
}

function serve({ context, reactor, maker, post }: Served): void {
  const { parts } = context.data;
  const load = new RunDelay();
  const { platformPorts } = threadParts(parts, NO_END);
  const platform = attachPlatform(parts.platform, platformPorts);
  const pumps = makePumps(context.data, reactor, platform, () => post({ type: 'escape' }));
  const bell = new PumpBell(reactor, parts.serialDoorbellFd, pumps);
  try {
    reactor.onWake(() => {
      for (let message = context.receive(); message !== undefined; message = context.receive()) {
        const { id, message: body } = message as VmMainMessage; // posted by create-vm.ts only
        maker.onTreeMessage(id, body);
      }
    });
    post({ type: 'ready', taps: maker.taps });
    while (!context.stopRequested()) reactor.round();
    finishPumps(pumps, reactor, (us) => reactor.round(us), FINISH_MS);
  } finally {
    bell.close();
    for (const pump of pumps) pump.close();
    load.close();
  }
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

function mainLog(post: (message: VmReactorMessage) => void): Log {
  return {
    info: (text) => post({ type: 'log', level: 'info', text }),
    warn: (text) => post({ type: 'log', level: 'warn', text }),
  };
}
