/** The PMM comes and goes while a stock kernel uses its devices. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { KernelName } from '../bed/cache.js';
import { skipWithoutPeer } from './machine.js';
import { PeerRig } from './rig.js';
import * as scenarios from './scenarios.js';

const RESTARTS = 5;

async function comeAndGo(t: TestContext, kernel: KernelName): Promise<void> {
  const rig = new PeerRig(t, { kernel });
  const devices = [...scenarios.allDevices(rig), '--event-idx'];
  const step = (title: string, scenario: () => Promise<void>): Promise<void> =>
    t.test(title, () => rig.run(scenario));
  await rig.startPmm(devices);
  const machine = await rig.boot();
  await machine.loadModule('poll_us=500 spin_us=300');
  await scenarios.waitForDevices(machine);
  let restarted = 0;
  /** Another PMM, until the module says that all its devices run again. */
  const restart = async (): Promise<void> => {
    await rig.pmm.end('SIGKILL');
    await rig.startPmm(devices);
    restarted += 4;
    await machine.sh(
      `while [ $(dmesg | grep -c 'device restarted') -lt ${restarted} ]; do usleep 100000; done`,
    );
  };

  await step(
    'PMM killed and started again → devices work, the network interface has kept its address',
    async () => {
      await scenarios.checkNet(machine);
      await restart();
      await scenarios.checkPing(machine);
      await scenarios.checkRng(machine);
      await scenarios.checkConsole(rig, machine, 'restarted');
      await scenarios.check9p(rig, machine);
    },
  );
  await step(
    `the same ${RESTARTS} times under packets and console output → all works in the end`,
    async () => {
      await machine.sh(
        '(while :; do ping -c 1 -W 1 192.168.33.1; done) > /dev/null 2>&1 & echo $! > /tmp/pings',
      );
      await machine.sh('stty raw -echo < /dev/hvc0');
      await machine.sh(
        '(while :; do echo output > /dev/hvc0; usleep 2000; done) > /dev/null 2>&1 & echo $! >> /tmp/pings',
      );
      for (let turn = 0; turn < RESTARTS; turn++) await restart();
      await machine.sh('kill $(cat /tmp/pings)');
      await scenarios.checkPing(machine);
      await scenarios.checkRng(machine);
      await scenarios.checkConsole(rig, machine, 'again');
      assert.deepEqual(await rig.strayBuffers(), []);
      await scenarios.checkKernelLog(machine);
    },
  );
  await step('9p mounted when the PMM goes → the other devices work; 9p after an unmount', async () => {
    await machine.sh('mount -t 9p -o trans=virtio,version=9p2000.L share /mnt/9p');
    await rig.pmm.end('SIGKILL');
    await rig.startPmm(devices);
    restarted += 3;
    await machine.sh(
      `while [ $(dmesg | grep -c 'device restarted') -lt ${restarted} ]; do usleep 100000; done`,
    );
    await scenarios.checkPing(machine);
    await machine.sh('umount -f /mnt/9p');
    restarted++;
    await machine.sh(
      `while [ $(dmesg | grep -c 'device restarted') -lt ${restarted} ]; do usleep 100000; done`,
    );
    await scenarios.check9p(rig, machine);
  });
  await step('pool full of garbage, then a PMM again → the kernel lives, devices work', async () => {
    await rig.pmm.end('SIGKILL');
    rig.scribble();
    await machine.sh('sleep 2');
    await rig.startPmm([...devices, '--force']);
    restarted += 4;
    await machine.sh(
      `while [ $(dmesg | grep -c 'device restarted') -lt ${restarted} ]; do usleep 100000; done`,
    );
    await scenarios.checkPing(machine);
    await scenarios.checkRng(machine);
    await scenarios.check9p(rig, machine);
  });
  await step(
    'PMM started again with other devices and layout → those are there, the others are gone',
    async () => {
      await rig.pmm.end('SIGKILL');
      await rig.startPmm(['--rng', '--no-dtb', '--network', 'mode=none']);
      await machine.sh('while [ -e /sys/class/net/eth0 ]; do usleep 100000; done');
      await machine.sh('while ! ls /sys/bus/virtio/devices/*/driver > /dev/null; do usleep 100000; done');
      assert.deepEqual(await scenarios.boundDrivers(machine), ['virtio_rng']);
      await scenarios.checkRng(machine);
    },
  );
  await step(
    'module removed while there is no PMM → it goes, and nothing has gone wrong in the kernel',
    async () => {
      await rig.pmm.end('SIGKILL');
      await machine.sh('rmmod virtio_hvl');
      await scenarios.checkKernelLog(machine);
    },
  );
}

// How drivers are started again differs between versions of Linux.
for (const kernel of ['6.1', '6.12-arm64'] as const) {
  test(`kernel ${kernel}, PMM that comes and goes`, { skip: skipWithoutPeer(kernel) }, (t) =>
    comeAndGo(t, kernel),
  );
}
