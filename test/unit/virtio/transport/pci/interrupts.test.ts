// Conformance: virtio 1.2 sections 4.1.4.5 (ISR) and 4.1.5.1.2 (MSI-X); PCI Local Bus 3.0 sections 6.8.2 and 6.2.2.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeVirtioPci, SLOT } from '../../../../support/virtio-pci-rig.js';

const ISR = 0x200;
const [CONFIG_VECTOR, STATUS, QUEUE_SELECT, QUEUE_VECTOR] = [0x10, 0x14, 0x16, 0x1a];
const TABLE = 0x2000;
const PENDING = 0x2800;
/** Message control of the MSI-X capability, and its bits. */
const CONTROL = 0x42;
const [ENABLE, MASK_ALL] = [0x8000, 0x4000];
const [COMMAND, PCI_STATUS] = [4, 6];
const [MEMORY, INTX_DISABLE] = [2, 0x400];
/** Bit of the status register: the line would be up. */
const INTERRUPT = 8;

type Rig = ReturnType<typeof makeVirtioPci>;

/** A placed device of two queues. */
function placed(): Rig {
  const rig = makeVirtioPci();
  rig.place();
  return rig;
}

/** Writes a vector's address and data, as Linux does for vector 0x40 + `vector` of processor 0. */
function program(rig: Rig, vector: number): void {
  rig.write(TABLE + 16 * vector, 4, 0xfee0_0000);
  rig.write(TABLE + 16 * vector + 4, 4, 0);
  rig.write(TABLE + 16 * vector + 8, 4, 0x40 + vector);
}

function mask(rig: Rig, vector: number, masked: boolean): void {
  rig.write(TABLE + 16 * vector + 12, 4, masked ? 1 : 0);
}

/** Configuration changes on vector 0, queue 0 on 1, queue 1 on 2; MSI-X is on, and all vectors are masked. */
function withVectors(): Rig {
  const rig = placed();
  rig.write(CONFIG_VECTOR, 2, 0);
  for (const queue of [1, 0]) {
    rig.write(QUEUE_SELECT, 2, queue);
    rig.write(QUEUE_VECTOR, 2, queue + 1);
  }
  for (const vector of [0, 1, 2]) program(rig, vector);
  rig.config.write(SLOT, CONTROL, 2, ENABLE);
  return rig;
}

test('line: used buffers, then a configuration change → up once, both ISR bits; a read → 0, down', () => {
  const rig = placed();
  rig.reactor.queue(1);
  rig.reactor.config();
  assert.equal(rig.ecam.read(SLOT, PCI_STATUS, 2) & INTERRUPT, INTERRUPT);
  assert.equal(rig.read(ISR, 1), 3);
  assert.equal(rig.read(ISR, 1), 0);
  assert.equal(rig.config.read(SLOT, PCI_STATUS, 2) & INTERRUPT, 0);
  assert.deepEqual(rig.take(), ['line 11.1 up', 'line 11.1 down']);
});

test('line: INTX_DISABLE → down, the status bit and the ISR stay; enabled again → up', () => {
  const rig = placed();
  rig.reactor.queue(0);
  rig.config.write(SLOT, COMMAND, 2, MEMORY | INTX_DISABLE);
  assert.equal(rig.config.read(SLOT, PCI_STATUS, 2) & INTERRUPT, INTERRUPT);
  rig.reactor.queue(0);
  rig.config.write(SLOT, COMMAND, 2, MEMORY);
  assert.deepEqual(rig.take(), ['line 11.1 up', 'line 11.1 down', 'line 11.1 up']);
  assert.equal(rig.read(ISR, 1), 1);
});

test('line: reset of the device → down, ISR 0', () => {
  const rig = placed();
  rig.reactor.queue(0);
  rig.write(STATUS, 1, 0);
  assert.deepEqual(rig.take(), ['line 11.1 up', 'line 11.1 down']);
  assert.equal(rig.read(ISR, 1), 0);
});

test('line: MSI-X switched on while it is up → down; off again → up', () => {
  const rig = placed();
  rig.reactor.queue(0);
  rig.config.write(SLOT, CONTROL, 2, ENABLE);
  assert.equal(rig.config.read(SLOT, PCI_STATUS, 2) & INTERRUPT, 0);
  rig.config.write(SLOT, CONTROL, 2, 0);
  assert.deepEqual(rig.take(), ['line 11.1 up', 'line 11.1 down', 'line 11.1 up']);
});

test('MSI-X: table after power-on → every vector masked, no message; size and other fields read-only', () => {
  const rig = placed();
  for (const vector of [0, 1, 2]) {
    const entry = [0, 4, 8, 12].map((field) => rig.read(TABLE + 16 * vector + field, 4));
    assert.deepEqual(entry, [0, 0, 0, 1]);
  }
  rig.config.write(SLOT, CONTROL, 2, 0xffff);
  assert.equal(rig.config.read(SLOT, CONTROL, 2), ENABLE | MASK_ALL | 2);
  rig.write(TABLE + 12, 4, 0xffff_fffe);
  assert.equal(rig.read(TABLE + 12, 4), 0, 'only the mask bit can be written');
  rig.write(PENDING, 4, 7);
  assert.equal(rig.read(PENDING, 4), 0);
});

