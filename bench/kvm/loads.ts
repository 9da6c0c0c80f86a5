/** Loads for a guest in the test bed's outer guest, and a table that compares two machines under them. */
import type { Guest } from '../../test/bed/guest.js';
import type { OuterGuest } from '../../test/bed/outer.js';

const MIB = 1 << 20;
export const SHARED_FILE_BYTES = 64 * MIB;
export const HOST_ADDRESS = '192.168.99.1';
const GUEST_ADDRESS = '192.168.99.2';
const FILES = 200;
const IPERF_SECONDS = 3;
const IPERF_WARM_SECONDS = 4;
const PINGS = 60;
const WARM_PINGS = 1000;
/** A load is given so many times before it counts, a second and a half each. */
const WARM_RUNS = 5;
/** ... and then so often; the median counts. */
const COUNTED_RUNS = 3;

/** One figure of two machines. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  /** Whether more is better. */
  readonly more: boolean;
  /** Least ratio of the first machine's speed to the second one's; 0 = none. */
  readonly goal: number;
}

export const SHARE_FIGURES = {
  read9p: { name: '9p read', unit: 'MB/s', more: true, goal: 1 },
  write9p: { name: '9p write', unit: 'MB/s', more: true, goal: 1 },
  names9p: { name: `9p ${FILES} x create, list, remove`, unit: 's', more: false, goal: 1 },
} as const satisfies Record<string, Figure>;

export const NETWORK_FIGURES = {
  toGuest: { name: 'iperf3 to the guest', unit: 'Gbit/s', more: true, goal: 1 },
  toHost: { name: 'iperf3 to the host', unit: 'Gbit/s', more: true, goal: 1 },
  ping: { name: 'ping', unit: 'ms', more: false, goal: 1 },
} as const satisfies Record<string, Figure>;

/** The number that a command in the guest prints when it is run again and again. */
export async function numberFrom(guest: Guest, line: string, warm = WARM_RUNS): Promise<number> {
  const numbers: number[] = [];
  for (let run = 0; run < warm + COUNTED_RUNS; run++) numbers.push(Number((await guest.sh(line)).trim()));
  return median(numbers.slice(warm));
}

/** Makes an empty share in /run/share with a file to read. */
export async function makeShare(outer: OuterGuest): Promise<void> {
  await outer.sh(
    `rm -rf /run/share; mkdir /run/share; head -c ${SHARED_FILE_BYTES} /dev/zero > /run/share/file`,
  );
}

/** Loads the share with the tag "share". @param msize of the mount */
export async function shareLoad(
  guest: Guest,
  msize: number,
): Promise<Record<keyof typeof SHARE_FIGURES, number>> {
  await guest.sh(`mount -t 9p -o trans=virtio,version=9p2000.L,msize=${msize} share /mnt`);
  const file = async (what: string): Promise<number> =>
    (await numberFrom(guest, `iobench ${what} /mnt/file ${MIB} ${SHARED_FILE_BYTES}`)) / 1e6;
  const write9p = await file('write');
  const read9p = await file('read');
  await guest.sh('mkdir -p /mnt/many');
  return { write9p, read9p, names9p: await numberFrom(guest, `iobench names /mnt/many ${FILES}`, 1) };
}

/** Loads the tap interface that has {@link HOST_ADDRESS} here and is eth0 there. */
export async function networkLoad(
  outer: OuterGuest,
  guest: Guest,
): Promise<Record<keyof typeof NETWORK_FIGURES, number>> {
  await guest.sh(`ip link set lo up; ip addr add ${GUEST_ADDRESS}/24 dev eth0 && ip link set eth0 up`);
  await guest.sh('iperf3 --server --daemon');
  await outer.sh(`ping -q -c ${WARM_PINGS} -i 0.01 ${GUEST_ADDRESS}`);
  const pings = await outer.sh(`ping -q -c ${PINGS} -i 0.05 ${GUEST_ADDRESS}`);
  const [, ping] = /rtt min\/avg\/max\/mdev = [\d.]+\/([\d.]+)\//.exec(pings) ?? [];
  return {
    ping: Number(ping),
    toGuest: await iperfToGuest(outer),
    toHost: await iperfToHost(outer),
  };
}

