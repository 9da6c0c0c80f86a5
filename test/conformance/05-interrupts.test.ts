// The protocol's conformance list, items 43 to 49: when the other side is signalled, and when not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HvlBench } from '../support/hvl-bench.js';
import { GENERATIONS, R } from '../support/hvl-driver.js';
import type { HvlRing } from '../support/hvl-ring.js';
import { assertEcho, BUFFERS, ringsOf, running, TWO_RINGS, twoQueues } from '../support/hvl-scenario.js';
import { watchStores } from '../support/watch-stores.js';

const EVENT_IDX = 1 << 29;
const DATA = new Uint8Array([1, 2, 3]);

test('MUST 43: a completion → used.idx, then INTERRUPT_STATUS, then the signal', () => {
  const { bench, driver } = running(3);
  using _ = bench;
  const ring = driver.rings[1] as HvlRing;
  const order: string[] = [];
  const note = (what: string): void => {
    if (!order.includes(what)) order.push(what);
  };
  const before = ring.usedIdx;
  bench.onSignal = () => note('signal');
  ring.add({ addr: BUFFERS, len: 4 });
  watchStores(
    () => bench.pass(),
    () => {
      if (ring.usedIdx !== before) note('used.idx');
      if (driver.read(R.INTERRUPT_STATUS) === 1) note('INTERRUPT_STATUS');
    },
  );
  assert.deepEqual(order, ['used.idx', 'INTERRUPT_STATUS', 'signal']);
});

test('MUST 44: avail.flags bit 0 → no interrupt; cleared → the next completion interrupts', () => {
  const { bench, driver } = running(2);
  using _ = bench;
  const ring = driver.rings[1] as HvlRing;
  const before = bench.interrupts;
  ring.noInterrupt = true;
  ring.add({ addr: BUFFERS, len: 4 });
  driver.kick(1);
  bench.run();
  assert.equal(ring.takeAll().length, 1);
  assert.equal(bench.interrupts, before);
  assert.equal(driver.read(R.INTERRUPT_STATUS), 0);
  ring.noInterrupt = false;
  ring.add({ addr: BUFFERS, len: 4 });
  driver.kick(1);
  bench.run();
  assert.equal(bench.interrupts, before + 1);
});

test('MUST 45: INTERRUPT_ACK on a doorbell → zeroed, those bits cleared, new buffers processed in the same pass', () => {
  const { bench, driver } = running(3);
  using _ = bench;
  bench.eager = false;
  const ring = driver.rings[1] as HvlRing;
  ring.add({ addr: BUFFERS, len: 4 });
  driver.kick(1);
  bench.pass();
  assert.equal(driver.read(R.INTERRUPT_STATUS), 1);
  ring.noInterrupt = true; // so that the pass below raises nothing new
  ring.add({ addr: BUFFERS, len: 4 });
  driver.write(R.INTERRUPT_ACK, 1);
  bench.ring();
  bench.pass();
  assert.deepEqual([driver.read(R.INTERRUPT_STATUS), driver.read(R.INTERRUPT_ACK)], [0, 0]);
  assert.equal(ring.usedIdx, 2);
});

for (const generation of GENERATIONS) {
  test(`MUST 46: completion between the scan and the ACK of generation ${generation} → another interrupt with bit 0`, () => {
    const { bench, driver, device } = running(generation);
    using _ = bench;
    const ring = driver.rings[0] as HvlRing;
    ring.add({ addr: BUFFERS, len: 64, writable: true });
    ring.add({ addr: BUFFERS + 64, len: 64, writable: true });
    driver.kick(0);
    bench.run();
    bench.eager = false;
    device.deliver(DATA);
    bench.transport.flush();
    bench.dropSignals(); // the handler runs by hand:
    const status = driver.scanInterrupt();
    assert.equal(ring.takeAll().length, 1);
    device.deliver(DATA); // ... here, unseen by the scan above
    bench.transport.flush();
    bench.dropSignals(); // and its signal is merged with the handler that still runs
    driver.ackInterrupt(status);
    const before = bench.interrupts;
    bench.pass();
    assert.equal(bench.interrupts, before + 1);
    assert.equal(driver.read(R.INTERRUPT_STATUS), 1);
    bench.run();
    assert.equal(ring.takeAll().length, 1);
    assert.equal(driver.read(R.INTERRUPT_STATUS), 0, 'and no livelock');
    assert.equal(bench.interrupts, before + 1);
  });
}

