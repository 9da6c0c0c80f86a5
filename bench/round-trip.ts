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
import type { Bench, BenchOptions, Goal, Measurement } from './bench.js';
import { BenchDriver } from './support/driver.js';
import { eventfdPingPong, memoryPingPong, type PingPong } from './support/ping-pong.js';
import { fourDevices, PmmPlace, type Polling, startPmm } from './support/pmm-child.js';
import { best, type Percentiles, percentiles } from './support/series.js';

const SERIES = 8;
const QUICK_SERIES = 2;
const ROUNDS = 5000;
const QUICK_ROUNDS = 500;
const WARM_UP = 2000;

function series(round: () => void, rounds: number): Percentiles {
  const times = new Float64Array(rounds);
  let last = performance.now();
  for (let i = 0; i < rounds; i++) {
    round();
    const now = performance.now();
    times[i] = (now - last) * 1000;
    last = now;
  }
  return percentiles(times);
}

async function measure(
  options: BenchOptions,
  poll: Polling,
  floorOf: (folder: string) => PingPong,
): Promise<Measurement> {
  const place = new PmmPlace(options);
  await using pmm = await startPmm(place, { poll, devices: fourDevices(options.folder) });
  using driver = new BenchDriver(place, poll);
  const { rng } = driver.session.drivers;
  if (rng === undefined) throw new Error('the PMM has no rng device');
  const to = new Uint8Array(1);
  const rounds = options.quick ? QUICK_ROUNDS : ROUNDS;
  const request = () => rng.fill(to, 0, 1);
  series(request, WARM_UP);
  const ours: Percentiles[] = [];
  const floors: Percentiles[] = [];
  for (let i = 0; i < (options.quick ? QUICK_SERIES : SERIES); i++) {
    ours.push(series(request, rounds));
    pmm.pause();
    using floor = floorOf(options.memoryFolder);
    series(() => floor.round(), WARM_UP);
    floors.push(series(() => floor.round(), rounds));
    pmm.resume();
  }
  const { p50, p99, min } = best(ours);
  const floor = best(floors);
  return { value: p50, floor: floor.p50, extra: { p50_us: p50, p99_us: p99, min_us: min, floor_p99_us: floor.p99 } };
}

function bench(name: string, poll: Polling, goal: Goal, floorOf: (folder: string) => PingPong): Bench {
  const about = `one byte of entropy, --poll ${poll} on both sides`;
  return { name, unit: 'us', about, goal, run: (options) => measure(options, poll, floorOf) };
}

export const spinning = bench('rtt-spin', 'spin', { of: 'value', atMost: 5 }, memoryPingPong);
export const adaptive = bench('rtt-adaptive', 'adaptive', { of: 'value', atMost: 30 }, memoryPingPong);
export const interrupts = bench('rtt-interrupt', 'none', { of: 'ratio', atMost: 2 }, eventfdPingPong);
