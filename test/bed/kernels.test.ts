// Each kernel with all devices, over each transport. What the devices do in detail is in devices.test.ts.
import assert from 'node:assert/strict';
import { useBed } from './bed.js';
import { KERNELS, kernelFiles } from './cache.js';
import { Guest } from './guest.js';
import type { MachineSpec } from './machine.js';
import type { OuterGuest } from './outer.js';

const { scenario } = useBed();

/** A guest with one device of each kind. */
async function everything(outer: OuterGuest, spec: MachineSpec): Promise<Guest> {
  await outer.sh(`
    rm -rf /run/share /run/disk; mkdir -p /run/share
    echo from-host > /run/share/greeting
    seq -w 100000 > /run/disk; truncate -s 4M /run/disk
    ip link show tap0 > /dev/null 2>&1 || { ip tuntap add tap0 mode tap; ip addr add 192.168.77.1/24 dev tap0; }
    ip link set tap0 up`);
  return await Guest.boot(outer, {
    disks: ['/run/disk'],
    shares: ['/run/share,share'],
    tap: 'tap0',
    rng: true,
    ...spec,
  });
}

for (const kernel of KERNELS) {
  for (const [transport, ending] of [
    ['pci', 'reboot -f'],
    ['mmio', 'poweroff -f'],
  ] as const) {
    scenario(
      `${kernel}, ${transport}: boots → devices work, "${ending}" → status 0`,
      kernel,
      async (outer) => {
        const guest = await everything(outer, { kernel, transport, initrd: outer.initrd(kernel) });
        assert.equal(guest.facts.release, kernelFiles(kernel).release);
        assert.equal(guest.facts.cpus, 1);

        // disk: what the host has written, and back
        assert.match(await guest.sh('head -c 14 /dev/vda'), /^000001\n000002\n$/);
        await guest.sh('seq 1 1000 | dd of=/dev/vda bs=4096 seek=512 conv=fsync 2> /dev/null');
        const there = 'iflag=skip_bytes,count_bytes skip=2097152 count=3893';
        const written = await outer.sh(`dd if=/run/disk bs=4096 ${there} 2> /dev/null | md5sum`);
        assert.equal(await guest.sh('seq 1 1000 | md5sum'), written);

        // share; the cloud flavour has no 9p
        if (kernel !== '6.1-cloud') {
          await guest.sh('mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 share /mnt');
          assert.equal(await guest.sh('cat /mnt/greeting'), 'from-host\n');
          await guest.sh('mkdir /mnt/new && echo from-guest > /mnt/new/reply && umount /mnt');
          assert.equal(await outer.sh('cat /run/share/new/reply'), 'from-guest\n');
        }

        // network
        await guest.sh('ip addr add 192.168.77.2/24 dev eth0 && ip link set eth0 up');
        assert.match(await guest.sh('ping -c 3 -W 20 192.168.77.1'), / 0% packet loss/);

        // entropy
        assert.match(await guest.sh('cat /sys/class/misc/hw_random/rng_current'), /^virtio_rng/);
        assert.equal(await guest.sh('head -c 1000 /dev/hwrng | wc -c'), '1000\n');

        assert.equal((await guest.end(ending)).code, 0);
      },
    );
  }
}
