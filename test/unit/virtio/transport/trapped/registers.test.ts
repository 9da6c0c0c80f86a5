// Conformance: virtio 1.2 sections 2.1 (device status), 2.2 (features), 2.4 (config space), 2.6.1 (queue reset).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  VIRTIO_CONFIG_S_ACKNOWLEDGE as ACKNOWLEDGE,
  VIRTIO_CONFIG_S_DRIVER as DRIVER,
  VIRTIO_CONFIG_S_DRIVER_OK as DRIVER_OK,
  VIRTIO_CONFIG_S_FAILED as FAILED,
  VIRTIO_CONFIG_S_FEATURES_OK as FEATURES_OK,
  VIRTIO_CONFIG_S_NEEDS_RESET as NEEDS_RESET,
  VIRTIO_F_RING_RESET,
  VIRTIO_F_VERSION_1,
} from '#lkvm/abi/virtio.js';
import { featureSet } from '#lkvm/virtio/core/features.js';
import {
  CALL_DRIVER_OK,
  CALL_QUEUE_ENABLE,
  CALL_QUEUE_RESET,
  CALL_QUEUE_SHIFT,
  CALL_RESET,
} from '#lkvm/virtio/transport/trapped/ports.js';
import { offeredFeatures, PublishedRegisters } from '#lkvm/virtio/transport/trapped/published.js';
import {
  createDeviceRegisters,
  DeviceRegisters,
  PART_AVAIL,
  PART_DESC,
  PART_USED,
} from '#lkvm/virtio/transport/trapped/registers.js';

const VERSION_1_HIGH = 1 << (VIRTIO_F_VERSION_1 - 32);
const RING_RESET_HIGH = 1 << (VIRTIO_F_RING_RESET - 32);
const STARTED = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;

/** Registers of a device that offers bit 3, has queues of 64 and 8 entries and five bytes of config space. */
function rig() {
  const shared = createDeviceRegisters();
  const published = new PublishedRegisters(shared);
  const device = { deviceId: 4, queueMaxSizes: [64, 8], config: Uint8Array.of(1, 2, 3, 4, 5) };
  published.publish(device as never, offeredFeatures(featureSet(3), true));
  const calls: number[] = [];
  let resets = 0;
  const registers: DeviceRegisters = new DeviceRegisters(shared, {
    device: 7,
    calls: {
      call: (number, what) => {
        assert.equal(number, 7);
        calls.push(what);
        return 0;
      },
    },
    onReset: () => {
      if (registers.status() !== 0) resets++;
    },
  });
  return {
    published,
    registers,
    calls,
    resets: () => resets,
    /** As a driver does it, up to the status given. */
    start: (features = 8, status = STARTED) => {
      registers.setDriverFeatures(0, features);
      registers.setDriverFeatures(1, VERSION_1_HIGH | RING_RESET_HIGH);
      registers.writeStatus(status & (ACKNOWLEDGE | DRIVER | FEATURES_OK));
      registers.enableQueue();
      registers.writeStatus(status);
    },
  };
}

test('status: the steps of 3.1.1 one by one → each reads back, the reactor is asked at DRIVER_OK, once', () => {
  const { registers, calls } = rig();
  registers.setDriverFeatures(1, VERSION_1_HIGH);
  let status = 0;
  for (const bit of [ACKNOWLEDGE, DRIVER, FEATURES_OK, DRIVER_OK]) {
    status |= bit;
    registers.writeStatus(status);
    assert.equal(registers.status(), status);
  }
  registers.writeStatus(status);
  assert.deepEqual(calls, [CALL_DRIVER_OK]);
});

test('status 2.1.1: a write that leaves out bits → none is cleared; NEEDS_RESET written → not set', () => {
  const { registers } = rig();
  registers.writeStatus(ACKNOWLEDGE | DRIVER);
  registers.writeStatus(NEEDS_RESET | FAILED);
  assert.equal(registers.status(), ACKNOWLEDGE | DRIVER | FAILED);
});

test('features 2.2.2: a bit that was not offered, in any word → FEATURES_OK does not stay set', () => {
  for (const [word, bits] of [
    [0, 1 << 4],
    [1, VERSION_1_HIGH | 2],
    [2, 1],
    [3, 1 << 31],
  ] as const) {
    const { registers } = rig();
    registers.setDriverFeatures(1, VERSION_1_HIGH);
    registers.setDriverFeatures(word, bits);
    registers.writeStatus(ACKNOWLEDGE | DRIVER | FEATURES_OK);
    assert.equal(registers.status(), ACKNOWLEDGE | DRIVER);
  }
});

test('features 6.2: VERSION_1 not accepted → FEATURES_OK refused, and DRIVER_OK with it', () => {
  const { registers, calls } = rig();
  registers.setDriverFeatures(0, 8);
  registers.writeStatus(STARTED);
  assert.equal(registers.status(), ACKNOWLEDGE | DRIVER);
  assert.deepEqual(calls, []);
});

