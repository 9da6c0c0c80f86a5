// Every way to get `lkvm run` for a KVM guest wrong: one line that says what, the value, and what is allowed or what to
// do next. Nothing of it needs /dev/kvm. (Words of a PMM: cli-errors.test.ts.)
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { lkvm } from '../support/cli.js';
import { checkRows, type Row } from '../support/cli-rows.js';
import { skipWithoutKvm } from '../support/kvm-rig.js';
import { tempDir } from '../support/temp.js';

const K = 'run -k /dev/null';
const POOLED = `${K} --rsld --shmem-size 0x1000000 --shmem-addr 0xd4000000`;

const ROWS: readonly Row[] = [
  // the mode
  ['run --pmm', 129, /--pmm needs --rsld/],
  [
    'run --rsld -k x',
    129,
    /--shmem-addr is missing or 0: .* the guest sees the pool, e\.g\. --shmem-addr 0xd4000000/,
  ],
  ['run --shmem-size 1M', 129, /--shmem-size is about devices in shared memory: add --rsld/],
  ['run --notify poll', 129, /--notify is about the peer of a PMM: add --rsld --pmm/],
  ['run --no-dtb -k x', 129, /--no-dtb is about/],
  // the grammar
  ['run --frobnicate', 129, /unknown option --frobnicate \(see: lkvm run --help\)/],
  ['run --kernl x', 129, /unknown option --kernl; did you mean --kernel\?/],
  ['run --de x', 129, /--de could be --dev, --debug-exit, .*--debug/],
  ['run -kernel x', 129, /did you mean --kernel \(with two dashes\)\?/],
  ['run -k', 129, /-k needs a value: -k FILE/],
  ['run a b', 129, /unexpected word "b"/],
  ['run -k a b', 129, /two kernels: --kernel a and the word "b"/],
  [`${K} --rng=yes`, 129, /--rng takes no value, but got "yes"/],
  [`${K} --loglevel loud`, 129, /--loglevel "loud" is not known; it is one of error, warning, info, debug/],
  // the size
  [`${K} -c 0`, 129, /--cpus 0: a guest has 1 \.\.\. 255 processors/],
  [`${K} -c 256`, 129, /--cpus 256: a guest has 1 \.\.\. 255 processors/],
  ['run -c 0', 129, /--cpus 0: a guest has 1 \.\.\. 255 processors/], // whether or not there is a kernel
  [`${K} -c two`, 129, /--cpus "two" is not a number/],
  [`${K} -m 0`, 129, /--mem 0: a guest needs memory; write 512 \(MiB\), 512M or 2G/],
  [`${K} -m 1`, 129, /--mem: 1 MiB of memory; a guest has 2M \.\.\. 64T, and Linux wants 96M or more/],
  [`${K} -m 65T`, 129, /--mem: 68157440 MiB of memory; a guest has 2M \.\.\. 64T/],
  [`${K} -m 5000000B`, 129, /--mem: 5000000 bytes is not a multiple of 4096/],
  [`${K} -m 512MB`, 129, /--mem "512MB" is not an amount of memory; write 512 \(MiB\), 512M or 2G/],
  [`${K} -m 512M@1G`, 129, /an address behind @ is for ARM guests/],
  [`${K} -m 99999999P`, 129, /--mem 99999999P is too large/],
  // what to start
  ['run -k /nonexistent/k', 128, /^ {2}Fatal: Unable to open kernel \/nonexistent\/k: no such file$/m],
  ['run /nonexistent/k', 128, /Fatal: Unable to open kernel \/nonexistent\/k/],
  [`${K} -i /nonexistent/i`, 128, /Fatal: Unable to open initrd \/nonexistent\/i: no such file/],
  ['run -f /nonexistent/f', 128, /Fatal: Unable to open firmware \/nonexistent\/f: no such file/],
  [`${K} -f x`, 129, /Only one of --kernel and --firmware can be given/],
  [`${K} --name a/b`, 129, /--name "a\/b": a name has 1 \.\.\. 64 bytes, no "\/"/],
  [`${K} --dev=`, 129, /--dev "" is not a path/],
  // devices
  [
    `${K} -d /nonexistent/d`,
    128,
    /disk \/nonexistent\/d: no such file; an empty one is made by: truncate -s 1G/,
  ],
  [`${K} -d ,ro`, 129, /--disk ",ro" names no file; write --disk FILE\[,ro\]\[,direct\]/],
  [`${K} -d /dev/null,cow`, 129, /"cow" is not known; write --disk FILE\[,ro\]\[,direct\]/],
  [`${K} -d /tmp,ro`, 129, /words behind a directory mean nothing/],
  [`${K} -d /tmp -d /var`, 129, /one root directory; show others with --9p DIR,TAG/],
  [`${K} -d scsi:naa.1`, 129, /vhost-scsi is not supported yet/],
  [`${K} --9p /nonexistent/share`, 128, /--9p \/nonexistent\/share: cannot share it: ENOENT/],
  [`${K} --9p /tmp,a --9p /var,a`, 129, /two --9p shares have the tag "a"/],
  [`${K} --console vt100`, 129, /--console "vt100" is not known; it is one of serial, virtio, none/],
  [`${K} --console hv`, 129, /--console hv is for POWER guests/],
  [`${K} --tty 4`, 129, /--tty 4: the serial ports are 0 \.\.\. 3/],
  [`${K} --transport bus`, 129, /--transport "bus" is not known; it is one of pci, mmio/],
  [`${K} --virtio-transport pci-legacy`, 129, /legacy devices are not supported; use pci/],
  [`${K} --transport pci --virtio-transport mmio`, 129, /say different things/],
  [`${K} -n trans=usb`, 129, /--network trans "usb" is not known; it is one of mmio, pci/],
  [`${K} -n fd=7 -n fd=7`, 129, /--network fd=7 is given to more than one card/],
  [`${K} -n tapif=t -n tapif=t`, 129, /--network tapif=t is given to more than one card/],
  [`${K} -n mode=user -n mode=user`, 129, /more than one --network mode=user/],
  [`${K} -n mq=2`, 129, /mq=2: one pair of queues is supported/],
  [
    `${K} --transport mmio ${Array.from({ length: 15 }, (_, i) => `--9p /,t${i}`).join(' ')}`,
    129,
    /16 devices over mmio; there is room for 14/,
  ],
  // a pool
  [`${K} --rsld --shmem-addr 0xd4000000`, 129, /--shmem-size is missing or 0/],
  [`${POOLED} --shmem-addr 0xd4000100`, 129, /--shmem-addr 0xd4000100 is not a multiple of 4096/],
  [
    `${POOLED} --shmem-addr 0x8000000 -m 256`,
    129,
    /the pool at 0x8000000 \.\.\. 0x8ffffff overlaps the guest's RAM at 0x0/,
  ],
  [
    `${POOLED} --shmem-addr 0xcf800000 -m 4G`,
    129,
    /overlaps the guest's RAM at 0x0 \.\.\. 0xcfffffff; the place for pools/,
  ],
  [
    `${POOLED} --shmem-addr 0xdf800000`,
    129,
    /overlaps the doorbell at 0xe0000000; the place for pools is 0xd4000000/,
  ],
  [`${POOLED} --shmem-addr 0xff800000`, 129, /overlaps interrupt controllers and firmware/],
  [`${POOLED} --shmem-addr 0x100000000`, 129, /above 4 GiB/],
  [`${POOLED} --shmem-size 0x10000`, 129, /--shmem-size 0x10000 is too small/],
  [
    `${POOLED} --irq 1`,
    129,
    /--irq 1: this line belongs to the keyboard controller; free are 5, 6, 7, 12 \.\.\. 23/,
  ],
  [`${POOLED} --irq 10`, 129, /--irq 10: this line belongs to PCI devices/],
  [`${POOLED} --irq 24`, 129, /--irq 24: there is no such line/],
  [`${POOLED} --irq x`, 129, /--irq "x" is not a number/],
  [`${POOLED} --transport pci`, 129, /--transport pci does not go with --rsld/],
  [`${POOLED} --no-dtb --confine`, 129, /--confine and --no-dtb exclude each other/],
  [`${POOLED} --static=console`, 129, /--static console: there is no console device; devices given: net/],
  [`${POOLED} --notify poll`, 129, /--notify is about the peer of a PMM: add --pmm/],
  [`${K} --vxworks -i /dev/null`, 129, /--vxworks starts a kernel alone, without --initrd or --firmware/],
  // the machine
  [`${K} --poll sometimes`, 129, /--poll "sometimes" is not known/],
  [`${K} --poll interval=0`, 129, /--poll interval 0: the interval is 1 \.\.\. 1000000/],
  [
    `${K} --debug-exit=0x3f8`,
    129,
    /debug-exit port 0x3f8: another device has it .*; usual are 0xf4 and 0x501/,
  ],
  [`${K} --debug-exit=0x10000`, 129, /debug-exit port 0x10000: allowed: 0 \.\.\. 0xfffc/],
  [`${K} --debug-exit=x`, 129, /--debug-exit "x" is not a number/],
  // not yet
  [`${K} --vsock 3`, 129, /--vsock 3 is not supported yet; leave it out/],
  [`${K} --balloon`, 129, /--balloon is not supported yet/],
  [`${K} --vnc`, 129, /--vnc is not supported yet; use --console serial/],
  [`${K} -F flash`, 129, /--flash flash is not supported yet; use --firmware FILE/],
  [`${K} --vfio-pci 0:1.0`, 129, /--vfio-pci 0:1\.0 is not supported yet/],
  [`${K} --virtio-legacy`, 129, /--virtio-legacy is not supported yet; .*modern/],
  [`${K} --debug-iodelay 3`, 129, /--debug-iodelay 3 is not supported yet/],
];

