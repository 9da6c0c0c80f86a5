// The reactor's half: starts, kicks, interrupts, faults, resets.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VIRTIO_CONSOLE_F_SIZE } from '#lkvm/abi/virtio.js';
import { simpleTree } from '#lkvm/p9/js-tree.js';
import { COUNTER_COUNT, COUNTER_DOORBELLS, COUNTER_INTERRUPTS, COUNTER_STARTS } from '#lkvm/util/counters.js';
import { featureSet } from '#lkvm/virtio/core/features.js';
import { ConsoleDevice } from '#lkvm/virtio/devices/console/device.js';
import { NetDevice } from '#lkvm/virtio/devices/net/device.js';
import { P9Device } from '#lkvm/virtio/devices/p9/device.js';
import { RngDevice } from '#lkvm/virtio/devices/rng/device.js';
import { MemoryTree } from '../../../../../examples/memory-tree.js';
import { TestMemory } from '../../../../support/driver-sim-memory.js';
import { CountingSource, MemoryConsole, MemoryNetwork } from '../../../../support/fake-backends.js';
import * as reg from '../../../../support/trapped-rig.js';

const WRITE = 2;
const NEXT = 1;

function rng(size = 64): RngDevice {
  return new RngDevice({
    source: new CountingSource(),
    counters: new Float64Array(COUNTER_COUNT),
    queueSizes: [size],
  });
}

function terminal(): { device: ConsoleDevice; backend: MemoryConsole } {
  const backend = new MemoryConsole();
  const counters = new Float64Array(COUNTER_COUNT);
  const features = featureSet(VIRTIO_CONSOLE_F_SIZE);
  return { backend, device: new ConsoleDevice({ backend, counters, queueSizes: [64, 64], features }) };
}

/** A console as device 0 and an entropy device as device 1. */
function twoDevices() {
  const console = terminal();
  const entropy = rng();
  const rig = new reg.TrappedRig([console.device, entropy]);
  return { rig, console, entropy, first: rig.driver(0), second: rig.driver(1) };
}

function asksForEntropy(rig: reg.TrappedRig, device: number): void {
  const driver = rig.driver(device);
  const before = driver.queue(0).usedIdx;
  const at = driver.offer(0, 32);
  rig.kick(device, 0);
  assert.equal(driver.queue(0).usedIdx, before + 1);
  assert.ok(
    driver
      .queue(0)
      .read(at, 32)
      .every((byte) => byte !== 0),
  );
}

test('start: buffers from before DRIVER_OK → served without a kick, interrupt at the end of the round', () => {
  const rig = new reg.TrappedRig([rng()]);
  const driver = rig.driver(0);
  driver.negotiate();
  driver.setUpQueue(0, 8);
  driver.offer(0, 16);
  driver.write(reg.STATUS, reg.RUNNING);
  assert.equal(driver.queue(0).usedIdx, 0);
  assert.equal(rig.transport.arm(), true, 'the loop does not sleep');
  assert.equal(rig.transport.poll(), true);
  assert.equal(driver.queue(0).usedIdx, 1);
  assert.equal(driver.edges, 0);
  rig.transport.flush();
  assert.deepEqual([driver.edges, driver.read(reg.INTERRUPT_STATUS)], [1, 1]);
  assert.equal(rig.transport.arm(), false);
  assert.deepEqual(rig.events, ['started 0']);
});

test('kicked: before DRIVER_OK, after a reset, queues and devices that are not there → nothing', () => {
  const { rig, first } = twoDevices();
  const everything = (): void => {
    for (const device of [0, 1, 2, -1, 2 ** 31]) {
      for (const queue of [0, 1, 2, 15, 16, 31, -1, 2 ** 32]) rig.kick(device, queue);
    }
  };
  everything();
  first.negotiate();
  first.setUpQueue(1, 8);
  first.send(1, 'early');
  everything();
  assert.equal(first.queue(1).usedIdx, 0);
  first.write(reg.STATUS, reg.RUNNING);
  everything();
  assert.equal(first.queue(1).usedIdx, 1);
  first.write(reg.STATUS, 0);
  first.send(1, 'late');
  everything();
  assert.equal(first.queue(1).usedIdx, 1);
});

