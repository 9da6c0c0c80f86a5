/** Linux's own drivers on a pool: a stock kernel in another machine, the PMM here, nothing between them but memory. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { KernelName } from '../bed/cache.js';
import { type PeerMachine, skipWithoutPeer } from './machine.js';
import { PeerRig } from './rig.js';
import * as scenarios from './scenarios.js';

const DRIVERS = ['9pnet_virtio', 'virtio_console', 'virtio_net', 'virtio_rng'];

type Step = (title: string, scenario: () => Promise<void>) => Promise<void>;

function stepsOf(t: TestContext, rig: PeerRig): Step {
  return (title, scenario) => t.test(title, () => rig.run(scenario));
}

/** All devices in turn, on a machine whose module is loaded. */
async function everyDevice(step: Step, rig: PeerRig, machine: PeerMachine): Promise<void> {
  await step('features: ACCESS_PLATFORM, not VERSION_1', () => scenarios.checkFeatures(machine));
  await step('rng: 16 KiB are read → that many come', () => scenarios.checkRng(machine));
  await step('console: a line each way → it arrives', () => scenarios.checkConsole(rig, machine, 'one'));
  await step('9p: msize 256 KiB, odd file and buffer sizes → contents are the same on both sides', () =>
    scenarios.check9p(rig, machine),
  );
  await step('9p: a file shorter than the read → its bytes, and the rest of the buffer as it was', () =>
    scenarios.check9pShortRead(rig, machine),
  );
  await step('net: small and large packets → all answered', () => scenarios.checkNet(machine));
  await step(
    'descriptors: after all that → each buffer was inside the pool, in a reserved slot',
    async () => {
      assert.deepEqual(await rig.strayBuffers(), []);
      assert.equal(await scenarios.counter(machine, 'exhausted'), 0);
      assert.equal(await scenarios.counter(machine, 'unreserved'), 0);
      await scenarios.checkKernelLog(machine);
    },
  );
}

test('kernel 6.1, ivshmem without doorbell', { skip: skipWithoutPeer('6.1') }, async (t) => {
  const rig = new PeerRig(t, { kernel: '6.1', place: 'ivshmem' });
  const step = stepsOf(t, rig);
  const machine = await rig.boot();
  await machine.loadModule('poll_us=500');
  await step('module: loaded before there is a PMM → its devices come when the PMM does', async () => {
    await rig.startPmm(scenarios.allDevices(rig));
    await scenarios.waitForDevices(machine);
    assert.deepEqual(await scenarios.boundDrivers(machine), DRIVERS);
  });
  await everyDevice(step, rig, machine);
  await step('machine: plug pulled, booted again → devices work', async () => {
    await machine.kill();
    const next = await rig.boot();
    await next.loadModule('poll_us=500');
    await scenarios.waitForDevices(next);
    await scenarios.checkRng(next);
    await scenarios.checkNet(next);
    await scenarios.check9p(rig, next);
  });
});

test('kernel 6.12, reserved memory, no device tree', { skip: skipWithoutPeer('6.12') }, async (t) => {
  const rig = new PeerRig(t, { kernel: '6.12', place: 'reserved' });
  const step = stepsOf(t, rig);
  await rig.startPmm([...scenarios.allDevices(rig), '--no-dtb']);
  const machine = await rig.boot();
  await step('module: loaded with base= and layout= → all drivers are bound', async () => {
    await machine.loadModule('layout=nodtb poll_us=500 spin_us=300');
    await scenarios.waitForDevices(machine);
    assert.deepEqual(await scenarios.boundDrivers(machine), DRIVERS);
  });
  await everyDevice(step, rig, machine);
  await step('module: removed and loaded again → devices work again', async () => {
    await machine.sh('rmmod virtio_hvl');
    await machine.loadModule('poll_us=500');
    await scenarios.waitForDevices(machine);
    await scenarios.checkRng(machine);
    await scenarios.checkNet(machine);
    await scenarios.check9p(rig, machine);
    await scenarios.checkKernelLog(machine);
  });
});

const DOORBELL_KERNELS: readonly (readonly [KernelName, string[]])[] = [
  ['6.1', []],
  ['6.1-arm64', ['--event-idx']],
];

for (const [kernel, words] of DOORBELL_KERNELS) {
  test(`kernel ${kernel}, ivshmem with doorbell`, { skip: skipWithoutPeer(kernel) }, async (t) => {
    const rig = new PeerRig(t, { kernel, place: 'doorbell' });
    const step = stepsOf(t, rig);
    await rig.startPmm([...scenarios.allDevices(rig), ...words]);
    const machine = await rig.boot();
    await step('module: loaded → all drivers are bound, signals go both ways', async () => {
      await machine.loadModule();
      await scenarios.waitForDevices(machine);
      assert.deepEqual(await scenarios.boundDrivers(machine), DRIVERS);
      await scenarios.checkRng(machine);
      assert.notEqual(await scenarios.counter(machine, 'doorbells'), 0);
      assert.notEqual(await scenarios.counter(machine, 'interrupts'), 0);
    });
    await everyDevice(step, rig, machine);
    await step('module: removed and loaded again, three times → devices work again', async () => {
      for (let turn = 0; turn < 3; turn++) {
        await machine.sh('rmmod virtio_hvl');
        await machine.loadModule();
        await scenarios.waitForDevices(machine);
      }
      await scenarios.checkRng(machine);
      await scenarios.checkConsole(rig, machine, 'two');
      await scenarios.checkNet(machine);
      await scenarios.check9p(rig, machine);
      await scenarios.checkKernelLog(machine);
    });
    for (const spinUs of [5000, 50]) {
      await step(`module: spin_us=${spinUs} → devices work, no interrupt is lost`, async () => {
        await machine.sh('rmmod virtio_hvl');
        await machine.loadModule(`spin_us=${spinUs} poll_us=60000000`); // the timer finds none that was lost
        await scenarios.waitForDevices(machine);
        await scenarios.checkRng(machine);
        await scenarios.checkNet(machine);
        await scenarios.check9p(rig, machine);
        await scenarios.checkConsole(rig, machine, `spin-${spinUs}`);
        if (spinUs === 5000) assert.notEqual(await scenarios.counter(machine, 'by_spinning'), 0);
        await scenarios.checkKernelLog(machine);
      });
    }
    await step(
      'doorbells that go to a peer that is not there → devices are found, start and work',
      async () => {
        await machine.sh('rmmod virtio_hvl');
        await machine.loadModule('pmm_id=9');
        await scenarios.waitForDevices(machine);
        await scenarios.checkNet(machine);
        assert.notEqual(await scenarios.counter(machine, 'doorbells'), 0);
      },
    );
  });
}
