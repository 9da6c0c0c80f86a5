// Every way to get the command line wrong: one line on stderr that says what, the value, what is allowed; the right
// exit code; nothing on stdout; nothing started.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { lkvm, MAIN } from '../support/cli.js';
import { checkRows, type Row } from '../support/cli-rows.js';
import { tempDir } from '../support/temp.js';

const POOL = '--shmem-addr 0x37000000 --shmem-size 0x1000000';
const FILE = `${POOL} --shmem-backend file:/nonexistent/pool --notify socket:/nonexistent/socket`;

const ROWS: readonly Row[] = [
  // the mode
  [`run --pmm ${POOL}`, 129, /--pmm needs --rsld: .*lkvm pmm/],
  [`run --rsld --pmm ${POOL} vmlinux`, 129, /unexpected word "vmlinux".*--pmm starts no guest/],
  [`run --rsld --pmm --transport pci ${POOL}`, 129, /--transport pci does not go with --pmm.*mmio/],
  [`pmm --transport bus ${POOL}`, 129, /--transport "bus" is not known; it is one of mmio, pci/],
  [`pmm ${POOL} --vsock 3`, 129, /--vsock 3: vsock devices are not supported yet/],
  [`pmm ${POOL} --disk a.img`, 129, /--disk is for KVM guests/],
  [`pmm ${POOL} --balloon`, 129, /--balloon is for KVM guests/],
  // the grammar
  ['pmm --frobnicate', 129, /unknown option --frobnicate \(see: lkvm pmm --help\)/],
  ['pmm --shmem-adr 1', 129, /unknown option --shmem-adr; did you mean --shmem-addr\?/],
  ['pmm --shmem 1', 129, /--shmem could be --shmem-addr, --shmem-size or --shmem-backend/],
  ['pmm --shmem-addr', 129, /--shmem-addr needs a value: --shmem-addr ADDR/],
  [`pmm ${POOL} --rng=yes`, 129, /--rng takes no value, but got "yes"/],
  [`pmm ${POOL} stray`, 129, /unexpected word "stray"/],
  ['version stray', 129, /unexpected word "stray"/],
  ['pmm -network', 129, /did you mean --network \(with two dashes\)\?/],
  [
    `pmm ${POOL} --loglevel loud`,
    129,
    /--loglevel "loud" is not known; it is one of error, warning, info, debug/,
  ],
  // address and size
  ['pmm --shmem-size 0x1000000', 129, /--shmem-addr is missing or 0.*e\.g\. --shmem-addr 0x37000000/],
  ['pmm --shmem-addr 0 --shmem-size 1M', 129, /--shmem-addr is missing or 0/],
  ['pmm --shmem-addr 0x37000000', 129, /--shmem-size is missing or 0/],
  ['pmm --shmem-addr 0x37000000 --shmem-size 0', 129, /--shmem-size is missing or 0/],
  [
    'pmm --shmem-addr 0x37000800 --shmem-size 1M',
    129,
    /0x37000800 is not a multiple of 4096.*0x37000000 or 0x37001000/,
  ],
  [
    'pmm --shmem-addr 0x37000000 --shmem-size 0x100001',
    129,
    /--shmem-size 0x100001 is not a multiple of 4096/,
  ],
  ['pmm --shmem-addr 0x37000000zz --shmem-size 1M', 129, /--shmem-addr "0x37000000zz" is not a number/],
  ['pmm --shmem-addr -1 --shmem-size 1M', 129, /--shmem-addr "-1" is not a number/],
  ['pmm --shmem-addr 0x37000000 --shmem-size 16MB', 129, /--shmem-size "16MB" is not a size; write .*16M/],
  ['pmm --shmem-addr 0x20000000000000 --shmem-size 1M', 129, /is too large/],
  ['pmm --shmem-addr 0xffffffff000 --shmem-size 1M', 129, /would end at 0x1000000ff000/],
  [
    'pmm --shmem-addr 0x37000000 --shmem-size 0x8f000',
    129,
    /--shmem-size 0x8f000 is too small by 4096 bytes.*0x90000/,
  ],
  ['pmm --shmem-addr 0x37000000 --shmem-size 0x1000 --no-dtb', 129, /too small by 4096 bytes/],
  // where the memory is, and the doorbell
  [
    `pmm ${POOL} --shmem-backend shm:x`,
    129,
    /--shmem-backend "shm:x" is not known; it is one of file:PATH, memfd/,
  ],
  [`pmm ${POOL} --shmem-backend file:`, 129, /--shmem-backend file needs a path: file:PATH/],
  [`pmm ${POOL} --shmem-backend memfd:x`, 129, /memfd takes nothing behind it/],
  [`pmm ${POOL} --shmem-backend uio:/dev/uio0,size=3`, 129, /"size=3" is not known; write uio:DEV,map=N/],
  [`pmm ${POOL} --shmem-backend uio:/dev/uio0,map=x`, 129, /"x" is not a number/],
  [`pmm ${POOL} --shmem-backend ivshmem`, 129, /--shmem-backend ivshmem needs a path/],
  [
    `pmm ${POOL} --shmem-backend ivshmem:/nonexistent/s`,
    128,
    /no ivshmem server at .*ENOENT; start it first/,
  ],
  [`pmm ${POOL} --shmem-backend ivshmem-server:`, 129, /ivshmem-server needs a path: ivshmem-server:PATH/],
  [
    `pmm ${POOL} --shmem-backend ivshmem-server:/nonexistent/s`,
    128,
    /cannot listen on the doorbell socket \/nonexistent\/s: ENOENT; make its folder, or use another path$/m,
  ],
  [`pmm ${POOL} --shmem-backend ivshmem-server:/s,irqs=2`, 129, /"irqs=2" is not known; write .*vectors=N/],
  [`pmm ${POOL} --shmem-backend ivshmem-server:/s,vectors=9`, 129, /vectors=9: a peer has 1 \.\.\. 8/],
  [`pmm ${POOL} --shmem-backend ivshmem-server:/${'s'.repeat(120)}`, 129, /socket path.*107/],
  [
    `pmm ${POOL} --shmem-backend ivshmem-server:/s --notify socket:/t`,
    129,
    /--notify socket does not go with --shmem-backend ivshmem-server.*leave --notify out/,
  ],
  [
    `pmm ${POOL} --shmem-backend ivshmem:/s --notify poll`,
    129,
    /--notify poll does not go with --shmem-backend ivshmem:/,
  ],
  [
    `pmm ${POOL} --shmem-backend memfd --notify socket:/tmp/s`,
    129,
    /memfd needs --notify eventfd:PATH.*not socket/,
  ],
  [`pmm ${POOL} --shmem-backend memfd`, 129, /memfd needs --notify eventfd:PATH/],
  [`pmm ${POOL} --notify bell`, 129, /--notify "bell" is not known; it is one of umb:DEV/],
  [`pmm ${POOL} --notify socket`, 129, /--notify socket needs a path/],
  [`pmm ${POOL} --notify socket:/tmp/${'s'.repeat(120)}`, 129, /socket path.*107/],
  [`pmm ${POOL} --notify ivshmem`, 129, /write --shmem-backend ivshmem:PATH and no --notify/],
  [`pmm ${POOL} --notify poll:0`, 129, /--notify poll 0: the interval is 1 \.\.\. 1000000 microseconds/],
  [`pmm ${POOL} --notify poll:x`, 129, /--notify poll "x" is not a number/],
  [`pmm ${POOL} --notify poll --poll none`, 129, /--notify poll and --poll none exclude each other/],
  [
    `pmm ${POOL} --poll sometimes`,
    129,
    /--poll "sometimes" is not known; it is one of none, adaptive, interval=US, spin/,
  ],
  [`pmm ${POOL} --poll interval`, 129, /--poll "interval" is not known/],
  [`pmm ${POOL} --poll interval=2000000`, 129, /--poll interval 2000000: the interval is 1 \.\.\. 1000000/],
  [`pmm ${POOL} --shmem-backend memfd --force`, 129, /--force is about .* one of memfd is always new/],
  [`pmm ${POOL} --shmem-backend ivshmem-server:/s --force`, 129, /--force .* ivshmem-server is always new/],
  [`pmm ${POOL} --shmem-backend ivshmem-server:/s --peers 0`, 129, /--peers 0: there can be 1 \.\.\. 16/],
  [`pmm ${FILE} --peers 2`, 129, /--peers does not go with --shmem-backend file.*ivshmem-server:PATH/],
  // the other side
  [`pmm ${POOL} --remote vm`, 129, /--remote "vm" is not known; it is one of qemu/],
  [`pmm ${POOL} --remote qemu`, 129, /--remote qemu needs a kernel: --remote-kernel FILE/],
  [`pmm ${POOL} --remote-kernel /k`, 129, /--remote-kernel needs --remote qemu/],
  [
    `pmm ${POOL} --remote qemu --remote-kernel /k --remote-arch riscv64`,
    129,
    /--remote-arch "riscv64" is not known; it is one of x86_64, aarch64/,
  ],
  [`pmm ${POOL} --remote qemu --remote-kernel /k --remote-memory 0`, 129, /a guest needs memory/],
  [
    `pmm ${POOL} --remote qemu --remote-kernel /k --remote-memory 1K`,
    129,
    /a whole number of MiB is expected/,
  ],
  [
    `pmm ${POOL} --remote qemu --remote-kernel /k --shmem-backend file:/tmp/p`,
    129,
    /--remote qemu does not go with --shmem-backend file.*ivshmem-server:PATH/,
  ],
  [
    `pmm ${POOL} --remote qemu --remote-kernel /k --notify poll`,
    129,
    /--notify poll does not go with --shmem-backend ivshmem-server/,
  ],
  [
    `pmm ${POOL} --remote qemu --remote-kernel /k --remoteproc 0`,
    129,
    /--remote and --remoteproc exclude each other/,
  ],
  [`pmm ${POOL} --remoteproc x`, 129, /--remoteproc "x" is not a number/],
  [
    `pmm ${POOL} --remoteproc 0,image=a`,
    129,
    /"image=a" is not known; write --remoteproc N\[,firmware=NAME\]/,
  ],
  [`run --remote qemu vmlinux`, 129, /--remote is about the peer of a PMM: add --rsld --pmm/],
  // devices
  [`pmm ${POOL} --console vt100`, 129, /--console "vt100" is not known; it is one of virtio/],
  [`pmm ${POOL} --console serial`, 129, /--console serial is for KVM guests/],
  [`pmm ${POOL} --9p ,tag`, 129, /names no directory/],
  [`pmm ${POOL} --9p /tmp,a,b,c`, 129, /"b" is not known; write --9p DIR\[,TAG\]\[,ro\]/],
  [`pmm ${POOL} --9p /tmp,${'t'.repeat(33)}`, 129, /has 33 bytes; a mount tag has 1 \.\.\. 32/],
  [`pmm ${POOL} --9p /tmp --9p /var`, 129, /two --9p shares have the tag "kvm_9p"/],
  [`pmm ${POOL} -n mode=bridge`, 129, /--network mode "bridge" is not known; it is one of user, tap, none/],
  [`pmm ${POOL} -n mode`, 129, /--network "mode" has no value/],
  [`pmm ${POOL} -n colour=red`, 129, /"colour" is not known; known are mode, guest_mac/],
  [`pmm ${POOL} -n guest_mac=2:3`, 129, /guest_mac=2:3 is not a MAC address/],
  [`pmm ${POOL} -n guest_mac=03:00:00:00:00:01`, 129, /cannot belong to a card/],
  [`pmm ${POOL} -n guest_ip=1.2.3.256`, 129, /guest_ip=1\.2\.3\.256 is not an IPv4 address/],
  [`pmm ${POOL} -n host_ip=10.0.0.1,guest_ip=10.0.0.1`, 129, /both 10\.0\.0\.1; they must differ/],
  [`pmm ${POOL} -n mode=user,tapif=tap0`, 129, /tapif=tap0 is about a tap; it does not go with mode=user/],
  [
    `pmm ${POOL} -n tapif=an-interface-name`,
    129,
    /--network tapif=an-interface-name: an interface name has 1 \.\.\. 15 bytes/,
  ],
  [`pmm ${POOL} -n fd=x`, 129, /--network fd "x" is not a number/],
  [`pmm ${POOL} -n trans=pci`, 129, /trans=pci does not go with --pmm/],
  [`pmm ${POOL} -n mq=4`, 129, /mq=4: one pair of queues is supported/],
  [`pmm ${POOL} -n mode=user -n mode=user`, 129, /more than one --network mode=user/],
  [
    `pmm ${POOL} --no-dtb --rng --console virtio ${Array.from({ length: 7 }, (_, i) => `--9p /,t${i}`).join(' ')} -n mode=none`,
    129,
    /9 devices: at most 8/,
  ],
  // predefined lists
  [
    `pmm ${POOL} --features disk=ro`,
    129,
    /--features: unknown device type "disk"; known are 9p, rng, net, console/,
  ],
  [`pmm ${POOL} --features rng=event_idx`, 129, /--features rng: there is no rng device; devices given: net/],
  [`pmm ${POOL} --features net`, 129, /write --features net=VALUE/],
  [`pmm ${POOL} --features net=warp`, 129, /unknown feature "warp"; known are csum.*mac.*event_idx/],
  [`pmm ${POOL} --features net=0x100000000`, 129, /feature bit 32 is not known/],
  [`pmm ${POOL} --features net=mac,csum`, 129, /csum needs a tap/],
  [`pmm ${POOL} --queue-size net=100`, 129, /--queue-size net=100: a queue size is a power of two/],
  [`pmm ${POOL} --queue-size net=65536`, 129, /a power of two, 1 \.\.\. 32768/],
  [`pmm ${POOL} --queue-size net=64,64,64`, 129, /3 sizes, but it has 2 \(rx, tx\)/],
  [`pmm ${POOL} --region net=0x1800`, 129, /--region net 0x1800 is not a multiple of 4096/],
  [`pmm ${POOL} --region net=0`, 129, /at least 0x1000 bytes/],
  [`pmm ${POOL} --region net=0x3000 --static`, 129, /region of net 0x3000 is too small by 16384 bytes/],
  [
    `pmm ${POOL} --no-dtb --rng --static=rng`,
    129,
    /--static with --no-dtb is for all devices or none, and net/,
  ],
  [`pmm ${POOL} --static=console`, 129, /--static console: there is no console device/],
  [`pmm ${POOL} --no-dtb --confine`, 129, /--confine and --no-dtb exclude each other/],
  [`pmm ${POOL} --no-dtb --dump-dtb x.dtb`, 129, /--dump-dtb and --no-dtb exclude each other/],
  [`layout ${POOL} --no-dtb --dts`, 129, /--dts and --no-dtb exclude each other/],
  [`layout ${POOL} --json --svg`, 129, /--json and --svg exclude each other/],
  ['layout --shmem-addr 0x100000000 --shmem-size 1M --overlay', 129, /above 4 GiB/],
  // the world is wrong
  [`pmm ${POOL} --9p /nonexistent/share`, 128, /--9p \/nonexistent\/share: cannot share it: ENOENT/],
  [`pmm ${POOL} --9p /dev/null`, 128, /--9p \/dev\/null: not a directory/],
  [`pmm ${FILE} -n mode=none`, 128, /\/nonexistent\/pool.*ENOENT/],
  [
    `pmm ${POOL} --dump-dtb /nonexistent/x.dtb`,
    128,
    /--dump-dtb \/nonexistent\/x\.dtb: cannot write: ENOENT/,
  ],
  [`pmm ${POOL} --shmem-backend uio:/nonexistent/uio7`, 128, /uio7.*file:PATH.*socket:PATH.*lkvm demo/],
];

