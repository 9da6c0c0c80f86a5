// Network device. Spec: virtio 1.2 section 5.1; protocol: frames are never split without MRG_RXBUF, the header is 10 or
// 12 bytes, transmit completions do not wait for receive activity.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MRG_RXBUF,
} from '#lkvm/abi/virtio.js';
import { COUNTER_DROPPED, COUNTER_FAULTS } from '#lkvm/util/counters.js';
import { featureSet } from '#lkvm/virtio/core/features.js';
import { CHAIN_BAD_INDEX } from '#lkvm/virtio/queue/virt-queue.js';
import { DeviceRig } from '../../../../support/device-rig.js';
import { frame, netRig as rig } from '../../../../support/net-rig.js';

const RX = 0;
const TX = 1;

const NO_HEADER = new Uint8Array(12);

test('net: default features → MAC, MRG_RXBUF and the back end’s offloads; no control queue', () => {
  assert.deepEqual(rig().device.features, featureSet(VIRTIO_NET_F_MAC, VIRTIO_NET_F_MRG_RXBUF));
  const offloads = (1 << VIRTIO_NET_F_CSUM) | (1 << VIRTIO_NET_F_GUEST_CSUM);
  const all = featureSet(
    VIRTIO_NET_F_MAC,
    VIRTIO_NET_F_MRG_RXBUF,
    VIRTIO_NET_F_CSUM,
    VIRTIO_NET_F_GUEST_CSUM,
  );
  assert.deepEqual(rig({ offloads }).device.features, all);
});

test('net: a feature list asks for what the back end cannot do → ConfigError naming the bit', () => {
  assert.throws(() => rig({ offered: featureSet(VIRTIO_NET_F_MAC, VIRTIO_NET_F_CTRL_VQ) }), {
    code: 'CONFIG',
    message: /17/,
  });
  assert.throws(() => rig({ offered: featureSet(VIRTIO_NET_F_CSUM) }), { code: 'CONFIG' });
});

test('net: a frame longer than the buffer, no MRG_RXBUF → dropped and counted, the next one that fits arrives', () => {
  const { rig: r, net, counters } = rig();
  r.start();
  const at = r.memory.alloc(3000);
  // What known drivers post: header and 1500 bytes, though a full frame has 1514.
  r.driver(RX).addChain([{ addr: at, len: 1510, writable: true }]);
  r.driver(RX).addChain([{ addr: at + 1510, len: 1490, writable: true }]);
  r.driver(RX).publish();
  r.kick();
  net.arrive(frame(1514), frame(1500));
  assert.deepEqual(r.driver(RX).takeAllUsed(), [{ head: 0, written: 1510 }]);
  assert.equal(counters[COUNTER_DROPPED], 1);
  assert.equal(r.interrupts[RX], 1);
});

test('net: a frame longer than all buffers the driver ever posted, with MRG_RXBUF → dropped, traffic goes on', () => {
  const { rig: r, net, counters } = rig({ features: featureSet(VIRTIO_NET_F_MRG_RXBUF) });
  r.start();
  r.offer(RX, 100);
  r.offer(RX, 100);
  r.kick();
  net.arrive(frame(189), frame(188));
  assert.equal(counters[COUNTER_DROPPED], 1);
  assert.equal(r.driver(RX).takeAllUsed().length, 2);
});

test('net: no buffer posted → the host is not read; frames wait there until buffers come', () => {
  const { rig: r, net } = rig();
  r.start();
  net.arrive(frame(60), frame(61));
  assert.equal(net.receives, 0);
  assert.equal(net.watched, false);
  r.offer(RX, 100);
  r.kick();
  assert.equal(net.watched, true);
  net.arrive();
  assert.equal(r.driver(RX).takeUsed()?.written, 70);
  assert.equal(net.watched, false, 'out of buffers again');
  assert.equal(net.incoming.length, 1);
});

