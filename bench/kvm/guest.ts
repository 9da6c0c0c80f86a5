// `npm run bench -- guest`: a Debian guest under lkvm, and the same guest under QEMU, both on the KVM of the test bed's outer guest.
//
// An exit costs far more there than on a real machine, and everything else is ten times slower and noisy: only the
// ratios mean something. Both machines are measured in turns, in one outer guest; the table has medians. Every load runs for
// some seconds before it is measured, on both: compiling JavaScript takes ten seconds there, a third of one elsewhere.
// usage: npm run bench -- guest [--rounds N] [--json]
import { parseArgs } from 'node:util';
import { skipWithoutBed } from '../../test/bed/cache.js';
import { Guest } from '../../test/bed/guest.js';
import { guestProgram } from '../../test/bed/guests.js';
import type { MachineSpec, Vmm } from '../../test/bed/machine.js';
import { OuterGuest } from '../../test/bed/outer.js';

const OUTER_MIB = 4096;
const MIB = 1 << 20;
const MEMORY_MIB = 512;
const DISK_BYTES = 128 * MIB;
const FILE_BYTES = 64 * MIB;
/** Linux's 9p client takes no more. */
const MSIZE = 512_000;
const FILES = 200;
const HOST_ADDRESS = '192.168.99.1';
const GUEST_ADDRESS = '192.168.99.2';
const IPERF_SECONDS = 3;
const IPERF_WARM_SECONDS = 4;
const PINGS = 60;
const WARM_PINGS = 200;
/** A load is given so many times, a second and a half each; the last one counts. */
const RUNS = 4;

/** One figure of both. */
interface Figure {
  readonly name: string;
  readonly unit: string;
  /** Whether more is better. */
  readonly more: boolean;
  /** Of the speed of lkvm to QEMU's. */
  readonly goal: number;
}

const FIGURES = {
  boot: { name: 'start of the command to init', unit: 's', more: false, goal: 1 },
  kernel: { name: 'kernel to init', unit: 's', more: false, goal: 1 },
  read4k: { name: 'blk read 4 KiB', unit: 'MB/s', more: true, goal: 1 },
  write4k: { name: 'blk write 4 KiB', unit: 'MB/s', more: true, goal: 1 },
  read1m: { name: 'blk read 1 MiB', unit: 'MB/s', more: true, goal: 1 },
  write1m: { name: 'blk write 1 MiB', unit: 'MB/s', more: true, goal: 1 },
  read9p: { name: '9p read, msize 512000', unit: 'MB/s', more: true, goal: 1 },
  write9p: { name: '9p write, msize 512000', unit: 'MB/s', more: true, goal: 1 },
  names9p: { name: '9p 200 x create, list, remove', unit: 's', more: false, goal: 1 },
  toGuest: { name: 'iperf3 to the guest', unit: 'Gbit/s', more: true, goal: 1 },
  toHost: { name: 'iperf3 to the host', unit: 'Gbit/s', more: true, goal: 1 },
  ping: { name: 'ping', unit: 'ms', more: false, goal: 1 },
  rss: { name: 'RSS above guest RAM', unit: 'MiB', more: false, goal: 0 },
} as const satisfies Record<string, Figure>;

type FigureName = keyof typeof FIGURES;
type Sample = Record<FigureName, number>;

/** The number that a command prints when it is run again and again. */
async function numberFrom(guest: Guest, line: string, runs = RUNS): Promise<number> {
  for (let warm = 1; warm < runs; warm++) await guest.sh(line);
  return Number((await guest.sh(line)).trim());
}

async function iperf(outer: OuterGuest, direction: readonly string[]): Promise<number> {
  const client = [
    'iperf3',
    '--client',
    GUEST_ADDRESS,
    ...['--time', String(IPERF_SECONDS), '--omit', String(IPERF_WARM_SECONDS)],
    '--json',
    ...direction,
  ];
  const { code, stdout } = await outer.run(client);
  if (code !== 0) throw new Error(stdout);
  const report = JSON.parse(stdout) as { end: { sum_received: { bits_per_second: number } } };
  return report.end.sum_received.bits_per_second / 1e9;
}

/** Resident memory of a VMM without that of its guest, MiB: its mappings except the one of the guest's size. */
async function residentAbove(outer: OuterGuest, vmm: Vmm): Promise<number> {
  const pattern = vmm === 'lkvm' ? '[l]kvm.*run -k|[m]ain.js run -k' : '^qemu-system';
  const ramKib = MEMORY_MIB * 1024;
  const sum = `/^Size:/ { size = $2 } /^Rss:/ { if (size != ${ramKib}) all += $2 } END { print all }`;
  return Number(await outer.sh(`awk '${sum}' /proc/$(pgrep -of '${pattern}')/smaps`)) / 1024;
}

async function block(guest: Guest): Promise<Pick<Sample, 'read4k' | 'write4k' | 'read1m' | 'write1m'>> {
  const disk = async (what: string, bytes: number): Promise<number> =>
    (await numberFrom(guest, `iobench ${what} /dev/vda ${bytes} ${DISK_BYTES} direct`)) / 1e6;
  return {
    write1m: await disk('write', MIB),
    read1m: await disk('read', MIB),
    write4k: await disk('write', 4096),
    read4k: await disk('read', 4096),
  };
}

