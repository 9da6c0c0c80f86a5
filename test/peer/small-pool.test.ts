/** A pool that is too small for all wishes of the drivers. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type PeerMachine, skipWithoutPeer } from './machine.js';
import { PeerRig } from './rig.js';
import * as scenarios from './scenarios.js';

const POOL_BYTES = 1 << 20;
const SMALL_MSIZE = 32_768;

/** When the kernel has said that there is no room, in seconds of its log. */
async function complaints(machine: PeerMachine): Promise<number[]> {
  const log = await machine.sh('dmesg');
  const lines = /^\[ *([\d.]+)\] .*the pool has no room for a buffer of \d+ bytes$/gm;
  return [...log.matchAll(lines)].map(([, seconds]) => Number(seconds));
}

test('kernel 6.1, pool of 1 MiB', { skip: skipWithoutPeer('6.1') }, async (t) => {
  const rig = new PeerRig(t, { kernel: '6.1', poolBytes: POOL_BYTES });
  const step = (title: string, scenario: () => Promise<void>): Promise<void> =>
    t.test(title, () => rig.run(scenario));
  await rig.startPmm(scenarios.allDevices(rig));
  const machine = await rig.boot();
  await machine.loadModule('poll_us=500');
  await scenarios.waitForDevices(machine);

  await step('devices: shorter rings → all work, with the message size that the log says', async () => {
    const [, msize] = /mount with msize=(\d+) or less/.exec(await machine.sh('dmesg')) ?? [];
    assert.ok(Number(msize) >= 4096, `msize ${msize}`);
    await scenarios.check9p(rig, machine, Number(msize));
    await scenarios.checkRng(machine);
    await scenarios.checkConsole(rig, machine, 'small');
    await scenarios.checkNet(machine);
    assert.equal(await scenarios.counter(machine, 'exhausted'), 0);
    assert.deepEqual(await rig.strayBuffers(), []);
    await scenarios.checkKernelLog(machine);
  });
  await step('net: more than the pool holds → dropped, the log says so; what comes later goes', async () => {
    await machine.sh('ip link set eth0 mtu 65000');
    rig.pmm.signal('SIGSTOP');
    await machine.sh('ping -c 40 -i 0.02 -W 1 -s 64000 192.168.33.1; true');
    const exhausted = await scenarios.counter(machine, 'exhausted');
    const dropped = await machine.sh('cat /sys/class/net/eth0/statistics/tx_dropped');
    rig.pmm.signal('SIGCONT');
    await machine.sh('ip link set eth0 mtu 1500');
    assert.ok(Number(dropped) > 0, 'the error that virtio_net has for it');
    const said = await complaints(machine);
    assert.ok(said.length >= 1 && said.length < exhausted, `${said} of ${exhausted}`);
    for (const [i, at] of said.slice(1).entries()) assert.ok(at - (said[i] ?? 0) > 59, `${said}`);
    await scenarios.checkPing(machine);
    assert.deepEqual(await rig.strayBuffers(), []);
  });
  await step('confined devices: rings and slots in their own regions → all work', async () => {
    await machine.sh('rmmod virtio_hvl');
    await rig.pmm.end('SIGTERM');
    const regions = ['9p=0x30000', 'console=0x10000'].flatMap((region) => ['--region', region]);
    await rig.startPmm([...scenarios.allDevices(rig), '--confine', ...regions]);
    await machine.loadModule('poll_us=500 confine=1');
    await scenarios.waitForDevices(machine);
    await scenarios.check9p(rig, machine, SMALL_MSIZE);
    await scenarios.checkRng(machine);
    await scenarios.checkConsole(rig, machine, 'confined');
    await scenarios.checkNet(machine);
    assert.equal(await scenarios.counter(machine, 'exhausted'), 0);
  });
  await step(
    '9p: a message longer than the ring → the log says so, once; it can be killed, and 9p works on',
    async () => {
      writeFileSync(join(rig.share, 'large'), Buffer.alloc(1 << 20));
      await machine.sh('mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=none share /mnt/9p');
      await machine.sh('dd if=/mnt/9p/large of=/dev/null bs=1M > /dev/null 2>&1 & echo $! > /tmp/reader');
      const line =
        /a request needs more than \d+ entries and waits for ever: mount with msize=\d+ or less$/gm;
      await machine.sh('while ! dmesg | grep -q "waits for ever"; do usleep 100000; done');
      await machine.sh('kill -9 $(cat /tmp/reader); wait $(cat /tmp/reader); umount /mnt/9p');
      assert.equal((await machine.sh('dmesg')).match(line)?.length, 1);
      await scenarios.check9p(rig, machine, SMALL_MSIZE);
      assert.deepEqual(await rig.strayBuffers(), []);
    },
  );
});