/** A stream to the guest, whose server runs already. @returns Gbit/s */
export async function iperfToGuest(outer: OuterGuest): Promise<number> {
  return await iperf(outer, []);
}

/** A stream from the guest, whose server runs already. @returns Gbit/s */
export async function iperfToHost(outer: OuterGuest): Promise<number> {
  return await iperf(outer, ['--reverse']);
}

async function iperf(outer: OuterGuest, direction: readonly string[]): Promise<number> {
  const client = [
    ...['iperf3', '--client', GUEST_ADDRESS, '--json', ...direction],
    ...['--time', String(IPERF_SECONDS), '--omit', String(IPERF_WARM_SECONDS)],
  ];
  const { code, stdout } = await outer.run(client);
  if (code !== 0) throw new Error(stdout);
  const report = JSON.parse(stdout) as { end: { sum_received: { bits_per_second: number } } };
  return report.end.sum_received.bits_per_second / 1e9;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}

/**
 * Measures two machines by turns, so that a change of the machine's load meets both.
 * @param rounds a number, as the command line has it
 * Errors: those of `measure`, after the outer guest's report.
 */
export async function inTurns<Way extends string, Sample>(
  outer: OuterGuest,
  rounds: string,
  ways: readonly [Way, Way],
  measure: (way: Way) => Promise<Sample>,
): Promise<readonly [readonly Sample[], readonly Sample[]]> {
  const samples: readonly [Sample[], Sample[]] = [[], []];
  try {
    for (let round = 0; round < Number(rounds); round++) {
      for (const index of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
        outer.forget();
        samples[index].push(await measure(ways[index]));
      }
      process.stderr.write(`round ${round + 1} of ${rounds} done\n`);
    }
  } catch (error) {
    process.stderr.write(`${outer.report()}\n`);
    throw error;
  }
  return samples;
}

/** Measured values of two machines, by figure. NaN: it cannot be told of that machine. */
export interface Comparison<Name extends string> {
  readonly title: string;
  readonly figures: Record<Name, Figure>;
  /** Names of the two, the one that is to be faster first. */
  readonly machines: readonly [string, string];
  readonly samples: readonly [readonly Record<Name, number>[], readonly Record<Name, number>[]];
}

/** Prints medians, and the first machine's speed over the second one's: above 1, it is faster (or smaller). */
export function printComparison<Name extends string>(
  { title, figures, machines, samples }: Comparison<Name>,
  json: boolean,
): void {
  const names = Object.keys(figures) as Name[]; // of the literal that the caller has written
  const rows = names.map((name) => {
    const [first, second] = samples.map((each) => median(each.map((sample) => sample[name]))) as [
      number,
      number,
    ];
    const figure = figures[name];
    return { figure, first, second, ratio: figure.more ? first / second : second / first };
  });
  if (json) {
    const benches = rows.map(({ figure, first, second, ratio }) => ({
      ...figure,
      [machines[0]]: first,
      [machines[1]]: second,
      ratio,
    }));
    process.stdout.write(`${JSON.stringify({ benches })}\n`);
    return;
  }
  const [one, two] = machines.map((name) => name.padStart(10));
  process.stdout.write(`${title.padEnd(32)}${one}${two}  ${'unit'.padEnd(8)}  times\n`);
  for (const { figure, first, second, ratio } of rows) {
    const verdict = ratio < figure.goal ? '  MISSED' : '';
    const text = (value: number, print: (value: number) => string) =>
      Number.isNaN(value) ? '-' : print(value);
    const numbers = [first, second].map((each) => text(each, (n) => n.toPrecision(4)).padStart(10)).join('');
    const times = text(ratio, (n) => n.toFixed(2));
    process.stdout.write(
      `${figure.name.padEnd(32)}${numbers}  ${figure.unit.padEnd(8)}  ${times}${verdict}\n`,
    );
  }
}