async function share(guest: Guest): Promise<Pick<Sample, 'read9p' | 'write9p' | 'names9p'>> {
  await guest.sh(`mount -t 9p -o trans=virtio,version=9p2000.L,msize=${MSIZE} share /mnt`);
  const file = async (what: string): Promise<number> =>
    (await numberFrom(guest, `iobench ${what} /mnt/file ${MIB} ${FILE_BYTES}`)) / 1e6;
  const write9p = await file('write');
  const read9p = await file('read');
  await guest.sh('mkdir -p /mnt/many');
  return { write9p, read9p, names9p: await numberFrom(guest, `iobench names /mnt/many ${FILES}`, 2) };
}

async function network(
  outer: OuterGuest,
  guest: Guest,
): Promise<Pick<Sample, 'toGuest' | 'toHost' | 'ping'>> {
  await guest.sh(`ip link set lo up; ip addr add ${GUEST_ADDRESS}/24 dev eth0 && ip link set eth0 up`);
  await guest.sh('iperf3 --server --daemon');
  await outer.sh(`ping -q -c ${WARM_PINGS} -i 0.01 ${GUEST_ADDRESS}`);
  const pings = await outer.sh(`ping -q -c ${PINGS} -i 0.05 ${GUEST_ADDRESS}`);
  const [, ping] = /rtt min\/avg\/max\/mdev = [\d.]+\/([\d.]+)\//.exec(pings) ?? [];
  return { ping: Number(ping), toGuest: await iperf(outer, []), toHost: await iperf(outer, ['--reverse']) };
}

/** New files for the disk and the share, the same for both. */
async function makeFiles(outer: OuterGuest): Promise<void> {
  await outer.sh(`
    rm -rf /run/share; mkdir /run/share
    for file in /run/disk:${DISK_BYTES} /run/share/file:${FILE_BYTES}; do
      head -c \${file#*:} /dev/zero > \${file%:*}
    done`);
}

async function measure(outer: OuterGuest, vmm: Vmm, spec: MachineSpec): Promise<Sample> {
  await makeFiles(outer);
  const guest = await Guest.boot(outer, spec, vmm);
  try {
    return {
      boot: guest.bootMs / 1000,
      kernel: guest.facts.uptime,
      ...(await block(guest)),
      ...(await share(guest)),
      ...(await network(outer, guest)),
      rss: await residentAbove(outer, vmm),
    };
  } finally {
    await guest.kill();
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}

/** Of lkvm's speed to QEMU's: above 1, lkvm is faster (or smaller). */
function ratio({ more }: Figure, lkvm: number, qemu: number): number {
  return more ? lkvm / qemu : qemu / lkvm;
}

function report(samples: Record<Vmm, Sample[]>, json: boolean): void {
  const rows = (Object.keys(FIGURES) as FigureName[]).map((name) => {
    const figure: Figure = FIGURES[name];
    const lkvm = median(samples.lkvm.map((sample) => sample[name]));
    const qemu = median(samples.qemu.map((sample) => sample[name]));
    return { figure, lkvm, qemu, times: ratio(figure, lkvm, qemu) };
  });
  if (json) {
    const benches = rows.map(({ figure, lkvm, qemu, times }) => ({ ...figure, lkvm, qemu, ratio: times }));
    process.stdout.write(`${JSON.stringify({ benches })}\n`);
    return;
  }
  process.stdout.write(
    `${'guest'.padEnd(32)}${'lkvm'.padStart(10)}${'QEMU'.padStart(10)}  ${'unit'.padEnd(8)}  times\n`,
  );
  for (const { figure, lkvm, qemu, times } of rows) {
    const verdict = times >= figure.goal ? '' : '  MISSED';
    const numbers = `${lkvm.toPrecision(4).padStart(10)}${qemu.toPrecision(4).padStart(10)}`;
    process.stdout.write(
      `${figure.name.padEnd(32)}${numbers}  ${figure.unit.padEnd(8)}  ${times.toFixed(2)}${verdict}\n`,
    );
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
  initrd: outer.initrd('6.1', { files: [guestProgram(outer, 'iobench')], programs: ['/usr/bin/iperf3'] }),
  memoryMib: MEMORY_MIB,
  disks: ['/run/disk'],
  shares: ['/run/share,share'],
  tap: 'tap0',
  rng: true,
  // the same words for both
  words: 'console=ttyS0',
  options: ['--nodefaults'],
};
const samples: Record<Vmm, Sample[]> = { lkvm: [], qemu: [] };
try {
  await outer.addTap('tap0', `${HOST_ADDRESS}/24`);
  await makeFiles(outer);
  // The first of each fills the outer guest's cache of files.
  for (const vmm of ['lkvm', 'qemu'] as const) await (await Guest.boot(outer, spec, vmm)).kill();
  for (let round = 0; round < Number(values.rounds); round++) {
    const order: Vmm[] = round % 2 === 0 ? ['lkvm', 'qemu'] : ['qemu', 'lkvm'];
    for (const vmm of order) {
      outer.forget();
      samples[vmm].push(await measure(outer, vmm, spec));
    }
    process.stderr.write(`round ${round + 1} of ${values.rounds} done\n`);
  }
} catch (error) {
  process.stderr.write(`${outer.report()}\n`);
  throw error;
}
report(samples, values.json);
