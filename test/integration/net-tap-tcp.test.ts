// Two network namespaces talk TCP through two network devices: one kernel - tap - device - driver = driver - device -
// tap - the other kernel. With offloads the kernels exchange segments of up to 64 KiB with checksums left out.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_GUEST_TSO6,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_HOST_TSO6,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MRG_RXBUF,
} from '#lkvm/abi/virtio.js';
import { TapBackend } from '#lkvm/backends/tap/tap.js';
import { Reactor } from '#lkvm/reactor/reactor.js';
import { openTap } from '#lkvm/sys/tap.js';
import { COUNTER_COUNT } from '#lkvm/util/counters.js';
import { type Features, featureSet } from '#lkvm/virtio/core/features.js';
import { NetDevice } from '#lkvm/virtio/devices/net/device.js';
import { NetPort, type Packet } from '../support/net-port.js';
import { enterPrivateNetwork, otherNetwork, Running, run } from '../support/netns.js';

const skip = enterPrivateNetwork();
const BYTES = 20_000_000;

const OFFLOADS = featureSet(
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_GUEST_TSO6,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_HOST_TSO6,
);

function makePort(t: TestContext, loop: Reactor, name: string, features: Features, rxBytes: number): NetPort {
  const device = new NetDevice({
    backend: new TapBackend(loop, openTap({ tapif: name })),
    counters: new Float64Array(COUNTER_COUNT),
    queueSizes: [256, 256],
    mac: [2, 0, 0, 0, 0, 1],
  });
  t.after(() => {
    device.reset();
    device.close();
  });
  return new NetPort(device, { features, rxBytes, rxBuffers: 200 });
}

/** A program that sends or receives BYTES bytes and prints their SHA-256. */
function program(body: string): string {
  return `
    import { createHash } from 'node:crypto';
    import { connect, createServer } from 'node:net';
    const hash = createHash('sha256');
    ${body}`;
}

const SERVER = program(`
  const server = createServer((socket) => {
    socket.on('data', (data) => hash.update(data));
    socket.on('end', () => { console.log('sum', hash.digest('hex')); socket.end('done'); server.close(); });
  }).listen(7000, () => console.log('ready'));`);

const CLIENT = program(`
  const data = Buffer.from(Array.from({ length: 100003 }, (_, i) => (i * 7) & 255));
  const socket = connect(7000, '10.9.0.2');
  let left = ${BYTES};
  const more = () => {
    for (let ok = true; ok && left > 0; ) {
      const part = data.subarray(0, Math.min(left, data.length));
      hash.update(part);
      left -= part.length;
      ok = socket.write(part);
    }
    if (left === 0) { left = -1; socket.end(); }
  };
  socket.on('connect', more).on('drain', more).on('data', () => console.log('sum', hash.digest('hex')));`);

for (const [name, features, rxBytes, biggest] of [
  ['offloads, mergeable buffers', OFFLOADS, 2048, 20_000],
  ['no offloads, 10-byte header', featureSet(VIRTIO_NET_F_MAC), 1526, 1514],
] as const) {
  test(`tap to tap (${name}): 20 MB over TCP → arrive unchanged`, { skip, timeout: 120_000 }, async (t) => {
    const loop = new Reactor();
    t.after(() => loop.close());
    const tag = rxBytes === 2048 ? 'o' : 'p';
    const a = makePort(t, loop, `${tag}a`, features, rxBytes);
    const b = makePort(t, loop, `${tag}b`, features, rxBytes);
    const other = await otherNetwork(t);
    run(`ip link set ${tag}b netns ${other}`);
    run(`ip addr add 10.9.0.1/24 dev ${tag}a`);
    run(`ip link set ${tag}a up`);
    run(`nsenter -t ${other} -n ip addr add 10.9.0.2/24 dev ${tag}b`);
    run(`nsenter -t ${other} -n ip link set ${tag}b up`);
    const node = [process.execPath, '--input-type=module', '-e'];
    const server = new Running(t, 'nsenter', ['-t', String(other), '-n', ...node, SERVER]);
    let client: Running | undefined;
    let longest = 0;
    const waiting: [NetPort, Packet][] = [];
    while (client?.status === undefined) {
      loop.round(2000);
      for (const packet of a.receive()) waiting.push([b, packet]);
      for (const packet of b.receive()) waiting.push([a, packet]);
      while (waiting.length > 0) {
        const [to, { frame, header }] = waiting[0] as [NetPort, Packet];
        longest = Math.max(longest, frame.length);
        if (!to.send(frame, header)) break;
        waiting.shift();
      }
      if (client === undefined && server.output.includes('ready')) {
        client = new Running(t, node[0] as string, [...node.slice(1), CLIENT]);
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    const sum = /sum (\w{64})/.exec(client.output)?.[1];
    assert.notEqual(sum, undefined, client.output);
    assert.equal(/sum (\w{64})/.exec(server.output)?.[1], sum);
    if (biggest === 1514) assert.equal(longest, 1514);
    else assert.ok(longest > biggest, `segments of up to ${longest} bytes`);
  });
}
