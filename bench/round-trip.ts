/**
 * rtt-spin, rtt-adaptive, rtt-interrupt: the driver makes a buffer available, the device answers, the driver sees it.
 *
 * A PMM with four devices runs in a process of its own; the driver is in this one. The request is one byte of entropy:
 * the leanest request of a real device, one descriptor and one `getrandom`. Both sides poll in the same way.
 *
 * Floors: for the polling modes two processes that spin on two words of shared memory; for interrupts two processes that
 * block in `read` of an eventfd. Series of both alternate, and of each the one with the lowest median counts: other
 * users of the machine disturb single series.
 */
import type { Bench, BenchOptions, Measurement } from './bench.js';
import { BenchDriver } from './support/driver.js';
import { eventfdPingPong, memoryPingPong, type PingPong } from './support/ping-pong.js';
import { fourDevices, type PmmChild, PmmPlace, type Polling, startPmm } from './support/pmm-child.js';
import { allProcessors, pinTo, processors } from './support/processor.js';
import { best, type Percentiles, percentiles } from './support/series.js';

const SERIES = 8;
const QUICK_SERIES = 2;
const ROUNDS = 5000;
const QUICK_ROUNDS = 500;
const WARM_UP = 2000;
const SERIES_MS = 500;

/** At most so many rounds, and so long. */
function series(round: () => void, rounds: number): Percentiles {
  const times = new Float64Array(rounds);
  const start = performance.now();
  let n = 0;
  for (let last = start; n < rounds && last - start < SERIES_MS; n++) {
    round();
    const now = performance.now();
    times[n] = (now - last) * 1000;
    last = now;
  }
  return percentiles(times.subarray(0, n));
}

interface Comparison {
  readonly ours: Percentiles;
  readonly floor: Percentiles;
}

/** A PMM, a driver, and their floor. */
class RoundTrips {
  readonly #pmm: PmmChild;
  readonly #request: () => void;
  readonly #quick: boolean;

  constructor(pmm: PmmChild, driver: BenchDriver, quick: boolean) {
    const { rng } = driver.session.drivers;
    if (rng === undefined) throw new Error('the PMM has no rng device');
    const to = new Uint8Array(1);
    this.#pmm = pmm;
    this.#quick = quick;
    this.#request = () => rng.fill(to, 0, 1);
  }

  /** Alternating series. */
  compare(floor: PingPong): Comparison {
    const rounds = this.#quick ? QUICK_ROUNDS : ROUNDS;
    const ours: Percentiles[] = [];
    const floors: Percentiles[] = [];
    for (let i = 0; i < (this.#quick ? QUICK_SERIES : SERIES); i++) {
      series(this.#request, WARM_UP);
      ours.push(series(this.#request, rounds));
      this.#pmm.pause(); // while it polls, it would take the floor's processor
      floor.peer.resume();
      series(() => floor.round(), WARM_UP);
      floors.push(series(() => floor.round(), rounds));
      floor.peer.pause();
      this.#pmm.resume();
    }
    return { ours: best(ours), floor: best(floors) };
  }
}

function measurement({ ours, floor }: Comparison, more: Readonly<Record<string, number>> = {}): Measurement {
  const { p50, p99, min } = ours;
  const extra = { p50_us: p50, p99_us: p99, min_us: min, floor_p99_us: floor.p99, ...more };
  return { value: p50, floor: floor.p50, extra };
}

async function polled(options: BenchOptions, poll: Polling): Promise<Measurement> {
  const place = new PmmPlace(options);
  await using pmm = await startPmm(place, { poll, devices: fourDevices(options.folder) });
  using driver = new BenchDriver(place, poll);
  using floor = memoryPingPong(options.memoryFolder);
  return measurement(new RoundTrips(pmm, driver, options.quick).compare(floor));
}

/** First all on one processor, then on two; the first is reported, because there is no idle processor's wake-up in it. */
async function interrupted(options: BenchOptions): Promise<Measurement> {
  const place = new PmmPlace(options);
  const pinned = processors() > 1 && pinTo(process.pid, '1'); // those we start inherit it
  await using pmm = await startPmm(place, { poll: 'none', devices: fourDevices(options.folder) });
  using driver = new BenchDriver(place, 'none');
  using floor = eventfdPingPong();
  const trips = new RoundTrips(pmm, driver, options.quick);
  const together = trips.compare(floor);
  if (!pinned) return measurement(together);
  pinTo(process.pid, '0');
  const apart = trips.compare(floor);
  pinTo(process.pid, allProcessors());
  return measurement(together, {
    two_processors_us: apart.ours.p50,
    two_processors_floor_us: apart.floor.p50,
  });
}

const about = (poll: Polling) => `one byte of entropy, --poll ${poll} on both sides`;

export const spinning: Bench = {
  name: 'rtt-spin',
  unit: 'us',
  about: about('spin'),
  goal: { of: 'value', atMost: 5 },
  run: (options) => polled(options, 'spin'),
};

export const adaptive: Bench = {
  name: 'rtt-adaptive',
  unit: 'us',
  about: about('adaptive'),
  goal: { of: 'value', atMost: 30 },
  run: (options) => polled(options, 'adaptive'),
};

export const interrupts: Bench = {
  name: 'rtt-interrupt',
  unit: 'us',
  about: `${about('none')}, an eventfd each way`,
  goal: { of: 'ratio', atMost: 2 },
  run: interrupted,
};
