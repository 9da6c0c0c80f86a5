// Where the platform's ports are, and the small ones among them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ALL_ONES, Bus } from '#lkvm/bus/bus.js';
import { debugExitStatus, phases } from '#lkvm/platform/debug-ports.js';
import { addPlatform, createPlatform } from '#lkvm/platform/platform.js';
import { createLines, SharedLines } from '#lkvm/platform/shared-lines.js';
import { ConfigError } from '#lkvm/util/errors.js';
import { PLATFORM_LAYOUT } from '#lkvm/vmm/platform-layout.js';
import { PlatformRig } from '../../support/platform-rig.js';

test('platform: a port nobody has → all ones, and counted; a quiet one → all ones, not counted', () => {
  const rig = new PlatformRig();
  assert.equal(rig.pio.read(0x1234, 4), ALL_ONES);
  rig.out(0x1234, 1);
  assert.equal(rig.pio.misses, 2);
  for (const port of [0x00, 0x0f, 0x81, 0x8f, 0xc0, 0xdf, 0xed, 0xf0, 0x278, 0x37a, 0x3c0, 0x3d5, 0x510]) {
    assert.equal(rig.in(port), 0xff);
    rig.out(port, 0);
  }
  assert.equal(rig.pio.misses, 2);
});

test('platform: value 6 to port 0xcf9 → reset; 2 → kept, not yet', () => {
  const rig = new PlatformRig();
  rig.out(0xcf9, 0x02);
  assert.equal(rig.in(0xcf9), 0x02);
  assert.deepEqual(rig.ends, []);
  rig.out(0xcf9, 0x06);
  assert.deepEqual(rig.ends, ['reset']);
});

test('platform: accesses around 0xcf9 → PCI’s, with offsets from 0xcf8; without PCI all ones', () => {
  const seen: string[] = [];
  const shared = createPlatform({
    layout: PLATFORM_LAYOUT,
    debugExitPort: undefined,
    lowBytes: 0x100_0000,
    highBytes: 0,
    cpus: 1,
  });
  const pio = new Bus('pio');
  addPlatform(pio, shared, {
    lines: new SharedLines(createLines(), () => {}),
    end: { powerOff: () => {}, reset: () => seen.push('reset'), debugExit: () => {} },
    clock: { monotonicUs: () => 0, wallMs: () => 0 },
    doorbell: () => {},
    configPorts: {
      read: (offset, bytes) => {
        seen.push(`r${offset}/${bytes}`);
        return 0x1237_8086;
      },
      write: (offset, bytes, value) => seen.push(`w${offset}/${bytes}=${value.toString(16)}`),
    },
  });
  pio.write(0xcf8, 4, 0x8000_0600);
  assert.equal(pio.read(0xcfc, 4), 0x1237_8086);
  pio.read(0xcf8, 1);
  pio.write(0xcf9, 2, 0x0606);
  assert.deepEqual(seen, ['w0/4=80000600', 'r4/4', 'r0/1', 'w1/2=606']);
  assert.equal(new PlatformRig().pio.read(0xcfc, 4), ALL_ONES);
});

test('platform: port 0x92 → A20 is open; bit 0 resets', () => {
  const rig = new PlatformRig();
  assert.equal(rig.in(0x92), 2);
  rig.out(0x92, 0x02);
  assert.deepEqual(rig.ends, []);
  rig.out(0x92, 0x03);
  assert.deepEqual(rig.ends, ['reset']);
});

test('platform: port 0x61 → keeps its four bits; refresh toggles; timer 2 has run out', () => {
  const rig = new PlatformRig();
  rig.out(0x61, 0xff);
  const first = rig.in(0x61);
  const second = rig.in(0x61);
  assert.deepEqual([first & 0x0f, first & 0x20], [0x0f, 0x20]);
  assert.equal((first ^ second) & 0xff, 0x10);
});

for (const [port, name] of [
  [0xe9, 'debugOutput'],
  [0x402, 'firmwareOutput'],
] as const) {
  test(`platform: port 0x${port.toString(16)} → reads 0xe9; bytes written come out in order, one doorbell`, () => {
    const rig = new PlatformRig();
    assert.equal(rig.in(port), 0xe9);
    rig.out(port, ...Buffer.from('hello'));
    assert.equal(rig.output(rig.platform[name]), 'hello');
    assert.equal(rig.doorbells, 1);
  });
}

test('platform: debug-exit port → the value written ends the machine; reads 0', () => {
  const rig = new PlatformRig({ debugExitPort: 0xf4 });
  assert.equal(rig.pio.read(0xf4, 4), 0);
  rig.out(0xf4, 0x10);
  rig.pio.write(0xf4, 4, 0xffff_ffff);
  assert.deepEqual(rig.ends, ['exit 16', 'exit 4294967295']);
});

test('platform: no debug-exit port asked for → port 0xf4 is nobody’s', () => {
  const rig = new PlatformRig();
  rig.out(0xf4, 1);
  assert.deepEqual(rig.ends, []);
});

test('debugExitStatus: value → (value << 1) | 1, as QEMU; a byte, and never 0', () => {
  assert.deepEqual([0, 1, 16, 0x7f, 0xff].map(debugExitStatus), [1, 3, 33, 255, 255]);
  fc.assert(
    fc.property(fc.nat(0xffff_ffff), (code) => {
      const status = debugExitStatus(code);
      return status >= 1 && status <= 255;
    }),
  );
});

test('createPlatform: debug-exit port on another device → ConfigError that names the port; on quiet ports → fine', () => {
  for (const port of [0x3f8, 0x3f5, 0x61, 0xcf9, 0x608, 0xffff, -1, 1.5]) {
    assert.throws(() => new PlatformRig({ debugExitPort: port }), ConfigError, `${port}`);
  }
  for (const port of [0xf0, 0x10, 0x501, 0xfffc]) {
    const rig = new PlatformRig({ debugExitPort: port });
    rig.out(port, 3);
    assert.deepEqual(rig.ends, ['exit 3']);
  }
});

test('phases: codes written to port 0x80 → the time of the first one each, in order of time', () => {
  const rig = new PlatformRig();
  assert.deepEqual(phases(rig.shared.phases), []);
  for (const [code, us] of [
    [0x60, 500],
    [0x40, 600],
    [0x60, 700],
    [0, 800],
    [0xff, 900],
  ] as const) {
    rig.monotonicUs = us;
    rig.out(0x80, code);
  }
  assert.deepEqual(phases(rig.shared.phases), [
    { code: 0x60, us: 500 },
    { code: 0x40, us: 600 },
    { code: 0, us: 800 },
    { code: 0xff, us: 900 },
  ]);
  assert.equal(rig.in(0x80), 0xff);
});

test('platform: any access to any port → a number, nothing is thrown', () => {
  const rig = new PlatformRig({ debugExitPort: 0xf4 });
  const port = fc.oneof(fc.nat(0xfff), fc.nat(0xffff));
  const access = fc.record({
    port,
    bytes: fc.constantFrom(1, 2, 4),
    value: fc.option(fc.nat(0xffff_ffff)),
  });
  fc.assert(
    fc.property(fc.array(access), (accesses) => {
      for (const { port, bytes, value } of accesses) {
        if (value === null) assert.equal(typeof rig.pio.read(port, bytes), 'number');
        else rig.pio.write(port, bytes, value % 2 ** (8 * bytes));
      }
      for (const source of [...rig.platform.serial, rig.platform.debugOutput, rig.platform.firmwareOutput])
        rig.output(source);
    }),
  );
});
