// Network device: frames into and out of buffers of any shape, in both kinds of pool. Spec: virtio 1.2 section 5.1.6.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VIRTIO_NET_F_MAC, VIRTIO_NET_F_MRG_RXBUF } from '#lkvm/abi/virtio.js';
import { ACCESS_DIRECT, ACCESS_WORD } from '#lkvm/memory/guest-memory.js';
import { COUNTER_BYTES, COUNTER_DROPPED, COUNTER_REQUESTS } from '#lkvm/util/counters.js';
import { featureSet } from '#lkvm/virtio/core/features.js';
import { frame, netRig as rig } from '../../../../support/net-rig.js';

const RX = 0;
const TX = 1;
const NO_HEADER = new Uint8Array(12);

for (const access of [ACCESS_DIRECT, ACCESS_WORD]) {
  const pool = access === ACCESS_WORD ? 'word pool' : 'direct pool';

  for (const [name, features, headerBytes] of [
    ['10-byte header', featureSet(VIRTIO_NET_F_MAC), 10],
    ['12-byte header', featureSet(VIRTIO_NET_F_MRG_RXBUF), 12],
  ] as const) {
    test(`net (${pool}, ${name}): a frame each way → whole, header of zeros, one interrupt each`, () => {
      const { rig: r, net, counters } = rig({ access, features });
      r.start();
      assert.equal(net.headerBytes, headerBytes);
      const out = frame(101);
      r.send(TX, Buffer.concat([NO_HEADER.subarray(0, headerBytes), out]));
      r.kick();
      assert.deepEqual(net.sent, [Buffer.from(out)]);
      assert.deepEqual(
        r
          .driver(TX)
          .takeAllUsed()
          .map((u) => u.written),
        [0],
      );
      const at = r.offer(RX, 1526);
      r.kick();
      const into = frame(60, 5);
      net.arrive(into);
      assert.equal(r.driver(RX).takeUsed()?.written, headerBytes + 60);
      const expected = new Uint8Array(headerBytes + 60);
      if (headerBytes === 12) expected[10] = 1; // num_buffers
      expected.set(into, headerBytes);
      assert.deepEqual(r.driver(RX).read(at, headerBytes + 60), expected);
      assert.deepEqual(r.interrupts, [1, 1]);
      assert.equal(counters[COUNTER_REQUESTS], 2);
      assert.equal(counters[COUNTER_BYTES], 161);
    });
  }

  test(`net (${pool}): header and frame in several odd buffers → put together, and taken apart`, () => {
    const { rig: r, net } = rig({ access });
    r.start();
    const packet = Buffer.concat([NO_HEADER.subarray(0, 10), frame(99)]);
    const at = r.memory.alloc(300);
    r.driver(TX).write(at + 1, packet);
    r.driver(TX).addChain([
      { addr: at + 1, len: 3 },
      { addr: at + 4, len: 20 },
      { addr: at + 24, len: packet.length - 23 },
    ]);
    r.driver(TX).publish();
    r.kick();
    assert.deepEqual(net.sent, [Buffer.from(frame(99))]);
    const to = r.memory.alloc(300);
    r.driver(RX).addChain([
      { addr: to + 1, len: 7, writable: true },
      { addr: to + 8, len: 50, writable: true },
      { addr: to + 58, len: 200, writable: true },
    ]);
    r.driver(RX).publish();
    r.kick();
    net.arrive(frame(99, 3));
    assert.equal(r.driver(RX).takeUsed()?.written, 109);
    assert.deepEqual(r.driver(RX).read(to + 11, 99), frame(99, 3));
    assert.deepEqual(r.driver(RX).read(to + 110, 100), new Uint8Array(100), 'nothing behind it is touched');
  });

  test(`net (${pool}): a frame over several buffers with MRG_RXBUF → num_buffers says how many`, () => {
    const { rig: r, net } = rig({ access, features: featureSet(VIRTIO_NET_F_MRG_RXBUF) });
    r.start();
    const at = r.memory.alloc(400, 4);
    for (let i = 0; i < 4; i++) r.driver(RX).addChain([{ addr: at + 100 * i, len: 100, writable: true }]);
    r.driver(RX).publish();
    r.kick();
    net.arrive(frame(200));
    assert.deepEqual(
      r
        .driver(RX)
        .takeAllUsed()
        .map((u) => u.written),
      [100, 100, 12],
    );
    assert.deepEqual(r.driver(RX).read(at + 12, 200), frame(200));
    assert.deepEqual(r.driver(RX).read(at + 10, 2), Uint8Array.of(3, 0));
    net.arrive(frame(60));
    assert.deepEqual(
      r
        .driver(RX)
        .takeAllUsed()
        .map((u) => u.written),
      [72],
    );
    assert.deepEqual(r.driver(RX).read(at + 310, 2), Uint8Array.of(1, 0));
  });

  test(`net (${pool}): long frames that wait for buffers, again and again, with MRG_RXBUF → none is lost`, () => {
    const { rig: r, net, counters } = rig({ access, features: featureSet(VIRTIO_NET_F_MRG_RXBUF) });
    r.start();
    const driver = r.driver(RX);
    const at = r.memory.alloc(256 * 100, 4);
    let posted = 0;
    /** Buffers of 100 bytes, used in turns. */
    const post = (count: number): void => {
      for (let i = 0; i < count; i++) {
        driver.addChain([{ addr: at + 100 * (posted++ % 256), len: 100, writable: true }]);
      }
      driver.publish();
      r.kick();
    };
    post(256);
    const long = frame(20_000);
    const buffers = Math.ceil((12 + long.length) / 100);
    for (let turn = 0; turn < 30; turn++) {
      for (let i = 0; i < 13 * (turn % 16); i++) net.arrive(frame(60)); // the long ones begin at various places
      post(driver.takeAllUsed().length);
      const first = (posted - 256) % 256;
      net.arrive(long, long);
      post(driver.takeAllUsed().length); // the second one waited for these
      const used = driver.takeAllUsed();
      assert.equal(used.length, buffers, `turn ${turn}`);
      post(used.length);
      const start = first + buffers;
      const bytes = Array.from({ length: 100 }, (_, i) => driver.read(at + 100 * ((start + i) % 256), 100));
      assert.deepEqual(Buffer.concat(bytes).subarray(12), Buffer.from(long.subarray(0, 9988)));
    }
    assert.equal(counters[COUNTER_DROPPED], 0);
  });

  test(`net (${pool}): a frame needs more buffers than are there just now, with MRG_RXBUF → waits for them`, () => {
    const { rig: r, net, counters } = rig({ access, features: featureSet(VIRTIO_NET_F_MRG_RXBUF) });
    r.start();
    const at = r.memory.alloc(800, 4);
    const post = (i: number) => r.driver(RX).addChain([{ addr: at + 100 * i, len: 100, writable: true }]);
    for (let i = 0; i < 4; i++) post(i);
    r.driver(RX).publish();
    r.kick();
    net.arrive(frame(150)); // uses two of four
    assert.equal(r.driver(RX).takeAllUsed().length, 2);
    net.arrive(frame(300, 9), frame(50, 4));
    assert.deepEqual(r.driver(RX).takeAllUsed(), [], 'not delivered in part');
    assert.equal(net.watched, false);
    post(4);
    r.driver(RX).publish();
    r.kick();
    assert.deepEqual(r.driver(RX).takeAllUsed(), []);
    post(5);
    post(6);
    r.driver(RX).publish();
    r.kick();
    assert.deepEqual(
      r
        .driver(RX)
        .takeAllUsed()
        .map((u) => u.written),
      [100, 100, 100, 12],
    );
    assert.deepEqual(r.driver(RX).read(at + 212, 300), frame(300, 9));
    assert.equal(net.watched, true);
    net.arrive();
    assert.equal(r.driver(RX).takeUsed()?.written, 62);
    assert.equal(counters[COUNTER_DROPPED], 0);
  });
}