test('interrupts: many completions in two queues in one round → one edge per queue, one for the size; each is counted', () => {
  const { rig, console, first } = twoDevices();
  first.start({ low: 1 << VIRTIO_CONSOLE_F_SIZE });
  for (let i = 0; i < 3; i++) first.offer(0, 10);
  rig.turn();
  for (let i = 0; i < 5; i++) first.send(1, 'x');
  console.backend.type('some input');
  rig.transport.kicked(0, 1);
  rig.transport.kicked(0, 1);
  assert.equal(first.edges, 0);
  rig.transport.flush();
  assert.equal(first.edges, 3);
  rig.transport.flush();
  assert.equal(first.edges, 3);
  first.send(1, 'y');
  rig.kick(0, 1);
  assert.equal(first.edges, 4, 'only for the queue that has something');
  console.device.resize(100, 50);
  rig.transport.flush();
  first.send(1, 'y');
  rig.kick(0, 1);
  assert.equal(first.edges, 6, 'one for the configuration, one for the queue');
  assert.equal(console.device.counters[COUNTER_INTERRUPTS], 4);
  assert.equal(console.device.counters[COUNTER_DOORBELLS], 4);
  assert.equal(console.device.counters[COUNTER_STARTS], 1);
});

test('interrupts: the driver does not want them (flag, event index) → none', () => {
  for (const low of [0, reg.EVENT_IDX]) {
    const rig = new reg.TrappedRig([rng()]);
    const driver = rig.driver(0);
    driver.start({ low });
    driver.queue(0).disableInterrupts();
    driver.offer(0, 8);
    rig.kick(0, 0);
    assert.deepEqual([driver.queue(0).usedIdx, driver.edges], [1, 0]);
    driver.queue(0).takeUsed();
    driver.queue(0).enableInterrupts();
    driver.offer(0, 8);
    rig.kick(0, 0);
    assert.deepEqual([driver.queue(0).usedIdx, driver.edges], [2, 1]);
  }
});

test('indirect descriptors: negotiated → used; not negotiated → the device needs a reset', () => {
  for (const low of [reg.INDIRECT_DESC, 0]) {
    const rig = new reg.TrappedRig([rng()]);
    const driver = rig.driver(0);
    driver.start({ low });
    const [table, addr] = [rig.memory.alloc(32, 16), rig.memory.alloc(32)];
    driver.add(
      0,
      [
        { addr, len: 16, writable: true },
        { addr: addr + 16, len: 16, writable: true },
      ],
      table,
    );
    rig.kick(0, 0);
    assert.equal(driver.queue(0).usedIdx, low === 0 ? 0 : 1);
    assert.equal(driver.read(reg.STATUS), low === 0 ? reg.RUNNING | reg.NEEDS_RESET : reg.RUNNING);
  }
});

test('2.1.2: a broken ring → NEEDS_RESET and a config interrupt for this device, the other one goes on; reset → works', () => {
  const { rig, console, first, second } = twoDevices();
  first.start();
  second.start();
  first.offer(0, 16);
  rig.turn();
  first.queue(1).pokeDescriptor(0, rig.memory.gpa, 8, NEXT, 0);
  first.queue(1).pokeAvailable(0);
  rig.kick(0, 1);
  assert.equal(first.read(reg.STATUS), reg.RUNNING | reg.NEEDS_RESET);
  assert.deepEqual([first.read(reg.INTERRUPT_STATUS), first.edges], [2, 1]);
  assert.deepEqual(rig.events, ['started 0', 'started 1', 'fault 0']);
  assert.equal(rig.log.length, 1);
  assert.match(rig.log[0] ?? '', /^console \(device 0\): queue 1: /);
  rig.kick(0, 1);
  console.backend.type('nobody reads this');
  rig.turn();
  assert.deepEqual([first.edges, first.queue(0).usedIdx], [1, 0]);
  asksForEntropy(rig, 1);
  first.write(reg.STATUS, 0);
  assert.equal(first.read(reg.STATUS), 0);
  first.start();
  first.send(1, 'again');
  rig.kick(0, 1);
  assert.equal(first.queue(1).usedIdx, 1);
});

test('a broken ring: what was completed before the fault → its interrupt is sent', () => {
  const rig = new reg.TrappedRig([rng()]);
  const driver = rig.driver(0);
  driver.start();
  driver.offer(0, 8);
  driver.queue(0).pokeAvailable(99);
  rig.kick(0, 0);
  assert.deepEqual([driver.queue(0).usedIdx, driver.read(reg.INTERRUPT_STATUS), driver.edges], [1, 3, 2]);
});

