import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GsiRouting } from '#lkvm/kvm/gsi-routing.js';
import { viewOf } from '#lkvm/sys/libc.js';
import { ConfigError } from '#lkvm/util/errors.js';

/** Entries of the encoded table: gsi, type, first three words. */
function entries(routing: GsiRouting): number[][] {
  const words = new Uint32Array(viewOf(routing.encode(), 4096));
  return Array.from({ length: words[0] ?? 0 }, (_, i) => {
    const at = 2 + i * 12;
    return [words[at], words[at + 1], words[at + 4], words[at + 5], words[at + 6]] as number[];
  });
}

test('GsiRouting.addPcPins: encoded → 15 PIC lines, 23 IOAPIC pins, the timer on pin 2', () => {
  const routing = new GsiRouting();
  routing.addPcPins();
  const table = entries(routing);
  assert.equal(table.length, 15 + 23);
  assert.deepEqual(
    table.filter(([gsi]) => gsi === 0).map(([, , chip, pin]) => [chip, pin]),
    [
      [0, 0],
      [2, 2],
    ],
  );
  assert.deepEqual(
    table.filter(([gsi]) => gsi === 9).map(([, , chip, pin]) => [chip, pin]),
    [
      [1, 1],
      [2, 9],
    ],
  );
  assert.ok(table.every(([gsi]) => gsi !== 2));
});

test('GsiRouting.allocate: set, changed, released, allocated again → above the pins, one entry, the number comes back', () => {
  const routing = new GsiRouting();
  const gsi = routing.allocate();
  assert.equal(gsi, 24);
  assert.deepEqual(entries(routing), []);
  routing.setMessage(gsi, 0xfee0_0000, 0, 0x41);
  routing.setMessage(gsi, 0xfee0_1000, 1, 0x42);
  assert.deepEqual(entries(routing), [[24, 2, 0xfee0_1000, 1, 0x42]]);
  assert.equal(routing.allocate(), 25);
  routing.release(gsi);
  assert.deepEqual(entries(routing), []);
  assert.equal(routing.allocate(), 24);
});

test('GsiRouting: more than fits → ConfigError', () => {
  const routing = new GsiRouting(26);
  routing.allocate();
  routing.allocate();
  assert.throws(() => routing.allocate(), ConfigError);
  const small = new GsiRouting(2);
  small.addPin(0, 2, 0);
  small.addPin(1, 2, 1);
  assert.throws(() => small.addPin(2, 2, 2), ConfigError);
});