test(
  'command line: everything that can be wrong with it → one clear line and the right exit code',
  {
    concurrency: 2,
  },
  async (t) => await checkRows(t, ROWS),
);

test('command line: unknown command → a line, the list of commands, exit code 22', async () => {
  const { code, stdout, stderr } = await lkvm('frobnicate');
  assert.equal(code, 22);
  assert.equal(stderr, '  Error: unknown command "frobnicate"\n');
  assert.match(stdout, /The most commonly used/);
});

test('command line: a slip of the finger, a command of the C tool → what may be meant, what there is instead', async () => {
  const slip = await lkvm('help layuot');
  assert.deepEqual(
    [slip.code, slip.stderr],
    [22, '  Error: unknown command "layuot"; did you mean "layout"?\n'],
  );
  const stop = await lkvm('stop -n guest');
  assert.equal(stop.code, 22);
  assert.match(stop.stderr, /^ {2}Error: kvmtool's command "stop" is not supported yet; .*Ctrl-A x.*\n$/);
});

test('command line: the current directory has been removed → one line, 128; help works', async (t) => {
  const gone = join(tempDir(t), 'gone');
  const script = 'mkdir "$1" && cd "$1" && rmdir "$1" && shift && exec "$@"';
  const there = (...words: string[]) =>
    spawnSync('sh', ['-c', script, 'sh', gone, process.execPath, MAIN, ...words], { encoding: 'utf8' });
  for (const command of ['demo', 'pmm', 'run']) {
    const { status, stderr } = there(command);
    assert.equal(status, 128, stderr);
    assert.match(
      stderr,
      /^ {2}Fatal: the current directory has been removed: go to one that exists \(cd\)$/m,
    );
  }
  assert.equal(there('help').status, 0);
});

test('command line: LKVM_DEBUG or --loglevel debug → a stack trace in addition', async () => {
  const { code, stderr } = await lkvm('pmm --loglevel debug');
  assert.equal(code, 129);
  assert.match(stderr, /^ {2}Error: .*\nConfigError: .*\n {4}at /);
});