test(
  'lkvm run: everything that can be wrong with it → one clear line and the right exit code',
  {
    concurrency: 2,
  },
  async (t) => await checkRows(t, ROWS),
);

/** What is found out only behind the banner, which is the first line then. */
const LATE: readonly (readonly [args: string, code: number, message: RegExp])[] = [
  [
    '--dev /nonexistent/kvm',
    128,
    /\/nonexistent\/kvm: there is no such device: load the module .*--dev PATH/,
  ],
  ['--dev /dev/null', 128, /\/dev\/null: this is not a KVM device; name one with --dev PATH/],
];

for (const [args, code, message] of LATE) {
  test(`lkvm run ${args} → ${code}, with what to do`, async (t) => {
    const file = join(tempDir(t), 'guest.bin');
    writeFileSync(file, Buffer.of(0xf4));
    const result = await lkvm(`run ${file} -c 1 -m 8 ${args} --loglevel warning`);
    assert.equal(result.code, code, result.stderr);
    assert.match(result.stderr, message);
    assert.equal(result.stderr.trimEnd().split('\n').length, 1, result.stderr);
  });
}

const skip = skipWithoutKvm();

test('lkvm run: not a hugetlbfs, a tap that is none, no kernel at all → one line each', {
  skip,
}, async (t) => {
  const file = join(tempDir(t), 'guest.bin');
  writeFileSync(file, Buffer.of(0xf4));
  const run = (more: string) => lkvm(`run ${file} -c 1 -m 8 --loglevel warning ${more}`);
  const huge = await run('--hugetlbfs /tmp');
  assert.deepEqual([huge.code, huge.stdout], [128, '']);
  assert.match(huge.stderr, /^ {2}Fatal: --hugetlbfs \/tmp: not a hugetlbfs; mount one: .*\n$/);
  const tap = await run('-n fd=99');
  assert.equal(tap.code, 128);
  assert.match(tap.stderr, /^ {2}Fatal: fd=99 is not a tap .*\n$/);
  writeFileSync(file, '');
  const empty = await run('');
  assert.equal(empty.code, 128, empty.stderr);
  assert.match(empty.stderr, /^ {2}Fatal: .*guest\.bin.*\n$/);
});
