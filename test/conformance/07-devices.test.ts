// The protocol's conformance list, items 38 to 40 and 52: the entropy and network devices behind the transport, with
// their real back ends (the kernel's generator, the built-in gateway).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayBackend } from '#lkvm/backends/gateway/gateway.js';
import { GetrandomSource } from '#lkvm/backends/random/getrandom.js';
import { ACCESS_DIRECT, ACCESS_WORD } from '#lkvm/memory/guest-memory.js';
import { COUNTER_COUNT, COUNTER_DROPPED } from '#lkvm/util/counters.js';
import { NetDevice } from '#lkvm/virtio/devices/net/device.js';
import { RngDevice } from '#lkvm/virtio/devices/rng/device.js';
import { bulkAccesses } from '../support/bulk-guard.js';
import { FakeLoop, HvlBench, POOL_BASE } from '../support/hvl-bench.js';
import { GENERATIONS, type Generation } from '../support/hvl-driver.js';
import type { HvlRing } from '../support/hvl-ring.js';
import { BUFFERS, RING_0, TWO_RINGS } from '../support/hvl-scenario.js';

const MAC = [0x02, 0x15, 0x15, 0x15, 0x15, 0x15];
const F_MAC = 1 << 5;
const F_MRG_RXBUF = 1 << 15;

const counters = () => new Float64Array(COUNTER_COUNT);

function rngBench(access: number) {
  const source = new GetrandomSource(new FakeLoop());
  const device = new RngDevice({ source, counters: counters(), queueSizes: [128] });
  return new HvlBench({ devices: [{ device }], access });
}

for (const access of [ACCESS_DIRECT, ACCESS_WORD]) {
  const pool = access === ACCESS_WORD ? 'word' : 'direct';
  test(`MUST 38: entropy requests of 1 byte to 300000 bytes in a ${pool} pool → all of it filled, never length 0`, () => {
    using bench = rngBench(access);
    const driver = bench.driver(0, 3, [{ at: RING_0, size: 2 }]);
    assert.ok(driver.start());
    bench.run();
    for (const length of [1, 2, 3, 7, 16, 255, 4096, 65_537, 300_000]) {
      bench.pool.fill(0, BUFFERS - POOL_BASE, BUFFERS - POOL_BASE + length + 64);
      driver.rings[0]?.add({ addr: BUFFERS, len: length, writable: true });
      driver.kick(0);
      while (bench.look()) bench.run();
      bench.run();
      assert.deepEqual(
        driver.rings[0]?.takeAll().map((used) => used.len),
        [length],
      );
      assert.ok(bench.bytesAt(BUFFERS + length, 64).every((byte) => byte === 0));
      const tail = bench.bytesAt(BUFFERS + Math.max(0, length - 32), Math.min(length, 32));
      // 32 zero bytes by chance: once in 2^256 runs.
      if (length >= 32) assert.ok(tail.some((byte) => byte !== 0));
    }
  });
}

function netBench(access: number) {
  const device = new NetDevice({
    backend: new GatewayBackend(),
    counters: counters(),
    queueSizes: [256, 256],
    mac: MAC,
  });
  const bench = new HvlBench({ devices: [{ device }], access });
  return { bench, device };
}

/** "Who has 192.168.33.1?" from 192.168.33.15; the gateway answers with 42 bytes or a little more. */
function arpRequest(): Uint8Array {
  const broadcast = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
  return new Uint8Array([
    ...broadcast,
    ...MAC,
    ...[0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1],
    ...MAC,
    ...[192, 168, 33, 15, 0, 0, 0, 0, 0, 0, 192, 168, 33, 1],
  ]);
}

const ANSWER = BUFFERS + 0x1000;

/** Starts a driver, posts receive buffers, sends the ARP request. @returns used elements of the receive ring */
function askGateway(bench: HvlBench, features: number, bufferBytes: number, generation: Generation = 3) {
  const driver = bench.driver(0, generation, TWO_RINGS, { features });
  assert.ok(driver.start());
  const receive = driver.rings[0] as HvlRing;
  for (let i = 0; i < 4; i++) receive.add({ addr: ANSWER + 0x1000 * i, len: bufferBytes, writable: true });
  driver.kick(0);
  const header = (features & F_MRG_RXBUF) === 0 ? 10 : 12;
  const packet = new Uint8Array([...new Uint8Array(header), ...arpRequest()]);
  bench.pool.set(packet, BUFFERS - POOL_BASE);
  driver.rings[1]?.add({ addr: BUFFERS, len: packet.length });
  driver.kick(1);
  bench.wait();
  assert.equal(driver.rings[1]?.takeAll().length, 1, 'the request was sent');
  return { driver, received: receive.takeAll(), header };
}

for (const [access, pool] of [
  [ACCESS_DIRECT, 'direct'],
  [ACCESS_WORD, 'word'],
] as const) {
  test(`MUST 40: header size in a ${pool} pool → 10 bytes without MRG_RXBUF, 12 with`, () => {
    for (const features of [F_MAC, F_MAC | F_MRG_RXBUF]) {
      const { bench } = netBench(access);
      using _ = bench;
      const { received, header } = askGateway(bench, features, 1510);
      assert.equal(received.length, 1);
      // Behind the header the answer begins with our own address, and its type is ARP.
      assert.deepEqual([...bench.bytesAt(ANSWER + header, 6)], MAC);
      assert.deepEqual([...bench.bytesAt(ANSWER + header + 12, 2)], [0x08, 0x06]);
      assert.ok((received[0]?.len ?? 0) >= header + 42);
    }
  });

  test(`MUST 39: frame larger than a receive buffer in a ${pool} pool → dropped and counted without MRG_RXBUF`, () => {
    const { bench, device } = netBench(access);
    using _ = bench;
    const { driver, received } = askGateway(bench, F_MAC, 32);
    assert.deepEqual(received, []);
    assert.equal((driver.rings[0] as HvlRing).usedIdx, 0);
    assert.equal(device.counters[COUNTER_DROPPED], 1);
  });

  test(`MUST 39: frame larger than a receive buffer in a ${pool} pool → spread over buffers with MRG_RXBUF`, () => {
    const { bench } = netBench(access);
    using _ = bench;
    const { received } = askGateway(bench, F_MAC | F_MRG_RXBUF, 32);
    assert.ok(received.length >= 2);
    const buffers = new DataView(bench.bytesAt(ANSWER + 10, 2).buffer).getUint16(0, true);
    assert.equal(buffers, received.length);
  });
}

test('MUST 40: every generation of front end gets an answer from the gateway', () => {
  for (const generation of GENERATIONS) {
    const { bench } = netBench(ACCESS_DIRECT);
    using _ = bench;
    assert.equal(askGateway(bench, F_MAC, 1510, generation).received.length, 1);
  }
});

test('MUST 52: network traffic in a word pool → no bulk access to the pool', () => {
  const { bench } = netBench(ACCESS_WORD);
  using _ = bench;
  assert.deepEqual(
    bulkAccesses(bench.viewBuffers, () => askGateway(bench, F_MAC, 1510)),
    [],
  );
});
