import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ALL_ONES, Bus, type BusDevice } from '#lkvm/bus/bus.js';
import { type ByteRegisters, readBytes, writeBytes } from '#lkvm/bus/byte-registers.js';
import { InvariantError } from '#lkvm/util/errors.js';

/** Records accesses; reads give `value`. */
class Recorder implements BusDevice {
  readonly seen: string[] = [];
  readonly #value: number;

  constructor(value = 0) {
    this.#value = value;
  }

  read(offset: number, bytes: number): number {
    this.seen.push(`r${offset}/${bytes}`);
    return this.#value;
  }

  write(offset: number, bytes: number, value: number): void {
    this.seen.push(`w${offset}/${bytes}=${value}`);
  }
}

test('Bus: access inside of a range → its device, with the offset', () => {
  const bus = new Bus('pio');
  const device = new Recorder(7);
  bus.add(0x100, 8, device);
  assert.equal(bus.read(0x104, 4), 7);
  assert.ok(bus.write(0x100, 1, 9));
  assert.deepEqual(device.seen, ['r4/4', 'w0/1=9']);
  assert.equal(bus.misses, 0);
});

test('Bus: access beside a range, or partly outside → all ones, false, counted; no device hears of it', () => {
  const bus = new Bus('pio');
  const device = new Recorder();
  bus.add(0x100, 8, device);
  assert.equal(bus.read(0xff, 1), ALL_ONES);
  assert.equal(bus.read(0xff, 2), ALL_ONES);
  assert.equal(bus.read(0x106, 4), ALL_ONES);
  assert.ok(!bus.write(0x108, 1, 0));
  assert.deepEqual(device.seen, []);
  assert.equal(bus.misses, 4);
});

test('Bus.add: a range that overlaps, or an empty one → InvariantError; neighbours are fine', () => {
  const bus = new Bus('mmio');
  bus.add(0x100, 8, new Recorder());
  for (const [start, bytes] of [
    [0x100, 8],
    [0xff, 2],
    [0x107, 1],
    [0x0, 0x1000],
    [0x200, 0],
  ] as const) {
    assert.throws(() => bus.add(start, bytes, new Recorder()), InvariantError);
  }
  bus.add(0x108, 8, new Recorder());
  bus.add(0xf8, 8, new Recorder());
});

test('Bus: any set of disjoint ranges, in any order → the same answers as a search of the list', () => {
  const range = fc.record({ start: fc.nat(200), bytes: fc.integer({ min: 1, max: 20 }) });
  const access = fc.record({ at: fc.nat(230), bytes: fc.constantFrom(1, 2, 4) });
  fc.assert(
    fc.property(fc.array(range, { maxLength: 12 }), fc.array(access), (ranges, accesses) => {
      const bus = new Bus('pio');
      const added: { start: number; bytes: number; id: number }[] = [];
      for (const [id, { start, bytes }] of ranges.entries()) {
        if (added.some((other) => start < other.start + other.bytes && other.start < start + bytes)) continue;
        bus.add(start, bytes, new Recorder(id));
        added.push({ start, bytes, id });
      }
      for (const { at, bytes } of accesses) {
        const owner = added.find((r) => at >= r.start && at + bytes <= r.start + r.bytes);
        assert.equal(bus.read(at, bytes), owner?.id ?? ALL_ONES);
      }
    }),
  );
});

test('readBytes, writeBytes: a wide access → one per byte, lowest first; a value with its top bit set stays positive', () => {
  const seen: string[] = [];
  const device: ByteRegisters = {
    readByte: (offset) => 0x80 + offset,
    writeByte: (offset, value) => seen.push(`${offset}=${value.toString(16)}`),
  };
  assert.equal(readBytes(device, 0, 4), 0x83828180);
  assert.equal(readBytes(device, 2, 2), 0x8382);
  writeBytes(device, 1, 4, 0xdeadbeef);
  assert.deepEqual(seen, ['1=ef', '2=be', '3=ad', '4=de']);
});
