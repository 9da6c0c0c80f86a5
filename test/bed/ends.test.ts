// How machines end, and what else can start in one.
import assert from 'node:assert/strict';
import { useBed } from './bed.js';
import { BOOT_LIMIT_MS, Guest } from './guest.js';
import { LKVM, type MachineSpec } from './machine.js';
import type { OuterGuest } from './outer.js';

const { scenario } = useBed();

const END_LIMIT_MS = 60_000;

/** Everything that a machine could leave behind: files where it may write, interfaces, processes. */
async function traces(outer: OuterGuest): Promise<string> {
  return await outer.sh(`
    find /run /dev/shm ! -path '*/.lkvm' | sort
    ip -brief link | awk '{print $1}'
    pgrep -fc 'cli/main.js' || true`);
}

function busyMachine(outer: OuterGuest): MachineSpec {
  return {
    kernel: '6.1',
    initrd: outer.initrd('6.1'),
    disks: ['/run/disk'],
    shares: ['/run/share,share'],
    rng: true,
    // a tap that lkvm makes itself
    options: ['-n', 'mode=tap', '--name', 'busy'],
  };
}

scenario('lkvm: kill -9 while the guest writes → no file, tap or process is left', async (outer) => {
  await outer.sh('truncate -s 16M /run/disk; mkdir -p /run/share');
  const before = await traces(outer);
  const guest = await Guest.boot(outer, busyMachine(outer));
  await guest.sh('mount -t 9p -o trans=virtio,version=9p2000.L share /mnt');
  await guest.sh('(while :; do dd if=/dev/zero of=/dev/vda bs=64k count=64; done) > /dev/null 2>&1 &');
  guest.process.kill('SIGKILL');
  assert.equal((await guest.process.result(END_LIMIT_MS)).signal, 'SIGKILL');
  assert.equal(await traces(outer), before);
});

scenario('lkvm: SIGTERM while the guest writes → ends cleanly, nothing is left', async (outer) => {
  await outer.sh('truncate -s 16M /run/disk; mkdir -p /run/share');
  const before = await traces(outer);
  const guest = await Guest.boot(outer, busyMachine(outer));
  await guest.sh('(while :; do dd if=/dev/zero of=/dev/vda bs=64k count=64; done) > /dev/null 2>&1 &');
  guest.process.kill('SIGTERM');
  const { code, signal } = await guest.process.result(END_LIMIT_MS);
  assert.deepEqual({ code, signal }, { code: 0, signal: null });
  assert.equal(await traces(outer), before);
});

scenario("kvmtool's default words noapic noacpi pci=conf1 → break nothing", async (outer) => {
  await outer.sh('echo from-host > /run/disk; truncate -s 1M /run/disk');
  const words = 'noapic noacpi pci=conf1 reboot=k panic=1 i8042.direct=1 i8042.dumbkbd=1 i8042.nopnp=1';
  const guest = await Guest.boot(outer, {
    kernel: '6.1',
    initrd: outer.initrd('6.1'),
    words,
    disks: ['/run/disk'],
  });
  assert.match(await guest.sh('head -n 1 /dev/vda'), /from-host/);
  assert.equal((await guest.end()).code, 0);
});

scenario('SeaBIOS: --firmware → its banner comes on port 0x402', async (outer) => {
  const bios = outer.spawn([
    ...LKVM,
    'run',
    '--firmware',
    '/usr/share/seabios/bios.bin',
    '-m',
    '64',
    '-n',
    'mode=none',
  ]);
  await bios.transcript.expect(/SeaBIOS \(version [^)]*\)/, BOOT_LIMIT_MS);
  bios.kill('SIGTERM');
  await bios.result(END_LIMIT_MS);
});

scenario('a guest that crashes → lkvm ends by itself', async (outer) => {
  const guest = await Guest.boot(outer, { kernel: '6.1', initrd: outer.initrd('6.1') });
  guest.process.write('echo c > /proc/sysrq-trigger\n');
  await guest.transcript.expect(/Kernel panic - not syncing: sysrq triggered crash/, BOOT_LIMIT_MS);
  assert.equal((await guest.process.result(END_LIMIT_MS)).code, 0); // panic=-1 is a reboot
});
