// A stock Debian kernel that KVM has started, with all devices in a pool: Linux's own drivers over the module virtio_hvl,
// and no register of them traps.
import assert from 'node:assert/strict';
import { frontEndModule } from '../peer/module.js';
import { skipWithout } from '../support/tools.js';
import { useBed } from './bed.js';
import { kernelFiles } from './cache.js';
import { Guest } from './guest.js';
import { LKVM } from './machine.js';

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

scenario(
  'lkvm run --rsld: Debian 6.1 with console, 9p, network, entropy in a pool → all work, no virtio register traps',
  async (outer) => {
    const { image } = kernelFiles('6.1');
    const initrd = outer.initrd('6.1', { files: [frontEndModule('6.1')] });
    await outer.sh('rm -rf /run/s; mkdir /run/s; echo from-host > /run/s/greeting');
    await outer.addTap('tap0', '192.168.79.1/24');
    const words =
      'run --rsld --irq 12 --transport mmio --shmem-addr 0xd4000000 --shmem-size 0x1000000 --console virtio --rng ' +
      `--network mode=tap,tapif=tap0,trans=mmio --9p /run/s,share -k ${image} -i ${initrd}`;
    const command = [...LKVM, ...words.split(' '), '-p', 'quiet panic=-1'];
    const guest = await Guest.start(outer, command, { env: { LKVM_EXIT_STATS: EXIT_STATS } });
    assert.equal(guest.facts.release, kernelFiles('6.1').release);

    // the console this is typed on
    assert.match(await guest.sh('cat /sys/class/tty/console/active'), /hvc0/);
    assert.equal(await guest.sh('seq 1 300 | md5sum'), await outer.sh('seq 1 300 | md5sum'));
    assert.equal((await guest.sh('seq 1 300')).split('\n').length, 301);

    // share: what the host has written, and back, more than fits into a message
    await guest.sh('mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 share /mnt');
    assert.equal(await guest.sh('cat /mnt/greeting'), 'from-host\n');
    await guest.sh('seq 1 200000 > /mnt/numbers && sync && umount /mnt');
    assert.equal(await outer.sh('md5sum < /run/s/numbers'), await outer.sh('seq 1 200000 | md5sum'));

    // network: small frames, and large ones both ways
    await guest.sh('ip addr add 192.168.79.2/24 dev eth0 && ip link set eth0 up');
    assert.match(await guest.sh('ping -c 3 -W 20 192.168.79.1'), / 0% packet loss/);
    assert.match(await guest.sh('ping -c 3 -W 20 -s 1400 192.168.79.1'), / 0% packet loss/);

    // entropy
    assert.match(await guest.sh('cat /sys/class/misc/hw_random/rng_current'), /^virtio_rng/);
    assert.equal(await guest.sh('head -c 1000 /dev/hwrng | wc -c'), '1000\n');

    // one line for all of them, by doorbells that do not leave the kernel
    assert.match(await guest.sh('cat /proc/interrupts'), /^ *\d+: +[1-9]\d* .*-edge +virtio_hvl/m);
    const { code, stderr } = await guest.end();
    assert.equal(code, 0);
    assert.match(
      stderr,
      /hypervisorless: 9p, rng, net, console at 0xd4000000; doorbell 0xe0000000, interrupt 12/,
    );
    assert.match(stderr, /exits of a vCPU by address: \d+ at \d+ addresses/);
    const trapped = memoryExits(stderr).filter(({ address }) => address < ECAM.start || address >= ECAM.end);
    assert.deepEqual(trapped, []);
  },
);
