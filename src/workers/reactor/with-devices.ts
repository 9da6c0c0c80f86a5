/**
 * What the reactor thread is in every kind of machine: an event loop, a log that ends on main, and the virtio devices with
 * their back ends. What the devices are connected to, is the machine's.
 *
 * Thread: reactor.
 */
import { Reactor } from '../../reactor/reactor.js';
import { COUNTER_COUNT } from '../../util/counters.js';
import type { Log } from '../../util/ports.js';
import { RateLimit, RateLimitedLog } from '../../util/rate-limit.js';
import type { VirtioDevice } from '../../virtio/core/device.js';
import type { ThreadContext } from '../entry.js';
import { IoClient } from '../io/client.js';
import type { IoInit } from '../io/ring.js';
import type { DeviceSpec } from './device-spec.js';
import { DeviceMaker } from './make-device.js';
import type { MainMessage, ReactorMessage } from './messages.js';

const SECOND_US = 1_000_000;
/** Log lines per second: a driver that breaks something in a loop must not fill main's memory. */
const LOG_LINES = 20;

/** What main has sent for them. */
export interface GivenDevices {
  readonly specs: readonly DeviceSpec[];
  /** The reactor's end of the I/O worker. */
  readonly io: IoInit;
  /** One row of COUNTER_COUNT doubles per device. */
  readonly counters: SharedArrayBuffer;
}

/** A thread that serves devices. */
export interface DeviceThread {
  readonly reactor: Reactor;
  readonly log: Log;
  /** In the order of their specifications. */
  readonly devices: readonly VirtioDevice[];
  /** Names of the host taps they have. */
  readonly taps: readonly string[];
}

/**
 * Opens the devices, has `serve` connect and serve them until main says stop, and closes everything in reverse order.
 * Errors: those of `DeviceMaker.make`, and of `serve`.
 */
export async function withDevices(
  context: ThreadContext<unknown>,
  { specs, io, counters }: GivenDevices,
  serve: (thread: DeviceThread) => void,
): Promise<void> {
  const post = (message: ReactorMessage): void => context.post(message);
  const reactor = new Reactor(context.wakeFd);
  const log = new RateLimitedLog(mainLog(post), new RateLimit(LOG_LINES, SECOND_US), () => reactor.nowUs());
  const blocking = new IoClient(io, reactor);
  const maker = new DeviceMaker({
    loop: reactor,
    log,
    blocking,
    postToService: post,
    onEscape: () => post({ type: 'escape' }),
    directories: specs.filter((spec) => spec.name === 'p9' && spec.tree.kind === 'directory').length,
  });
  const devices: VirtioDevice[] = [];
  try {
    for (const [index, spec] of specs.entries()) {
      const row = new Float64Array(counters, index * COUNTER_COUNT * 8, COUNTER_COUNT);
      devices.push(await maker.make(spec, row));
    }
    reactor.onWake(() => {
      for (let message = context.receive(); message !== undefined; message = context.receive()) {
        maker.onMessage(message as MainMessage); // main posts nothing else
      }
    });
    serve({ reactor, log, devices, taps: maker.taps });
  } finally {
    blocking.close(); // first: calls under way name files that the devices close
    for (const device of devices.reverse()) device.close();
    reactor.close();
  }
}

function mainLog(post: (message: ReactorMessage) => void): Log {
  return {
    debug: (text) => post({ type: 'log', level: 'debug', text }),
    info: (text) => post({ type: 'log', level: 'info', text }),
    warn: (text) => post({ type: 'log', level: 'warn', text }),
  };
}