test('features 2.2.1: written after FEATURES_OK → ignored; words nobody has → read 0', () => {
  const { registers } = rig();
  registers.setDriverFeatures(1, VERSION_1_HIGH);
  registers.writeStatus(ACKNOWLEDGE | DRIVER | FEATURES_OK);
  registers.setDriverFeatures(0, 8);
  registers.setDriverFeatures(4, 8);
  assert.deepEqual(
    [registers.driverFeatures(0), registers.driverFeatures(4), registers.deviceFeatures(2)],
    [0, 0, 0],
  );
  assert.equal(registers.deviceFeatures(0) & 0xff, 8);
});

test('features: words that nobody has, any number → nothing is written anywhere', () => {
  const { registers } = rig();
  for (const word of [4, 5, 6, 100, 0xffff_ffff]) {
    registers.setDriverFeatures(word, 0xff);
    assert.equal(registers.driverFeatures(word), 0);
    assert.equal(registers.deviceFeatures(word), 0);
  }
  assert.deepEqual([registers.status(), registers.deviceFeatureSelect()], [0, 0]);
});

test('status: FAILED, then DRIVER_OK → not started', () => {
  const { registers, calls } = rig();
  registers.setDriverFeatures(1, VERSION_1_HIGH);
  registers.writeStatus(ACKNOWLEDGE | DRIVER | FEATURES_OK | FAILED);
  registers.writeStatus(STARTED);
  assert.equal(registers.status() & DRIVER_OK, 0);
  assert.deepEqual(calls, []);
});

test('reset 2.4.1: 0 written to a running device → the reactor is asked, then everything is as at the start', () => {
  const { registers, calls, start, resets } = rig();
  registers.setQueueSelect(1);
  registers.setQueueSize(4);
  registers.setQueueAddress(PART_USED, 1, 9);
  registers.setDeviceFeatureSelect(1);
  registers.setDriverFeatureSelect(1);
  start();
  registers.interrupts.raise(3);
  calls.length = 0;
  registers.writeStatus(0x100);
  assert.deepEqual(calls, [CALL_RESET]);
  assert.equal(resets(), 1);
  assert.deepEqual(
    [registers.status(), registers.interrupts.load(), registers.driverFeatures(0), registers.queueSelect()],
    [0, 0, 0, 0],
  );
  assert.deepEqual([registers.deviceFeatureSelect(), registers.driverFeatureSelect()], [0, 0]);
  registers.setQueueSelect(1);
  assert.deepEqual([registers.queueSize(), registers.queueEnabled()], [8, false]);
  assert.equal(registers.queueAddress(PART_USED, 1), 0);
});

test('reset: of a device that never ran → nobody is asked', () => {
  const { registers, calls, resets } = rig();
  registers.writeStatus(ACKNOWLEDGE | DRIVER);
  registers.writeStatus(0);
  assert.deepEqual([calls, registers.status(), resets()], [[], 0, 1]);
});

test('queue size: powers of two up to the largest → taken; 0, 3, 128, 2^31 → ignored', () => {
  const { registers } = rig();
  assert.deepEqual([registers.queueSize(), registers.queueMaxSize()], [64, 64]);
  registers.setQueueSize(16);
  for (const bad of [0, 3, 128, 0x8000_0000, 0xffff_ffff]) registers.setQueueSize(bad);
  assert.equal(registers.queueSize(), 16);
  registers.setQueueSize(1);
  assert.equal(registers.queueSize(), 1);
});

test('queue select: of a queue that is not there → reads 0, writes go nowhere', () => {
  const { registers, calls, start } = rig();
  start();
  calls.length = 0;
  for (const select of [2, 16, 0xffff_ffff]) {
    registers.setQueueSelect(select);
    registers.setQueueSize(4);
    for (const part of [PART_DESC, PART_AVAIL, PART_USED]) registers.setQueueAddress(part, 0, 4);
    registers.enableQueue();
    registers.resetQueue();
    registers.disableQueue();
    assert.deepEqual(
      [registers.queueMaxSize(), registers.queueSize(), registers.queueEnabled()],
      [0, 0, false],
    );
    assert.equal(registers.queueSelect(), select);
  }
  assert.deepEqual([registers.deviceId(), registers.queueCount(), registers.status()], [4, 2, STARTED]);
  assert.deepEqual(calls, []);
});

test('queue registers: enabled, or the device running → no change', () => {
  const { registers, start } = rig();
  registers.setQueueAddress(PART_AVAIL, 0, 0x1000);
  start();
  for (const select of [0, 1]) {
    registers.setQueueSelect(select);
    registers.setQueueAddress(PART_AVAIL, 0, 0x2000);
    registers.setQueueSize(2);
  }
  registers.enableQueue();
  assert.deepEqual([registers.queueEnabled(), registers.queueSize()], [false, 8]);
  registers.setQueueSelect(0);
  assert.deepEqual([registers.queueAddress(PART_AVAIL, 0), registers.queueSize()], [0x1000, 64]);
});

