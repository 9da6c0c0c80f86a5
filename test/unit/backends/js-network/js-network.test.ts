// Networks made in JavaScript behind the network device: a driver sends, and gets what the program gives.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VIRTIO_NET_F_MAC } from '#lkvm/abi/virtio.js';
import {
  JsNetworkBackend,
  networkFromExport,
  remoteNetworkProxy,
} from '#lkvm/backends/js-network/js-network-backend.js';
import { type JsNetwork, type NetworkPort, remoteNetwork } from '#lkvm/backends/js-network/network.js';
import { COUNTER_COUNT } from '#lkvm/util/counters.js';
import { ConfigError } from '#lkvm/util/errors.js';
import { featureSet } from '#lkvm/virtio/core/features.js';
import type { NetBackend } from '#lkvm/virtio/devices/net/backend.js';
import { NetDevice } from '#lkvm/virtio/devices/net/device.js';
import { DeviceRig } from '../../../support/device-rig.js';
import { frame } from '../../../support/net-rig.js';

const RX = 0;
const TX = 1;
const HEADER = Buffer.alloc(10);
const MAC = [2, 0x15, 0x15, 0x15, 0x15, 0x15];

/** Keeps what it gets; nothing else. */
class Recorder implements JsNetwork {
  readonly frames: Uint8Array[] = [];
  readonly calls: string[] = [];
  port: NetworkPort | undefined;

  start(port: NetworkPort): void {
    this.calls.push('start');
    this.port = port;
  }

  frame(bytes: Uint8Array): void {
    this.frames.push(bytes.slice());
  }

  stop(): void {
    this.calls.push('stop');
  }
}

function log() {
  const warnings: string[] = [];
  const warn = (text: string): void => void warnings.push(text);
  return { warnings, log: { info: () => undefined, warn, debug: () => undefined } };
}

function started(backend: NetBackend): DeviceRig {
  const counters = new Float64Array(COUNTER_COUNT);
  const device = new NetDevice({ backend, counters, queueSizes: [256, 256], mac: MAC });
  const rig = new DeviceRig(device, { sizes: [256, 256], features: featureSet(VIRTIO_NET_F_MAC) });
  rig.start();
  return rig;
}

test('JsNetworkBackend: frames of the driver → the network, whole; frames for the driver → its buffers', () => {
  const network = new Recorder();
  const rig = started(new JsNetworkBackend(network, log().log));
  rig.send(TX, Buffer.concat([HEADER, frame(60)]));
  rig.send(TX, Buffer.concat([HEADER, frame(1514, 3)]));
  rig.kick();
  assert.deepEqual(network.frames, [frame(60), frame(1514, 3)]);
  const at = rig.offer(RX, 1526);
  rig.kick();
  assert.equal(network.port?.send(frame(100, 5)), true);
  assert.equal(rig.driver(RX).takeUsed()?.written, 110);
  assert.deepEqual(rig.driver(RX).read(at + 10, 100), frame(100, 5));
});

test('JsNetworkBackend: no buffers → frames wait, 256 of them; wrong sizes, nobody running → dropped', () => {
  const network = new Recorder();
  const backend = new JsNetworkBackend(network, log().log);
  const rig = started(backend);
  const { port } = network;
  assert.ok(port);
  assert.deepEqual(
    [13, 1515].map((bytes) => port.send(frame(bytes))),
    [false, false],
  );
  const taken = Array.from({ length: 300 }, () => port.send(frame(60)));
  assert.equal(taken.filter(Boolean).length, 256);
  rig.device.reset();
  assert.equal(port.send(frame(60)), false);
  assert.deepEqual(network.calls, ['start', 'stop']);
});

test('JsNetworkBackend: a network that throws → the frame is lost, the log says so, the device goes on', () => {
  const { warnings, log: to } = log();
  let calls = 0;
  const network: JsNetwork = {
    frame: () => {
      calls++;
      throw new Error('no route');
    },
  };
  const rig = started(new JsNetworkBackend(network, to));
  for (let i = 0; i < 2; i++) rig.send(TX, Buffer.concat([HEADER, frame(60)]));
  rig.kick();
  assert.equal(calls, 2);
  assert.equal(rig.driver(TX).takeAllUsed().length, 2);
  assert.match(warnings[0] ?? '', /no route/);
});

test('remoteNetwork: messages both ways → the same as in the reactor; 64 not taken → the driver waits', () => {
  const network = new Recorder();
  const toNetwork: unknown[] = [];
  const proxy = remoteNetworkProxy((message) => void toNetwork.push(message), log().log);
  const onMessage = remoteNetwork(network).serve((message) => proxy.onMessage(structuredClone(message)));
  const rig = started(proxy.backend);
  for (let i = 0; i < 100; i++) rig.send(TX, Buffer.concat([HEADER, frame(60, i)]));
  rig.kick();
  assert.equal(rig.driver(TX).takeAllUsed().length, 64);
  while (toNetwork.length > 0) onMessage(structuredClone(toNetwork.shift()));
  assert.equal(rig.driver(TX).takeAllUsed().length, 36);
  assert.deepEqual(
    network.frames,
    Array.from({ length: 100 }, (_, i) => frame(60, i)),
  );
  rig.offer(RX, 1526);
  rig.kick();
  network.port?.send(frame(80));
  assert.equal(rig.driver(RX).takeUsed()?.written, 90);
});

test('networkFromExport, remoteNetwork: something without a method frame → ConfigError', () => {
  assert.throws(() => networkFromExport({}, './x.js#net'), ConfigError);
  assert.throws(() => remoteNetwork({} as JsNetwork), ConfigError);
});
