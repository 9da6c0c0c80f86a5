/**
 * The reactor worker of a PMM: builds devices, doorbell and transport from plain data, publishes the devices, and runs
 * the event loop until main says stop. Everything is opened before anything is published, and closed in reverse order.
 *
 * Thread: reactor.
 */
import type { DoorbellHandler } from '../backends/doorbell/doorbell.js';
import { GuestMemory } from '../memory/guest-memory.js';
import type { Reactor } from '../reactor/reactor.js';
import { RunDelay } from '../sys/run-delay.js';
import { RateLimit } from '../util/rate-limit.js';
import { type HvlObserver, HvlTransport } from '../virtio/transport/hvl/hvl-transport.js';
import { runThread, type ThreadContext } from '../workers/entry.js';
import '../workers/reactor/device-modules.js';
import { pollPolicyOf } from '../workers/reactor/poll-of.js';
import { type DeviceThread, withDevices } from '../workers/reactor/with-devices.js';
import { makeDoorbell } from './doorbell.js';
import { FOREIGN_ID_LOOK_US, type PmmReactorData, type PmmReactorMessage } from './messages.js';

const SECOND_US = 1_000_000;
/** Events of devices per second: a driver that starts over in a loop must not fill main's memory. */
const DEVICE_EVENTS = 500;

void runThread<undefined>(async (context) => {
  const data = context.awaitMessage(); // posted by warm-reactor.ts only
  if (data !== undefined) await main(context, data as PmmReactorData);
});

function main(context: ThreadContext<undefined>, data: PmmReactorData): Promise<void> {
  const { config, io, counters } = data;
  return withDevices(context, { specs: config.devices, io, counters }, (thread) =>
    serve(context, data, thread),
  );
}

/** Opens the doorbell, publishes, and runs until the stop request. */
function serve(context: ThreadContext<undefined>, data: PmmReactorData, thread: DeviceThread): void {
  const { config, layout, poolFd, ivshmem, fdt, epoch } = data;
  const { reactor, log, devices, taps } = thread;
  const post = (message: PmmReactorMessage): void => context.post(message);
  const memory = new GuestMemory(
    [{ gpa: config.shmemAddr, hva: data.poolAddress, bytes: config.shmemSize }],
    data.poolAccess,
  );
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
    post({ type: 'ready', taps });
    while (!context.stopRequested()) reactor.round();
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
