// `npm run bench -- guest`: a Debian guest under lkvm, and the same guest under QEMU, both on the KVM of the test bed's outer guest.
//
// An exit costs far more there than on a real machine, and everything else is ten times slower and noisy: only the
// ratios mean something. Both machines are measured in turns, in one outer guest; the table has medians. Every load runs for
// some seconds before it is measured, on both: compiling JavaScript takes some ten seconds there.
// usage: npm run bench -- guest [--rounds N] [--json]
import { parseArgs } from 'node:util';
import { skipWithoutBed } from '../../test/bed/cache.js';
import { Guest } from '../../test/bed/guest.js';
import { guestProgram } from '../../test/bed/guests.js';
import type { MachineSpec, Vmm } from '../../test/bed/machine.js';
import { OuterGuest } from '../../test/bed/outer.js';
import {
  type Figure,
  HOST_ADDRESS,
  inTurns,
  makeShare,
  NETWORK_FIGURES,
  networkLoad,
  numberFrom,
  printComparison,
  SHARE_FIGURES,
  shareLoad,
} from './loads.js';

const OUTER_MIB = 4096;
const MIB = 1 << 20;
const MEMORY_MIB = 512;
const DISK_BYTES = 128 * MIB;
/** Linux's 9p client takes no more. */
const MSIZE = 512_000;

const FIGURES = {
  boot: { name: 'start of the command to init', unit: 's', more: false, goal: 1 },
  kernel: { name: 'kernel to init', unit: 's', more: false, goal: 1 },
  read4k: { name: 'blk read 4 KiB', unit: 'MB/s', more: true, goal: 1 },
  write4k: { name: 'blk write 4 KiB', unit: 'MB/s', more: true, goal: 1 },
  read1m: { name: 'blk read 1 MiB', unit: 'MB/s', more: true, goal: 1 },
  write1m: { name: 'blk write 1 MiB', unit: 'MB/s', more: true, goal: 1 },
  ...SHARE_FIGURES,
  ...NETWORK_FIGURES,
  rss: { name: 'RSS above guest RAM', unit: 'MiB', more: false, goal: 0 },
} as const satisfies Record<string, Figure>;

type FigureName = keyof typeof FIGURES;
type Sample = Record<FigureName, number>;

/** Resident memory of a VMM without that of its guest, MiB: its mappings except the one of the guest's size. */
async function residentAbove(outer: OuterGuest, vmm: Vmm): Promise<number> {
  const pattern = vmm === 'lkvm' ? '[l]kvm.*run -k|[m]ain.js run -k' : '^qemu-system';
  const ramKib = MEMORY_MIB * 1024;
  const sum = `/^Size:/ { size = $2 } /^Rss:/ { if (size != ${ramKib}) all += $2 } END { print all }`;
  return Number(await outer.sh(`awk '${sum}' /proc/$(pgrep -of '${pattern}')/smaps`)) / 1024;
}

async function blockLoad(guest: Guest): Promise<Pick<Sample, 'read4k' | 'write4k' | 'read1m' | 'write1m'>> {
  const disk = async (what: string, bytes: number): Promise<number> =>
    (await numberFrom(guest, `iobench ${what} /dev/vda ${bytes} ${DISK_BYTES} direct`)) / 1e6;
  return {
    write4k: await disk('write', 4096),
    read4k: await disk('read', 4096),
    write1m: await disk('write', MIB),
    read1m: await disk('read', MIB),
  };
}

/** New files for the disk and the share, the same for both. */
async function makeFiles(outer: OuterGuest): Promise<void> {
  await outer.sh(`head -c ${DISK_BYTES} /dev/zero > /run/disk`);
  await makeShare(outer);
}

async function measure(outer: OuterGuest, vmm: Vmm, spec: MachineSpec): Promise<Sample> {
  await makeFiles(outer);
  const guest = await Guest.boot(outer, spec, vmm);
  try {
    return {
      boot: guest.bootMs / 1000,
      kernel: guest.facts.uptime,
      ...(await blockLoad(guest)),
      ...(await shareLoad(guest, MSIZE)),
      ...(await networkLoad(outer, guest)),
      rss: await residentAbove(outer, vmm),
    };
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
await outer.addTap('tap0', `${HOST_ADDRESS}/24`);
await makeFiles(outer);
// The first of each fills the outer guest's cache of files.
for (const vmm of ['lkvm', 'qemu'] as const) await (await Guest.boot(outer, spec, vmm)).kill();
const samples = await inTurns(outer, values.rounds, ['lkvm', 'qemu'] as const, (vmm) =>
  measure(outer, vmm, spec),
);
printComparison(
  {
    title: 'guest',
    figures: FIGURES,
    machines: ['lkvm', 'QEMU'],
    samples,
  },
  values.json,
);
