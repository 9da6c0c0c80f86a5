// Configuration space and the placing of BARs, through both ways to them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  PCI_BASE_ADDRESS_0,
  PCI_CAPABILITY_LIST,
  PCI_COMMAND,
  PCI_COMMAND_MEMORY,
  PCI_INTERRUPT_LINE,
  PCI_INTERRUPT_PIN,
  PCI_STATUS,
  PCI_STATUS_CAP_LIST,
  PCI_STATUS_INTERRUPT,
} from '#lkvm/abi/pci.js';
import { ConfigWords } from '#lkvm/bus/pci/config-words.js';
import { ALL, makePci, SIMPLE, WINDOW } from '../../../support/pci-rig.js';

/** Slots of the rig: the host bridge, and three simple functions. */
const [BRIDGE, FIRST, SECOND, THIRD] = [0, 1, 2, 3] as const;
const BAR = PCI_BASE_ADDRESS_0;

test('config: ids, class, header type and capabilities of each slot → as specified, in both ways', () => {
  const { config, ecam } = makePci([SIMPLE]);
  for (const access of [config, ecam]) {
    assert.equal(access.read(BRIDGE, 0, 4), 0x1237_8086);
    assert.equal(access.read(BRIDGE, 8, 4), 0x0600_0002);
    assert.equal(access.read(FIRST, 0, 4), (SIMPLE.device << 16) | SIMPLE.vendor);
    assert.equal(access.read(FIRST, 0x0e, 1), 0, 'one function, ordinary header');
    assert.equal(access.read(FIRST, 0x2c, 4), ((SIMPLE.subsystem << 16) | SIMPLE.subsystemVendor) >>> 0);
    assert.equal(access.read(FIRST, PCI_STATUS, 2), PCI_STATUS_CAP_LIST);
    assert.equal(access.read(FIRST, PCI_CAPABILITY_LIST, 1), 0x40);
    assert.equal(access.read(FIRST, 0x40, 4), 0x1408_4c09, 'the first capability links to the second');
    assert.equal(access.read(FIRST, 0x4c, 2), 0x0011, 'which is the last');
    assert.equal(access.read(FIRST, PCI_INTERRUPT_PIN, 1), 1);
    assert.equal(access.read(FIRST, PCI_INTERRUPT_LINE, 1), 11);
  }
});

test('config: empty slot, other function, other bus, register past 255 → all ones, writes go nowhere', () => {
  const { config, ecam, ports } = makePci([SIMPLE]);
  config.write(THIRD, 0, 4, 0);
  assert.equal(config.read(THIRD, 0, 4), ALL);
  assert.equal(ecam.device.read((FIRST << 15) | (1 << 12), 4), ALL);
  assert.equal(ecam.device.read((1 << 20) | (FIRST << 15), 4), ALL);
  assert.equal(ecam.device.read((FIRST << 15) | 0x100, 4), ALL);
  ports.write(0, 4, 0x8000_0000 | (FIRST << 11) | (1 << 8));
  assert.equal(ports.read(4, 4), ALL);
  ports.write(0, 4, 0x8001_0000 | (FIRST << 11));
  assert.equal(ports.read(4, 4), ALL);
});

test('mechanism #1: address register → dwords only, reserved bits 0; not enabled → data ports are nobody', () => {
  const { ports } = makePci([SIMPLE]);
  ports.write(0, 4, 0xffff_ffff);
  assert.equal(ports.read(0, 4), 0x80ff_fffc);
  ports.write(3, 1, 1); // as Linux does before it looks
  ports.write(0, 2, 0);
  assert.equal(ports.read(0, 4), 0x80ff_fffc);
  assert.equal(ports.read(0, 1), ALL);
  ports.write(0, 4, FIRST << 11);
  assert.equal(ports.read(4, 4), ALL);
  ports.write(4 + PCI_COMMAND, 2, 7);
  ports.write(0, 4, 0x8000_0000 | (FIRST << 11));
  assert.equal(ports.read(4, 4), ((SIMPLE.device << 16) | SIMPLE.vendor) >>> 0);
});

test('config: bytes and words at every place in a dword → parts of the dword; across its end → nothing', () => {
  const { config, ecam } = makePci([SIMPLE]);
  for (const access of [config, ecam]) {
    const id = access.read(FIRST, 0, 4);
    for (let lane = 0; lane < 4; lane++) {
      assert.equal(access.read(FIRST, lane, 1), (id >>> (8 * lane)) & 0xff);
      if (lane < 3) assert.equal(access.read(FIRST, lane, 2), (id >>> (8 * lane)) & 0xffff);
    }
    access.write(FIRST, PCI_INTERRUPT_LINE, 1, 0x5a);
    assert.equal(access.read(FIRST, PCI_INTERRUPT_LINE, 4), 0x0000_015a);
  }
  assert.equal(ecam.read(FIRST, 3, 2), ALL & 0xffff);
  ecam.write(FIRST, 0x3b, 4, ALL);
  assert.equal(ecam.read(FIRST, PCI_INTERRUPT_LINE, 1), 0x5a);
});

test('config: all ones to every register → only writable bits change', () => {
  const { config } = makePci([SIMPLE]);
  const before = Array.from({ length: 64 }, (_, i) => config.read(FIRST, 4 * i, 4));
  for (let i = 0; i < 64; i++) config.write(FIRST, 4 * i, 4, ALL);
  const changed = before.map((old, i) => (old ^ config.read(FIRST, 4 * i, 4)) >>> 0);
  const expected = new Array<number>(64).fill(0);
  expected[1] = 0x547; // command; no bit of the status register
  expected[3] = 0xff; // cache line size
  expected[4] = 0xffff_f000; // BAR 0 of 4 KiB
  expected[6] = 0xffff_fff0; // BAR 2 of 16 bytes
  expected[0x3c / 4] = 0xff ^ 11; // interrupt line
  expected[0x4c / 4] = 0xc000_0000; // the writable bits of the second capability
  assert.deepEqual(changed, expected);
});

