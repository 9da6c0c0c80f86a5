// What holds for a PCI bus whatever a guest writes; and how Linux looks a bus over.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { PciFunctionSpec } from '#lkvm/bus/pci/function.js';
import { ALL, type ConfigAccess, makePci, SIMPLE, WINDOW } from '../../../support/pci-rig.js';

const BAR = 0x10;

function withBars(...sizes: readonly number[]): PciFunctionSpec {
  return { ...SIMPLE, bars: sizes.map((bytes, index) => ({ index, bytes })) };
}

const powers = fc.nat(12).map((n) => 16 << n);

test('BAR: any size, any value written by any widths → multiple of the size; all ones read back as -size', () => {
  fc.assert(
    fc.property(powers, fc.nat(ALL), fc.constantFrom(1, 2, 4), (bytes, value, width) => {
      const { config } = makePci([withBars(bytes)]);
      const write = (dword: number): void => {
        for (let lane = 0; lane < 4; lane += width) {
          const part = dword >>> (8 * lane);
          config.write(1, BAR + lane, width, width === 4 ? part : part & ((1 << (8 * width)) - 1));
        }
      };
      write(ALL);
      assert.equal(config.read(1, BAR, 4), -bytes >>> 0);
      write(value);
      assert.equal(config.read(1, BAR, 4), (value - (value % bytes)) >>> 0);
      assert.equal(config.read(1, BAR + 4, 4), 0, 'a BAR that is not there');
    }),
  );
});

/** Where each BAR answers, by the rule in words: in order, on, in the window, not over an earlier one. */
function expectedOwners(registers: { on: boolean; start: number; bytes: number }[]): (number | undefined)[] {
  const placed: { start: number; end: number; slot: number }[] = [];
  for (const [i, { on, start, bytes }] of registers.entries()) {
    const end = start + bytes;
    const inside = start >= WINDOW.start && end <= WINDOW.start + WINDOW.bytes;
    if (!on || !inside || placed.some((other) => start < other.end && other.start < end)) continue;
    placed.push({ start, end, slot: i + 1 });
  }
  const cells = Array.from({ length: WINDOW.bytes / 0x800 }, (_, i) => WINDOW.start + i * 0x800);
  return cells.map((cell) => placed.find(({ start, end }) => cell >= start && cell < end)?.slot);
}

