// `npm run bench -- pool`: a Debian guest whose devices are in a pool, without traps, and the same guest with the same
// devices behind virtio-pci; both under lkvm, on the KVM of the test bed's outer guest.
//
// An exit costs far more there than on a real machine, and everything else is ten times slower and noisy: only the
// ratios mean something. Both are measured in turns, in one outer guest; the table has medians.
// usage: npm run bench -- pool [--rounds N] [--json]
import { parseArgs } from 'node:util';
import { skipWithoutBed } from '../../test/bed/cache.js';
import { Guest } from '../../test/bed/guest.js';
import { guestProgram } from '../../test/bed/guests.js';
import { commandOf, type MachineSpec } from '../../test/bed/machine.js';
import { OuterGuest } from '../../test/bed/outer.js';
import { frontEndModule } from '../../test/peer/module.js';

const OUTER_MIB = 4096;
const MIB = 1 << 20;
const FILE_BYTES = 32 * MIB;
const MSIZE = 262_144;
const HOST_ADDRESS = '192.168.98.1';
const GUEST_ADDRESS = '192.168.98.2';
const IPERF_SECONDS = 3;
const PINGS = 100;
/** A pool in which no ring has to be shortened. */
const POOL = ['--rsld', '--shmem-addr', '0xd4000000', '--shmem-size', '64M'];

type Way = 'pool' | 'pci';

interface Figure {
  readonly name: string;
  readonly unit: string;
  /** Whether more is better. */
  readonly more: boolean;
}

const FIGURES = {
  ping: { name: 'ping, mean', unit: 'ms', more: false },
  toGuest: { name: 'iperf3 to the guest', unit: 'Gbit/s', more: true },
  toHost: { name: 'iperf3 to the host', unit: 'Gbit/s', more: true },
  read9p: { name: '9p read, msize 262144', unit: 'MB/s', more: true },
  write9p: { name: '9p write, msize 262144', unit: 'MB/s', more: true },
  interrupts: { name: 'interrupts per 1000 frames in', unit: '', more: false },
} as const satisfies Record<string, Figure>;

type FigureName = keyof typeof FIGURES;
type Sample = Record<FigureName, number>;

async function iperf(outer: OuterGuest, direction: readonly string[]): Promise<number> {
  const client = ['iperf3', '--client', GUEST_ADDRESS, '--time', String(IPERF_SECONDS), '--json'];
  const { code, stdout } = await outer.run([...client, ...direction]);
  if (code !== 0) throw new Error(stdout);
  const report = JSON.parse(stdout) as { end: { sum_received: { bits_per_second: number } } };
  return report.end.sum_received.bits_per_second / 1e9;
}

/** Interrupts of virtio devices since the start, and frames received. */
async function counts(guest: Guest): Promise<{ interrupts: number; frames: number }> {
  const lines = (
    await guest.sh('grep virtio /proc/interrupts; cat /sys/class/net/eth0/statistics/rx_packets')
  )
    .trim()
    .split('\n');
  const frames = Number(lines.pop());
  const interrupts = lines.map((line) => Number(/^ *\d+: +(\d+)/.exec(line)?.[1] ?? 0));
  return { interrupts: interrupts.reduce((sum, each) => sum + each, 0), frames };
}

async function network(outer: OuterGuest, guest: Guest): Promise<Omit<Sample, 'read9p' | 'write9p'>> {
  await guest.sh(`ip link set lo up; ip addr add ${GUEST_ADDRESS}/24 dev eth0 && ip link set eth0 up`);
  await guest.sh('iperf3 --server --daemon');
  const pings = await outer.sh(`ping -q -c ${PINGS} -i 0.02 ${GUEST_ADDRESS}`);
  const [, ping] = /rtt min\/avg\/max\/mdev = [\d.]+\/([\d.]+)\//.exec(pings) ?? [];
  const before = await counts(guest);
  const toGuest = await iperf(outer, []);
  const after = await counts(guest);
  const interrupts = (1000 * (after.interrupts - before.interrupts)) / (after.frames - before.frames);
  return { ping: Number(ping), toGuest, toHost: await iperf(outer, ['--reverse']), interrupts };
}

async function share(guest: Guest): Promise<Pick<Sample, 'read9p' | 'write9p'>> {
  await guest.sh(`mount -t 9p -o trans=virtio,version=9p2000.L,msize=${MSIZE} share /mnt`);
  const file = async (what: string): Promise<number> =>
    Number((await guest.sh(`iobench ${what} /mnt/file ${MIB} ${FILE_BYTES}`)).trim()) / 1e6;
  return { write9p: await file('write'), read9p: await file('read') };
}

async function measure(outer: OuterGuest, way: Way, spec: MachineSpec): Promise<Sample> {
  const options = way === 'pool' ? POOL : [];
  const transport = way === 'pool' ? 'mmio' : 'pci';
  const guest = await Guest.start(outer, commandOf('lkvm', { ...spec, transport, options }));
  try {
    return { ...(await network(outer, guest)), ...(await share(guest)) };
  } finally {
    await guest.kill();
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}

function report(samples: Record<Way, Sample[]>, json: boolean): void {
  const rows = (Object.keys(FIGURES) as FigureName[]).map((key) => {
    const { name, unit, more }: Figure = FIGURES[key];
    const pool = median(samples.pool.map((sample) => sample[key]));
    const pci = median(samples.pci.map((sample) => sample[key]));
    return { name, unit, pool, pci, ratio: more ? pool / pci : pci / pool };
  });
  if (json) {
    process.stdout.write(`${JSON.stringify({ benches: rows })}\n`);
    return;
  }
  process.stdout.write(
    `${'guest'.padEnd(32)}${'pool'.padStart(10)}${'PCI'.padStart(10)}  ${'unit'.padEnd(8)}  times\n`,
  );
  for (const { name, unit, pool, pci, ratio } of rows) {
    const numbers = [pool, pci].map((value) => value.toPrecision(4).padStart(10)).join('');
    process.stdout.write(`${name.padEnd(32)}${numbers}  ${unit.padEnd(8)}  ${ratio.toFixed(2)}\n`);
  }
}

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '3' }, json: { type: 'boolean', default: false } },
});
const missing = skipWithoutBed();
if (missing !== false) throw new Error(missing);
await using outer = await OuterGuest.boot({ memoryMib: OUTER_MIB });
const spec: MachineSpec = {
  kernel: '6.1',
  initrd: outer.initrd('6.1', {
    files: [guestProgram(outer, 'iobench'), frontEndModule('6.1')],
    programs: ['/usr/bin/iperf3'],
  }),
  memoryMib: 512,
  shares: ['/run/share,share'],
  tap: 'tap0',
  rng: true,
};
const samples: Record<Way, Sample[]> = { pool: [], pci: [] };
try {
  await outer.addTap('tap0', `${HOST_ADDRESS}/24`);
  await outer.sh(`mkdir /run/share; head -c ${FILE_BYTES} /dev/zero > /run/share/file`);
  for (let round = 0; round < Number(values.rounds); round++) {
    const order: Way[] = round % 2 === 0 ? ['pool', 'pci'] : ['pci', 'pool'];
    for (const way of order) {
      outer.forget();
      samples[way].push(await measure(outer, way, spec));
    }
    process.stderr.write(`round ${round + 1} of ${values.rounds} done\n`);
  }
} catch (error) {
  process.stderr.write(`${outer.report()}\n`);
  throw error;
}
report(samples, values.json);
