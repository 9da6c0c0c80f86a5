/**
 * Every bad chain, in every queue of every device: a data fault is completed with length 0 and counted, and the next
 * request is served; a structural fault stops the device, once, and a new start works. Nothing throws, and memory
 * outside the pool lies between inaccessible pages.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ACCESS_DIRECT, ACCESS_WORD } from '#lkvm/memory/guest-memory.js';
import { simpleTree } from '#lkvm/p9/js-tree.js';
import { COUNTER_COUNT, COUNTER_FAULTS } from '#lkvm/util/counters.js';
import type { VirtioDevice } from '#lkvm/virtio/core/device.js';
import { BlkDevice } from '#lkvm/virtio/devices/blk/device.js';
import { ConsoleDevice } from '#lkvm/virtio/devices/console/device.js';
import { NetDevice } from '#lkvm/virtio/devices/net/device.js';
import { P9Device } from '#lkvm/virtio/devices/p9/device.js';
import { RngDevice } from '#lkvm/virtio/devices/rng/device.js';
import {
  CHAIN_BAD_AVAIL_IDX,
  CHAIN_BAD_INDEX,
  CHAIN_BAD_INDIRECT,
  CHAIN_IN_FLIGHT,
  CHAIN_LOOP,
} from '#lkvm/virtio/queue/virt-queue.js';
import { MemoryTree } from '../../examples/memory-tree.js';
import { DeviceRig } from '../support/device-rig.js';
import type { DriverQueue } from '../support/driver-sim.js';
import { CountingSource, MemoryConsole, MemoryNetwork } from '../support/fake-backends.js';
import { MemoryDisk } from '../support/memory-disk.js';

const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;
const SIZE = 16;

interface Subject {
  readonly device: VirtioDevice;
  /** Makes the host give the device something to deliver. */
  readonly stimulate: () => void;
}

interface Kind {
  readonly name: string;
  readonly make: () => Subject;
  /** For each queue: whether the device writes the driver's buffers. */
  readonly writable: readonly boolean[];
}

const KINDS: readonly Kind[] = [
  {
    name: 'rng',
    writable: [true],
    make: () => ({
      device: new RngDevice({
        source: new CountingSource(),
        counters: new Float64Array(COUNTER_COUNT),
        queueSizes: [SIZE],
      }),
      stimulate: () => {},
    }),
  },
  {
    name: 'console',
    writable: [true, false],
    make: () => {
      const backend = new MemoryConsole();
      const counters = new Float64Array(COUNTER_COUNT);
      const device = new ConsoleDevice({ backend, counters, queueSizes: [SIZE, SIZE] });
      return { device, stimulate: () => backend.type('typed') };
    },
  },
  {
    name: 'net',
    writable: [true, false],
    make: () => {
      const backend = new MemoryNetwork();
      const counters = new Float64Array(COUNTER_COUNT);
      const mac = [2, 0, 0, 0, 0, 1];
      const device = new NetDevice({ backend, counters, queueSizes: [SIZE, SIZE], mac });
      return { device, stimulate: () => backend.arrive(new Uint8Array(60)) };
    },
  },
  {
    name: 'p9',
    // A request needs both directions; any chain of one buffer is completed with 0, which is all that is looked at here.
    writable: [true],
    make: () => {
      const tree = simpleTree(new MemoryTree(), { info: () => {}, warn: () => {} });
      const counters = new Float64Array(COUNTER_COUNT);
      const device = new P9Device({ tree, tag: 'hostile', counters, queueSizes: [SIZE] });
      return { device, stimulate: () => {} };
    },
  },
  {
    name: 'blk',
    // As for p9: without a header or without a place for the status nothing is done.
    writable: [true],
    make: () => {
      const counters = new Float64Array(COUNTER_COUNT);
      const device = new BlkDevice({ backend: new MemoryDisk(8), counters, queueSizes: [SIZE] });
      return { device, stimulate: () => {} };
    },
  },
];

interface Bad {
  readonly name: string;
  /** Code of a structural fault; undefined = data fault. */
  readonly code?: number;
  /** Makes descriptor 0 (and others) bad and available. @param flags WRITE or 0: the queue's right direction */
  readonly spoil: (driver: DriverQueue, data: number, end: number, flags: number) => void;
}