test('queue reset 2.6.1: a running queue → stopped, its registers at their defaults, set up and enabled anew', () => {
  const { registers, calls, published, start } = rig();
  registers.setQueueSize(16);
  registers.setQueueAddress(PART_DESC, 1, 1);
  start();
  registers.resetQueue();
  registers.resetQueue();
  assert.deepEqual(
    [registers.queueEnabled(), registers.queueSize(), registers.queueAddress(PART_DESC, 1)],
    [false, 64, 0],
  );
  registers.setQueueSize(32);
  registers.setQueueAddress(PART_DESC, 0, 0x4000);
  registers.enableQueue();
  registers.enableQueue();
  assert.deepEqual(calls, [CALL_DRIVER_OK, CALL_QUEUE_RESET, CALL_QUEUE_ENABLE]);
  assert.deepEqual([published.queue(0)?.size, published.queue(0)?.layout.desc], [32, 0x4000]);
});

test('queue reset: of queue 1 → the reactor is told which', () => {
  const { registers, calls, start } = rig();
  registers.setQueueSelect(1);
  start();
  registers.resetQueue();
  assert.equal(calls.at(-1), CALL_QUEUE_RESET | (1 << CALL_QUEUE_SHIFT));
});

test('queue reset: RING_RESET not accepted, or before DRIVER_OK → ignored', () => {
  const { registers, calls } = rig();
  registers.setDriverFeatures(1, VERSION_1_HIGH);
  registers.enableQueue();
  registers.resetQueue();
  registers.writeStatus(STARTED);
  registers.resetQueue();
  assert.equal(registers.queueEnabled(), true);
  assert.deepEqual(calls, [CALL_DRIVER_OK]);
});

test('QueueReady = 0: before DRIVER_OK → off, no call; on a running device → the queue is stopped', () => {
  const { registers, calls, start } = rig();
  registers.enableQueue();
  registers.disableQueue();
  assert.deepEqual([registers.queueEnabled(), calls], [false, []]);
  start();
  registers.disableQueue();
  registers.disableQueue();
  registers.setQueueSelect(1);
  registers.disableQueue();
  assert.deepEqual([registers.queueEnabled(), calls], [false, [CALL_DRIVER_OK, CALL_QUEUE_RESET]]);
});

test('published.queue: addresses → 64 bits, unsigned', () => {
  const { registers, published } = rig();
  assert.equal(published.queue(0), undefined);
  registers.setQueueAddress(PART_DESC, 0, 0xffff_fff0);
  registers.setQueueAddress(PART_DESC, 1, 0xffff_ffff);
  registers.setQueueAddress(PART_AVAIL, 0, 0x8000_0000);
  registers.setQueueAddress(PART_USED, 1, 1);
  registers.enableQueue();
  assert.deepEqual(published.queue(0)?.layout, {
    desc: 0xffff_ffff * 2 ** 32 + 0xffff_fff0,
    avail: 0x8000_0000,
    used: 2 ** 32,
  });
});

test('config 2.5: every width and offset → little-endian, 0 past the end', () => {
  const { registers } = rig();
  assert.equal(registers.configRead(0, 4), 0x0403_0201);
  assert.equal(registers.configRead(1, 2), 0x0302);
  assert.equal(registers.configRead(3, 4), 0x0504);
  assert.equal(registers.configRead(4, 1), 5);
  for (const offset of [5, 255, 256, 0xffff]) assert.equal(registers.configRead(offset, 4), 0);
});

test('config: changed → new bytes, another generation', () => {
  const { registers, published } = rig();
  const before = registers.configGeneration();
  published.changeConfig(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0));
  assert.equal(registers.configRead(0, 4), 0xffff_ffff);
  assert.equal(registers.configGeneration(), before + 1);
});

test('InterruptStatus: raised twice, acknowledged bit by bit, taken → as the driver left it', () => {
  const { interrupts } = rig().registers;
  assert.equal(interrupts.raise(1), 0);
  assert.equal(interrupts.raise(2), 1);
  interrupts.acknowledge(1);
  assert.equal(interrupts.load(), 2);
  assert.equal(interrupts.take(), 2);
  assert.equal(interrupts.load(), 0);
});

test('needReset: before and after DRIVER_OK → NEEDS_RESET, and whether the driver is to be told', () => {
  const { registers, published, start } = rig();
  registers.writeStatus(ACKNOWLEDGE);
  assert.equal(published.needReset(), false);
  registers.writeStatus(0);
  start();
  assert.equal(published.needReset(), true);
  assert.equal(registers.status(), STARTED | NEEDS_RESET);
  registers.writeStatus(0);
  assert.equal(registers.status(), 0);
});
