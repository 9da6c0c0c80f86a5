import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PM_TIMER_HZ, PM1_POWER_BUTTON } from '#lkvm/abi/acpi-pm.js';
import { PM_CONTROL_PORT, PM_EVENT_PORT, PM_TIMER_PORT, SCI_GSI } from '#lkvm/arch/x86_64/memory-map.js';
import { PlatformRig } from '../../support/platform-rig.js';

const STATUS = PM_EVENT_PORT;
const ENABLE = PM_EVENT_PORT + 2;

test('AcpiPm: SLP_EN with SLP_TYP 5, in one access or by bytes → power off', () => {
  const rig = new PlatformRig();
  rig.pio.write(PM_CONTROL_PORT, 2, 5 << 10);
  assert.deepEqual(rig.ends, []);
  rig.pio.write(PM_CONTROL_PORT, 2, (5 << 10) | (1 << 13));
  rig.out(PM_CONTROL_PORT + 1, 0x34);
  assert.deepEqual(rig.ends, ['off', 'off']);
});

test('AcpiPm: other sleep types, or no SLP_EN → the machine goes on', () => {
  const rig = new PlatformRig();
  for (let type = 0; type < 8; type++) {
    if (type !== 5) rig.pio.write(PM_CONTROL_PORT, 2, (type << 10) | (1 << 13));
    rig.pio.write(PM_CONTROL_PORT, 2, type << 10);
  }
  assert.deepEqual(rig.ends, []);
});

test('AcpiPm: control → SCI_EN always set, SLP_TYP kept, SLP_EN reads 0', () => {
  const rig = new PlatformRig();
  assert.equal(rig.pio.read(PM_CONTROL_PORT, 2), 1);
  rig.pio.write(PM_CONTROL_PORT, 2, 0xfffe & ~(1 << 12)); // type 3
  assert.equal(rig.pio.read(PM_CONTROL_PORT, 2), 0x0c07);
});

test('AcpiPm.pressPowerButton: enabled → status bit and SCI until the bit is cleared', () => {
  const rig = new PlatformRig();
  rig.pio.write(ENABLE, 2, PM1_POWER_BUTTON);
  assert.ok(rig.platform.pm.pressPowerButton());
  assert.ok(rig.level(SCI_GSI));
  assert.equal(rig.pio.read(STATUS, 2), PM1_POWER_BUTTON);
  assert.equal(rig.pio.read(STATUS, 4), (PM1_POWER_BUTTON << 16) | PM1_POWER_BUTTON);
  rig.pio.write(STATUS, 2, 0xffff & ~PM1_POWER_BUTTON);
  assert.ok(rig.level(SCI_GSI), 'other bits written: nothing is cleared');
  rig.pio.write(STATUS, 2, PM1_POWER_BUTTON);
  assert.ok(!rig.level(SCI_GSI));
  assert.equal(rig.pio.read(STATUS, 2), 0);
});

test('AcpiPm.pressPowerButton: not enabled → says so; no SCI until the guest enables it', () => {
  const rig = new PlatformRig();
  assert.ok(!rig.platform.pm.pressPowerButton());
  assert.ok(!rig.level(SCI_GSI));
  rig.pio.write(ENABLE, 2, PM1_POWER_BUTTON);
  assert.ok(rig.level(SCI_GSI));
});

test('AcpiPm: enable register written with all ones → only the bits of events that exist read back', () => {
  const rig = new PlatformRig();
  rig.pio.write(ENABLE, 2, 0xffff);
  assert.equal(rig.pio.read(ENABLE, 2), 0x0721);
});

test('AcpiPm: timer → 3.579545 MHz from the monotonic clock, 32 bits, wraps', () => {
  const rig = new PlatformRig();
  for (const seconds of [1, 2, 1199, 1200, 5000.5]) {
    rig.monotonicUs = seconds * 1e6;
    const expected = Math.floor(seconds * PM_TIMER_HZ) % 0x1_0000_0000;
    const got = rig.pio.read(PM_TIMER_PORT, 4);
    assert.ok(Math.abs(got - expected) <= 1, `${seconds} s: ${got}, not ${expected}`);
  }
  assert.equal(rig.pio.read(PM_TIMER_PORT + 1, 1) & 0xff, (rig.pio.read(PM_TIMER_PORT, 4) >>> 8) & 0xff);
  rig.pio.write(PM_TIMER_PORT, 4, 0);
});

test('AcpiPm: another thread’s clock is a little behind → the timer stands still instead of going back', () => {
  const rig = new PlatformRig();
  rig.monotonicUs = 10_000_000;
  const first = rig.pio.read(PM_TIMER_PORT, 4);
  rig.monotonicUs -= 50;
  assert.equal(rig.pio.read(PM_TIMER_PORT, 4), first);
  rig.monotonicUs += 100;
  assert.ok(rig.pio.read(PM_TIMER_PORT, 4) > first);
});

test('AcpiPm: any accesses → SCI is up exactly while an enabled status bit is set', () => {
  const write = fc.record({
    port: fc.integer({ min: STATUS, max: PM_CONTROL_PORT }),
    bytes: fc.constantFrom(1, 2, 4),
    value: fc.nat(0xffff_ffff),
    press: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(write), (writes) => {
      const rig = new PlatformRig();
      for (const { port, bytes, value, press } of writes) {
        if (press) rig.platform.pm.pressPowerButton();
        rig.pio.write(port, bytes, value);
        const pending = rig.pio.read(STATUS, 2) & rig.pio.read(ENABLE, 2);
        assert.equal(rig.level(SCI_GSI), pending !== 0);
      }
    }),
  );
});
