// Real taps, in a network namespace of the test's own: the host's kernel is the other end.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { existsSync, openSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import {
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MRG_RXBUF,
} from '#lkvm/abi/virtio.js';
import { Responder } from '#lkvm/backends/gateway/responder.js';
import { TapBackend } from '#lkvm/backends/tap/tap.js';
import { ACCESS_DIRECT, ACCESS_WORD } from '#lkvm/memory/guest-memory.js';
import { Reactor } from '#lkvm/reactor/reactor.js';
import { close } from '#lkvm/sys/fd.js';
import { openTap, type Tap, type TapSpec } from '#lkvm/sys/tap.js';
import { COUNTER_COUNT, COUNTER_DROPPED } from '#lkvm/util/counters.js';
import { type Features, featureSet } from '#lkvm/virtio/core/features.js';
import { NetDevice } from '#lkvm/virtio/devices/net/device.js';
import { plainChecksum } from '../../../support/frames.js';
import { NetPort, type Packet } from '../../../support/net-port.js';
import { enterPrivateNetwork, Running, run } from '../../../support/netns.js';
import { runIdle } from '../../../support/rounds.js';
import { tempDir } from '../../../support/temp.js';
import { runTool } from '../../../support/tools.js';

const skip = enterPrivateNetwork();
const HOST_IP = '192.168.33.1';

function opened(t: TestContext, spec: TapSpec): Tap {
  const tap = openTap(spec);
  t.after(() => close(tap.fd));
  return tap;
}

/** Name, flags and addresses of an interface. */
function link(name: string): { up: boolean; addresses: string[] } {
  const [info] = JSON.parse(run(`ip -j addr show dev ${name}`));
  const addresses = info.addr_info.map(
    (a: { local: string; prefixlen: number }) => `${a.local}/${a.prefixlen}`,
  );
  return { up: info.flags.includes('UP'), addresses };
}

test('openTap: no name → a new interface named by the kernel, with the address and up; gone when closed', {
  skip,
}, () => {
  const tap = openTap({ hostIp: HOST_IP });
  assert.match(tap.name, /^tap\d+$/);
  assert.equal(tap.created, true);
  assert.equal(tap.vnetHeader, true);
  const { up, addresses } = link(tap.name);
  assert.ok(up);
  assert.ok(addresses.includes('192.168.33.1/24'), String(addresses));
  close(tap.fd);
  assert.throws(() => link(tap.name));
});

test('openTap: a name that does not exist → made and configured; without hostIp left alone', {
  skip,
}, (t) => {
  assert.deepEqual(opened(t, { tapif: 'mine', hostIp: HOST_IP }).created, true);
  assert.equal(link('mine').up, true);
  opened(t, { tapif: 'bare' });
  assert.deepEqual(link('bare'), { up: false, addresses: [] });
});

test('openTap: an existing tap, made for one or several queues → used as it is, not configured', {
  skip,
}, (t) => {
  for (const [name, flags] of [
    ['old', ''],
    ['oldmq', ' multi_queue'],
  ] as const) {
    run(`ip tuntap add ${name} mode tap${flags}`);
    const tap = opened(t, { tapif: name, hostIp: HOST_IP });
    assert.deepEqual([tap.name, tap.created, tap.vnetHeader], [name, false, true]);
    assert.deepEqual(link(name), { up: false, addresses: [] });
  }
});

test('openTap: fd of an attached tap, and of one not yet attached → used', { skip }, (t) => {
  const first = opened(t, { tapif: 'handed' });
  const again = openTap({ fd: first.fd });
  assert.deepEqual(again, { ...first, created: false });
  const fresh = openSync('/dev/net/tun', 'r+');
  const tap = opened(t, { fd: fresh, tapif: 'handed2' });
  assert.deepEqual([tap.fd, tap.name], [fresh, 'handed2']);
});

