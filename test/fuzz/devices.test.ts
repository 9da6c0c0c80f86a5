/**
 * A driver that writes nonsense into rings, buffers and descriptors of a device at any moment, while the host has
 * things to deliver. Whatever happens: no exception, every call returns, and a new driver is served afterwards. The
 * memory lies between inaccessible pages.
 *
 * A failure prints its seed: LKVM_FUZZ_SEED=N npm test -- test/fuzz/devices.test.ts repeats it. Seeds worth keeping go into
 * corpus/devices.json.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  VIRTIO_9P_MOUNT_TAG,
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_MRG_RXBUF,
} from '#lkvm/abi/virtio.js';
import { GatewayBackend } from '#lkvm/backends/gateway/gateway.js';
import { ACCESS_DIRECT, ACCESS_WORD } from '#lkvm/memory/guest-memory.js';
import { simpleTree } from '#lkvm/p9/js-tree.js';
import { COUNTER_COUNT } from '#lkvm/util/counters.js';
import type { VirtioDevice } from '#lkvm/virtio/core/device.js';
import { type Features, featureSet, NO_FEATURES } from '#lkvm/virtio/core/features.js';
import { BlkDevice } from '#lkvm/virtio/devices/blk/device.js';
import { ConsoleDevice } from '#lkvm/virtio/devices/console/device.js';
import { NetDevice } from '#lkvm/virtio/devices/net/device.js';
import { P9Device } from '#lkvm/virtio/devices/p9/device.js';
import { RngDevice } from '#lkvm/virtio/devices/rng/device.js';
import { MemoryTree } from '../../examples/memory-tree.js';
import { DeviceRig } from '../support/device-rig.js';
import { CountingSource, MemoryConsole, MemoryNetwork } from '../support/fake-backends.js';
import { MemoryDisk } from '../support/memory-disk.js';
import { projectRoot } from '../support/project.js';
import { fuzzSeeds, Random } from '../support/random.js';

const STEPS = 300;
const SIZE = 8;
const BYTES = 0x1_0000;
const kept = JSON.parse(readFileSync(join(projectRoot, 'test/fuzz/corpus/devices.json'), 'utf8')) as number[];
const seeds = fuzzSeeds(kept, 12);

interface Subject {
  readonly device: VirtioDevice;
  readonly queues: number;
  readonly features: Features;
  /** Something happens on the host. */
  readonly host: () => void;
}

const MAC = [2, 0, 0, 0, 0, 1];

function entropy(random: Random): Subject {
  const source = new CountingSource();
  const device = new RngDevice({ source, counters: new Float64Array(COUNTER_COUNT), queueSizes: [SIZE] });
  const host = () => {
    source.dry = random.chance(0.3);
    source.perCall = random.pick([1, 100, 65536]);
    source.listener?.entropyReady();
  };
  return { device, queues: 1, features: NO_FEATURES, host };
}

function terminal(random: Random): Subject {
  const backend = new MemoryConsole();
  const counters = new Float64Array(COUNTER_COUNT);
  const device = new ConsoleDevice({ backend, counters, queueSizes: [SIZE, SIZE] });
  const host = () => {
    backend.room = random.pick([0, 1, 50, 1e6]);
    backend.discard = random.chance(0.2);
    backend.output = Buffer.alloc(0);
    backend.input = backend.input.subarray(0, 2000);
    backend.type('x'.repeat(random.below(50)));
    backend.listener?.outputReady();
  };
  return { device, queues: 2, features: NO_FEATURES, host };
}

function network(random: Random): Subject {
  const backend = new MemoryNetwork();
  const counters = new Float64Array(COUNTER_COUNT);
  const features = random.chance(0.5)
    ? NO_FEATURES
    : featureSet(VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_F_CSUM, VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_HOST_TSO4);
  backend.offloads = features.low & ~(1 << VIRTIO_NET_F_MRG_RXBUF);
  backend.possibleOffloads = backend.offloads;
  const device = new NetDevice({ backend, counters, queueSizes: [SIZE, SIZE], mac: MAC });
  const host = () => {
    backend.full = random.chance(0.2);
    backend.sent.length = 0;
    backend.headers.length = 0;
    backend.incoming.length = 0;
    backend.arrive(new Uint8Array(random.pick([14, 60, 1514, 9000, 65_500])));
    backend.listener?.sendReady();
  };
  return { device, queues: 2, features, host };
}

