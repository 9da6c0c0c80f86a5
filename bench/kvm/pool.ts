// `npm run bench -- pool`: a Debian guest whose devices are in a pool, without traps, and the same guest with the same
// devices behind virtio-pci; both under lkvm, on the KVM of the test bed's outer guest.
//
// What such figures are worth: see guest.ts. Both are measured in turns, in one outer guest; the table has medians.
// usage: npm run bench -- pool [--rounds N] [--json]
import { parseArgs } from 'node:util';
import { skipWithoutBed } from '../../test/bed/cache.js';
import { Guest } from '../../test/bed/guest.js';
import { guestProgram } from '../../test/bed/guests.js';
import { commandOf, type MachineSpec } from '../../test/bed/machine.js';
import { OuterGuest } from '../../test/bed/outer.js';
import { frontEndModule } from '../../test/peer/module.js';
import {
  doorbellsPerThousand,
  interruptsPerThousand,
  type SignalCounts,
  signalCounts,
} from '../support/signals.js';
import {
  type Figure,
  HOST_ADDRESS,
  inTurns,
  iperfToGuest,
  iperfToHost,
  makeShare,
  NETWORK_FIGURES,
  networkLoad,
  printComparison,
  SHARE_FIGURES,
  shareLoad,
} from './loads.js';

const OUTER_MIB = 4096;
const MSIZE = 262_144;
const ROUND_TRIPS = 2000;
/** A pool in which no ring has to be shortened. */
const POOL = ['--rsld', '--shmem-addr', '0xd4000000', '--shmem-size', '64M'];

type Way = 'pool' | 'pci';

const FIGURES = {
  half: { name: 'round trip, half are within', unit: 'us', more: false, goal: 1 },
  most: { name: 'round trip, 99 of 100', unit: 'us', more: false, goal: 1 },
  ...NETWORK_FIGURES,
  ...SHARE_FIGURES,
  interrupts: { name: 'interrupts per 1000 frames in', unit: '', more: false, goal: 0 },
  doorbells: { name: 'doorbells per 1000 frames out', unit: '', more: false, goal: 0 },
} as const satisfies Record<string, Figure>;

type Sample = Record<keyof typeof FIGURES, number>;

/** At full load, a stream in each direction. */
async function signalsPerFrame(
  outer: OuterGuest,
  guest: Guest,
): Promise<Pick<Sample, 'interrupts' | 'doorbells'>> {
  await guest.sh('mount -t debugfs debugfs /sys/kernel/debug');
  const count = (): Promise<SignalCounts> => signalCounts((line) => guest.sh(line));
  const start = await count();
  await iperfToGuest(outer);
  const middle = await count();
  await iperfToHost(outer);
  const end = await count();
  return {
    interrupts: interruptsPerThousand(start, middle),
    doorbells: doorbellsPerThousand(middle, end),
  };
}

/** The status of a file, for which Linux's 9p asks the server: the smallest message, its answer, and an interrupt. */
async function roundTrips(guest: Guest): Promise<Pick<Sample, 'half' | 'most'>> {
  const times = await guest.sh(`iobench stat /mnt/file ${ROUND_TRIPS}`);
  const [half = 0, most = 0] = times.trim().split(' ').map(Number);
  return { half, most };
}

async function measure(outer: OuterGuest, way: Way, spec: MachineSpec): Promise<Sample> {
  await makeShare(outer);
  const options = way === 'pool' ? POOL : [];
  const transport = way === 'pool' ? 'mmio' : 'pci';
  const guest = await Guest.start(outer, commandOf('lkvm', { ...spec, transport, options }));
  try {
    const network = await networkLoad(outer, guest);
    const signals = await signalsPerFrame(outer, guest);
    const share = await shareLoad(guest, MSIZE);
    return { ...(await roundTrips(guest)), ...network, ...share, ...signals };
  } finally {
    await guest.kill();
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
await outer.addTap('tap0', `${HOST_ADDRESS}/24`);
const samples = await inTurns(outer, values.rounds, ['pool', 'pci'] as const, (way) =>
  measure(outer, way, spec),
);
printComparison({ title: 'guest', figures: FIGURES, machines: ['pool', 'PCI'], samples }, values.json);