test('net: a burst → one publish and one interrupt for all of it, within a budget', () => {
  const { rig: r, net } = rig();
  r.start();
  for (let i = 0; i < 200; i++) r.offer(RX, 200);
  r.kick();
  const more = net.arrive(...Array.from({ length: 150 }, (_, i) => frame(60, i)));
  assert.equal(more, true, 'the budget ran out');
  const first = r.driver(RX).takeAllUsed().length;
  assert.ok(first > 8 && first < 150);
  assert.equal(r.interrupts[RX], 1);
  while (net.listener?.receiveReady() === true);
  assert.equal(first + r.driver(RX).takeAllUsed().length, 150);
});

test('net: with buffers in hand the driver is asked not to kick; without, to kick', () => {
  const { rig: r, net } = rig();
  r.start();
  assert.equal(r.driver(RX).usedFlags, 0);
  r.offer(RX, 100);
  r.kick();
  assert.equal(r.driver(RX).usedFlags, 1);
  net.arrive(frame(60));
  assert.equal(r.driver(RX).usedFlags, 0);
});

test('net: offloads negotiated → the kernel’s header reaches the driver, only num_buffers is ours', () => {
  const features = featureSet(VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_TSO4);
  const { rig: r, net } = rig({ features });
  r.start();
  const at = r.offer(RX, 200);
  r.kick();
  net.arrive(frame(60));
  assert.deepEqual(r.driver(RX).read(at, 12), Uint8Array.of(...new Uint8Array(10).fill(0xee), 1, 0));
});

test('net: transmit completions are signalled without any receive activity', () => {
  const { rig: r } = rig();
  r.start();
  for (let i = 0; i < 4; i++) r.send(TX, Buffer.concat([NO_HEADER.subarray(0, 10), frame(60)]));
  r.kick();
  assert.equal(r.driver(TX).takeAllUsed().length, 4);
  assert.deepEqual(r.interrupts, [0, 1]);
});

test('net: the host is full → the frame stays with the driver and goes out when there is room', () => {
  const { rig: r, net, counters } = rig();
  r.start();
  net.full = true;
  r.send(TX, Buffer.concat([NO_HEADER.subarray(0, 10), frame(60)]));
  r.send(TX, Buffer.concat([NO_HEADER.subarray(0, 10), frame(70)]));
  r.kick();
  assert.deepEqual(r.driver(TX).takeAllUsed(), []);
  net.full = false;
  assert.equal(net.listener?.sendReady(), false);
  assert.deepEqual(
    net.sent.map((f) => f.length),
    [60, 70],
  );
  assert.equal(r.driver(TX).takeAllUsed().length, 2);
  assert.equal(counters[COUNTER_DROPPED], 0);
});

for (const [what, packet, counter] of [
  ['empty', new Uint8Array(0), COUNTER_FAULTS],
  ['shorter than the header', new Uint8Array(9), COUNTER_FAULTS],
  ['header only', new Uint8Array(10), COUNTER_FAULTS],
  ['frame shorter than an Ethernet header', new Uint8Array(23), COUNTER_FAULTS],
  ['frame longer than 64 KiB', new Uint8Array(66_000), COUNTER_DROPPED],
  ['GSO that was not negotiated', Uint8Array.of(1, 1, ...new Uint8Array(98)), COUNTER_DROPPED],
] as const) {
  test(`net tx: ${what} → not sent, chain completed, counted; the next frame goes out`, () => {
    const { rig: r, net, counters } = rig();
    r.start();
    r.send(TX, packet);
    r.send(TX, new Uint8Array(70));
    r.kick();
    assert.equal(r.driver(TX).takeAllUsed().length, 2);
    assert.deepEqual(net.sent, [Buffer.alloc(60)]);
    assert.equal(counters[counter], 1);
  });
}

test('net tx: only device-writable buffers → a fault, completed', () => {
  const { rig: r, counters } = rig();
  r.start();
  r.offer(TX, 100);
  r.kick();
  assert.deepEqual(
    r
      .driver(TX)
      .takeAllUsed()
      .map((u) => u.written),
    [0],
  );
  assert.equal(counters[COUNTER_FAULTS], 1);
});