for (const [what, spec, text] of [
  ['a name too long', { tapif: 'x'.repeat(16) }, /1 \.\.\. 15 bytes/],
  ['a name with a blank', { tapif: 'a b' }, /without blank/],
  ['a pattern', { tapif: 'tap%d' }, /percent/],
  ['an interface that is no tap', { tapif: 'lo' }, /lo.*not a tap/],
  ['a macvtap that is not there', { tapif: '/dev/tap424242' }, /macvtap.*ENOENT/],
  ['a file as macvtap', { tapif: '/dev/null' }, /TUNSETIFF|not a tap/],
  ['a bad address', { tapif: 'badip', hostIp: '127.0.0.300' }, /127.0.0.300|badip/],
] as const) {
  test(`openTap: ${what} → StartError that says so`, { skip }, () => {
    assert.throws(() => openTap(spec), { code: 'START', exitCode: 128, message: text });
  });
}

test('openTap: a tap in use → StartError that says so', { skip }, (t) => {
  opened(t, { tapif: 'busy' });
  assert.throws(() => openTap({ tapif: 'busy' }), { code: 'START', message: /another process has it open/ });
});

test('openTap: fd of something else → StartError that says so', { skip }, (t) => {
  const fd = openSync(tempDir(t), 'r');
  t.after(() => close(fd));
  assert.throws(() => openTap({ fd }), { code: 'START', message: new RegExp(`fd=${fd} is not a tap`) });
});

test('openTap: as another user → StartError that names the ways out, in the words of the caller', {
  skip,
}, () => {
  const script = `
    process.setgroups([]); process.setgid(65534); process.setuid(65534);
    const { openTap } = await import(${JSON.stringify(import.meta.resolve('#lkvm/sys/tap.js'))});
    for (const spec of [{}, { advice: { name: '--net-tap NAME', without: undefined } }])
      try { openTap(spec); } catch (error) { console.log(error.exitCode, error.message); }`;
  const { stdout } = runTool(process.execPath, ['--input-type=module', '-e', script]);
  const [card, aux] = stdout.toString().split('\n');
  assert.match(card ?? '', /^128 .*no permission.*ip tuntap add.* and give tapif=NAME, or use mode=user/);
  assert.match(aux ?? '', /^128 .*no permission.*ip tuntap add.* and give --net-tap NAME$/);
});

interface Wire {
  readonly port: NetPort;
  readonly tap: Tap;
  readonly loop: Reactor;
  readonly counters: Float64Array;
  /** Runs the loop and the driver until `done`; `take` gets every packet. */
  pump(done: () => boolean, take: (packet: Packet) => void): Promise<void>;
}