test('MUST 47: two running devices without traffic, 3 s of scans → no interrupt, no doorbell', () => {
  using bench = new HvlBench({ devices: [{ device: twoQueues() }, { device: twoQueues() }] });
  const drivers = [0, 1].map((slot) => bench.driver(slot, 3, ringsOf(slot)));
  for (const driver of drivers) assert.ok(driver.start());
  for (const driver of drivers) assertEcho(bench, driver);
  bench.run();
  const before = [bench.interrupts, bench.doorbells];
  for (let i = 0; i < 30; i++) {
    bench.loop.advance(100_000);
    bench.look();
    bench.run();
  }
  assert.deepEqual([bench.interrupts, bench.doorbells], before);
});

test('MUST 48: many writes and one doorbell → nothing lost', () => {
  using bench = new HvlBench({ devices: [{ device: twoQueues() }, { device: twoQueues() }] });
  const drivers = [0, 1].map((slot) => bench.driver(slot, 2, ringsOf(slot)));
  for (const driver of drivers) assert.ok(driver.start());
  bench.run();
  bench.eager = false;
  for (const driver of drivers) {
    for (let i = 0; i < 4; i++) {
      driver.rings[1]?.add({ addr: BUFFERS, len: 4 });
      driver.kick(1);
    }
  }
  bench.run();
  for (const driver of drivers) assert.equal(driver.rings[1]?.takeAll().length, 4);
});

test('MUST 49: several devices publish, one asks for a queue, in one pass → one signal', () => {
  using bench = new HvlBench({ devices: [0, 1, 2].map(() => ({ device: twoQueues() })) });
  const drivers = [0, 1, 2].map((slot) => bench.driver(slot, 3, ringsOf(slot)));
  for (const driver of drivers.slice(0, 2)) assert.ok(driver.start());
  assert.ok(drivers[2]?.start('features'));
  bench.run();
  bench.eager = false;
  for (const driver of drivers.slice(0, 2)) {
    driver.rings[1]?.add({ addr: BUFFERS, len: 4 });
    driver.rings[1]?.add({ addr: BUFFERS, len: 4 });
  }
  drivers[2]?.write(R.QUEUE_SEL, 0);
  drivers[2]?.write(R.QUEUE_NUM, 4);
  drivers[2]?.write(R.QUEUE_PFN, (ringsOf(2)[0]?.at ?? 0) / 4096);
  const before = bench.interrupts;
  bench.ring();
  bench.pass();
  assert.equal(bench.interrupts, before + 1);
  bench.pass();
  assert.equal(bench.interrupts, before + 1);
});

test('MUST 49: both queues of a device complete in one pass → one interrupt, and none again after its ACK', () => {
  const { bench, driver, device } = running(3);
  using _ = bench;
  driver.rings[0]?.add({ addr: BUFFERS, len: 64, writable: true });
  driver.kick(0);
  bench.run();
  const before = bench.interrupts;
  device.deliver(DATA);
  driver.rings[1]?.add({ addr: BUFFERS, len: 4 });
  driver.kick(1);
  bench.run();
  assert.equal(bench.interrupts, before + 1);
});

test('an interrupt that was never acknowledged → does not suppress the next one', () => {
  const { bench, driver } = running(3);
  using _ = bench;
  const ring = driver.rings[1] as HvlRing;
  for (let i = 0; i < 3; i++) {
    const before = bench.interrupts;
    ring.add({ addr: BUFFERS, len: 4 });
    driver.kick(1);
    assert.equal(bench.interrupts, before + 1);
    bench.dropSignals();
  }
});

