// A stock Debian kernel that KVM has started, with all devices in a pool: Linux's own drivers over the module virtio_hvl,
// and no register of them traps.
import assert from 'node:assert/strict';
import { frontEndModule } from '../peer/module.js';
import { skipWithout } from '../support/tools.js';
import { useBed } from './bed.js';
import { type KernelName, kernelFiles } from './cache.js';
import { Guest } from './guest.js';
import { LKVM } from './machine.js';
import type { OuterGuest } from './outer.js';

const { scenario } = useBed({}, skipWithout('gcc', 'make'));

/** Lines of the table of exits that are looked at: all of them. */
const EXIT_STATS = '100000';
/** Where a guest's memory accesses may exit: PCI's configuration space, and nothing else. */
const ECAM = { start: 0xe800_0000, end: 0xe810_0000 };

/** What the vCPU has counted of accesses to memory. */
function memoryExits(table: string): { address: number; line: string }[] {
  return [...table.matchAll(/^ *\d+ {2}mmio (?:read|write) (0x[0-9a-f]+)\r?$/gm)].map(([line, address]) => ({
    address: Number(address),
    line,
  }));
}

/** What the kernel says of an address: from the outermost range to the innermost. */
function ownersOf(iomem: string, address: number): string[] {
  return [...iomem.matchAll(/^ *([0-9a-f]+)-([0-9a-f]+) : (.*)$/gm)]
    .filter(([, from = '', to = '']) => Number(`0x${from}`) <= address && address <= Number(`0x${to}`))
    .map(([, , , name = '']) => name);
}

/** Addresses of the pool, first and last, and of the doorbells: of all devices, of the first one. */
const POOL_PLACES = [0xd400_0000, 0xd4ff_ffff];
const DOORBELL_PLACES = [0xe000_0000, 0xd300_01f0];
/** Bits of the features that a driver and its device have agreed upon. */
const VERSION_1 = 32;
const ACCESS_PLATFORM = 33;

/** Traffic on all four. */
async function useDevices(guest: Guest, outer: OuterGuest): Promise<void> {
  // the console this is typed on
  assert.match(await guest.sh('cat /sys/class/tty/console/active'), /hvc0/);
  assert.equal(await guest.sh('seq 1 300 | md5sum'), await outer.sh('seq 1 300 | md5sum'));
  assert.equal((await guest.sh('seq 1 300')).split('\n').length, 301);

  // share: what the host has written, and back, more than fits into a message
  await guest.sh('mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 share /mnt');
  assert.equal(await guest.sh('cat /mnt/greeting'), 'from-host\n');
  await guest.sh('seq 1 200000 > /mnt/numbers && sync && umount /mnt');
  const numbers = await outer.sh('seq 1 200000 | md5sum');
  assert.equal(await outer.sh('md5sum < /run/s/numbers'), numbers);
  await guest.sh('mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 share /mnt');
  assert.equal(await guest.sh('md5sum < /mnt/numbers; umount /mnt'), numbers);

  // network: small frames, and large ones both ways
  await guest.sh('ip addr add 192.168.79.2/24 dev eth0 && ip link set eth0 up');
  assert.match(await guest.sh('ping -c 3 -W 20 192.168.79.1'), / 0% packet loss/);
  assert.match(await guest.sh('ping -c 3 -W 20 -s 1400 192.168.79.1'), / 0% packet loss/);

  // entropy
  assert.match(await guest.sh('cat /sys/class/misc/hw_random/rng_current'), /^virtio_rng/);
  assert.equal(await guest.sh('head -c 1000 /dev/hwrng | wc -c'), '1000\n');
}

/** How the front end has done that. */
async function checkFrontEnd(guest: Guest): Promise<void> {
  // Linux's own drivers, on devices that are legacy and need the DMA API; each has bounced its buffers, into reserved slots
  const bound =
    'for d in /sys/bus/virtio/devices/*; do basename $(readlink $d/driver); cat $d/features; done';
  const lines = (await guest.sh(bound)).trim().split('\n');
  const drivers = lines.filter((_, i) => i % 2 === 0);
  assert.deepEqual(drivers.sort(), ['9pnet_virtio', 'virtio_console', 'virtio_net', 'virtio_rng']);
  for (const bits of lines.filter((_, i) => i % 2 === 1))
    assert.deepEqual([bits[VERSION_1], bits[ACCESS_PLATFORM]], ['0', '1']);
  await guest.sh('mount -t debugfs debugfs /sys/kernel/debug');
  const counters = await guest.sh('cat /sys/kernel/debug/virtio_hvl/*');
  assert.equal(counters.match(/ bounced=[1-9]\d* unreserved=0 .* exhausted=0 /g)?.length, 4, counters);

  // one line for all of them, by doorbells that do not leave the kernel
  assert.match(await guest.sh('cat /proc/interrupts'), /^ *\d+: +[1-9]\d* +IO-APIC +12-edge +virtio_hvl/m);
  assert.match(counters, /^doorbells=[1-9]/m);

  // the pool is neither RAM nor anything that PCI may give away
  const iomem = await guest.sh('cat /proc/iomem');
  assert.deepEqual(ownersOf(iomem, 0x10_0000), ['System RAM'], iomem);
  for (const at of [...POOL_PLACES, ...DOORBELL_PLACES])
    assert.doesNotMatch(ownersOf(iomem, at).join(), /System RAM|PCI (Bus|MMCONFIG)/, iomem);
  for (const at of POOL_PLACES) assert.match(ownersOf(iomem, at).join(), /virtio_hvl$/, iomem);
}