const BAD: readonly Bad[] = [
  { name: 'address 2^64 - 1', spoil: (d, _, __, f) => bad(d, 0xffff_ffff_ffff_ffffn, 64, f) },
  { name: 'address 0', spoil: (d, _, __, f) => bad(d, 0, 64, f) },
  { name: 'range across the end', spoil: (d, _, end, f) => bad(d, end - 63, 64, f) },
  { name: 'length 2^32 - 1', spoil: (d, data, _, f) => bad(d, data, 0xffff_ffff, f) },
  { name: 'length 0', spoil: (d, data, _, f) => bad(d, data, 0, f) },
  { name: 'the wrong direction', spoil: (d, data, _, f) => bad(d, data, 64, f ^ WRITE) },
  {
    name: 'readable behind writable',
    spoil: (d, data) => {
      d.pokeDescriptor(1, data, 64, 0, 0);
      bad(d, data, 64, WRITE | NEXT, 1);
    },
  },
  { name: 'head outside the table', code: CHAIN_BAD_INDEX, spoil: (d) => d.pokeAvailable(SIZE) },
  {
    name: 'next outside the table',
    code: CHAIN_BAD_INDEX,
    spoil: (d, data, _, f) => bad(d, data, 64, f | NEXT, SIZE),
  },
  { name: 'a loop', code: CHAIN_LOOP, spoil: (d, data, _, f) => bad(d, data, 64, f | NEXT, 0) },
  {
    name: 'avail.idx far ahead',
    code: CHAIN_BAD_AVAIL_IDX,
    spoil: (d) => d.pokeAvailIdx(d.availIdx + SIZE + 1),
  },
  {
    name: 'indirect, not negotiated',
    code: CHAIN_BAD_INDIRECT,
    spoil: (d, data) => bad(d, data, 64, INDIRECT),
  },
];

function bad(driver: DriverQueue, addr: number | bigint, len: number, flags: number, next = 0): void {
  driver.pokeDescriptor(0, addr, len, flags, next);
  driver.pokeAvailable(0);
}

for (const { make, name, writable } of KINDS) {
  for (const [queue, writes] of writable.entries()) {
    for (const access of [ACCESS_DIRECT, ACCESS_WORD]) {
      for (const { code, name: what, spoil } of BAD) {
        const pool = access === ACCESS_WORD ? 'word' : 'direct';
        const outcome = code === undefined ? 'completed with 0, next served' : 'stopped once, starts again';
        // A console's output of no bytes is legal, only useless.
        const legal =
          name === 'console' && !writes && (what === 'length 0' || what === 'the wrong direction');
        test(`hostile ${name} queue ${queue} (${pool}): ${what} → ${legal ? 'completed' : outcome}`, () => {
          const { device, stimulate } = make();
          const rig = new DeviceRig(device, { sizes: writable.map(() => SIZE), access });
          rig.start();
          const driver = rig.driver(queue);
          const data = rig.memory.alloc(256);
          spoil(driver, data, rig.memory.gpa + rig.memory.bytes, writes ? WRITE : 0);
          rig.kick();
          stimulate();
          rig.kick();
          if (code === undefined) {
            assert.deepEqual(rig.faults, []);
            assert.equal(driver.usedIdx, 1);
            assert.equal(driver.usedElement(0).written, 0);
            assert.equal(device.counters[COUNTER_FAULTS], legal ? 0 : 1);
          } else {
            assert.deepEqual(rig.faults, [{ queue, code }]);
            assert.equal(driver.usedIdx, 0);
            rig.start();
          }
          const fresh = rig.driver(queue);
          const before = fresh.usedIdx;
          fresh.pokeDescriptor(1, data, 128, writes ? WRITE : 0, 0);
          fresh.pokeAvailable(1);
          rig.kick();
          stimulate();
          assert.equal(fresh.usedIdx, before + 1);
        });
      }
    }
  }
}

for (const { make, name, writable } of KINDS.filter((kind) => ['console', 'net'].includes(kind.name))) {
  test(`hostile ${name}: a receive buffer made available twice while the device holds it → stopped`, () => {
    const { device, stimulate } = make();
    const rig = new DeviceRig(device, { sizes: writable.map(() => SIZE) });
    rig.start();
    rig.offer(0, 100);
    rig.kick();
    rig.driver(0).pokeAvailable(0);
    rig.kick();
    stimulate();
    assert.deepEqual(rig.faults, [{ queue: 0, code: CHAIN_IN_FLIGHT }]);
    assert.equal(rig.driver(0).usedIdx, 0);
  });
}
