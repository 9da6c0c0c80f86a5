import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PlatformRig } from '../../support/platform-rig.js';

const INDEX = 0x70;
const DATA = 0x71;
const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

class CmosRig extends PlatformRig {
  get(register: number): number {
    this.out(INDEX, register);
    return this.in(DATA);
  }

  set(register: number, value: number): void {
    this.out(INDEX, register);
    this.out(DATA, value);
  }

  word(register: number): number {
    return this.get(register) | (this.get(register + 1) << 8);
  }

  /** Century, year, month, day, hour, minute, second as the registers have them. */
  time(): number[] {
    return [0x32, 9, 8, 7, 4, 2, 0].map((register) => this.get(register));
  }
}

test('Cmos: fresh → the host’s time in UTC, BCD, 24 hours; battery good', () => {
  const rig = new CmosRig();
  rig.wallMs = Date.UTC(2026, 10, 22, 23, 59, 58);
  assert.deepEqual(rig.time(), [0x20, 0x26, 0x11, 0x22, 0x23, 0x59, 0x58]);
  assert.equal(rig.get(6), 1, 'a Sunday');
  assert.deepEqual(
    [0xa, 0xb, 0xc, 0xd].map((register) => rig.get(register)),
    [0x26, 0x02, 0, 0x80],
  );
  rig.wallMs += 2000;
  assert.deepEqual(rig.time(), [0x20, 0x26, 0x11, 0x23, 0x00, 0x00, 0x00]);
});

test('Cmos: binary mode, 12-hour mode → the same time in those forms', () => {
  const rig = new CmosRig();
  rig.wallMs = Date.UTC(2026, 10, 22, 13, 59, 58);
  rig.set(0x0b, 0x06);
  assert.deepEqual(rig.time(), [20, 26, 11, 22, 13, 59, 58]);
  rig.set(0x0b, 0x00);
  assert.equal(rig.get(4), 0x81);
  for (const [hour, shown] of [
    [0, 0x12],
    [1, 0x01],
    [12, 0x92],
    [23, 0x91],
  ] as const) {
    rig.wallMs = Date.UTC(2026, 10, 22, hour);
    assert.equal(rig.get(4), shown);
  }
});

test('Cmos: guest sets the clock, as Linux does, while it stands still → it goes on from there', () => {
  const rig = new CmosRig();
  rig.set(0x0b, 0x82);
  for (const [register, value] of [
    [0, 0x30],
    [2, 0x15],
    [4, 0x06],
    [7, 0x28],
    [8, 0x02],
    [9, 0x99],
    [0x32, 0x19],
  ] as const) {
    rig.set(register, value);
  }
  rig.wallMs += 5000; // time passes, unseen
  assert.equal(rig.get(0), 0x30);
  rig.set(0x0b, 0x02);
  rig.wallMs += 24 * 3600 * 1000;
  assert.deepEqual(rig.time(), [0x19, 0x99, 0x03, 0x01, 0x06, 0x15, 0x30]);
});

test('Cmos: one register of the running clock written → only that one changes', () => {
  const rig = new CmosRig();
  rig.wallMs = Date.UTC(2026, 10, 22, 13, 59, 58);
  rig.set(2, 0x07);
  assert.deepEqual(rig.time(), [0x20, 0x26, 0x11, 0x22, 0x13, 0x07, 0x58]);
});

test('Cmos: update in progress → shown in the last milliseconds of each second only, and never while it stands still', () => {
  const rig = new CmosRig();
  const second = rig.wallMs;
  for (const [ms, shown] of [
    [0, 0],
    [997, 0],
    [998, 0x80],
    [999, 0x80],
    [1000, 0],
  ] as const) {
    rig.wallMs = second + ms;
    assert.equal(rig.get(0x0a) & 0x80, shown);
  }
  rig.wallMs = second + 999;
  rig.set(0x0b, 0x82);
  assert.equal(rig.get(0x0a) & 0x80, 0);
});

test('Cmos: registers C and D written → unchanged; A keeps all but its top bit; RAM keeps everything', () => {
  const rig = new CmosRig();
  for (const register of [0x0a, 0x0c, 0x0d, 0x40, 0x7f]) rig.set(register, 0xff);
  assert.deepEqual(
    [0x0c, 0x0d, 0x0a, 0x40, 0x7f].map((register) => rig.get(register)),
    [0, 0x80, 0x7f, 0xff, 0xff],
  );
});

test('Cmos: index with the NMI bit → the same register; the index port reads all ones', () => {
  const rig = new CmosRig();
  rig.set(0x40, 0x12);
  assert.equal(rig.get(0xc0), 0x12);
  assert.equal(rig.in(INDEX), 0xff);
});

for (const [lowBytes, highBytes, extended, above16, above4G] of [
  [512 * 1024, 0, 0, 0, 0],
  [8 * MIB, 0, 7 * 1024, 0, 0],
  [512 * MIB, 0, 0xffff, 496 * 16, 0],
  [0xd000_0000, 0, 0xffff, (0xd000_0000 - 16 * MIB) / 0x1_0000, 0],
  [0xd000_0000, 5 * GIB, 0xffff, (0xd000_0000 - 16 * MIB) / 0x1_0000, 5 * 16384],
] as const) {
  test(`Cmos: ${lowBytes / MIB} MiB below and ${highBytes / MIB} MiB above 4 GiB → the RAM-size bytes say so`, () => {
    const rig = new CmosRig({ lowBytes, highBytes, cpus: 4 });
    assert.equal(rig.word(0x15), lowBytes < MIB ? 512 : 640);
    assert.deepEqual([rig.word(0x17), rig.word(0x30), rig.word(0x34)], [extended, extended, above16]);
    assert.equal(rig.word(0x5b) | (rig.get(0x5d) << 16), above4G);
    assert.equal(rig.get(0x5f), 3);
  });
}

test('Cmos: anything written anywhere → every register reads as a byte, and the clock can be set afterwards', () => {
  const write = fc.record({ register: fc.nat(0x7f), value: fc.nat(0xff), pass: fc.nat(100_000) });
  fc.assert(
    fc.property(fc.array(write, { maxLength: 50 }), (writes) => {
      const rig = new CmosRig();
      for (const { register, value, pass } of writes) {
        rig.set(register, value);
        rig.wallMs += pass;
        for (let i = 0; i < 0x80; i++) {
          const byte = rig.get(i);
          assert.ok(Number.isInteger(byte) && byte >= 0 && byte <= 0xff, `register ${i}: ${byte}`);
        }
      }
      rig.set(0x0b, 0x82);
      for (const [register, value] of [
        [0x32, 0x20],
        [9, 0x30],
        [8, 0x01],
        [7, 0x02],
        [4, 0x03],
        [2, 0x04],
        [0, 0x05],
      ] as const) {
        rig.set(register, value);
      }
      rig.set(0x0b, 0x02);
      assert.deepEqual(rig.time(), [0x20, 0x30, 0x01, 0x02, 0x03, 0x04, 0x05]);
    }),
    { numRuns: 30 },
  );
});
