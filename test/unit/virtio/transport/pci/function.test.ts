// Conformance: virtio 1.2 section 4.1, register by register; all numbers are written as the specification has them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CALL_DRIVER_OK, CALL_QUEUE_RESET, CALL_RESET } from '#lkvm/virtio/transport/trapped/ports.js';
import { BAR, makeVirtioPci, SLOT } from '../../../../support/virtio-pci-rig.js';

// struct virtio_pci_common_cfg
const COMMON = {
  deviceFeatureSelect: 0x00,
  deviceFeature: 0x04,
  driverFeatureSelect: 0x08,
  driverFeature: 0x0c,
  configVector: 0x10,
  queues: 0x12,
  status: 0x14,
  generation: 0x15,
  queueSelect: 0x16,
  queueSize: 0x18,
  queueVector: 0x1a,
  queueEnable: 0x1c,
  queueNotifyOff: 0x1e,
  queueDesc: 0x20,
  queueDriver: 0x28,
  queueDevice: 0x30,
  queueNotifyData: 0x38,
  queueReset: 0x3a,
} as const;
const ISR = 0x200;
const CONFIG = 0x400;
const NOTIFY = 0x1000;
const NO_VECTOR = 0xffff;
/** PCI configuration access: capability, and its fields. */
const ACCESS = { bar: 0x94, offset: 0x98, length: 0x9c, data: 0xa0 } as const;

type Rig = ReturnType<typeof makeVirtioPci>;

/** A placed device. */
function placed(): Rig {
  const rig = makeVirtioPci();
  rig.place();
  return rig;
}

/** Features with VERSION_1 and RING_RESET; the first queue; DRIVER_OK. */
function start(rig: Rig): void {
  rig.write(COMMON.status, 1, 3);
  rig.write(COMMON.driverFeatureSelect, 4, 1);
  rig.write(COMMON.driverFeature, 4, 0x101);
  rig.write(COMMON.status, 1, 11);
  rig.write(COMMON.queueEnable, 2, 1);
  rig.write(COMMON.status, 1, 15);
}

test('4.1.2: ids of an entropy device → 1af4:1044, subsystem 1af4:44, revision 1, INTA#', () => {
  const { config } = makeVirtioPci();
  assert.equal(config.read(SLOT, 0, 4), 0x1044_1af4);
  assert.equal(config.read(SLOT, 8, 4), 0xff00_0001);
  assert.equal(config.read(SLOT, 0x2c, 4), 0x0044_1af4);
  assert.equal(config.read(SLOT, 0x3c, 2), 0x010b);
});

test('4.1.4: walk of the capability list → MSI-X and the five structures, each in BAR 0', () => {
  const { config } = makeVirtioPci();
  const list: number[][] = [];
  for (let at = config.read(SLOT, 0x34, 1); at !== 0; at = config.read(SLOT, at + 1, 1)) {
    const id = config.read(SLOT, at, 1);
    list.push([id, ...[3, 4, 8, 12].map((field) => config.read(SLOT, at + field, field < 8 ? 1 : 4))]);
  }
  assert.deepEqual(list.slice(1), [
    [9, 1, 0, 0, 60],
    [9, 2, 0, NOTIFY, 64],
    [9, 3, 0, ISR, 4],
    [9, 4, 0, CONFIG, 256],
    [9, 5, 0, 0, 0],
  ]);
  assert.equal(list[0]?.[0], 0x11);
  assert.equal(config.read(SLOT, 0x42, 2), 2, 'three vectors');
  assert.deepEqual([config.read(SLOT, 0x44, 4), config.read(SLOT, 0x48, 4)], [0x2000, 0x2800]);
  assert.equal(config.read(SLOT, 0x5c + 16, 4), 4, 'notify_off_multiplier');
});

test('4.1.4.3: features → both words by the selectors; further words 0', () => {
  const { read, write } = placed();
  const words = [0, 1, 2, 0xffff_ffff].map((word) => {
    write(COMMON.deviceFeatureSelect, 4, word);
    return read(COMMON.deviceFeature, 4);
  });
  assert.deepEqual(words, [0x3000_0008, 0x101, 0, 0]);
  write(COMMON.deviceFeature, 4, 0xffff_ffff);
  for (const word of [0, 1]) {
    write(COMMON.driverFeatureSelect, 4, word);
    assert.equal(read(COMMON.driverFeatureSelect, 4), word);
    write(COMMON.driverFeature, 4, 8 + word);
  }
  write(COMMON.driverFeatureSelect, 4, 0);
  assert.equal(read(COMMON.driverFeature, 4), 8);
});

