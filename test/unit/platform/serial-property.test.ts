// A guest that does anything to a serial port.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import * as u from '#lkvm/abi/uart.js';
import { SerialRig, TTYS0 } from '../../support/serial-rig.js';

type Step =
  | { readonly kind: 'read'; readonly register: number }
  | { readonly kind: 'write'; readonly register: number; readonly value: number }
  | { readonly kind: 'wide'; readonly offset: number; readonly bytes: number; readonly value: number }
  | { readonly kind: 'type'; readonly count: number }
  | { readonly kind: 'break' }
  | { readonly kind: 'take' };

const register = fc.nat(7);
const value = fc.oneof(fc.nat(0xff), fc.constantFrom(0x01, 0x02, 0x03, 0x07, 0x0b, 0x0f, 0x10, 0x40, 0x80));
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('read' as const), register }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('write' as const), register, value }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('wide' as const),
      offset: fc.nat(4),
      bytes: fc.constantFrom(2, 4),
      value: fc.nat(0xffff_ffff),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('type' as const), count: fc.integer({ min: 1, max: 40 }) }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'break' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'take' as const }) },
);

/** What IIR may say, without the FIFO bits. */
const IDS = [0x00, 0x01, 0x02, 0x04, 0x06, 0x0c];

function apply(rig: SerialRig, one: Step): void {
  switch (one.kind) {
    case 'read': {
      const got = rig.get(one.register);
      assert.ok(Number.isInteger(got) && got >= 0 && got <= 0xff);
      return;
    }
    case 'write':
      rig.set(one.register, one.value);
      return;
    case 'wide':
      rig.pio.write(TTYS0 + one.offset, one.bytes, one.value);
      rig.pio.read(TTYS0 + one.offset, one.bytes);
      return;
    case 'type':
      rig.type('t'.repeat(one.count));
      return;
    case 'break':
      rig.serial.receiveBreak(0x62);
      return;
    case 'take':
      rig.sent();
  }
}

/** The line is up exactly when IIR names an interrupt; every register holds only bits it has. */
function checkInvariants(rig: SerialRig): void {
  const up = rig.irq;
  const iir = rig.get(u.UART_IIR);
  assert.equal((iir & u.UART_IIR_NO_INT) === 0, up, `line ${up}, IIR 0x${iir.toString(16)}`);
  assert.ok(IDS.includes(iir & 0x3f));
  assert.ok([0, 0xc0].includes(iir & 0xc0));
  const lcr = rig.get(u.UART_LCR);
  rig.set(u.UART_LCR, lcr & ~u.UART_LCR_DLAB);
  assert.ok(rig.get(u.UART_IER) <= 0x0f);
  rig.set(u.UART_LCR, lcr);
  assert.ok(rig.get(u.UART_MCR) <= 0x1f);
  assert.equal(rig.get(u.UART_IIR) & u.UART_IIR_NO_INT ? rig.irq : !rig.irq, false);
}

test('Serial8250: any accesses, any input → the line agrees with IIR, no register has bits it must not have', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const rig = new SerialRig();
      for (const one of steps) {
        apply(rig, one);
        checkInvariants(rig);
      }
    }),
    { numRuns: 300 },
  );
});

test('Serial8250: any accesses → a driver that starts afterwards sends and receives everything', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const rig = new SerialRig();
      for (const one of steps) apply(rig, one);
      rig.set(u.UART_LCR, u.UART_LCR_WLEN8);
      rig.set(u.UART_MCR, 0x0b);
      rig.set(u.UART_IER, 0);
      rig.set(u.UART_FCR, 0);
      rig.readAll();
      rig.sent();
      rig.get(u.UART_MSR);
      rig.set(u.UART_IER, u.UART_IER_RDI | u.UART_IER_RLSI);
      assert.ok(!rig.irq);
      assert.ok(rig.serial.inputRoom() > 0);
      rig.type('in');
      assert.ok(rig.irq);
      assert.equal(rig.readAll(), 'in');
      rig.set(u.UART_TX, ...Buffer.from('out'));
      assert.equal(rig.sent(), 'out');
      assert.equal(rig.get(u.UART_LSR), 0x60);
    }),
    { numRuns: 300 },
  );
});

test('Serial8250: input in pieces, guest reads when it likes → every byte once, in order', () => {
  const piece = fc.oneof(
    fc.record({ type: fc.integer({ min: 1, max: 3000 }) }),
    fc.record({ read: fc.integer({ min: 1, max: 3000 }) }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), fc.boolean(), (pieces, fifo) => {
      const rig = new SerialRig();
      if (fifo) rig.set(u.UART_FCR, u.UART_FCR_ENABLE_FIFO);
      let typed = 0;
      let read = 0;
      const next = (): void => {
        assert.equal(rig.get(u.UART_RX), read++ % 251);
      };
      for (const one of pieces) {
        if ('type' in one) {
          const bytes = Uint8Array.from({ length: one.type }, (_, i) => (typed + i) % 251);
          typed += rig.serial.receive(bytes, bytes.length);
        } else {
          for (let n = one.read; n > 0 && (rig.get(u.UART_LSR) & u.UART_LSR_DR) !== 0; n--) next();
        }
      }
      while ((rig.get(u.UART_LSR) & u.UART_LSR_DR) !== 0) next();
      assert.equal(read, typed);
    }),
    { numRuns: 100 },
  );
});