test('net rx: an address outside the memory, an empty buffer → completed with 0 and counted, the next is used', () => {
  const { rig: r, net, counters } = rig();
  r.start();
  r.driver(RX).pokeDescriptor(200, 0xffff_ffff_ffff_ffffn, 1510, 2, 0);
  r.driver(RX).addChain([{ addr: r.memory.gpa + r.memory.bytes - 10, len: 100, writable: true }]);
  r.offer(RX, 0);
  r.offer(RX, 100);
  r.kick();
  net.arrive(frame(60));
  assert.deepEqual(
    r
      .driver(RX)
      .takeAllUsed()
      .map((u) => u.written),
    [0, 0, 70],
  );
  assert.equal(counters[COUNTER_FAULTS], 2);
});

test('net rx: one chain of 400 MB, the rings included → no more of it is used than a packet can need', () => {
  const { rig: r, net } = rig({ bytes: 0x40_0000 });
  r.prepare();
  const before = r.driver(RX).layout.end;
  const all = { addr: before, len: r.memory.gpa + r.memory.bytes - before, writable: true };
  r.driver(RX).addChain(Array.from({ length: 100 }, () => all));
  r.driver(RX).publish();
  r.activate();
  net.arrive(frame(65_000));
  assert.equal(r.driver(RX).takeUsed()?.written, 65_010);
});

for (const queue of [RX, TX]) {
  test(`net: broken ring in queue ${queue} → the transport is told once; no host event touches the device any more`, () => {
    const { rig: r, net } = rig();
    r.start();
    r.offer(RX, 100);
    r.kick();
    r.driver(queue).pokeAvailable(256);
    r.kick();
    assert.deepEqual(r.faults, [{ queue, code: CHAIN_BAD_INDEX }]);
    assert.equal(net.running, false);
    const before = r.driver(RX).usedIdx;
    net.watched = true;
    net.arrive(frame(60));
    net.listener?.sendReady();
    assert.equal(r.driver(RX).usedIdx, before);
  });
}

test('net: the transmit ring turns out broken while a frame waits for the driver → it is not delivered any more', () => {
  const { rig: r, net } = rig();
  r.start();
  r.offer(RX, 100);
  r.kick();
  net.incoming.push({ header: NO_HEADER, frame: frame(60) });
  net.pending = true;
  r.driver(TX).pokeAvailable(256);
  r.device.processQueue(TX);
  assert.equal(r.faults.length, 1);
  assert.equal(r.driver(RX).usedIdx, 0);
  assert.equal(net.receives, 0);
});

test('net: restart with another header size → follows what was negotiated this time', () => {
  const { rig: r, net, device } = rig();
  r.start();
  assert.equal(net.headerBytes, 10);
  device.reset();
  r.prepare();
  const again = new DeviceRig(device, { sizes: [256, 256], features: featureSet(VIRTIO_NET_F_MRG_RXBUF) });
  again.start();
  again.send(TX, Buffer.concat([NO_HEADER, frame(60)]));
  again.kick();
  assert.deepEqual(net.sent, [Buffer.from(frame(60))]);
});

test('net: 70,000 frames each way over rings of 4 → the indices wrap, nothing is lost', () => {
  const { rig: r, net } = rig({ sizes: [4, 4] });
  r.start();
  const rx = r.memory.alloc(2000);
  const tx = r.memory.alloc(2000);
  for (let i = 0; i < 70_000; i++) {
    r.driver(RX).addChain([{ addr: rx, len: 100, writable: true }]);
    r.driver(RX).publish();
    r.driver(TX).addChain([{ addr: tx, len: 70 }]);
    r.driver(TX).publish();
    r.pass();
    net.arrive(NO_HEADER.subarray(0, 12));
    net.sent.length = 0;
    net.headers.length = 0;
    if (r.driver(RX).takeUsed()?.written !== 22 || r.driver(TX).takeUsed() === undefined)
      assert.fail(`frame ${i}`);
  }
});
