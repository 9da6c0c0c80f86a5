// The bridge of `lkvm aux --net-tap` over a real tap, with the PMM's built-in gateway at the other end of the pool.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { IFF_NO_PI, IFF_TAP, IFREQ_BYTES, IFREQ_UNION_OFF, TUNSETIFF } from '#lkvm/abi/tun.js';
import { closeTap, TapBridge } from '#lkvm/aux/tap-bridge.js';
import { NetDriver } from '#lkvm/frontend/net.js';
import { ACCESS_DIRECT, ACCESS_WORD } from '#lkvm/memory/guest-memory.js';
import { Reactor } from '#lkvm/reactor/reactor.js';
import { O_NONBLOCK, O_RDWR } from '#lkvm/sys/arch.js';
import { ioctl, open } from '#lkvm/sys/fd.js';
import { must } from '#lkvm/sys/libc.js';
import { NativeBuffer } from '#lkvm/sys/map.js';
import { openTap, type Tap } from '#lkvm/sys/tap.js';
import { netDevice } from '../support/front-end-devices.js';
import { FrontEndRig } from '../support/front-end-rig.js';
import { enterPrivateNetwork, Running, run } from '../support/netns.js';
import { skipWithout } from '../support/tools.js';

const skip = enterPrivateNetwork() || skipWithout('ping');

/** A tap whose packets come without a virtio-net header, as from a kernel that does not have it. */
function plainTap(name: string): Tap {
  const fd = must(open('/dev/net/tun', O_RDWR | O_NONBLOCK), 'open');
  const request = new NativeBuffer(IFREQ_BYTES);
  request.u8.set(Buffer.from(name));
  request.view.setUint16(IFREQ_UNION_OFF, IFF_TAP | IFF_NO_PI, true);
  must(ioctl(fd, TUNSETIFF, request.address), 'TUNSETIFF');
  return { fd, name, created: true, vnetHeader: false };
}

interface Cable {
  readonly rig: FrontEndRig;
  readonly loop: Reactor;
  readonly bridge: TapBridge;
  readonly net: NetDriver;
}

function cable(t: TestContext, tap: Tap, access: number): Cable {
  const rig = new FrontEndRig({ devices: [{ device: netDevice() }], withDtb: true, access });
  const loop = new Reactor();
  const [device] = rig.attach().devices;
  if (device === undefined) throw new Error('no device');
  const net = new NetDriver(device, { bulk: true, offloads: tap.vnetHeader });
  const bridge = new TapBridge(loop, net, tap);
  t.after(() => {
    bridge.stop();
    closeTap(tap);
    loop.close();
    rig.bench.close();
  });
  run(`ip addr add 192.168.33.15/24 dev ${tap.name}`);
  run(`ip link set ${tap.name} up`);
  return { rig, loop, bridge, net };
}

for (const [kind, access] of [
  ['direct', ACCESS_DIRECT],
  ['word', ACCESS_WORD],
] as const) {
  for (const vnet of [true, false]) {
    const name = `TapBridge: ${kind} pool, tap ${vnet ? 'with' : 'without'} virtio-net header → the kernel's ping is answered`;
    test(name, { skip, timeout: 120_000 }, async (t) => {
      const tap = vnet ? openTap({ tapif: 'wire' }) : plainTap('wire');
      const { rig, loop, bridge, net } = cable(t, tap, access);
      const ping = new Running(t, 'ping', ['-c', '3', '-i', '0.2', '-s', '1400', '192.168.33.1']);
      while (ping.status === undefined) {
        loop.round(2000);
        rig.settle();
        rig.bench.look();
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.equal(ping.status, 0, ping.output);
      assert.match(ping.output, /3 received, 0% packet loss/);
      assert.ok(bridge.sent >= 4 && bridge.received >= 4);
      assert.equal(bridge.dropped, 0);
      const header = new Uint8Array(net.headerBytes);
      for (let slot = 0; slot < net.tx.slotCount; slot++) {
        net.tx.slots.read(net.tx.slotOffset(slot), header, 0, header.length);
        assert.ok(
          header.every((byte) => byte === 0),
          'plain frames: nothing in the header',
        );
      }
    });
  }
}

/** Sends 400 datagrams to the gateway at once. */
const FLOOD = `
  const { createSocket } = require('node:dgram');
  const socket = createSocket('udp4');
  let left = 400;
  for (let i = 0; i < 400; i++) socket.send('x', 9, '192.168.33.1', () => { if (--left === 0) socket.close(); });`;

test('TapBridge: more frames than slots while the PMM does not look → the tap waits, nothing is lost', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const { rig, loop, bridge, net } = cable(t, openTap({ tapif: 'wire' }), ACCESS_DIRECT);
  rig.settle();
  run('ip neigh add 192.168.33.1 lladdr 02:01:01:01:01:01 dev wire');
  rig.connected = false; // doorbells are not heard
  const flood = new Running(t, process.execPath, ['-e', FLOOD]);
  while (flood.status === undefined || bridge.sent < net.tx.slotCount) {
    loop.round(2000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (let i = 0; i < 20; i++) loop.round(1000);
  assert.equal(bridge.sent, net.tx.slotCount, 'one frame a slot, and no more');
  assert.ok(net.tx.slotCount < 400);
  assert.equal(net.tx.queue.wanted, true, 'completions wake us');
  rig.connected = true;
  rig.ring();
  while (bridge.sent < 400) {
    rig.settle();
    rig.bench.look();
    loop.round(1000);
  }
});