test('queue addresses: misaligned, outside the memory, at the end of the address space → NEEDS_RESET at DRIVER_OK', () => {
  const { rig, first, second } = twoDevices();
  second.start();
  const end = rig.memory.gpa + rig.memory.bytes;
  const wrong: [number, number][] = [reg.QUEUE_DESC, reg.QUEUE_DRIVER, reg.QUEUE_DEVICE].flatMap((part) =>
    [0, rig.memory.gpa + 1, end, end - 16, 2 ** 63, 2 ** 64 - 4096].map((at): [number, number] => [part, at]),
  );
  for (const [part, address] of wrong) {
    first.negotiate();
    first.setUpQueue(0, 8);
    first.write(reg.QUEUE_READY, 0);
    first.writeAddress(part, address);
    first.write(reg.QUEUE_READY, 1);
    const edges = first.edges;
    first.write(reg.STATUS, reg.RUNNING);
    rig.turn();
    assert.equal(first.read(reg.STATUS), reg.RUNNING | reg.NEEDS_RESET, `${part} at ${address}`);
    assert.equal(first.edges, edges + 1);
    rig.kick(0, 0);
  }
  assert.ok(!rig.events.includes('started 0'));
  assert.ok(rig.log.length <= 11, 'a driver does not fill the log');
  asksForEntropy(rig, 1);
});

test('reset, stop: input arrives for buffers of the driver that has gone → they are not touched', () => {
  for (const end of ['reset', 'stop'] as const) {
    const { rig, console, first } = twoDevices();
    first.start();
    const held = first.offer(0, 16);
    rig.turn();
    if (end === 'reset') first.write(reg.STATUS, 0);
    else rig.transport.stop();
    console.backend.type('too late');
    rig.turn();
    assert.equal(first.queue(0).usedIdx, 0);
    assert.ok(
      first
        .queue(0)
        .read(held, 16)
        .every((byte) => byte === 0),
    );
  }
});

test('reset: interrupts of the round → not sent any more; the counters of the ring start at 0', () => {
  const { device } = terminal();
  const rig = new reg.TrappedRig([device]);
  const driver = rig.driver(0);
  driver.start({ low: 1 << VIRTIO_CONSOLE_F_SIZE });
  driver.send(1, 'text');
  rig.transport.kicked(0, 1);
  device.resize(100, 50);
  driver.write(reg.STATUS, 0);
  rig.transport.flush();
  driver.start();
  rig.turn();
  assert.deepEqual([driver.edges, driver.read(reg.INTERRUPT_STATUS)], [0, 0]);
  driver.send(1, 'text');
  rig.kick(0, 1);
  assert.deepEqual([driver.queue(1).usedIdx, driver.edges], [1, 1]);
  assert.deepEqual(rig.events, ['started 0', 'reset 0', 'started 0']);
});

test('reset 2.4.1: host I/O under way → Status reads 0 only when it has ended; nothing happens before', () => {
  const device = rng();
  let left = 0;
  const busy = Object.assign(device, { quiesced: () => left-- <= 0 });
  const rig = new reg.TrappedRig([busy]);
  const driver = rig.driver(0);
  driver.start();
  left = 5;
  driver.write(reg.STATUS, 0);
  assert.equal(rig.waited, 5);
  assert.equal(driver.read(reg.STATUS), 0);
  rig.transport.flush();
  assert.equal(left, -1, 'nobody asks any more');
});

test('2.6.1 queue reset: one queue of a running device → the other goes on; enabled with another size → works', () => {
  const { rig, console, first } = twoDevices();
  first.start({ high: reg.VERSION_1 | reg.RING_RESET });
  const held = first.offer(0, 10);
  rig.turn();
  first.write(reg.QUEUE_SEL, 0);
  first.write(reg.QUEUE_RESET, 1);
  assert.deepEqual([first.read(reg.QUEUE_RESET), first.read(reg.QUEUE_READY)], [0, 0]);
  console.backend.type('kept');
  first.send(1, 'out');
  rig.kick(0, 1);
  rig.kick(0, 0);
  assert.equal(console.backend.output.toString(), 'out');
  assert.ok(
    first
      .queue(0)
      .read(held, 10)
      .every((byte) => byte === 0),
  );
  const queue = first.setUpQueue(0, 32);
  const at = first.offer(0, 10);
  rig.turn();
  assert.equal(queue.usedIdx, 1);
  assert.equal(Buffer.from(queue.read(at, 4)).toString(), 'kept');
  assert.equal(first.read(reg.STATUS), reg.RUNNING);
});

