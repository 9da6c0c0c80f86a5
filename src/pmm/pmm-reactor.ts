/**
 * The reactor worker of a PMM: builds devices, doorbell and transport from plain data, publishes the devices, and runs
 * the event loop until main says stop. Everything is opened before anything is published, and closed in reverse order.
 *
 * Thread: reactor.
 */
import type { DoorbellHandler } from '../backends/doorbell/doorbell.js';
import { GuestMemory } from '../memory/guest-memory.js';
import { Reactor } from '../reactor/reactor.js';
import { RunDelay } from '../sys/run-delay.js';
import { COUNTER_COUNT } from '../util/counters.js';
import type { Log } from '../util/ports.js';
import { RateLimit, RateLimitedLog } from '../util/rate-limit.js';
import type { VirtioDevice } from '../virtio/core/device.js';
import { type HvlObserver, HvlTransport } from '../virtio/transport/hvl/hvl-transport.js';
import { runThread, type ThreadContext } from '../workers/entry.js';
import { IoClient } from '../workers/io/client.js';
import '../workers/reactor/device-modules.js';
import type { DeviceSpec } from '../workers/reactor/device-spec.js';
import { DeviceMaker } from '../workers/reactor/make-device.js';
import { pollPolicyOf } from '../workers/reactor/poll-of.js';
import { makeDoorbell } from './doorbell.js';
import {
  FOREIGN_ID_LOOK_US,
  type PmmMainMessage,
  type PmmReactorData,
  type PmmReactorMessage,
} from './messages.js';

const SECOND_US = 1_000_000;
/** Log lines, and events of devices, per second: a driver that starts over in a loop must not fill main's memory. */
const LOG_LINES = 20;
const DEVICE_EVENTS = 500;

void runThread<undefined>(async (context) => {
  const data = context.awaitMessage(); // posted by warm-reactor.ts only
  if (data !== undefined) await main(context, data as PmmReactorData);
});

async function main(context: ThreadContext<undefined>, data: PmmReactorData): Promise<void> {
  const post = (message: PmmReactorMessage): void => context.post(message);
  const reactor = new Reactor(context.wakeFd);
  const log = new RateLimitedLog(mainLog(post), new RateLimit(LOG_LINES, SECOND_US), () => reactor.nowUs());
  const { shmemAddr, shmemSize } = data.config;
  const memory = new GuestMemory(
    [{ gpa: shmemAddr, hva: data.poolAddress, bytes: shmemSize }],
    data.poolAccess,
  );
  const blocking = new IoClient(data.io, reactor);
  const maker = new DeviceMaker({
    loop: reactor,
    log,
    blocking,
    postToTree: (id, message) => post({ type: 'tree', id, message }),
    postToNetwork: (id, message) => post({ type: 'network', id, message }),
    onEscape: () => post({ type: 'escape' }),
    directories: data.config.devices.filter(isDirectory).length,
  });
  const devices: VirtioDevice[] = [];
  try {
    for (const [slot, spec] of data.config.devices.entries()) {
      const counters = new Float64Array(data.counters, slot * COUNTER_COUNT * 8, COUNTER_COUNT);
      devices.push(await maker.make(spec, counters));
    }
    serve({ context, data, reactor, memory, devices, maker, log, post });
  } finally {
    blocking.close(); // first: calls under way name files that the devices close
    for (const device of devices.reverse()) device.close();
    reactor.close();
  }
}

function isDirectory(spec: DeviceSpec): boolean {
  return spec.name === 'p9' && spec.tree.kind === 'directory';
}

interface Machine {
  readonly context: ThreadContext<undefined>;
  readonly data: PmmReactorData;
  readonly reactor: Reactor;
  readonly memory: GuestMemory;
  readonly devices: readonly VirtioDevice[];
  readonly maker: DeviceMaker;
  readonly log: Log;
  readonly post: (message: PmmReactorMessage) => void;
}

/** Opens the doorbell, publishes, and runs until the stop request. */
function serve({ context, data, reactor, memory, devices, maker, log, post }: Machine): void {
  const { config, layout, poolFd, ivshmem, fdt, epoch } = data;
  const load = new RunDelay();
  const pool = { address: layout.base, bytes: layout.bytes, fd: poolFd, ivshmem };
  const doorbell = makeDoorbell(config, reactor, log, pool);
  const transport = new HvlTransport({
    layout,
    memory,
    devices,
    doorbell,
    log,
    options: {
      restartDetector: config.restartDetector,
      confine: config.confine,
      features: [], // the devices were made with theirs
      observer: deviceObserver(reactor, post),
      loop: reactor,
      epoch,
    },
  });
  doorbell.open(doorbellHandler(transport, post));
  try {
    transport.publish(config.withDtb ? fdt : undefined);
    reactor.setPollable(transport, pollPolicyOf(config.poll, load, longestSleepUs(data)));
    reactor.onWake(() => {
      if (context.stopRequested()) reactor.stop();
      for (let message = context.receive(); message !== undefined; message = context.receive()) {
        const { type, id, message: body } = message as PmmMainMessage; // posted by create-pmm.ts only
        if (type === 'tree') maker.onTreeMessage(id, body);
        else maker.onNetworkMessage(id, body);
      }
    });
    post({ type: 'ready', taps: maker.taps });
    reactor.run();
  } finally {
    transport.stop();
    doorbell.close();
    load.close();
  }
}

/** Without a doorbell that surely reaches us, no sleep may be longer than this. @returns microseconds, or -1: no limit */
function longestSleepUs({ config: { notify }, ivshmem }: PmmReactorData): number {
  if (notify.kind === 'poll') return notify.us;
  return ivshmem !== undefined && ivshmem.id !== 0 ? FOREIGN_ID_LOOK_US : -1;
}

function deviceObserver(reactor: Reactor, post: (message: PmmReactorMessage) => void): HvlObserver {
  const limit = new RateLimit(DEVICE_EVENTS, SECOND_US);
  const tell = (slot: number, event: 'started' | 'reset' | 'fault', text: string): void => {
    if (limit.allow(reactor.nowUs())) post({ type: 'device', slot, event, text });
  };
  return {
    deviceStarted: (slot) => tell(slot, 'started', ''),
    deviceReset: (slot) => tell(slot, 'reset', ''),
    deviceFault: (slot, text) => tell(slot, 'fault', text),
  };
}

function doorbellHandler(
  transport: HvlTransport,
  post: (message: PmmReactorMessage) => void,
): DoorbellHandler {
  return {
    onDoorbell: () => transport.pass(),
    onPeer: (up) => {
      post({ type: 'peer', up });
      if (up) transport.peerConnected();
    },
  };
}

function mainLog(post: (message: PmmReactorMessage) => void): Log {
  return {
    debug: (text) => post({ type: 'log', level: 'debug', text }),
    info: (text) => post({ type: 'log', level: 'info', text }),
    warn: (text) => post({ type: 'log', level: 'warn', text }),
  };
}
