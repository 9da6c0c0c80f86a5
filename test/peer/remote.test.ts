/**
 * `--remote qemu` with stock kernels, of this architecture (library) and of another (command): one program starts the PMM and the machine; it uses
 * every device over the pool, with doorbells and interrupts, writes what it has seen into the share, and switches itself off.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createPmm, type PmmRemoteOptions } from '#lkvm/index.js';
import { type KernelName, kernelFiles } from '../bed/cache.js';
import { file } from '../bed/cpio.js';
import { writeInnerInitrd } from '../bed/initrd.js';
import { MAIN } from '../support/cli.js';
import { collectLog } from '../support/doorbell-rig.js';
import { tempDir } from '../support/temp.js';
import { HostProcess } from './host-process.js';
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

/** A share, and what the machine starts with. */
function prepare(t: TestContext, kernel: KernelName) {
  const folder = tempDir(t);
  const share = join(folder, 'share');
  mkdirSync(share);
  const initrd = join(folder, 'initrd');
  const files = [frontEndModule(kernel), file('etc/init.d/start', SCRIPT)];
  writeInnerInitrd(initrd, kernel, { files });
  return { share, initrd, image: kernelFiles(kernel).image };
}

/** What the machine has left in the share. */
function checkShare(share: string, kernel: KernelName, arch: 'x86_64' | 'aarch64'): void {
  const read = (name: string): string => readFileSync(join(share, name), 'latin1');
  assert.equal(read('kernel'), `${kernelFiles(kernel).release} ${arch}\n`);
  assert.match(read('entropy'), /^(?!0{128})[0-9a-f]{128}$/);
  assert.equal(read('random').length, 1 << 20);
  const sum = createHash('sha256').update(readFileSync(join(share, 'random')));
  assert.equal(read('sum').split(' ')[0], sum.digest('hex'));
  assert.match(read('ping'), /3 packets transmitted, 3 packets received, 0% packet loss/);
  assert.match(read('interrupts'), /^ *\d+: +[1-9]\d* .*virtio_hvl/m);
}

test('createPmm, remote qemu: kernel 6.1 on x86_64 → every device works over the pool, by doorbell and interrupt; then it is off', {
  skip: skipWithoutPeer('6.1'),
  timeout: 600_000,
}, async (t) => {
  const { share, initrd, image } = prepare(t, '6.1');
  const log = collectLog();
  let serial = '';
  const remote: PmmRemoteOptions = {
    ...{ kind: 'qemu', arch: 'x86_64', kernel: image, initrd, append: 'quiet panic=-1', memory: 256 },
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
  assert.deepEqual(await pmm.exited, { reason: 'remote', error: undefined }, serial);
  checkShare(share, '6.1', 'x86_64');
  assert.match(said, /said over the pool/);
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

test('lkvm pmm --remote qemu: kernel 6.12 on aarch64 → every device works over the pool, its serial port is shown; then it is off, exit code 0', {
  skip: skipWithoutPeer('6.12-arm64'),
  timeout: 600_000,
}, async (t) => {
  const { share, initrd, image } = prepare(t, '6.12-arm64');
  const devices = ['--console', 'virtio', '--rng', '--9p', `${share},share`];
  const machine = ['--remote', 'qemu', '--remote-arch', 'aarch64', '--remote-memory', '256', '--remote-log'];
  const start = ['--remote-kernel', image, '--remote-initrd', initrd, '--remote-append', 'quiet panic=-1'];
  const pool = ['--shmem-addr', '0x37000000', '--shmem-size', '16M'];
  const words = [MAIN, 'pmm', ...pool, ...devices, ...machine, ...start];
  const command = new HostProcess('lkvm pmm --remote qemu', [process.execPath, ...words]);
  t.after(() => command.end('SIGKILL'));
  const code = await command.ended();
  const { text } = command.transcript;
  assert.equal(code, '0', text);
  checkShare(share, '6.12-arm64', 'aarch64');
  assert.match(text, /said over the pool/);
  assert.match(text, /^remote\| .*Power down\r?$/m);
  assert.doesNotMatch(text, /Warning/);
});
