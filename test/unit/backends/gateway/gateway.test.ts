// The built-in gateway behind the network device: a driver pings it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VIRTIO_NET_F_MAC, VIRTIO_NET_F_MRG_RXBUF } from '#lkvm/abi/virtio.js';
import { GatewayBackend } from '#lkvm/backends/gateway/gateway.js';
import { ACCESS_DIRECT, ACCESS_WORD } from '#lkvm/memory/guest-memory.js';
import { COUNTER_COUNT, COUNTER_DROPPED } from '#lkvm/util/counters.js';
import { type Features, featureSet } from '#lkvm/virtio/core/features.js';
import { NetDevice } from '#lkvm/virtio/devices/net/device.js';
import { DeviceRig } from '../../../support/device-rig.js';
import { echoRequest, ethernet, GATEWAY_MAC, GUEST_MAC, icmp, ipFrame } from '../../../support/frames.js';

const RX = 0;
const TX = 1;

function rig(features: Features, access = ACCESS_DIRECT) {
  const counters = new Float64Array(COUNTER_COUNT);
  const mac = [2, 0x15, 0x15, 0x15, 0x15, 0x15];
  const device = new NetDevice({ backend: new GatewayBackend(), counters, queueSizes: [256, 256], mac });
  const all = new DeviceRig(device, { sizes: [256, 256], features, access });
  all.start();
  return { counters, rig: all };
}

function ping(bytes: number, sequence: number): Buffer {
  return ipFrame({ protocol: 1, payload: echoRequest(bytes, sequence) });
}

for (const [name, features, header] of [
  ['10-byte header', featureSet(VIRTIO_NET_F_MAC), 10],
  ['12-byte header', featureSet(VIRTIO_NET_F_MRG_RXBUF), 12],
] as const) {
  for (const access of [ACCESS_DIRECT, ACCESS_WORD]) {
    test(`gateway device (${name}, access ${access}): a ping → its answer, in the same pass`, () => {
      const { rig: r } = rig(features, access);
      const at = r.offer(RX, 1526);
      r.send(TX, Buffer.concat([Buffer.alloc(header), ping(56, 1)]));
      r.kick();
      assert.equal(r.driver(TX).takeAllUsed().length, 1);
      assert.equal(r.driver(RX).takeUsed()?.written, header + 98);
      const frame = Buffer.from(r.driver(RX).read(at + header, 98));
      assert.equal(frame.toString('hex', 0, 12), GUEST_MAC + GATEWAY_MAC);
      assert.deepEqual(frame.subarray(34), icmp(0, 0, echoRequest(56, 1).subarray(4)));
      assert.deepEqual(r.interrupts, [1, 1]);
    });
  }
}

test('gateway device: pings before any buffer is posted → 64 answers wait, the rest is dropped and counted', () => {
  const { rig: r, counters } = rig(featureSet(VIRTIO_NET_F_MAC));
  for (let i = 0; i < 100; i++) r.send(TX, Buffer.concat([Buffer.alloc(10), ping(8, i)]));
  r.kick();
  assert.equal(r.driver(TX).takeAllUsed().length, 100);
  assert.equal(counters[COUNTER_DROPPED], 36);
  const first = r.offer(RX, 200);
  for (let i = 1; i < 100; i++) r.offer(RX, 200);
  r.kick();
  assert.equal(r.driver(RX).takeAllUsed().length, 64);
  assert.equal(Buffer.from(r.driver(RX).read(first + 10, 50)).readUInt16BE(40), 0, 'in order');
});

test('gateway device: an answer longer than the buffer → dropped without MRG_RXBUF, spread over two with', () => {
  const small = rig(featureSet(VIRTIO_NET_F_MAC));
  small.rig.offer(RX, 100);
  small.rig.send(TX, Buffer.concat([Buffer.alloc(10), ping(56, 1)]));
  small.rig.kick();
  assert.equal(small.rig.driver(RX).takeUsed(), undefined);
  assert.equal(small.counters[COUNTER_DROPPED], 1);
  const spread = rig(featureSet(VIRTIO_NET_F_MRG_RXBUF));
  spread.rig.offer(RX, 100);
  spread.rig.offer(RX, 100);
  spread.rig.send(TX, Buffer.concat([Buffer.alloc(12), ping(56, 1)]));
  spread.rig.kick();
  assert.deepEqual(
    spread.rig
      .driver(RX)
      .takeAllUsed()
      .map((u) => u.written),
    [100, 10],
  );
});

test('gateway device: what it cannot answer → taken, dropped and counted', () => {
  const { rig: r, counters } = rig(featureSet(VIRTIO_NET_F_MAC));
  r.send(
    TX,
    Buffer.concat([Buffer.alloc(10), ethernet('333300000002', GUEST_MAC, 0x86dd, Buffer.alloc(60))]),
  );
  r.send(TX, new Uint8Array(10 + 1515));
  r.kick();
  assert.equal(r.driver(TX).takeAllUsed().length, 2);
  assert.equal(counters[COUNTER_DROPPED], 2);
});

test('gateway device: restart while answers wait → they are forgotten', () => {
  const { rig: r } = rig(featureSet(VIRTIO_NET_F_MAC));
  r.send(TX, Buffer.concat([Buffer.alloc(10), ping(8, 1)]));
  r.kick();
  r.device.reset();
  r.start();
  r.offer(RX, 200);
  r.kick();
  assert.equal(r.driver(RX).takeUsed(), undefined);
});

for (const [options, text] of [
  [{ hostIp: 'nonsense' }, /host_ip=nonsense/],
  [{ guestIp: '1.2.3' }, /guest_ip=1.2.3/],
  [{ guestIp: '192.168.33.1' }, /two addresses/],
  [{ guestIp: '10.0.0.1' }, /two addresses/],
  [{ dns: ['x'] }, /dns=x/],
] as const) {
  test(`gateway: ${JSON.stringify(options)} → ConfigError`, () => {
    assert.throws(() => new GatewayBackend(options), { code: 'CONFIG', message: text });
  });
}