test('MSI-X: table by bytes and words → reads parts, ignores writes', () => {
  const rig = placed();
  program(rig, 1);
  assert.equal(rig.read(TABLE + 16 + 3, 1), 0xfe);
  assert.equal(rig.read(TABLE + 16 + 2, 2), 0xfee0);
  rig.write(TABLE + 16, 1, 0xff);
  rig.write(TABLE + 16, 2, 0xffff);
  rig.write(TABLE + 18, 4, 0xffff_ffff);
  assert.equal(rig.read(TABLE + 16, 4), 0xfee0_0000);
});

test('MSI-X: programmed while masked → KVM is told once, when the vector is unmasked', () => {
  const rig = withVectors();
  assert.deepEqual(rig.take(), []);
  mask(rig, 1, false);
  mask(rig, 1, true);
  mask(rig, 1, false);
  assert.deepEqual(rig.take(), ['route 1 0xfee00000 0x0 0x41']);
});

test('MSI-X: unmasked → a message for each interrupt, on its vector; the ISR stays 0, the line down', () => {
  const rig = withVectors();
  for (const vector of [0, 1, 2]) mask(rig, vector, false);
  rig.take();
  rig.reactor.queue(0);
  rig.reactor.queue(1);
  rig.reactor.config();
  rig.reactor.queue(0);
  assert.deepEqual(rig.take(), ['signal 1', 'signal 2', 'signal 0', 'signal 1']);
  assert.equal(rig.read(ISR, 1), 0);
});

test('MSI-X: masked vector → pending bit; unmasked → sent once, with the message of now', () => {
  const rig = withVectors();
  mask(rig, 1, false);
  mask(rig, 1, true);
  rig.take();
  rig.reactor.queue(0);
  rig.reactor.queue(0);
  assert.equal(rig.read(PENDING, 4), 1 << 1);
  rig.write(TABLE + 16 + 8, 4, 0x99);
  mask(rig, 1, false);
  assert.deepEqual(rig.take(), ['route 1 0xfee00000 0x0 0x99', 'signal 1']);
  assert.equal(rig.read(PENDING, 4), 0);
});

test('MSI-X: function mask → all wait; cleared → those not masked themselves are sent', () => {
  const rig = withVectors();
  for (const vector of [0, 1]) mask(rig, vector, false);
  rig.config.write(SLOT, CONTROL, 2, ENABLE | MASK_ALL);
  rig.take();
  rig.reactor.config();
  rig.reactor.queue(0);
  rig.reactor.queue(1);
  assert.equal(rig.read(PENDING, 4), 7);
  rig.ecam.write(SLOT, CONTROL, 2, ENABLE);
  assert.deepEqual(rig.take(), ['signal 0', 'signal 1']);
  assert.equal(rig.read(PENDING, 4), 1 << 2);
});

test('MSI-X: all entries unmasked, then switched on → all routes at once', () => {
  const rig = placed();
  for (const vector of [0, 1, 2]) {
    program(rig, vector);
    mask(rig, vector, false);
  }
  assert.deepEqual(rig.take(), []);
  rig.config.write(SLOT, CONTROL, 2, ENABLE);
  assert.deepEqual(rig.take(), [
    'route 0 0xfee00000 0x0 0x40',
    'route 1 0xfee00000 0x0 0x41',
    'route 2 0xfee00000 0x0 0x42',
  ]);
});

test('MSI-X: address and data written while unmasked → take effect at once', () => {
  const rig = withVectors();
  mask(rig, 2, false);
  rig.take();
  rig.write(TABLE + 32 + 8, 4, 0x77);
  rig.write(TABLE + 32, 4, 0xfee0_1000);
  rig.write(TABLE + 32, 4, 0xfee0_1000);
  assert.deepEqual(rig.take(), ['route 2 0xfee00000 0x0 0x77', 'route 2 0xfee01000 0x0 0x77']);
});

test('MSI-X: a queue without a vector → no interrupt of any kind', () => {
  const rig = withVectors();
  rig.write(QUEUE_VECTOR, 2, 0xffff);
  rig.reactor.queue(0);
  assert.equal(rig.read(PENDING, 4), 0);
  assert.deepEqual(rig.take(), []);
});

test('MSI-X: reset of the device, or switched off → nothing is pending any more', () => {
  const rig = withVectors();
  rig.reactor.queue(0);
  rig.write(STATUS, 1, 0);
  assert.equal(rig.read(PENDING, 4), 0);
  assert.equal(rig.read(TABLE + 16 + 8, 4), 0x41, 'the table stays');
  rig.write(QUEUE_VECTOR, 2, 1);
  rig.reactor.queue(0);
  assert.equal(rig.read(PENDING, 4), 1 << 1);
  rig.config.write(SLOT, CONTROL, 2, 0);
  assert.equal(rig.read(PENDING, 4), 0);
  assert.deepEqual(rig.take(), []);
});

test('MSI-X: 16 queues → 17 vectors, the last one works', () => {
  const rig = makeVirtioPci(16);
  rig.place();
  assert.equal(rig.config.read(SLOT, CONTROL, 2), 16);
  rig.write(QUEUE_SELECT, 2, 15);
  rig.write(QUEUE_VECTOR, 2, 16);
  program(rig, 16);
  mask(rig, 16, false);
  rig.config.write(SLOT, CONTROL, 2, ENABLE);
  rig.reactor.queue(15);
  assert.deepEqual(rig.take(), ['route 16 0xfee00000 0x0 0x50', 'signal 16']);
});