test('BARs: any addresses of four functions in any order → who answers depends on the registers alone', () => {
  const step = fc.record({
    slot: fc.integer({ min: 1, max: 4 }),
    on: fc.boolean(),
    // In the window and around it, so that overlaps are many.
    start: fc.nat(40).map((n) => WINDOW.start - 0x1000 + n * 0x800),
  });
  fc.assert(
    fc.property(
      fc.array(powers, { minLength: 4, maxLength: 4 }),
      fc.array(step, { maxLength: 30 }),
      (sizes, steps) => {
        const { config, memory, functions } = makePci(sizes.map((bytes) => withBars(bytes)));
        const registers = sizes.map((bytes) => ({ on: false, start: 0, bytes }));
        for (const { slot, on, start } of steps) {
          const register = registers[slot - 1] as { on: boolean; start: number; bytes: number };
          register.on = on;
          register.start = start - (start % register.bytes);
          config.write(slot, BAR, 4, start);
          config.write(slot, 4, 2, on ? 2 : 0);
        }
        const answers = expectedOwners(registers);
        const owners = answers.map((_, i) => {
          const value = memory.read(i * 0x800 + 12, 4);
          return value === ALL ? undefined : value >>> 16;
        });
        assert.deepEqual(owners, answers);
        // What functions were told last is what holds.
        for (const [i, { start }] of registers.entries()) {
          const last =
            functions[i + 1]?.log.filter((line) => line.startsWith('bar')).at(-1) ?? 'bar 0 nowhere';
          const here = answers[Math.floor((start - WINDOW.start) / 0x800)] === i + 1;
          assert.equal(last, here ? `bar 0 at 0x${start.toString(16)}` : 'bar 0 nowhere');
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('random accesses to all eight ports, ECAM and the window → no exception; read-only registers stay', () => {
  const access = fc.record({
    way: fc.constantFrom('ports', 'ecam', 'window'),
    write: fc.boolean(),
    at: fc.nat(0x10_0000 - 4),
    bytes: fc.constantFrom(1, 2, 4),
    value: fc.oneof(
      fc.nat(ALL),
      fc.tuple(fc.nat(4), fc.nat(63)).map(([slot, i]) => (0x8000_0000 | (slot << 11) | (4 * i)) >>> 0),
    ),
  });
  fc.assert(
    fc.property(fc.array(access, { maxLength: 300 }), (accesses) => {
      const { ports, ecam, memory, config } = makePci([SIMPLE, SIMPLE]);
      for (const { way, write, at, bytes, value } of accesses) {
        const limited = bytes === 4 ? value : value & ((1 << (8 * bytes)) - 1);
        // Every offset from which the access stays in the range, as the bus gives them.
        const offset = way === 'ports' ? at % (9 - bytes) : way === 'window' ? at % (0x1_0001 - bytes) : at;
        if (way === 'window') {
          if (write) memory.write(offset, bytes, limited);
          else memory.read(offset, bytes);
        } else {
          const device = way === 'ports' ? ports : ecam.device;
          if (write) device.write(offset, bytes, limited);
          else assert.ok(device.read(offset, bytes) >= 0);
        }
      }
      assert.equal(config.read(1, 0, 4), ((SIMPLE.device << 16) | SIMPLE.vendor) >>> 0);
      assert.equal(config.read(1, 0x40, 4), 0x1408_4c09);
      assert.equal(config.read(3, 0, 4), ALL);
    }),
    { numRuns: 200 },
  );
});

/** What Linux learns of a function (pci_setup_device, pci_read_bases), in its order of accesses. */
function probe(config: ConfigAccess, slot: number) {
  const id = config.read(slot, 0, 4);
  if (id === ALL || id === 0) return undefined;
  const header = config.read(slot, 0x0e, 1);
  const classRevision = config.read(slot, 8, 4);
  const command = config.read(slot, 4, 2);
  config.write(slot, 4, 2, command & ~3);
  const bars: { index: number; start: number; bytes: number }[] = [];
  for (let index = 0; index < 6; index++) {
    const register = BAR + 4 * index;
    const start = config.read(slot, register, 4);
    config.write(slot, register, 4, ALL);
    const size = config.read(slot, register, 4);
    config.write(slot, register, 4, start);
    if (size !== 0) bars.push({ index, start, bytes: -(size & ~0xf) >>> 0 });
  }
  const rom = config.read(slot, 0x30, 4);
  config.write(slot, 0x30, 4, ALL & ~0x7ff);
  const romSize = config.read(slot, 0x30, 4);
  config.write(slot, 0x30, 4, rom);
  config.write(slot, 4, 2, command);
  const capabilities: number[] = [];
  for (let at = config.read(slot, 0x34, 1) & 0xfc; at >= 0x40; at = config.read(slot, at + 1, 1) & 0xfc) {
    capabilities.push(config.read(slot, at, 1));
  }
  return { id, header, classRevision, bars, romSize, capabilities };
}

test('Linux: bus looked over with BARs assigned → every function as it is; afterwards all BARs answer where they did', () => {
  const { config, ports, space, memory, functions } = makePci([SIMPLE, undefined, withBars(0x2000)]);
  space.assignBars();
  const placedAs = functions.map((each) => each?.log.filter((line) => line.startsWith('bar')).at(-1));
  // pci_check_type1, pci_sanity_check
  ports.write(3, 1, 1);
  const saved = ports.read(0, 4);
  ports.write(0, 4, 0x8000_0000);
  assert.equal(ports.read(0, 4), 0x8000_0000);
  ports.write(0, 4, saved);
  assert.equal(config.read(0, 0x0a, 2), 0x0600, 'a host bridge is found');

  const found = Array.from({ length: 32 }, (_, slot) => probe(config, slot));
  assert.deepEqual(
    found.flatMap((each, slot) => (each === undefined ? [] : [slot])),
    [0, 1, 3],
  );
  const ids = (SIMPLE.device << 16) | SIMPLE.vendor;
  assert.deepEqual(found[0], {
    id: 0x1237_8086,
    header: 0,
    classRevision: 0x0600_0002,
    bars: [],
    romSize: 0,
    capabilities: [],
  });
  assert.deepEqual(found[1], {
    id: ids,
    header: 0,
    classRevision: 0xff00_0001,
    bars: [
      { index: 0, start: 0xf000_0000, bytes: 0x1000 },
      { index: 2, start: 0xf000_1000, bytes: 16 },
    ],
    romSize: 0,
    capabilities: [9, 0x11],
  });
  assert.deepEqual(found[3]?.bars, [{ index: 0, start: 0xf000_2000, bytes: 0x2000 }]);
  assert.equal(memory.read(0x2ffc, 4), 0x3_0ffc);
  assert.deepEqual(
    functions.map((each) => each?.log.filter((line) => line.startsWith('bar')).at(-1)),
    placedAs,
  );
});