test('queue addresses: above 4 GiB → the high words count', () => {
  const rig = new reg.TrappedRig([rng()], new TestMemory({ bytes: 0x1_0000, gpa: 0x5_8000_0000 }));
  rig.driver(0).start();
  asksForEntropy(rig, 0);
});

test('queue reset: 0 written to QueueReset → nothing', () => {
  const { rig, first } = twoDevices();
  first.start({ high: reg.VERSION_1 | reg.RING_RESET });
  first.write(reg.QUEUE_SEL, 1);
  first.write(reg.QUEUE_RESET, 0);
  first.send(1, 'text');
  rig.kick(0, 1);
  assert.equal(first.queue(1).usedIdx, 1);
});

test('queue reset: enabled at a wrong address → NEEDS_RESET, no exception', () => {
  const { rig, console, first } = twoDevices();
  first.start({ high: reg.VERSION_1 | reg.RING_RESET });
  first.offer(0, 16);
  rig.turn();
  first.write(reg.QUEUE_SEL, 1);
  first.write(reg.QUEUE_RESET, 1);
  first.write(reg.QUEUE_READY, 1);
  console.backend.type('nobody reads this');
  rig.turn();
  assert.equal(first.queue(0).usedIdx, 0);
  assert.equal(first.read(reg.STATUS), reg.RUNNING | reg.NEEDS_RESET);
});

test('queue reset: frames of a network → wait while there is no receive queue, are delivered afterwards', () => {
  const backend = new MemoryNetwork();
  const counters = new Float64Array(COUNTER_COUNT);
  const device = new NetDevice({ backend, counters, queueSizes: [16, 16], mac: [2, 0, 0, 0, 0, 1] });
  const rig = new reg.TrappedRig([device]);
  const driver = rig.driver(0);
  driver.start({ high: reg.VERSION_1 | reg.RING_RESET });
  driver.offer(0, 1526);
  rig.turn();
  assert.equal(backend.watched, true);
  for (const queue of [0, 1]) {
    driver.write(reg.QUEUE_SEL, queue);
    driver.write(reg.QUEUE_RESET, 1);
  }
  assert.equal(backend.watched, false);
  backend.arrive(new Uint8Array(60).fill(7));
  driver.setUpQueue(1, 8);
  driver.send(1, new Uint8Array(12 + 60));
  driver.setUpQueue(0, 8);
  const at = driver.offer(0, 1526);
  rig.turn();
  assert.equal(backend.sent.length, 1);
  backend.listener?.receiveReady();
  rig.turn();
  assert.equal(driver.queue(0).usedIdx, 1);
  assert.equal(driver.queue(0).read(at + 12, 1)[0], 7);
});

test('QueueReady = 0 while the device runs: can reset a queue → stopped; cannot → the whole device, with NEEDS_RESET', () => {
  const { rig, console, first } = twoDevices();
  first.start();
  first.write(reg.QUEUE_SEL, 1);
  first.write(reg.QUEUE_READY, 0);
  first.send(1, 'x');
  rig.kick(0, 1);
  assert.equal(console.backend.output.length, 0);
  assert.equal(first.read(reg.STATUS), reg.RUNNING);

  const tree = simpleTree(new MemoryTree(), { info: () => {}, warn: () => {} });
  const counters = new Float64Array(COUNTER_COUNT);
  const other = new reg.TrappedRig([new P9Device({ tree, tag: 'x', counters, queueSizes: [16] })]);
  const driver = other.driver(0);
  driver.write(reg.DEVICE_FEATURES_SEL, 1);
  assert.equal(driver.read(reg.DEVICE_FEATURES), reg.VERSION_1, 'no RING_RESET');
  driver.start();
  driver.write(reg.QUEUE_READY, 0);
  assert.equal(driver.read(reg.STATUS), reg.RUNNING | reg.NEEDS_RESET);
});

