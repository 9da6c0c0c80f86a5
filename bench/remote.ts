// `npm run bench -- remote`: a Debian machine in QEMU's emulation (TCG) whose devices are in a pool and served by `lkvm pmm` over
// ivshmem, and the same machine with QEMU's own virtio devices on PCI.
//
// An emulated processor is ten times slower than a real one, and most of the time goes there: only the ratios mean something. Both
// are measured in turns, one machine at a time; the table has medians. The emulated processor has a real one for itself,
// everything else has the others: the PMM, QEMU's other threads, what sends and measures. Each load runs once before it counts:
// by then V8 has compiled what it needs. Needs root, for a tap in a network of its own.
// usage: npm run bench -- remote [--rounds N] [--spin US] [--json]    US: how long the module looks instead of sleeping
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { guestProgram } from '../test/bed/guests.js';
import { writeInnerInitrd } from '../test/bed/initrd.js';
import { HostProcess } from '../test/peer/host-process.js';
import { PeerMachine, type PeerSpec, skipWithoutPeer } from '../test/peer/machine.js';
import { costModule, frontEndModule } from '../test/peer/module.js';
import { MAIN } from '../test/support/cli.js';
import { enterPrivateNetwork, run } from '../test/support/netns.js';
import {
  doorbellsPerThousand,
  interruptsPerThousand,
  type SignalCounts,
  signalCounts,
} from './support/signals.js';

const KERNEL = '6.1';
/** Slot of the network card, which has reserved slots for buffers of both directions. */
const NET_SLOT = 2;
const MIB = 1 << 20;
/** A pool in which no ring has to be shortened. */
const POOL_BYTES = 64 * MIB;
const FILE_BYTES = 32 * MIB;
const MSIZE = 262_144;
const HOST_ADDRESS = '192.168.98.1';
const GUEST_ADDRESS = '192.168.98.2';
const IPERF_SECONDS = 4;
const PINGS = 200;
const READS = 3000;
const START_LIMIT_MS = 60_000;
const DEVICES_MS = 60_000;

type Way = 'pool' | 'qemu';

interface Figure {
  readonly name: string;
  readonly unit: string;
  /** Whether more is better. */
  readonly more: boolean;
}

const FIGURES = {
  rng50: { name: 'request to the rng, median', unit: 'us', more: false },
  rng99: { name: 'request to the rng, 99 %', unit: 'us', more: false },
  ping50: { name: 'ping, median', unit: 'ms', more: false },
  ping99: { name: 'ping, 99 %', unit: 'ms', more: false },
  toGuest: { name: 'iperf3 to the machine', unit: 'Gbit/s', more: true },
  toHost: { name: 'iperf3 to the host', unit: 'Gbit/s', more: true },
  interrupts: { name: 'interrupts per 1000 in, 4 streams', unit: '', more: false },
  doorbells: { name: 'doorbells per 1000 frames out', unit: '', more: false },
  read9p: { name: '9p read, msize 262144', unit: 'MB/s', more: true },
  write9p: { name: '9p write, msize 262144', unit: 'MB/s', more: true },
} as const satisfies Record<string, Figure>;

type FigureName = keyof typeof FIGURES;
/** NaN: it cannot be told. */
type Sample = Record<FigureName, number>;

