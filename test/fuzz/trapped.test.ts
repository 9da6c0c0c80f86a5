/**
 * A guest that makes any register accesses (all offsets, widths, values) to the devices of one machine, kicks anything and
 * writes nonsense into rings and buffers, while the host has things to deliver. Whatever happens: no exception, every call
 * returns, the device beside them that nobody harms goes on, and every device works for the next driver.
 *
 * A failure prints its seed: LKVM_FUZZ_SEED=N npm test -- test/fuzz/trapped.test.ts repeats it. Seeds worth keeping go into
 * corpus/trapped.json.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { GatewayBackend } from '#lkvm/backends/gateway/gateway.js';
import { simpleTree } from '#lkvm/p9/js-tree.js';
import { COUNTER_COUNT } from '#lkvm/util/counters.js';
import type { VirtioDevice } from '#lkvm/virtio/core/device.js';
import { featureSet } from '#lkvm/virtio/core/features.js';
import { ConsoleDevice } from '#lkvm/virtio/devices/console/device.js';
import { NetDevice } from '#lkvm/virtio/devices/net/device.js';
import { P9Device } from '#lkvm/virtio/devices/p9/device.js';
import { RngDevice } from '#lkvm/virtio/devices/rng/device.js';
import { MemoryTree } from '../../examples/memory-tree.js';
import { TestMemory } from '../support/driver-sim-memory.js';
import { CountingSource, MemoryConsole, MemoryNetwork } from '../support/fake-backends.js';
import { projectRoot } from '../support/project.js';
import { fuzzSeeds, Random } from '../support/random.js';
import * as reg from '../support/trapped-rig.js';

const STEPS = 1500;
const SIZE = 8;
const PAGE = 4096;
const kept = JSON.parse(readFileSync(join(projectRoot, 'test/fuzz/corpus/trapped.json'), 'utf8')) as number[];
const seeds = fuzzSeeds(kept, 25);
const MAC = [2, 0, 0, 0, 0, 1];
/** The device that is left alone, behind the others. */
const WITNESS = 5;

interface Machine {
  readonly devices: readonly VirtioDevice[];
  /** Something happens on the host. */
  readonly host: () => void;
}

function makeMachine(random: Random): Machine {
  const counters = new Float64Array(COUNTER_COUNT);
  const source = new CountingSource();
  const terminal = new MemoryConsole();
  const network = new MemoryNetwork();
  const quiet = { info: () => {}, warn: () => {} };
  const console = new ConsoleDevice({
    backend: terminal,
    counters,
    queueSizes: [SIZE, SIZE],
    features: featureSet(0),
  });
  const tree = simpleTree(new MemoryTree({ a: 'some text' }), quiet);
  const devices = [
    new RngDevice({ source, counters, queueSizes: [SIZE] }),
    console,
    new NetDevice({ backend: network, counters, queueSizes: [SIZE, SIZE], mac: MAC }),
    new NetDevice({ backend: new GatewayBackend(), counters, queueSizes: [SIZE, SIZE], mac: MAC }),
    new P9Device({ tree, tag: 'fuzz', counters, queueSizes: [SIZE], maxMsize: 65_536 }),
    new RngDevice({ source: new CountingSource(), counters, queueSizes: [SIZE] }),
  ];
  const host = (): void => {
    source.dry = random.chance(0.3);
    source.listener?.entropyReady();
    terminal.room = random.pick([0, 1, 1e6]);
    terminal.output = Buffer.alloc(0);
    terminal.input = Buffer.alloc(0);
    terminal.type('x'.repeat(random.below(50)));
    terminal.listener?.outputReady();
    network.full = random.chance(0.2);
    network.sent.length = 0;
    network.headers.length = 0;
    network.incoming.length = 0;
    network.arrive(new Uint8Array(random.pick([14, 1514, 9000])));
    network.listener?.sendReady();
    if (random.chance(0.2)) console.resize(random.below(300), random.below(100));
  };
  return { devices, host };
}

/** Values a driver might write, and some that none would. */
function value(random: Random, memory: TestMemory): number {
  return random.pick([
    random.below(18),
    random.below(256),
    1 << random.below(31),
    memory.gpa + PAGE + random.below((memory.bytes - PAGE) / 16) * 16,
    memory.gpa + memory.bytes - random.below(64),
    0xffff_ffff,
    random.u32(),
  ]);
}

/** One access, or a whole handshake now and then: nonsense alone rarely gets far. */
function access(rig: reg.TrappedRig, random: Random, device: number): void {
  const driver = rig.driver(device);
  const offset = random.chance(0.7)
    ? random.pick([
        reg.STATUS,
        reg.QUEUE_SEL,
        reg.QUEUE_NUM,
        reg.QUEUE_READY,
        reg.QUEUE_RESET,
        reg.QUEUE_DESC,
        reg.QUEUE_DRIVER,
        reg.QUEUE_DEVICE,
        reg.DRIVER_FEATURES,
        reg.DRIVER_FEATURES_SEL,
        reg.INTERRUPT_ACK,
      ])
    : random.below(0x200);
  const bytes = random.chance(0.8) ? 4 : random.pick([1, 2]);
  if (random.chance(0.3)) {
    const got = driver.read(offset, bytes);
    assert.ok(Number.isInteger(got) && got >= 0 && got <= 0xffff_ffff);
  } else {
    driver.write(offset, value(random, rig.memory), bytes);
  }
}