test('queue reset: its interrupt of the round → not sent; the other queue is as it was', () => {
  const { rig, first } = twoDevices();
  first.start({ high: reg.VERSION_1 | reg.RING_RESET });
  first.send(1, 'text');
  rig.transport.kicked(0, 1);
  first.write(reg.QUEUE_SEL, 1);
  first.write(reg.QUEUE_RESET, 1);
  rig.transport.flush();
  assert.equal(first.edges, 0);
});

test('a queue that the driver left alone: looks, polls, kicks → nothing; the other one is served', () => {
  const { rig, first } = twoDevices();
  first.start({ sizes: [undefined, 16] });
  rig.turn();
  rig.transport.disarm();
  first.send(1, 'text');
  assert.equal(rig.transport.poll(), true);
  assert.equal(rig.transport.arm(), false);
  rig.kick(0, 0);
  assert.equal(first.queue(1).usedIdx, 1);
  assert.equal(first.read(reg.STATUS), reg.RUNNING);
});

test('polling: disarm → kicks are not wanted, moves of avail.idx are seen; arm → wanted again, looks once more', () => {
  const rig = new reg.TrappedRig([rng()]);
  const driver = rig.driver(0);
  const { transport } = rig;
  driver.start();
  rig.turn();
  transport.disarm();
  assert.equal(driver.queue(0).usedFlags, 1);
  driver.offer(0, 8);
  assert.equal(transport.poll(), true);
  assert.deepEqual([driver.queue(0).usedIdx, driver.queue(0).usedFlags], [1, 1]);
  assert.equal(transport.poll(), false);
  driver.offer(0, 8);
  assert.equal(transport.arm(), true);
  assert.equal(driver.queue(0).usedFlags, 0);
  assert.equal(transport.poll(), true);
  assert.equal(driver.queue(0).usedIdx, 2);
  assert.equal(transport.arm(), false);
  assert.deepEqual([driver.queue(0).usedFlags, transport.running], [0, false]);
});

test('polling: no kick is wanted through many drains, by flag or by event index, nor by a device that starts meanwhile', () => {
  for (const low of [0, reg.EVENT_IDX]) {
    const rig = new reg.TrappedRig([rng()]);
    const driver = rig.driver(0);
    rig.transport.disarm();
    driver.start({ low });
    const addr = rig.memory.alloc(8);
    let wanted = 0;
    for (let i = 0; i < 100; i++) {
      driver.queue(0).addChain([{ addr, len: 8, writable: true }]);
      if (driver.queue(0).publish()) wanted++;
      rig.turn();
      assert.equal(driver.queue(0).takeAllUsed().length, 1);
    }
    assert.equal(wanted, 0);
    assert.equal(rig.transport.arm(), false);
    driver.queue(0).addChain([{ addr, len: 8, writable: true }]);
    assert.equal(driver.queue(0).publish(), true);
  }
});

test('budget: more work than one call does → the rest in later rounds, without a kick', () => {
  const rig = new reg.TrappedRig([rng(256)]);
  const driver = rig.driver(0);
  driver.start({ sizes: [256] });
  const addr = rig.memory.alloc(8);
  for (let i = 0; i < 256; i++) driver.add(0, [{ addr, len: 8, writable: true }]);
  rig.kick(0, 0);
  assert.ok(driver.queue(0).usedIdx < 256);
  assert.equal(rig.transport.arm(), true);
  rig.turn();
  assert.equal(driver.queue(0).usedIdx, 256);
});

test('stop: running and broken devices → no ring is touched any more', () => {
  const { rig, first, second } = twoDevices();
  first.start();
  second.start();
  second.queue(0).pokeDescriptor(0, 0, 8, WRITE | NEXT, 200);
  second.queue(0).pokeAvailable(0);
  rig.kick(1, 0);
  rig.transport.stop();
  first.send(1, 'x');
  rig.kick(0, 1);
  rig.turn();
  assert.equal(first.queue(1).usedIdx, 0);
});

test('DRIVER_OK twice, unknown calls → harmless', () => {
  const rig = new reg.TrappedRig([rng()]);
  const driver = rig.driver(0);
  driver.start();
  driver.write(reg.STATUS, reg.RUNNING);
  for (const what of [1, 4, 255, 0x7fff_ffff, -1, 2 | (200 << 8), 3 | (200 << 8)]) {
    for (const device of [0, 1, -1]) rig.transport.onCall(device, what);
  }
  rig.turn();
  asksForEntropy(rig, 0);
  assert.deepEqual(rig.events, ['started 0']);
});
