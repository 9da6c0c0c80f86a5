// What holds for interrupts of a virtio-pci device whatever driver and device do, against a model of a few lines.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { makeVirtioPci, SLOT } from '../../../../support/virtio-pci-rig.js';

const VECTORS = 3;
const NONE = 0xffff;

type Rig = ReturnType<typeof makeVirtioPci>;

interface Entry {
  message: number[];
  masked: boolean;
  pending: boolean;
  /** What KVM was told last. */
  told: number[];
}

/** What the specifications say, in the order in which they say it. */
class Model {
  readonly log: string[] = [];
  readonly entries: Entry[] = Array.from({ length: VECTORS }, () => ({
    message: [0, 0, 0],
    masked: true,
    pending: false,
    told: [0, 0, 0],
  }));
  enabled = false;
  maskAll = false;
  lineOff = false;
  isr = 0;
  up = false;
  /** Of configuration changes, and of the queues. */
  vectors = [NONE, NONE, NONE];

  interrupt(source: number): void {
    const vector = this.vectors[source] ?? NONE;
    if (!this.enabled) this.isr |= source === 0 ? 2 : 1;
    else if (vector !== NONE) (this.entries[vector] as Entry).pending = true;
    this.settle();
  }

  settle(): void {
    for (const [i, entry] of this.entries.entries()) {
      if (!this.enabled || this.maskAll || entry.masked) continue;
      if (entry.message.join() !== entry.told.join()) {
        entry.told = [...entry.message];
        this.log.push(`route ${i} ${entry.message.map((word) => `0x${word.toString(16)}`).join(' ')}`);
      }
      if (entry.pending) this.log.push(`signal ${i}`);
      entry.pending = false;
    }
    const up = this.isr !== 0 && !this.enabled && !this.lineOff;
    if (up !== this.up) this.log.push(`line 11.1 ${up ? 'up' : 'down'}`);
    this.up = up;
  }

  forget(): void {
    for (const entry of this.entries) entry.pending = false;
  }

  get pending(): number {
    return this.entries.reduce((bits, { pending }, i) => bits | (pending ? 1 << i : 0), 0);
  }
}

/** One step of driver or device, on both. */
type Step = (rig: Rig, model: Model) => void;

const vector = fc.nat(VECTORS - 1);
const source = fc.nat(2);
const word = fc.constantFrom(0, 1, 0x41, 0xfee0_0000, 0xffff_ffff);

const steps: fc.Arbitrary<Step>[] = [
  source.map((from) => (rig, model) => {
    if (from === 0) rig.reactor.config();
    else rig.reactor.queue(from - 1);
    model.interrupt(from);
  }),
  fc.tuple(vector, fc.boolean()).map(([v, masked]) => (rig, model) => {
    rig.write(0x2000 + 16 * v + 12, 4, masked ? 1 : 0);
    (model.entries[v] as Entry).masked = masked;
    model.settle();
  }),
  fc.tuple(vector, fc.nat(2), word).map(([v, field, value]) => (rig, model) => {
    rig.write(0x2000 + 16 * v + 4 * field, 4, value);
    (model.entries[v] as Entry).message[field] = value;
    model.settle();
  }),
  fc.tuple(fc.boolean(), fc.boolean()).map(([enabled, maskAll]) => (rig, model) => {
    rig.config.write(SLOT, 0x42, 2, (enabled ? 0x8000 : 0) | (maskAll ? 0x4000 : 0));
    model.enabled = enabled;
    model.maskAll = maskAll;
    if (!enabled) model.forget();
    model.settle();
  }),
  fc.boolean().map((off) => (rig, model) => {
    rig.ecam.write(SLOT, 4, 2, off ? 0x402 : 2);
    model.lineOff = off;
    model.settle();
  }),
  fc.tuple(source, fc.constantFrom(0, 1, 2, 3, NONE)).map(([which, v]) => (rig, model) => {
    rig.write(0x16, 2, Math.max(which - 1, 0));
    rig.write(which === 0 ? 0x10 : 0x1a, 2, v);
    model.vectors[which] = v < VECTORS ? v : NONE;
  }),
  fc.constant((rig, model) => {
    assert.equal(rig.read(0x200, 1), model.isr);
    model.isr = 0;
    model.settle();
  }),
  fc.constant((rig, model) => {
    rig.write(0x14, 1, 0);
    model.isr = 0;
    model.vectors = [NONE, NONE, NONE];
    model.forget();
    model.settle();
  }),
];

test('interrupts: any steps of driver and device → messages, routes and line as a model says, pending bits too', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(...steps), { maxLength: 60 }), (sequence) => {
      const rig = makeVirtioPci();
      rig.place();
      const model = new Model();
      for (const step of sequence) {
        step(rig, model);
        assert.equal(rig.read(0x2800, 4), model.pending);
        assert.deepEqual(rig.take(), model.log.splice(0));
      }
    }),
    { numRuns: 500 },
  );
});

test('BAR and configuration space: random accesses of two vCPUs, and interrupts between → no exception, values in range', () => {
  const access = fc.record({
    kind: fc.constantFrom('bar', 'config', 'ecam', 'interrupt'),
    write: fc.boolean(),
    // Mostly where registers are.
    offset: fc.oneof(
      fc.nat(0x4000),
      fc.nat(0x40),
      fc.nat(0x40).map((at) => 0x2000 + at),
      fc.constant(0x200),
      fc.nat(64).map((at) => 0x1000 + at),
    ),
    bytes: fc.constantFrom(1, 2, 4),
    value: fc.oneof(fc.nat(0xffff_ffff), fc.constantFrom(0, 1, 3, 11, 15, 0xf000_0000, 0xffff_ffff)),
  });
  fc.assert(
    fc.property(fc.array(access, { maxLength: 200 }), (accesses) => {
      const rig = makeVirtioPci();
      rig.place();
      for (const { kind, write, offset, bytes, value } of accesses) {
        const limited = bytes === 4 ? value : value & ((1 << (8 * bytes)) - 1);
        const space = rig.spaces[value & 1 ? 1 : 0];
        if (kind === 'interrupt') {
          rig.reactor.queue(offset & 1);
        } else if (kind === 'bar') {
          if (write) space.writeMemory(0xf000_0000 + offset, bytes, limited);
          else assert.ok(space.readMemory(0xf000_0000 + offset, bytes) >= 0);
        } else {
          const [way, register] = [kind === 'config' ? rig.config : rig.ecam, offset & 0xff];
          if (write) way.write(SLOT, register, bytes, limited);
          else assert.ok(way.read(SLOT, register, bytes) <= 2 ** (8 * bytes) - 1);
        }
      }
      // Whatever was written: who it is and what it can do stays.
      assert.equal(rig.config.read(SLOT, 0, 4), 0x1044_1af4);
      assert.equal(rig.config.read(SLOT, 0x40, 2), 0x4c11);
      assert.equal(rig.config.read(SLOT, 0x42, 2) & 0x7ff, 2);
    }),
    { numRuns: 300 },
  );
});