function gateway(random: Random): Subject {
  const counters = new Float64Array(COUNTER_COUNT);
  const device = new NetDevice({
    backend: new GatewayBackend(),
    counters,
    queueSizes: [SIZE, SIZE],
    mac: MAC,
  });
  const features = random.chance(0.5) ? NO_FEATURES : featureSet(VIRTIO_NET_F_MRG_RXBUF);
  return { device, queues: 2, features, host: () => {} };
}

/** What the messages may do is the business of p9.test.ts; here it is about the ring and the buffers. */
function share(random: Random): Subject {
  const tree = simpleTree(new MemoryTree({ a: 'some text' }), { info: () => {}, warn: () => {} });
  const counters = new Float64Array(COUNTER_COUNT);
  const device = new P9Device({
    tree,
    tag: 'fuzz',
    counters,
    queueSizes: [SIZE],
    maxMsize: random.pick([4096, 65536]),
  });
  return { device, queues: 1, features: featureSet(VIRTIO_9P_MOUNT_TAG), host: () => {} };
}

function disk(random: Random): Subject {
  const backend = new MemoryDisk(random.pick([1, 64]));
  const device = new BlkDevice({ backend, counters: new Float64Array(COUNTER_COUNT), queueSizes: [SIZE] });
  const host = () => {
    backend.hold = random.chance(0.5);
    backend.perCall = random.pick([1, 512, 1e6]);
    if (random.chance(0.2)) backend.results.push(random.pick([-5, -4, -28, 0, 7]));
    backend.release((count) => random.below(count), random.below(4));
  };
  return { device, queues: 1, features: device.features, host };
}

/** Does one thing to a queue: mostly well-formed, sometimes not. */
function act(rig: DeviceRig, random: Random, queue: number, wildness: number): void {
  const driver = rig.driver(queue);
  const { gpa, bytes, u8 } = rig.memory;
  if (random.chance(wildness)) {
    const at = random.below(bytes);
    random.fill(u8.subarray(at, at + random.below(64)));
    return;
  }
  if (random.chance(0.1)) {
    driver.pokeAvailFlags(random.below(2));
    return;
  }
  const count = 1 + random.below(3);
  const slots = Array.from({ length: count }, () => random.below(SIZE));
  for (const [i, slot] of slots.entries()) {
    const addr = random.chance(0.95)
      ? gpa + random.below(bytes)
      : random.pick([0, gpa - 1, 0xffff_ffff_ffffn]);
    const len = random.pick([0, 1, 10, 12, 64, 100, 1526, 4096, random.below(BYTES)]);
    const writable = random.chance(0.9) ? queue === 0 : queue !== 0;
    const next = slots[i + 1];
    driver.pokeDescriptor(slot, addr, len, (writable ? 2 : 0) | (next === undefined ? 0 : 1), next ?? 0);
  }
  driver.pokeAvailable(slots[0] as number);
}

for (const make of [entropy, terminal, network, gateway, share, disk]) {
  for (const access of [ACCESS_DIRECT, ACCESS_WORD]) {
    test(`fuzz ${make.name} device (access ${access}): any driver → no exception, a new driver is served`, () => {
      for (const seed of seeds) {
        const random = new Random(seed);
        const { device, features, host, queues } = make(random);
        const sizes = Array.from({ length: queues }, () => SIZE);
        const rig = new DeviceRig(device, { sizes, features, access, bytes: 8 * BYTES });
        const wildness = random.pick([0, 0.02, 0.2]);
        try {
          rig.start();
          for (let i = 0; i < STEPS; i++) {
            act(rig, random, random.below(queues), wildness);
            if (random.chance(0.5)) for (let n = 0; n < 50 && rig.pass(); n++);
            if (random.chance(0.3)) host();
            if (rig.faults.length === 0) continue;
            // The device was reset: the next driver, in the same memory.
            rig.faults.length = 0;
            rig.memory.rewind();
            rig.start();
          }
          rig.device.reset();
          rig.faults.length = 0;
          rig.memory.rewind();
          rig.memory.u8.fill(0);
          rig.start();
          const queue = queues - 1;
          if (queue === 0) rig.offer(0, 64);
          else rig.send(queue, new Uint8Array(80));
          for (let n = 0; n < 5; n++) {
            host();
            rig.pass();
          }
        } catch (error) {
          throw new Error(`seed ${seed}`, { cause: error });
        }
        assert.deepEqual(rig.faults, [], `seed ${seed}`);
      }
    });
  }
}
