/** Linux's own drivers on a pool: a stock kernel in another machine, the PMM here, nothing between them but memory. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KernelName } from '../bed/cache.js';
import { skipWithoutPeer } from './machine.js';
import { PeerRig } from './rig.js';
import * as scenarios from './scenarios.js';

const DRIVERS = ['9pnet_virtio', 'virtio_console', 'virtio_net', 'virtio_rng'];
const KERNELS: readonly KernelName[] = ['6.1', '6.1-arm64'];

for (const kernel of KERNELS) {
  test(`kernel ${kernel}, ivshmem without doorbell`, { skip: skipWithoutPeer(kernel) }, async (t) => {
    const rig = new PeerRig(t, { kernel });
    const devices = scenarios.allDevices(rig);
    const step = (title: string, scenario: () => Promise<void>): Promise<void> =>
      t.test(title, () => rig.run(scenario));

    const machine = await rig.boot();
    await machine.loadModule('poll_us=500');
    await step('module: loaded before there is a PMM → its devices come when the PMM does', async () => {
      await rig.startPmm(devices);
      await scenarios.waitForDevices(machine);
      assert.deepEqual(await scenarios.boundDrivers(machine), DRIVERS);
    });
    await step('rng: 16 KiB are read → that many come', () => scenarios.checkRng(machine));
    await step('console: a line each way → it arrives', () => scenarios.checkConsole(rig, machine, 'one'));
    await step('9p: msize 256 KiB, odd file and buffer sizes → contents are the same on both sides', () =>
      scenarios.check9p(rig, machine),
    );
    await step('9p: a file shorter than the read → its bytes, no more', () =>
      scenarios.check9pShortRead(rig, machine),
    );
    await step('net: small and large packets → all answered', () => scenarios.checkNet(machine));
    await step('descriptors: after all that → every buffer was inside the pool', async () => {
      assert.deepEqual(await rig.strayBuffers(), []);
      assert.equal(await scenarios.counter(machine, 'exhausted'), 0);
      assert.equal(await scenarios.counter(machine, 'unreserved'), 0);
      await scenarios.checkKernelLog(machine);
    });
    await step('module: removed and loaded again, three times → devices work again', async () => {
      for (let turn = 0; turn < 3; turn++) {
        await machine.sh('rmmod virtio_hvl');
        await machine.loadModule('poll_us=500');
        await scenarios.waitForDevices(machine);
      }
      await scenarios.checkRng(machine);
      await scenarios.checkConsole(rig, machine, 'two');
      await scenarios.checkNet(machine);
      await scenarios.check9p(rig, machine);
      await scenarios.checkKernelLog(machine);
    });
  });
}