test('BAR: sized with memory off, addressed, memory on → answers there; off → nowhere', () => {
  const { config, functions, memory } = makePci([SIMPLE]);
  config.write(FIRST, BAR, 4, ALL);
  assert.equal(config.read(FIRST, BAR, 4), 0xffff_f000);
  config.write(FIRST, BAR, 4, WINDOW.start + 0x5000);
  assert.equal(memory.read(0x5000, 4), ALL);
  config.write(FIRST, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
  assert.equal(memory.read(0x5010, 4), 0x1_0010, 'slot 1, BAR 0, offset 0x10');
  assert.equal(memory.read(0x5fff, 1), 0xff);
  assert.equal(memory.read(0x5ffe, 4), ALL, 'not wholly in the BAR');
  memory.write(0x5020, 2, 0xbeef);
  config.write(FIRST, PCI_COMMAND, 2, 0);
  assert.equal(memory.read(0x5010, 4), ALL);
  assert.deepEqual(functions[FIRST]?.log, [
    'bar 0 at 0xf0005000',
    'command 0x2',
    'write 0+0x20 2 0xbeef',
    'bar 0 nowhere',
    'command 0x0',
  ]);
});

test('BAR: moved with memory on, sized with memory on → nowhere while outside the window, then there', () => {
  const { config, functions, memory } = makePci([SIMPLE]);
  config.write(FIRST, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
  config.write(FIRST, BAR, 4, WINDOW.start);
  config.write(FIRST, BAR, 4, ALL);
  assert.equal(memory.read(0, 4), ALL);
  config.write(FIRST, BAR, 4, WINDOW.start + 0x1000);
  assert.equal(memory.read(0x1000, 4), 0x1_0000);
  config.write(FIRST, BAR, 4, WINDOW.start + WINDOW.bytes - 0x800);
  config.write(FIRST, BAR, 4, 0x1000);
  assert.deepEqual(functions[FIRST]?.log.slice(1), [
    'bar 0 at 0xf0000000',
    'bar 0 nowhere',
    'bar 0 at 0xf0001000',
    'bar 0 nowhere',
    'bar 0 at 0xf000f000',
    'bar 0 nowhere',
  ]);
});

test('BARs of three slots at one address → the lowest answers; it goes → the next one does', () => {
  const { config, functions, memory } = makePci([SIMPLE, SIMPLE, SIMPLE]);
  for (const slot of [THIRD, SECOND, FIRST]) {
    config.write(slot, BAR, 4, WINDOW.start);
    config.write(slot, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
  }
  assert.equal(memory.read(0, 4), 0x1_0000);
  config.write(FIRST, PCI_COMMAND, 2, 0);
  assert.equal(memory.read(0, 4), 0x2_0000);
  config.write(SECOND, BAR, 4, WINDOW.start + 0x1000);
  assert.deepEqual([memory.read(0, 4), memory.read(0x1000, 4)], [0x3_0000, 0x2_0000]);
  assert.deepEqual(functions[THIRD]?.log, [
    'bar 0 at 0xf0000000',
    'command 0x2',
    'bar 0 nowhere',
    'bar 0 at 0xf0000000',
  ]);
});

test('assignBars: → every BAR in a page of its own, naturally aligned, memory on', () => {
  const { config, space, memory } = makePci([SIMPLE, undefined, SIMPLE]);
  space.assignBars();
  const bars = [FIRST, THIRD].flatMap((slot) => [config.read(slot, BAR, 4), config.read(slot, BAR + 8, 4)]);
  assert.deepEqual(bars, [0xf000_0000, 0xf000_1000, 0xf000_2000, 0xf000_3000]);
  assert.equal(memory.read(0x2004, 4), 0x3_0004);
  assert.equal(memory.read(0x3004, 4), 0x3_2004, 'slot 3, BAR 2');
});

test('data register: → accesses go to the function, with the whole dword; the bus is not locked', () => {
  const { config, functions } = makePci([{ ...SIMPLE, scratch: [{ register: 0x60, bytes: 4 }] }], 0x60);
  config.write(FIRST, 0x60, 4, 0x1234_5678);
  config.write(FIRST, 0x61, 1, 0xff);
  assert.equal(config.read(FIRST, 0x60, 4), 0xdada_0001);
  assert.equal(config.read(FIRST, 0x62, 2), 0xdada);
  assert.deepEqual(
    functions[FIRST]?.log.filter((line) => line.startsWith('data')),
    ['data 0x12345678', 'data 0x1234ff78'],
  );
});

test('ConfigWords: a device sets its interrupt status beside a guest that writes the command register → both stay', () => {
  const { shared, config } = makePci([SIMPLE]);
  const words = new ConfigWords(shared, FIRST);
  words.set(PCI_COMMAND, PCI_STATUS_INTERRUPT << 16);
  config.write(FIRST, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
  assert.equal(
    words.load(PCI_COMMAND),
    ((PCI_STATUS_CAP_LIST | PCI_STATUS_INTERRUPT) << 16) | PCI_COMMAND_MEMORY,
  );
  words.clear(PCI_COMMAND, PCI_STATUS_INTERRUPT << 16);
  assert.equal(config.read(FIRST, PCI_STATUS, 2), PCI_STATUS_CAP_LIST);
});
