// Conformance: virtio 1.2 section 4.2.2, the registers of virtio-mmio version 2.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { COUNTER_COUNT } from '#lkvm/util/counters.js';
import { featureSet } from '#lkvm/virtio/core/features.js';
import { ConsoleDevice } from '#lkvm/virtio/devices/console/device.js';
import { MMIO_REGISTERS } from '#lkvm/virtio/transport/mmio/register-table.js';
import { MemoryConsole } from '../../../../support/fake-backends.js';
import { projectRoot } from '../../../../support/project.js';
import * as reg from '../../../../support/trapped-rig.js';

function makeDriver(): reg.TrappedDriver {
  return makeRig().driver(0);
}

function makeRig(): reg.TrappedRig {
  const counters = new Float64Array(COUNTER_COUNT);
  const device = new ConsoleDevice({
    backend: new MemoryConsole(),
    counters,
    queueSizes: [64, 32],
    features: featureSet(0),
    cols: 132,
    rows: 50,
  });
  return new reg.TrappedRig([device]);
}

test('4.2.2: MagicValue, Version, DeviceID, VendorID → "virt", 2, 3, "LKVM"', () => {
  const driver = makeDriver();
  const text = (offset: number): string => Buffer.from(Uint32Array.of(driver.read(offset)).buffer).toString();
  assert.deepEqual([text(reg.MAGIC), text(reg.VENDOR_ID)], ['virt', 'LKVM']);
  assert.deepEqual([driver.read(reg.VERSION), driver.read(reg.DEVICE_ID)], [2, 3]);
});

test('4.2.2: DeviceFeatures → the selected word, with the ring features and VERSION_1; words above → 0', () => {
  const driver = makeDriver();
  const words = [0, 1, 2, 0xffff_ffff].map((word) => {
    driver.write(reg.DEVICE_FEATURES_SEL, word);
    return driver.read(reg.DEVICE_FEATURES);
  });
  const low = (1 | reg.INDIRECT_DESC | reg.EVENT_IDX) >>> 0;
  assert.deepEqual(words, [low, reg.VERSION_1 | reg.RING_RESET, 0, 0]);
});

test('4.2.2: QueueNumMax → per queue, 0 where there is none', () => {
  const driver = makeDriver();
  const sizes = [0, 1, 2, 0x8000_0000].map((index) => {
    driver.write(reg.QUEUE_SEL, index);
    return driver.read(reg.QUEUE_NUM_MAX);
  });
  assert.deepEqual(sizes, [64, 32, 0, 0]);
});

test('4.2.2: QueueReady → reads back what was written; 0 after a reset', () => {
  const driver = makeDriver();
  driver.negotiate();
  assert.equal(driver.read(reg.QUEUE_READY), 0);
  driver.write(reg.QUEUE_READY, 1);
  assert.equal(driver.read(reg.QUEUE_READY), 1);
  driver.write(reg.QUEUE_READY, 0);
  assert.equal(driver.read(reg.QUEUE_READY), 0);
  driver.write(reg.QUEUE_READY, 1);
  driver.write(reg.STATUS, 0);
  assert.deepEqual([driver.read(reg.QUEUE_READY), driver.read(reg.STATUS)], [0, 0]);
});

test('4.2.2: InterruptStatus and InterruptACK → only the acknowledged bits go', () => {
  const rig = makeRig();
  const driver = rig.driver(0);
  driver.start({ low: 1 });
  driver.send(1, 'text');
  rig.kick(0, 1);
  assert.equal(driver.read(reg.INTERRUPT_STATUS), 1);
  driver.write(reg.INTERRUPT_ACK, 2);
  assert.equal(driver.read(reg.INTERRUPT_STATUS), 1);
  driver.write(reg.INTERRUPT_ACK, 1);
  assert.equal(driver.read(reg.INTERRUPT_STATUS), 0);
});