function wire(
  t: TestContext,
  features: Features,
  rxBytes: number,
  access = ACCESS_DIRECT,
  spec: TapSpec = { hostIp: HOST_IP },
): Wire {
  const loop = new Reactor();
  const tap = openTap(spec);
  const backend = new TapBackend(loop, tap);
  const counters = new Float64Array(COUNTER_COUNT);
  const device = new NetDevice({
    backend,
    counters,
    queueSizes: [256, 256],
    mac: [2, 0x15, 0x15, 0x15, 0x15, 0x15],
  });
  const port = new NetPort(device, { features, rxBytes, access });
  t.after(() => {
    device.reset();
    device.close();
    loop.close();
  });
  const pump = async (done: () => boolean, take: (packet: Packet) => void): Promise<void> => {
    for (const end = performance.now() + 30_000; !done(); ) {
      if (performance.now() > end) throw new Error('pump: did not happen');
      loop.round(5000);
      for (const packet of port.receive()) take(packet);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { port, tap, loop, counters, pump };
}

/** The driver's own little network stack: 192.168.33.15 answers ARP and pings. */
const STACK = {
  mac: [2, 0x15, 0x15, 0x15, 0x15, 0x15],
  serverIp: 0xc0a8210f,
  clientIp: 0,
  netmask: 0,
  router: 0,
  dns: [],
  leaseSeconds: 0,
};
const GUEST = new Responder(STACK);
const reply = new Uint8Array(1514);

function answer(port: NetPort, { frame }: Packet, stack = GUEST): void {
  const n = stack.answer(frame, frame.length, reply);
  if (n > 0) assert.ok(port.send(reply.subarray(0, n)));
}

const PLAIN = featureSet(VIRTIO_NET_F_MAC);
const MERGEABLE = featureSet(VIRTIO_NET_F_MAC, VIRTIO_NET_F_MRG_RXBUF);
const OFFLOADS = featureSet(
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_TSO4,
);

for (const [name, features, rxBytes, access] of [
  ['10-byte header', PLAIN, 1526, ACCESS_DIRECT],
  ['12-byte header, frames over several buffers', MERGEABLE, 300, ACCESS_DIRECT],
  ['offloads', OFFLOADS, 2048, ACCESS_DIRECT],
  ['10-byte header, word pool', PLAIN, 1526, ACCESS_WORD],
  ['12-byte header, word pool', MERGEABLE, 300, ACCESS_WORD],
] as const) {
  test(`tap (${name}): the kernel pings the driver with 1400 bytes → every answer arrives`, {
    skip,
  }, async (t) => {
    const { port, pump, counters } = wire(t, features, rxBytes, access);
    const ping = new Running(t, 'ping', ['-c', '5', '-i', '0.05', '-s', '1400', '-W', '20', '192.168.33.15']);
    await pump(
      () => ping.status !== undefined,
      (packet) => answer(port, packet),
    );
    assert.match(ping.output, /5 received/);
    assert.equal(ping.status, 0, ping.output);
    assert.equal(counters[COUNTER_DROPPED], 0);
  });
}

test('tap: a frame longer than the driver’s buffer → dropped whole and counted, never cut', {
  skip,
}, async (t) => {
  const { port, pump, counters } = wire(t, PLAIN, 310);
  const ping = new Running(t, 'ping', ['-c', '3', '-i', '0.05', '-s', '1000', '-W', '1', '192.168.33.15']);
  let longest = 0;
  await pump(
    () => ping.status !== undefined,
    (packet) => {
      longest = Math.max(longest, packet.frame.length);
      answer(port, packet);
    },
  );
  assert.match(ping.output, / 0 received/);
  assert.ok(longest < 300, 'a cut frame would have 300 bytes');
  assert.ok((counters[COUNTER_DROPPED] ?? 0) >= 3);
});

test('tap: a macvtap node → the kernel behind the other end of the cable pings the driver', {
  skip,
}, async (t) => {
  const made = runTool('bash', [
    '-c',
    'ip link add c0 type veth peer name c1 && ip link add link c0 name mv0 type macvtap mode bridge',
  ]);
  if (made.status !== 0) {
    t.skip(`no macvtap here: ${made.stderr}`);
    return;
  }
  t.after(() => runTool('ip', ['link', 'del', 'c0']));
  run('ip link set c0 up');
  run('ip link set c1 up');
  run('ip link set mv0 up');
  run('ip addr add 10.8.0.1/24 dev c1');
  const [{ address, ifindex }] = JSON.parse(run('ip -j link show dev mv0'));
  if (!existsSync(`/dev/tap${ifindex}`)) {
    t.skip('nobody makes device nodes here');
    return;
  }
  const mac = address.split(':').map((byte: string) => Number.parseInt(byte, 16));
  const { port, pump } = wire(t, OFFLOADS, 2048, ACCESS_DIRECT, { tapif: `/dev/tap${ifindex}` });
  const stack = new Responder({ ...STACK, mac, serverIp: 0x0a080002 });
  const ping = new Running(t, 'ping', ['-c', '3', '-i', '0.05', '-W', '20', '10.8.0.2']);
  await pump(
    () => ping.status !== undefined,
    (packet) => answer(port, packet, stack),
  );
  assert.equal(ping.status, 0, ping.output);
});

/** Sends one datagram to the driver and returns the packet it arrives in. */
async function datagram(t: TestContext, { port, pump }: Wire, text: string): Promise<Packet> {
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  let found: Packet | undefined;
  socket.send(text, 9, '192.168.33.15');
  await pump(
    () => found !== undefined,
    (packet) => {
      answer(port, packet);
      if (packet.frame.readUInt16BE(12) === 0x0800 && packet.frame[23] === 17) found = packet;
    },
  );
  return found as Packet;
}

function udpChecksum(frame: Buffer): number {
  const length = frame.subarray(38, 40);
  return plainChecksum(
    Buffer.concat([frame.subarray(26, 34), Buffer.from([0, 17]), length, frame.subarray(34)]),
  );
}

test('tap: no offloads negotiated → header of zeros and the checksum computed by the kernel', {
  skip,
}, async (t) => {
  const { header, frame } = await datagram(t, wire(t, PLAIN, 1526), 'hello');
  assert.deepEqual(header, Buffer.alloc(10));
  assert.equal(udpChecksum(frame), 0);
});

test('tap: GUEST_CSUM negotiated → the kernel leaves the checksum to the driver and says where', {
  skip,
}, async (t) => {
  const { header, frame } = await datagram(t, wire(t, OFFLOADS, 1526), 'hello');
  assert.equal(header[0], 1, 'NEEDS_CSUM');
  assert.equal(header.readUInt16LE(6), 34);
  assert.equal(header.readUInt16LE(8), 6);
  assert.notEqual(udpChecksum(frame), 0);
});

test('tap: first a driver with offloads, then one without → ordinary frames again', { skip }, async (t) => {
  const first = wire(t, OFFLOADS, 1526);
  first.port.rig.device.reset();
  const port = new NetPort(first.port.rig.device as NetDevice, { features: PLAIN, rxBytes: 1526 });
  const pump = async (done: () => boolean, take: (packet: Packet) => void): Promise<void> => {
    while (!done()) {
      first.loop.round(5000);
      for (const packet of port.receive()) take(packet);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const { header, frame } = await datagram(t, { ...first, port, pump }, 'hello');
  assert.deepEqual(header, Buffer.alloc(10));
  assert.equal(udpChecksum(frame), 0);
});

test('tap: frames from before the driver’s start → not delivered to it', { skip }, async (t) => {
  const loop = new Reactor();
  const tap = openTap({ hostIp: HOST_IP });
  const device = new NetDevice({
    backend: new TapBackend(loop, tap),
    counters: new Float64Array(COUNTER_COUNT),
    queueSizes: [256, 256],
    mac: [2, 0, 0, 0, 0, 1],
  });
  t.after(() => {
    device.reset();
    device.close();
    loop.close();
  });
  runTool('ping', ['-c', '1', '-W', '5', '192.168.33.77']); // ARP requests into the tap, until the kernel gives up
  const port = new NetPort(device, { features: PLAIN, rxBytes: 1526 });
  runIdle(loop, 1);
  const requests = port.receive().filter(({ frame }) => frame.toString('hex').includes('c0a8214d'));
  assert.deepEqual(requests, []);
});

test('tap: the interface is removed → what is sent is dropped and counted, no event storm', { skip }, (t) => {
  run('ip tuntap add doomed mode tap');
  const loop = new Reactor();
  const tap = openTap({ tapif: 'doomed' });
  run('ip link set doomed up');
  const counters = new Float64Array(COUNTER_COUNT);
  const device = new NetDevice({
    backend: new TapBackend(loop, tap),
    counters,
    queueSizes: [256, 256],
    mac: [2, 0, 0, 0, 0, 1],
  });
  t.after(() => {
    device.reset();
    device.close();
    loop.close();
  });
  const port = new NetPort(device, { features: PLAIN, rxBytes: 1526 });
  run('ip link del doomed');
  runIdle(loop, 5);
  const before = performance.now();
  loop.round(50_000);
  assert.ok(performance.now() - before > 40, 'a round without events waits');
  assert.ok(port.send(new Uint8Array(60)));
  assert.equal(counters[COUNTER_DROPPED], 1);
});