test('4.1.4.3: after reset → counts, sizes and notify offsets of each queue; a queue that is not there has size 0', () => {
  const { read, write } = placed();
  assert.equal(read(COMMON.queues, 2), 2);
  assert.equal(read(COMMON.configVector, 2), NO_VECTOR);
  const queues = [0, 1, 2, 0xffff].map((queue) => {
    write(COMMON.queueSelect, 2, queue);
    assert.equal(read(COMMON.queueSelect, 2), queue);
    const words = [COMMON.queueSize, COMMON.queueVector, COMMON.queueEnable, COMMON.queueNotifyOff];
    return words.map((offset) => read(offset, 2));
  });
  assert.deepEqual(queues, [
    [64, NO_VECTOR, 0, 0],
    [8, NO_VECTOR, 0, 1],
    [0, NO_VECTOR, 0, 0],
    [0, NO_VECTOR, 0, 0],
  ]);
});

test('4.1.4.3: size, vector and addresses → read back; enabled by 1 only; fixed once enabled', () => {
  const { read, write } = placed();
  write(COMMON.queueSize, 2, 32);
  write(COMMON.queueVector, 2, 2);
  const addresses = [COMMON.queueDesc, COMMON.queueDriver, COMMON.queueDevice];
  const words = addresses.flatMap((offset) => [offset, offset + 4]);
  for (const [i, offset] of words.entries()) write(offset, 4, 0x1000_0000 + i);
  write(COMMON.queueEnable, 2, 2);
  assert.equal(read(COMMON.queueEnable, 2), 0);
  write(COMMON.queueEnable, 2, 1);
  write(COMMON.queueSize, 2, 16);
  write(COMMON.queueDesc, 4, 0);
  assert.equal(read(COMMON.queueSize, 2), 32);
  assert.equal(read(COMMON.queueVector, 2), 2);
  assert.equal(read(COMMON.queueEnable, 2), 1);
  assert.deepEqual(
    words.map((offset) => read(offset, 4)),
    words.map((_, i) => 0x1000_0000 + i),
  );
  assert.equal(read(COMMON.queueNotifyData, 2), 0);
});

test('4.1.4.3: a vector the device does not have → reads back as none', () => {
  const { read, write } = placed();
  for (const offset of [COMMON.configVector, COMMON.queueVector]) {
    write(offset, 2, 2);
    assert.equal(read(offset, 2), 2);
    write(offset, 2, 3);
    assert.equal(read(offset, 2), NO_VECTOR);
  }
  write(COMMON.queueSelect, 2, 2);
  write(COMMON.queueVector, 2, 1);
  write(COMMON.queueSelect, 2, 1);
  assert.equal(read(COMMON.queueVector, 2), NO_VECTOR, 'no other queue has it');
});

test('4.1.3.1: writes of another width than the field → ignored; reads of parts → the parts', () => {
  const { read, write } = placed();
  write(COMMON.queueSelect, 1, 1);
  write(COMMON.status, 4, 0x0001_0001);
  write(COMMON.status, 2, 1);
  write(COMMON.deviceFeatureSelect, 2, 1);
  write(COMMON.queueDesc + 2, 4, 5);
  assert.deepEqual([read(COMMON.status, 4), read(COMMON.queueDesc, 4)], [0, 0]);
  assert.equal(read(COMMON.deviceFeature + 3, 1), 0x30);
  assert.equal(read(COMMON.deviceFeature + 2, 4), 0, 'in two dwords');
  assert.equal(read(COMMON.queueSize, 4), 0xffff_0040);
});

test('3.1.1: status steps → DRIVER_OK asks the reactor; 0 asks it again and clears vectors and selectors', () => {
  const rig = placed();
  rig.write(COMMON.configVector, 2, 1);
  start(rig);
  assert.equal(rig.read(COMMON.status, 1), 15);
  rig.write(COMMON.queueVector, 2, 2);
  rig.write(COMMON.status, 1, 0);
  assert.equal(rig.read(COMMON.status, 1), 0);
  assert.deepEqual(
    [rig.read(COMMON.configVector, 2), rig.read(COMMON.queueVector, 2)],
    [NO_VECTOR, NO_VECTOR],
  );
  assert.deepEqual(rig.take(), [`call ${CALL_DRIVER_OK}`, `call ${CALL_RESET}`]);
});

test('2.6.1: queue_reset of a running queue → stopped, its registers as after reset, its vector gone', () => {
  const rig = placed();
  rig.write(COMMON.queueSize, 2, 16);
  rig.write(COMMON.queueVector, 2, 1);
  start(rig);
  rig.take();
  rig.write(COMMON.queueReset, 2, 1);
  assert.deepEqual(rig.take(), [`call ${CALL_QUEUE_RESET}`]);
  assert.deepEqual(
    [COMMON.queueReset, COMMON.queueEnable, COMMON.queueSize, COMMON.queueVector].map((at) =>
      rig.read(at, 2),
    ),
    [0, 0, 64, NO_VECTOR],
  );
});