test('4.2.2: shared memory regions → length and base of one that is not there: all ones', () => {
  const driver = makeDriver();
  for (const id of [0, 1, 255]) {
    driver.write(reg.SHM_SEL, id);
    for (let i = 0; i < 4; i++) assert.equal(driver.read(reg.SHM_LEN + 4 * i), 0xffff_ffff);
  }
});

test('4.2.2.2: control registers in 1 or 2 bytes, or unaligned → read 0, are not written', () => {
  const driver = makeDriver();
  for (const bytes of [1, 2]) {
    assert.equal(driver.read(reg.MAGIC, bytes), 0);
    driver.write(reg.STATUS, reg.ACKNOWLEDGE, bytes);
  }
  driver.write(reg.STATUS + 2, reg.ACKNOWLEDGE);
  assert.equal(driver.read(reg.MAGIC + 2), 0);
  assert.equal(driver.read(reg.STATUS), 0);
});

test('4.2.2: registers that are not readable, and those that are not there → 0', () => {
  const driver = makeDriver();
  const readable = new Set(MMIO_REGISTERS.filter((each) => each.access !== 'w').map((each) => each.offset));
  for (let offset = 0; offset < reg.CONFIG; offset += 4) {
    if (!readable.has(offset)) assert.equal(driver.read(offset), 0, `0x${offset.toString(16)}`);
  }
});

test('MMIO_REGISTERS: offsets → multiples of 4, ascending', () => {
  const offsets = MMIO_REGISTERS.map((each) => each.offset);
  assert.deepEqual(
    offsets,
    [...new Set(offsets)].sort((a, b) => a - b),
  );
  assert.ok(offsets.every((offset) => offset % 4 === 0 && offset < reg.CONFIG));
});

test('2.5, 4.2.2.2: config space → 1, 2 and 4 bytes at any offset, 0 past its end, not writable', () => {
  const driver = makeDriver();
  driver.write(reg.CONFIG, 0xffff_ffff);
  assert.equal(driver.read(reg.CONFIG), (50 << 16) | 132);
  assert.deepEqual([driver.read(reg.CONFIG, 2), driver.read(reg.CONFIG + 2, 2)], [132, 50]);
  assert.equal(driver.read(reg.CONFIG + 2, 1), 50);
  assert.equal(driver.read(reg.CONFIG + 0xfc), 0);
});

test('2.5.1: the config space changes while the driver runs → generation, bit 1, an edge', () => {
  const counters = new Float64Array(COUNTER_COUNT);
  const device = new ConsoleDevice({
    backend: new MemoryConsole(),
    counters,
    queueSizes: [8, 8],
    features: featureSet(0),
  });
  const rig = new reg.TrappedRig([device]);
  const driver = rig.driver(0);
  driver.start({ low: 1 });
  const before = driver.read(reg.CONFIG_GENERATION);
  device.resize(100, 40);
  rig.transport.flush();
  assert.notEqual(driver.read(reg.CONFIG_GENERATION), before);
  assert.deepEqual([driver.read(reg.INTERRUPT_STATUS), driver.edges], [2, 1]);
  assert.equal(driver.read(reg.CONFIG), (40 << 16) | 100);
});

test('QueueNotify: a write that leaves the guest → ignored; kicks are eventfds', () => {
  const driver = makeDriver();
  driver.start();
  driver.send(1, 'text');
  driver.write(reg.QUEUE_NOTIFY, 1);
  assert.equal(driver.queue(1).usedIdx, 0);
});

test('MMIO_REGISTERS: every register → in docs/kvm-transports.md with its offset and access', () => {
  const page = readFileSync(join(projectRoot, 'docs/kvm-transports.md'), 'utf8');
  const missing = MMIO_REGISTERS.map(
    ({ offset, name, access }) => `| 0x${offset.toString(16).padStart(3, '0')} | ${name} | ${access} |`,
  ).filter((row) => !page.includes(row));
  assert.deepEqual(missing, []);
});
