/**
 * `--remote qemu` with stock kernels, of this and of another architecture: one program starts the PMM and the machine; the machine uses
 * every device over the pool, with doorbells and interrupts, writes what it has seen into the share, and switches itself off.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createPmm, type PmmRemoteOptions } from '#lkvm/index.js';
import { type KernelName, kernelFiles } from '../bed/cache.js';
import { file } from '../bed/cpio.js';
import { writeInnerInitrd } from '../bed/initrd.js';
import { collectLog } from '../support/doorbell-rig.js';
import { tempDir } from '../support/temp.js';
import { skipWithoutPeer } from './machine.js';
import { frontEndModule, MODULE_PATH } from './module.js';

/** What the machine does, before its init would ask for commands. */
const SCRIPT = `
insmod ${MODULE_PATH}
while [ ! -c /dev/hwrng ] || [ ! -c /dev/hvc0 ] || [ ! -e /sys/class/net/eth0 ]; do usleep 50000; done
mount -t 9p -o trans=virtio,version=9p2000.L,msize=65536 share /mnt || poweroff -f
uname -rm > /mnt/kernel
dd if=/dev/hwrng bs=64 count=1 2> /dev/null | hexdump -ve '1/1 "%02x"' > /mnt/entropy
dd if=/dev/urandom of=/mnt/random bs=64k count=16 2> /dev/null
sha256sum < /mnt/random > /mnt/sum
ip link set eth0 up
ip addr add 192.168.33.15/24 dev eth0
ping -c 3 192.168.33.1 > /mnt/ping
echo said over the pool > /dev/hvc0
cat /proc/interrupts > /mnt/interrupts
umount /mnt
poweroff -f
`;

async function runMachine(t: TestContext, kernel: KernelName, arch: 'x86_64' | 'aarch64') {
  const folder = tempDir(t);
  const share = join(folder, 'share');
  mkdirSync(share);
  const initrd = join(folder, 'initrd');
  writeInnerInitrd(initrd, kernel, {
    files: [frontEndModule(kernel), file('etc/init.d/start', SCRIPT)],
  });
  const log = collectLog();
  let serial = '';
  const remote: PmmRemoteOptions = {
    ...{
      kind: 'qemu',
      arch,
      kernel: kernelFiles(kernel).image,
      initrd,
      append: 'quiet panic=-1',
      memory: 256,
    },
  };
  const pmm = await createPmm(
    {
      shmem: { address: 0x3700_0000, bytes: 16 << 20 },
      devices: [
        { type: '9p', tag: 'share', directory: share },
        { type: 'rng' },
        { type: 'net', mode: 'user' },
        { type: 'console' },
      ],
      poll: { kind: 'none' },
      remote,
    },
    {
      log,
      consoleStream: true,
      remoteOutput: (bytes) => {
        serial += Buffer.from(bytes).toString('latin1');
      },
    },
  );
  t.after(() => pmm.stop());
  let said = '';
  pmm.console?.on('data', (bytes: Buffer) => {
    said += bytes.toString();
  });
  const exit = await pmm.exited;
  const read = (name: string): string => readFileSync(join(share, name), 'latin1');
  return { exit, pmm, log, read, said: () => said, serial: () => serial };
}

for (const [kernel, arch] of [
  ['6.1', 'x86_64'],
  ['6.12-arm64', 'aarch64'],
] as const) {
  test(`remote qemu: kernel ${kernel} on ${arch} → every device works over the pool, by doorbell and interrupt; then it is off`, {
    skip: skipWithoutPeer(kernel),
    timeout: 600_000,
  }, async (t) => {
    const { exit, pmm, log, read, said, serial } = await runMachine(t, kernel, arch);
    assert.deepEqual(exit, { reason: 'remote', error: undefined }, serial());
    assert.equal(read('kernel'), `${kernelFiles(kernel).release} ${arch}\n`);
    assert.match(read('entropy'), /^(?!0{128})[0-9a-f]{128}$/);
    assert.equal(read('random').length, 1 << 20);
    assert.match(read('ping'), /3 packets transmitted, 3 packets received, 0% packet loss/);
    assert.match(read('interrupts'), /^ *\d+: +[1-9]\d* .*virtio_hvl/m);
    assert.match(said(), /said over the pool/);
    assert.deepEqual(
      pmm.counters().map(({ name, starts, faults }) => [name, starts, faults]),
      [
        ['p9', 1, 0],
        ['rng', 1, 0],
        ['net', 1, 0],
        ['console', 1, 0],
      ],
    );
    assert.deepEqual(log.warnings, []);
  });
}
