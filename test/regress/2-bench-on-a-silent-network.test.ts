// Issue 2: `bench` in the auxiliary runtime asks the gateway of its own network, and gives up when it does not answer.
// (It asked 192.168.33.1 whatever `--ip` was, 200 times, a second each.)
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VIRTIO_ID_NET } from '#lkvm/abi/virtio.js';
import { DEVICE_COMMANDS } from '#lkvm/aux/device-commands.js';
import { NetStack } from '#lkvm/aux/net-stack.js';
import { parseIp } from '#lkvm/aux/options.js';
import { NetDriver } from '#lkvm/frontend/net.js';
import { netDevice } from '../support/front-end-devices.js';
import { FrontEndRig } from '../support/front-end-rig.js';

/** The net part of `bench` from address `ip`; the PMM's gateway is 192.168.33.1. @returns what it printed, and pings sent */
function benchFrom(ip: string): { text: string; echoes: number; asked: string[] } {
  using rig = new FrontEndRig({ devices: [{ device: netDevice() }], withDtb: true });
  const [device] = rig.attach().ofType(VIRTIO_ID_NET);
  if (device === undefined) throw new Error('no net device');
  const net = new NetStack(new NetDriver(device, { bulk: false, offloads: false }), parseIp('--ip', ip));
  let echoes = 0;
  const asked: string[] = [];
  const { echo } = net;
  net.echo = (address, mac, sequence, timeoutMs) => {
    echoes++;
    asked.push(address.join('.'));
    return echo.call(net, address, mac, sequence, timeoutMs);
  };
  // The hardware address is known, but nobody with that IP address answers: as behind a router.
  net.resolve = () => Uint8Array.of(2, 1, 1, 1, 1, 1);
  let text = '';
  const context = {
    line: rig,
    shares: [],
    drivers: { rng: undefined },
    net,
    output: { text: (t: string) => (text += t) },
  };
  const bench = DEVICE_COMMANDS.find((command) => command.name === 'bench');
  bench?.run(context as never, []);
  return { text, echoes, asked };
}

test('bench: the gateway answers → round trips are reported', () => {
  const { text, asked } = benchFrom('192.168.33.15');
  assert.match(text, /net_rtt_p50_us/);
  assert.deepEqual([...new Set(asked)], ['192.168.33.1']);
});

test('bench: nobody answers → given up after one, nothing is reported', () => {
  const { text, echoes, asked } = benchFrom('10.1.2.3');
  assert.equal(text, '');
  assert.equal(echoes, 1);
  assert.deepEqual(asked, ['10.1.2.1']);
});
