// What devices do under a stock driver, beyond the smoke test of kernels.test.ts.
import assert from 'node:assert/strict';
import { useBed } from './bed.js';
import { kernelFiles } from './cache.js';
import { file } from './cpio.js';
import { BOOT_LIMIT_MS, Guest } from './guest.js';
import { guestProgram } from './guests.js';
import { commandOf } from './machine.js';

const { scenario } = useBed();

const FSX_OPERATIONS = 10_000;
const FSX_BYTES = 4 * 1024 * 1024;
const FSX_SEED = 20_261_122;
const FSX_LIMIT_MS = 600_000;

scenario(
  'blk and 9p: 10,000 random operations each → every read right, and the host has the same',
  async (outer) => {
    await outer.sh(`rm -rf /run/disk /run/share; truncate -s ${FSX_BYTES} /run/disk; mkdir /run/share`);
    const guest = await Guest.boot(outer, {
      kernel: '6.1',
      initrd: outer.initrd('6.1', { files: [guestProgram(outer, 'fsx')] }),
      disks: ['/run/disk'],
      shares: ['/run/share,share'],
    });
    const words = `${FSX_OPERATIONS} ${FSX_SEED} /tmp/copy`;
    assert.match(
      await guest.sh(`fsx /dev/vda ${FSX_BYTES} ${words} disk`, FSX_LIMIT_MS),
      /^fsx: 10000 operations$/m,
    );
    const disk = await guest.sh('sha256sum < /tmp/copy');
    assert.equal(await outer.sh('sha256sum < /run/disk'), disk);

    await guest.sh('mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 share /mnt');
    assert.match(
      await guest.sh(`fsx /mnt/file ${FSX_BYTES / 4} ${words}`, FSX_LIMIT_MS),
      /^fsx: 10000 operations$/m,
    );
    const shared = await guest.sh('sha256sum < /tmp/copy');
    assert.equal(await outer.sh('sha256sum < /run/share/file'), shared);
    assert.equal((await guest.end()).code, 0);
  },
);

scenario('net: iperf3 both ways over a tap → bytes arrive', async (outer) => {
  await outer.addTap('tap1', '192.168.78.1/24');
  const guest = await Guest.boot(outer, {
    kernel: '6.1',
    initrd: outer.initrd('6.1', { programs: ['/usr/bin/iperf3'] }),
    tap: 'tap1',
  });
  await guest.sh('ip addr add 192.168.78.2/24 dev eth0 && ip link set eth0 up');
  await guest.sh('ip link set lo up; iperf3 --server --daemon');
  for (const direction of [[], ['--reverse']]) {
    const client = ['iperf3', '--client', '192.168.78.2', '--time', '2', '--json', ...direction];
    const { code, stdout } = await outer.run(client);
    assert.equal(code, 0, stdout);
    const report = JSON.parse(stdout) as { end: { sum_received: { bytes: number } } };
    assert.ok(report.end.sum_received.bytes > 100_000, stdout);
  }
  assert.equal((await guest.end()).code, 0);
});

// Debian's kernels have 9p as a module: an initrd does what a kernel with 9p built in does by itself.
const MOUNT_ROOT = `
for word in $(cat /proc/cmdline); do
  case $word in
    rootflags=*) flags=\${word#rootflags=} ;;
    rootfstype=*) type=\${word#rootfstype=} ;;
    rw) mode=,rw ;;
  esac
done
mount -t "$type" -o "$flags$mode" /dev/root /mnt && exec switch_root /mnt /sbin/init
`;

const ROOT_INIT = `#!/bin/sh
mount -t proc proc /proc
echo "ROOT-UP $(grep ' / ' /proc/mounts)"
echo kept > /etc/state
sync
reboot -f
`;

scenario('9p root: -d DIR → the guest runs from that directory of the host', async (outer) => {
  await outer.sh(`
    rm -rf /run/root; mkdir -p /run/root/{bin,dev,etc,proc,sbin,sys}
    cp ${kernelFiles('6.1').busybox} /run/root/bin/busybox
    for name in sh mount grep sync reboot; do ln -s busybox /run/root/bin/$name; done
    cat > /run/root/sbin/init << 'END'\n${ROOT_INIT}END
    chmod 755 /run/root/sbin/init`);
  const initrd = outer.initrd('6.1', { files: [file('etc/init.d/start', MOUNT_ROOT)] });
  const guest = outer.spawn(commandOf('lkvm', { kernel: '6.1', initrd, disks: ['/run/root'] }));
  await guest.transcript.expect(/ROOT-UP \/dev\/root \/ 9p rw/, BOOT_LIMIT_MS);
  assert.equal((await guest.result(BOOT_LIMIT_MS)).code, 0);
  assert.equal(await outer.sh('cat /run/root/etc/state'), 'kept\n');
});