/** The command, a guest that uses every device, and its exits. */
async function everyDevice(outer: OuterGuest, kernel: KernelName): Promise<void> {
  const { image } = kernelFiles(kernel);
  const initrd = outer.initrd(kernel, { files: [frontEndModule(kernel)] });
  await outer.sh('rm -rf /run/s; mkdir /run/s; echo from-host > /run/s/greeting');
  await outer.sh('ip link delete tap0 2> /dev/null || true');
  await outer.addTap('tap0', '192.168.79.1/24');
  const words =
    'run --rsld --irq 12 --transport mmio --shmem-addr 0xd4000000 --shmem-size 0x1000000 --console virtio ' +
    `--network mode=tap,tapif=tap0,trans=mmio --9p /run/s,share -k ${image} -i ${initrd}`;
  const command = [...LKVM, ...words.split(' '), '-p', 'quiet panic=-1'];
  const guest = await Guest.start(outer, command, { env: { LKVM_EXIT_STATS: EXIT_STATS } });
  assert.equal(guest.facts.release, kernelFiles(kernel).release);

  await useDevices(guest, outer);
  await checkFrontEnd(guest);
  const { code, stderr } = await guest.end();
  assert.equal(code, 0);
  assert.match(
    stderr,
    /hypervisorless: 9p, rng, net, console at 0xd4000000; doorbell 0xe0000000, interrupt 12/,
  );
  assert.match(stderr, /exits of a vCPU by address: \d+ at \d+ addresses/);
  const trapped = memoryExits(stderr).filter(({ address }) => address < ECAM.start || address >= ECAM.end);
  assert.deepEqual(trapped, []);
}

for (const kernel of ['6.1', '6.12'] as const) {
  scenario(
    `lkvm run --rsld: Debian ${kernel} with console, 9p, network, entropy in a pool → all work, no virtio register traps`,
    kernel,
    (outer) => everyDevice(outer, kernel),
  );
}

/** Entropy, network and share of a guest whose console is its serial port. */
async function useOthers(guest: Guest): Promise<void> {
  await guest.sh('while [ ! -e /sys/class/net/eth0 ] || [ ! -c /dev/hwrng ]; do usleep 50000; done');
  await guest.sh('ip addr add 192.168.80.2/24 dev eth0 && ip link set eth0 up');
  assert.match(await guest.sh('ping -c 3 -W 20 192.168.80.1'), / 0% packet loss/);
  assert.equal(await guest.sh('head -c 1000 /dev/hwrng | wc -c'), '1000\n');
  await guest.sh('mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 share /mnt');
  assert.equal(await guest.sh('cat /mnt/greeting; umount /mnt'), 'from-host\n');
}

scenario(
  'lkvm run --rsld --no-dtb --irq 5: module removed and loaded again → devices work each time, nothing is wrong in the kernel',
  async (outer) => {
    const kernel = '6.1';
    const initrd = outer.initrd(kernel, { files: [frontEndModule(kernel)] });
    await outer.sh('rm -rf /run/s; mkdir /run/s; echo from-host > /run/s/greeting');
    await outer.sh('ip link delete tap1 2> /dev/null || true');
    await outer.addTap('tap1', '192.168.80.1/24');
    const words =
      'run --rsld --irq 5 --no-dtb --shmem-addr 0xdf000000 --shmem-size 0x1000000 --rng ' +
      `--network mode=tap,tapif=tap1 --9p /run/s,share -k ${kernelFiles(kernel).image} -i ${initrd}`;
    const guest = await Guest.start(outer, [...LKVM, ...words.split(' '), '-p', 'quiet panic=-1']);
    await useOthers(guest);
    await guest.sh('dmesg -c > /dev/null'); // what a kernel says of an emulated processor
    const parameters = 'base=0xdf000000 size=0x1000000 irq=5 layout=nodtb doorbell=0xe0000000 ring_acks=0';
    for (let turn = 0; turn < 3; turn++) {
      await guest.sh(`rmmod virtio_hvl && insmod /lib/virtio_hvl.ko ${parameters}`);
      await useOthers(guest);
    }
    assert.match(await guest.sh('cat /proc/interrupts'), /IO-APIC +5-edge +virtio_hvl/);
    assert.doesNotMatch(await guest.sh('dmesg'), /BUG|WARNING:|Oops|Call Trace|stuck|no room for a buffer/);
    assert.equal((await guest.end()).code, 0);
  },
);
