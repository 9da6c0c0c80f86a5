// Virtio drivers that let go of their devices in the middle of work and take them again: resets as a real kernel does them.
import assert from 'node:assert/strict';
import { useBed } from './bed.js';
import { Guest } from './guest.js';

const { scenario } = useBed();

const DISK_BYTES = 16 << 20;
const READ_BYTES = 512;

/** One line of shell. Prints how many reads of the disk there were before its driver let go. */
const REBIND = [
  'disk=$(cd /dev; echo vd?)',
  'reads() { read -r ended rest < /sys/block/$disk/stat; echo $ended; }',
  'before=$(reads)',
  `dd if=/dev/$disk of=/dev/null bs=${READ_BYTES} iflag=direct 2> /tmp/dd & reader=$!`,
  'dd if=/dev/hwrng of=/dev/null bs=4k 2> /dev/null & generator=$!',
  'until [ $(reads) -gt $((before + 20)) ]; do usleep 1000; done',
  'for device in /sys/bus/virtio/devices/virtio*',
  'do driver=$(readlink -f $device/driver) && name=$(basename $device)',
  'echo $name > $driver/unbind && echo $name > $driver/bind || echo "$name is lost"',
  'done',
  'wait $reader; wait $generator',
  'sed -n "s/+0 records in//p" /tmp/dd',
]
  .join('; ')
  .replaceAll('&;', '&');

for (const transport of ['pci', 'mmio'] as const) {
  scenario(
    `virtio-${transport}: drivers unbound and bound again while their devices are busy → each works again`,
    async (outer) => {
      await outer.sh(`head -c ${DISK_BYTES} /dev/urandom > /run/disk`);
      const sum = await outer.sh('sha256sum < /run/disk');
      const guest = await Guest.boot(outer, {
        kernel: '6.1',
        initrd: outer.initrd('6.1'),
        transport,
        disks: ['/run/disk,ro'],
        rng: true,
      });
      await guest.sh('dmesg -c > /tmp/boot'); // of which this emulation has its own warnings
      for (let turn = 0; turn < 3; turn++) {
        const reads = Number(await guest.sh(REBIND));
        assert.ok(reads > 0 && reads < DISK_BYTES / READ_BYTES, `cut short after ${reads} reads`);
        assert.equal(await guest.sh('sha256sum < $(echo /dev/vd?)'), sum);
        assert.equal((await guest.sh('head -c 1000 /dev/hwrng | wc -c')).trim(), '1000');
      }
      assert.equal(await guest.sh("dmesg | grep -E 'BUG|WARNING|nobody cared|timed out' || true"), '');
      assert.equal((await guest.end()).code, 0);
    },
  );
}
