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

interface Counts {
  /** Of virtio devices. */
  readonly interrupts: number;
  /** NaN on PCI: kicks are not counted there. */
  readonly doorbells: number;
  readonly received: number;
  readonly sent: number;
}

/** Since the start. */
async function counts(guest: Guest): Promise<Counts> {
  const statistics = '/sys/class/net/eth0/statistics';
  const text = await guest.sh(
    `cat ${statistics}/rx_packets ${statistics}/tx_packets; grep virtio /proc/interrupts; ` +
      'cat /sys/kernel/debug/virtio_hvl/* 2> /dev/null || true',
  );
  const [received = 0, sent = 0] = text.split('\n').map(Number);
  const interrupts = [...text.matchAll(/^ *\d+: +(\d+)/gm)].reduce((sum, [, each]) => sum + Number(each), 0);
  const doorbells = Number(/^doorbells=(\d+)/m.exec(text)?.[1] ?? Number.NaN);
  return { interrupts, doorbells, received, sent };
}

/** At full load, a stream in each direction. */
async function signalsPerFrame(
  outer: OuterGuest,
  guest: Guest,
): Promise<Pick<Sample, 'interrupts' | 'doorbells'>> {
  await guest.sh('mount -t debugfs debugfs /sys/kernel/debug');
  const start = await counts(guest);
  await iperfToGuest(outer);
  const middle = await counts(guest);
  await iperfToHost(outer);
  const end = await counts(guest);
  return {
    interrupts: (1000 * (middle.interrupts - start.interrupts)) / (middle.received - start.received),
    doorbells: (1000 * (end.doorbells - middle.doorbells)) / (end.sent - middle.sent),
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