/** Runs a command of this machine. @returns its output. Errors: if it fails */
function host(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (data: Buffer) => {
      output += data.toString();
    });
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${program} ${args.join(' ')}: ${output}`));
    });
  });
}

async function iperf(direction: readonly string[]): Promise<number> {
  const client = ['--client', GUEST_ADDRESS, '--time', String(IPERF_SECONDS), '--omit', '2', '--json'];
  const report = JSON.parse(await host('iperf3', [...client, ...direction])) as {
    end: { sum_received: { bits_per_second: number } };
  };
  return report.end.sum_received.bits_per_second / 1e9;
}

function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) * part)] ?? Number.NaN;
}

async function network(machine: PeerMachine) {
  await machine.sh(`ip link set lo up; ip addr add ${GUEST_ADDRESS}/24 dev eth0 && ip link set eth0 up`);
  await machine.sh('iperf3 --server --daemon');
  const ping = (): Promise<string> => host('ping', ['-c', String(PINGS), '-i', '0.02', GUEST_ADDRESS]);
  await ping();
  const pings = await ping();
  const times = [...pings.matchAll(/time=([\d.]+) ms/g)].map(([, ms]) => Number(ms));
  const toGuest = await iperf([]);
  const count = (): Promise<SignalCounts> => signalCounts((line) => machine.sh(line));
  const start = await count();
  await iperf(['--parallel', '4']); // full load
  const middle = await count();
  const toHost = await iperf(['--reverse']);
  const end = await count();
  return {
    ping50: quantile(times, 0.5),
    ping99: quantile(times, 0.99),
    toGuest,
    toHost,
    interrupts: interruptsPerThousand(start, middle),
    doorbells: doorbellsPerThousand(middle, end),
  };
}

async function entropy(machine: PeerMachine) {
  const wait = (): Promise<string> => machine.sh(`waits /dev/hwrng 64 ${READS}`);
  await wait();
  const [rng50, rng99] = (await wait()).trim().split(' ').map(Number);
  return { rng50: rng50 ?? Number.NaN, rng99: rng99 ?? Number.NaN };
}

async function share(machine: PeerMachine) {
  await machine.sh(`mount -t 9p -o trans=virtio,version=9p2000.L,msize=${MSIZE} share /mnt`);
  const file = async (what: string): Promise<number> =>
    Number((await machine.sh(`iobench ${what} /mnt/file ${MIB} ${FILE_BYTES}`)).trim()) / 1e6;
  await file('write');
  await file('read');
  return { write9p: await file('write'), read9p: await file('read') };
}

/** What a buffer outside the pool costs: a line per size. */
async function bounceCosts(machine: PeerMachine): Promise<string> {
  await machine.sh(`insmod /lib/hvl_cost.ko device=${NET_SLOT} 2> /dev/null || true`);
  // insmod tries twice, since the module does not stay.
  const lines = (await machine.sh('dmesg | grep hvl_cost: | tail -n 4')).trim().split('\n');
  return lines
    .map((line) => {
      const [, ...numbers] = /bytes=(\d+) out=(\d+) in=(\d+) alloc=(\d+)/.exec(line) ?? [];
      const [bytes = 0, out = 0, back = 0, alloc = 0] = numbers.map(Number);
      const perKib = (ns: number): string => ((ns * 1024) / bytes).toFixed(0);
      return `buffer of ${bytes} bytes: bounced ${out} ns out, ${back} ns in (per KiB ${perKib(out)}, ${perKib(back)}); allocated in the pool ${alloc} ns\n`;
    })
    .join('');
}

/** A PMM with the devices that the machine of QEMU has. */
async function startPmm(socket: string, folder: string): Promise<HostProcess> {
  const pool = ['--shmem-addr', '0xd4000000', '--shmem-size', String(POOL_BYTES), '--event-idx'];
  const devices = ['--rng', '--9p', `${folder},share`, '--network', 'mode=tap,tapif=tap0'];
  const words = [MAIN, 'pmm', ...pool, '--shmem-backend', `ivshmem-server:${socket}`, ...devices];
  const pmm = new HostProcess('PMM', [process.execPath, ...words]);
  await pmm.transcript.expect(/ready/, START_LIMIT_MS);
  return pmm;
}

function qemuDevices(folder: string): string[] {
  return [
    ...['-object', 'rng-builtin,id=rng', '-device', 'virtio-rng-pci,rng=rng'],
    ...['-netdev', 'tap,id=net,ifname=tap0,script=no,downscript=no', '-device', 'virtio-net-pci,netdev=net'],
    ...['-fsdev', `local,id=share,path=${folder},security_model=none`],
    ...['-device', 'virtio-9p-pci,fsdev=share,mount_tag=share'],
  ];
}

/** Everything runs on the other processors than the first; on a machine with one there are no others. */
function leaveFirstProcessor(): void {
  const processors = availableParallelism();
  if (processors > 1) run(`taskset -a -p -c 1-${processors - 1} ${process.pid}`);
}

/** The first processor is the emulated one's. */
function takeFirstProcessor(pid: number): void {
  const threads = readdirSync(`/proc/${pid}/task`);
  const vcpu = threads.find((id) =>
    readFileSync(`/proc/${pid}/task/${id}/comm`, 'utf8').startsWith('CPU 0/'),
  );
  if (vcpu === undefined) throw new Error('QEMU has no thread called CPU 0/...');
  run(`taskset -p -c 0 ${vcpu}`);
}

async function measure(way: Way, folder: string, spinUs: string): Promise<Sample> {
  const shared = join(folder, 'share');
  const socket = join(folder, 'server');
  const pmm = way === 'pool' ? await startPmm(socket, shared) : undefined;
  const spec: PeerSpec = {
    ...{
      kernel: KERNEL,
      cpus: 1,
      pool: socket,
      poolBytes: POOL_BYTES,
      folder,
      initrd: join(folder, 'initrd'),
    },
    place: way === 'pool' ? 'doorbell' : 'none',
    devices: ['-name', 'debug-threads=on', ...(way === 'pool' ? [] : qemuDevices(shared))],
  };
  const machine = await PeerMachine.boot(spec);
  try {
    takeFirstProcessor(machine.process.pid);
    if (way === 'pool') await machine.loadModule(`ring_acks=0 spin_us=${spinUs}`);
    await machine.sh('mount -t debugfs debugfs /sys/kernel/debug');
    await machine.sh(
      'while [ ! -e /sys/class/net/eth0 ] || [ ! -c /dev/hwrng ]; do usleep 50000; done',
      DEVICES_MS,
    );
    if (way === 'pool') process.stderr.write(await bounceCosts(machine));
    return { ...(await entropy(machine)), ...(await network(machine)), ...(await share(machine)) };
  } catch (error) {
    throw new Error(`${error}\n${machine.process.transcript.tail()}\n${pmm?.transcript.tail() ?? ''}`);
  } finally {
    await machine.kill();
    await pmm?.end('SIGTERM');
  }
}

function report(samples: Record<Way, Sample[]>, json: boolean): void {
  const rows = (Object.keys(FIGURES) as FigureName[]).map((key) => {
    const { name, unit, more }: Figure = FIGURES[key];
    const [pool = 0, qemu = 0] = (['pool', 'qemu'] as const).map((way) =>
      quantile(
        samples[way].map((sample) => sample[key]),
        0.5,
      ),
    );
    return { name, unit, pool, qemu, ratio: more ? pool / qemu : qemu / pool };
  });
  if (json) {
    process.stdout.write(`${JSON.stringify({ benches: rows })}\n`);
    return;
  }
  const heading = [
    'machine in QEMU'.padEnd(34),
    'pool'.padStart(10),
    "QEMU's".padStart(10),
    '  unit      times',
  ];
  process.stdout.write(`${heading.join('')}\n`);
  for (const { name, unit, pool, qemu, ratio } of rows) {
    const [ours, theirs, times] = [pool, qemu, ratio].map((value) =>
      Number.isNaN(value) ? '-' : value.toPrecision(3),
    );
    process.stdout.write(
      `${name.padEnd(34)}${ours?.padStart(10)}${theirs?.padStart(10)}  ${unit.padEnd(8)}  ${times}\n`,
    );
  }
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    spin: { type: 'string', default: '400' },
    json: { type: 'boolean', default: false },
  },
});
const missing = skipWithoutPeer(KERNEL) || enterPrivateNetwork();
if (missing !== false) throw new Error(missing);
const folder = mkdtempSync(join(tmpdir(), 'lkvm-bench-'));
const samples: Record<Way, Sample[]> = { pool: [], qemu: [] };
leaveFirstProcessor();
try {
  mkdirSync(join(folder, 'share'));
  writeFileSync(join(folder, 'share', 'file'), Buffer.alloc(FILE_BYTES));
  writeInnerInitrd(join(folder, 'initrd'), KERNEL, {
    files: [
      guestProgram({ folder }, 'iobench'),
      guestProgram({ folder }, 'waits'),
      frontEndModule(KERNEL),
      costModule(KERNEL),
    ],
    programs: ['/usr/bin/iperf3'],
  });
  run('ip tuntap add dev tap0 mode tap vnet_hdr');
  run(`ip addr add ${HOST_ADDRESS}/24 dev tap0`);
  run('ip link set tap0 up');
  for (let round = 0; round < Number(values.rounds); round++) {
    const order: Way[] = round % 2 === 0 ? ['pool', 'qemu'] : ['qemu', 'pool'];
    for (const way of order) samples[way].push(await measure(way, folder, values.spin));
    process.stderr.write(`round ${round + 1} of ${values.rounds} done\n`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
report(samples, values.json);