test('a driver that does not ring for its acknowledge → the next completion is one interrupt, and nothing more follows', () => {
  const { bench, driver, device } = running(3);
  using _ = bench;
  const ring = driver.rings[0] as HvlRing;
  for (let i = 0; i < 2; i++) ring.add({ addr: BUFFERS + 64 * i, len: 64, writable: true });
  driver.kick(0);
  bench.run();
  bench.eager = false;
  for (let i = 0; i < 2; i++) {
    const before = bench.interrupts;
    device.deliver(DATA);
    bench.transport.flush();
    assert.equal(bench.interrupts, before + 1);
    assert.equal(driver.read(R.INTERRUPT_STATUS), 1);
    bench.dropSignals();
    assert.equal(ring.takeAll().length, 1);
    driver.write(R.INTERRUPT_ACK, 1);
  }
  const before = bench.interrupts;
  bench.pass();
  assert.equal(bench.interrupts, before);
  assert.equal(driver.read(R.INTERRUPT_STATUS), 0);
});

test('peer connects: interrupt outstanding → one signal; none outstanding → none', () => {
  const { bench, driver } = running(3);
  using _ = bench;
  const before = bench.interrupts;
  bench.transport.peerConnected();
  assert.equal(bench.interrupts, before);
  driver.rings[1]?.add({ addr: BUFFERS, len: 4 });
  driver.kick(1);
  bench.dropSignals(); // nobody was connected
  bench.transport.peerConnected();
  assert.equal(bench.interrupts, before + 2);
  bench.run();
  assert.equal(driver.rings[1]?.takeAll().length, 1);
});

test('config change → new bytes, INTERRUPT_STATUS bit 1, a signal', () => {
  const { bench, driver, device } = running(3, {}, { config: new Uint8Array([80, 0, 24, 0]) });
  using _ = bench;
  const before = bench.interrupts;
  device.config[0] = 132;
  device.active?.notifier.configChanged();
  bench.transport.flush();
  assert.equal(driver.configByte(0), 132);
  assert.equal(driver.read(R.INTERRUPT_STATUS), 2);
  assert.equal(bench.interrupts, before + 1);
  bench.run();
  assert.equal(driver.read(R.INTERRUPT_STATUS), 0);
});

test('polling: doorbells are not wanted while it goes on, and are wanted again before the loop sleeps', () => {
  const { bench, driver } = running(3);
  using _ = bench;
  const ring = driver.rings[1] as HvlRing;
  bench.transport.disarm();
  assert.equal(ring.usedFlags, 1);
  ring.add({ addr: BUFFERS, len: 4 });
  assert.ok(bench.look());
  assert.equal(ring.usedFlags, 1);
  ring.add({ addr: BUFFERS, len: 4 });
  assert.ok(bench.transport.arm(), 'what came in between is found');
  assert.equal(ring.usedFlags, 0);
  assert.equal(ring.usedIdx, 2);
});

test('polling, EVENT_IDX: avail_event stays behind while it goes on, and is the next index before the loop sleeps', () => {
  const device = twoQueues();
  using bench = new HvlBench({ devices: [{ device, eventIdx: true }] });
  const driver = bench.driver(0, 3, TWO_RINGS, { features: EVENT_IDX });
  assert.ok(driver.start());
  bench.run();
  assert.equal(device.active?.features.low, EVENT_IDX);
  const ring = driver.rings[1] as HvlRing;
  const wantsDoorbell = (): boolean => ring.availEvent === ring.availIdx;
  assert.ok(wantsDoorbell());
  bench.transport.disarm();
  assert.ok(!wantsDoorbell());
  ring.add({ addr: BUFFERS, len: 4 });
  assert.ok(bench.look());
  assert.ok(!wantsDoorbell(), 'the queue was drained, and the next chain is found by looking');
  ring.add({ addr: BUFFERS, len: 4 });
  assert.ok(bench.transport.arm(), 'what came in between is found');
  assert.ok(wantsDoorbell());
  assert.equal(ring.usedIdx, 2);
});