test('4.1.4.6: device configuration → bytes, words and dwords; 0 behind its end; generation counts changes', () => {
  const rig = placed();
  assert.equal(rig.read(CONFIG, 4), 0x0403_0201);
  assert.equal(rig.read(CONFIG + 3, 2), 0x0504);
  assert.equal(rig.read(CONFIG + 4, 4), 5);
  assert.equal(rig.read(CONFIG + 0x100, 4), 0);
  rig.write(CONFIG, 4, 0xffff_ffff);
  assert.equal(rig.read(CONFIG, 4), 0x0403_0201);
  const before = rig.read(COMMON.generation, 1);
  rig.published.changeConfig(Uint8Array.of(9, 9, 9, 9, 9));
  assert.notEqual(rig.read(COMMON.generation, 1), before);
  assert.equal(rig.read(CONFIG, 1), 9);
});

test('4.1.4.4: notify writes that come as exits → the kick of that queue, whatever width and value; others → nothing', () => {
  const { write, read, take } = placed();
  write(NOTIFY, 2, 0);
  write(NOTIFY + 4, 2, 1);
  write(NOTIFY + 4, 4, 0xffff_ffff);
  write(NOTIFY, 1, 7);
  write(NOTIFY + 2, 2, 0);
  write(NOTIFY + 8, 2, 2);
  write(NOTIFY + 0xffc, 4, 1);
  assert.equal(read(NOTIFY, 4), 0);
  assert.deepEqual(take(), ['kick 0', 'kick 1', 'kick 1', 'kick 0']);
});

test('4.1.4.4: BAR placed, moved, switched off → the window of the kicks goes with it', () => {
  const { config, ecam, take } = makeVirtioPci();
  config.write(SLOT, 0x10, 4, BAR);
  config.write(SLOT, 4, 2, 2);
  ecam.write(SLOT, 0x10, 4, BAR + 0x10_0000);
  config.write(SLOT, 4, 1, 0);
  ecam.write(SLOT, 4, 4, 6);
  assert.deepEqual(take(), [
    'window 0xf0001000',
    'window nowhere',
    'window 0xf0101000',
    'window nowhere',
    'window 0xf0101000',
  ]);
});

test('4.1.4.9: PCI configuration access, BAR not placed → registers, ISR, device config, table and notify reached', () => {
  const rig = makeVirtioPci();
  const access = (offset: number, length: number): void => {
    rig.config.write(SLOT, ACCESS.bar, 1, 0);
    rig.config.write(SLOT, ACCESS.offset, 4, offset);
    rig.config.write(SLOT, ACCESS.length, 4, length);
  };
  access(COMMON.queueSelect, 2);
  rig.config.write(SLOT, ACCESS.data, 2, 1);
  access(COMMON.queueSize, 2);
  assert.equal(rig.config.read(SLOT, ACCESS.data, 2), 8);
  assert.equal(rig.ecam.read(SLOT, ACCESS.data, 4), 8);
  access(CONFIG + 1, 1);
  assert.equal(rig.config.read(SLOT, ACCESS.data, 1), 2);
  access(0x2008, 4);
  rig.config.write(SLOT, ACCESS.data, 4, 0x1234);
  assert.equal(rig.config.read(SLOT, ACCESS.data, 4), 0x1234);
  rig.reactor.queue(0);
  access(ISR, 1);
  assert.equal(rig.config.read(SLOT, ACCESS.data, 1), 1);
  assert.equal(rig.config.read(SLOT, ACCESS.data, 1), 0);
  access(NOTIFY + 4, 2);
  rig.config.write(SLOT, ACCESS.data, 2, 1);
  assert.deepEqual(rig.take(), ['line 11.1 up', 'line 11.1 down', 'kick 1']);
});

test('4.1.4.9: another BAR, a length that is none, an offset outside or crooked → data is a plain register', () => {
  const { config, take } = makeVirtioPci();
  const bad = [
    [1, NOTIFY, 4],
    [0, NOTIFY, 3],
    [0, NOTIFY, 0],
    [0, 0x4000, 4],
    [0, 0xffff_fffc, 4],
    [0, NOTIFY + 2, 4],
  ] as const;
  for (const [bar, offset, length] of bad) {
    config.write(SLOT, ACCESS.bar, 1, bar);
    config.write(SLOT, ACCESS.offset, 4, offset);
    config.write(SLOT, ACCESS.length, 4, length);
    config.write(SLOT, ACCESS.data, 4, 0x5566_7788);
    assert.equal(config.read(SLOT, ACCESS.data, 4), 0x5566_7788);
  }
  assert.deepEqual(take(), []);
});

test('BAR: offsets between the structures → 0, writes go nowhere', () => {
  const { read, write, take } = placed();
  for (const offset of [0x3c, 0x100, 0x1fc, 0x204, 0x3fc, 0x500, 0xffc, 0x2030, 0x27fc, 0x2804, 0x3ffc]) {
    write(offset, 4, 0xffff_ffff);
    assert.equal(read(offset, 4), 0);
  }
  assert.equal(read(0x2002, 4), 0, 'in two dwords');
  assert.deepEqual(take(), []);
});
