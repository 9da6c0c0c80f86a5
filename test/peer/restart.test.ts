/** The PMM comes and goes while a stock kernel uses its devices. */
import { test } from 'node:test';
import { skipWithoutPeer } from './machine.js';
import { PeerRig } from './rig.js';
import * as scenarios from './scenarios.js';

/** How often the module looks for a PMM, twice, and some. */
const RESTARTED = 'the PMM has started anew: device restarted';

test('PMM that comes and goes', { skip: skipWithoutPeer('6.1') }, async (t) => {
  const rig = new PeerRig(t, { kernel: '6.1' });
  const devices = scenarios.allDevices(rig);
  const step = (title: string, scenario: () => Promise<void>): Promise<void> =>
    t.test(title, () => rig.run(scenario));
  await rig.startPmm(devices);
  const machine = await rig.boot();
  await machine.loadModule('poll_us=500');
  await machine.sh('while [ ! -e /sys/class/net/eth0 ] || [ ! -c /dev/hvc0 ]; do usleep 100000; done');
  /** Until the kernel's log has so many lines of that kind. */
  const logged = (text: string, count: number): Promise<string> =>
    machine.sh(`while [ $(dmesg | grep -c '${text}') -lt ${count} ]; do usleep 100000; done`);

  await step('PMM killed and started again → devices restart, the network interface keeps its address', async () => {
    await scenarios.checkNet(machine);
    await rig.pmm.end('SIGKILL');
    await rig.startPmm(devices);
    await logged(RESTARTED, 4);
    await scenarios.checkPing(machine);
    await scenarios.checkRng(machine);
    await scenarios.checkConsole(rig, machine, 'restarted');
    await scenarios.check9p(rig, machine);
  });
});