function handshake(rig: reg.TrappedRig, random: Random, device: number): void {
  const low = (random.chance(0.5) ? reg.EVENT_IDX : 0) | (random.chance(0.5) ? reg.INDIRECT_DESC : 0);
  const high = reg.VERSION_1 | (device < 4 && random.chance(0.7) ? reg.RING_RESET : 0);
  rig.memory.rewind();
  rig.memory.alloc(PAGE + device * 2 * PAGE, PAGE); // the first page belongs to the witness
  rig.driver(device).start({ low, high, sizes: [random.pick([1, 2, SIZE]), random.pick([4, SIZE])] });
}

function ring(rig: reg.TrappedRig, random: Random, device: number): void {
  const { gpa, bytes, u8 } = rig.memory;
  const driver = rig.driver(device);
  const index = random.below(driver.queues.length);
  const queue = driver.queues[index];
  if (queue === undefined || random.chance(0.1)) {
    const at = PAGE + random.below(bytes - PAGE - 64);
    random.fill(u8.subarray(at, at + random.below(64)));
    return;
  }
  const slots = Array.from({ length: 1 + random.below(3) }, () => random.below(queue.size));
  for (const [i, slot] of slots.entries()) {
    const addr = random.chance(0.95)
      ? gpa + PAGE + random.below(bytes - 2 * PAGE)
      : random.pick([0, gpa - 1]);
    const len = random.pick([0, 1, 12, 64, 1526, 4096]);
    const next = slots[i + 1];
    const flags = (random.chance(0.5) ? 2 : 0) | (next === undefined ? 0 : 1) | (random.chance(0.05) ? 4 : 0);
    queue.pokeDescriptor(slot, addr, len, flags, next ?? 0);
  }
  queue.pokeAvailable(slots[0] as number);
}

/** Nothing that another device does reaches this one. */
function askWitness(rig: reg.TrappedRig, at: number): void {
  const driver = rig.driver(WITNESS);
  driver.add(0, [{ addr: at, len: 4, writable: true }]);
  rig.kick(WITNESS, 0);
  assert.equal(driver.queue(0).takeUsed()?.written, 4);
  assert.equal(driver.read(reg.STATUS), reg.RUNNING);
}

function run(seed: number): void {
  const random = new Random(seed);
  const { devices, host } = makeMachine(random);
  const rig = new reg.TrappedRig(devices, new TestMemory({ bytes: 0x4_0000 }));
  rig.driver(WITNESS).start({ sizes: [SIZE] });
  rig.turn();
  const at = rig.memory.alloc(4);
  // Drivers name no address in the witness's page, so nothing changes it.
  const flags = rig.driver(WITNESS).queue(0).layout.used - rig.memory.gpa;
  const page = (): Uint8Array => rig.memory.u8.slice(0, PAGE).fill(0, flags, flags + 2); // they say who polls
  let before = page();
  for (let step = 0; step < STEPS; step++) {
    const device = random.below(WITNESS);
    const chance = random.below(100);
    if (chance < 45) access(rig, random, device);
    else if (chance < 55) handshake(rig, random, device);
    else if (chance < 85) ring(rig, random, device);
    else if (chance < 90) host();
    else rig.transport.kicked(device, random.pick([0, 1, 2, 31, 32, random.u32()]));
    if (random.chance(0.3)) rig.transport.poll();
    if (random.chance(0.1)) rig.transport.disarm();
    if (random.chance(0.1)) rig.transport.arm();
    if (random.chance(0.5)) rig.transport.flush();
    if (step % 50 !== 0) continue;
    assert.deepEqual(page(), before);
    askWitness(rig, at);
    before = page();
  }
  for (let device = 0; device < WITNESS; device++) {
    // What the others' drivers left in memory is theirs no more.
    for (const driver of rig.drivers.slice(0, WITNESS)) driver.write(reg.STATUS, 0);
    rig.memory.u8.fill(0, PAGE);
    host();
    rig.turn();
    assert.ok(
      rig.memory.u8.subarray(PAGE).every((byte) => byte === 0),
      'devices that were reset touch nothing',
    );
    handshake(rig, random, device);
    rig.turn();
    assert.equal(rig.driver(device).read(reg.STATUS), reg.RUNNING, `device ${device}`);
  }
  rig.transport.stop();
}

test(`fuzz virtio-mmio: ${STEPS} accesses, kicks and pokes to six devices → no exception, the witness works`, () => {
  for (const seed of seeds) {
    try {
      run(seed);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
});
