// The keyboard controller as guests probe it. A missing answer costs Linux half a second: each must be there at once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import * as pc from '#lkvm/abi/pc.js';
import { PlatformRig } from '../../support/platform-rig.js';

const DATA = 0x60;
const COMMAND = 0x64;
const GSI = 1;

class KeyboardRig extends PlatformRig {
  /** A controller command, its parameters, and its answers as they are there at once. */
  command(command: number, ...parameters: number[]): number[] {
    this.out(COMMAND, command);
    for (const parameter of parameters) this.out(DATA, parameter);
    return this.answers();
  }

  /** A keyboard command. */
  keyboard(...bytes: number[]): number[] {
    for (const byte of bytes) this.out(DATA, byte);
    return this.answers();
  }

  answers(): number[] {
    const list: number[] = [];
    while ((this.in(COMMAND) & pc.I8042_STR_OBF) !== 0 && list.length < 100) list.push(this.in(DATA));
    return list;
  }
}

test('I8042: untouched → nothing to read, not locked, keyboard on with interrupt and translation, no mouse', () => {
  const rig = new KeyboardRig();
  assert.equal(rig.in(COMMAND), 0x14);
  assert.deepEqual(rig.command(0x20), [0x65]);
});

for (const [what, command, answer] of [
  ['self test', 0xaa, [0x55]],
  ['keyboard interface test', 0xab, [0x00]],
  ['mouse interface test', 0xa9, [0x01]],
  ['input port', 0xc0, [0x80]],
  ['output port', 0xd0, [0x03]],
  ['mouse off', 0xa7, []],
  ['mouse on', 0xa8, []],
  ['A20 on', 0xdf, []],
  ['pulse of no line', 0xff, []],
  ['unknown', 0x99, []],
] as const) {
  test(`I8042: command 0x${command.toString(16)}, ${what} → answers [${answer}], machine goes on`, () => {
    const rig = new KeyboardRig();
    assert.deepEqual(rig.command(command), answer);
    assert.deepEqual(rig.ends, []);
  });
}

for (const command of [0xfe, 0xf0, 0xfc]) {
  test(`I8042: command 0x${command.toString(16)}, pulse of the reset line → reset`, () => {
    const rig = new KeyboardRig();
    rig.command(command);
    assert.deepEqual(rig.ends, ['reset']);
  });
}

test('I8042: output port written with the reset bit clear → reset; with it set → nothing', () => {
  const rig = new KeyboardRig();
  rig.command(0xd1, 0xdf);
  assert.deepEqual(rig.ends, []);
  rig.command(0xd1, 0xde);
  assert.deepEqual(rig.ends, ['reset']);
});

// drivers/input/serio/i8042.c: i8042_controller_check, _selftest, _init, i8042_check_aux, i8042_enable_kbd_port.
test('I8042: Linux’s probe, without any word on its command line → controller found, no mouse port, keyboard port on', () => {
  const rig = new KeyboardRig();
  assert.deepEqual(rig.answers(), []);
  assert.deepEqual(rig.command(0xaa), [0x55]);
  const control = rig.command(0x20)[0] as number;
  assert.deepEqual(rig.command(0x20), [control], 'the same twice');
  assert.notEqual(rig.in(COMMAND) & pc.I8042_STR_KEYLOCK, 0);
  const off = (control | pc.I8042_CTR_KBDDIS) & ~pc.I8042_CTR_KBDINT;
  rig.command(0x60, off);
  assert.deepEqual(rig.command(0x20), [off]);
  // Loop through the mouse port: an answer without the mouse's status bit, which Linux leaves unread.
  rig.out(COMMAND, 0xd3);
  rig.out(DATA, 0x5a);
  assert.equal(rig.in(COMMAND) & 0x21, pc.I8042_STR_OBF);
  rig.out(COMMAND, 0xa9);
  const test = rig.in(DATA);
  assert.ok(test !== 0 && test !== 0xfa && test !== 0xff, 'an error that Linux believes');
  assert.deepEqual(rig.answers(), []);
  rig.command(0x60, (off & ~pc.I8042_CTR_KBDDIS) | pc.I8042_CTR_KBDINT);
  assert.ok(!rig.level(GSI), 'nothing is left to read');
});

// drivers/input/keyboard/atkbd.c
test('I8042: Linux’s keyboard probe → identity, and every setting acknowledged', () => {
  const rig = new KeyboardRig();
  assert.deepEqual(rig.keyboard(0xf2), [0xfa, 0xab, 0x41], 'second byte as translation makes it');
  assert.deepEqual(rig.keyboard(0xf5), [0xfa]);
  assert.deepEqual(rig.keyboard(0xed, 0x00), [0xfa, 0xfa]);
  assert.deepEqual(rig.keyboard(0xf3, 0x00), [0xfa, 0xfa]);
  assert.deepEqual(rig.keyboard(0xf0, 0x02), [0xfa, 0xfa]);
  assert.deepEqual(rig.keyboard(0xf0, 0x00), [0xfa, 0xfa, 0x41]);
  assert.deepEqual(rig.keyboard(0xf4), [0xfa]);
  assert.deepEqual(rig.keyboard(0xff), [0xfa, 0xaa]);
  assert.deepEqual(rig.keyboard(0xee), [0xee]);
  assert.deepEqual(rig.keyboard(0x12), [0xfe], 'unknown');
});

test('I8042: translation off → identity and scan code set as the keyboard sends them', () => {
  const rig = new KeyboardRig();
  rig.command(0x60, 0x25);
  assert.deepEqual(rig.keyboard(0xf2), [0xfa, 0xab, 0x83]);
  assert.deepEqual(rig.keyboard(0xf0, 0x00), [0xfa, 0xfa, 0x02]);
});

test('I8042: three bytes from the keyboard → an edge each, and the line is down after the last', () => {
  const rig = new KeyboardRig();
  rig.out(DATA, 0xf2);
  assert.deepEqual(rig.changes, ['1+']);
  assert.deepEqual([rig.in(DATA), rig.in(DATA), rig.in(DATA)], [0xfa, 0xab, 0x41]);
  assert.deepEqual(rig.changes, ['1+', '1-', '1+', '1-', '1+', '1-']);
  assert.ok(!rig.level(GSI));
});

test('I8042: interrupt off in the command byte → no interrupt; on again while a byte waits → it comes', () => {
  const rig = new KeyboardRig();
  rig.command(0x60, 0x64);
  rig.out(DATA, 0xee);
  assert.ok(!rig.level(GSI));
  rig.out(COMMAND, 0x60);
  rig.out(DATA, 0x65);
  assert.ok(rig.level(GSI));
  assert.deepEqual(rig.answers(), [0xee]);
});

test('I8042: keyboard disabled → its bytes wait until it is enabled', () => {
  const rig = new KeyboardRig();
  rig.out(COMMAND, 0xad);
  assert.deepEqual(rig.keyboard(0xee), []);
  rig.out(COMMAND, 0xae);
  assert.deepEqual(rig.answers(), [0xee]);
});

test('I8042.typeCtrlAltDel: guest listens → keys down and up in set 1; keyboard off, or not scanning → refused', () => {
  const rig = new KeyboardRig();
  const { keyboard } = rig.platform;
  assert.ok(keyboard.typeCtrlAltDel());
  assert.deepEqual(rig.answers(), [0x1d, 0x38, 0xe0, 0x53, 0xe0, 0xd3, 0xb8, 0x9d]);
  rig.keyboard(0xf5);
  assert.ok(!keyboard.typeCtrlAltDel());
  rig.keyboard(0xf4);
  rig.out(COMMAND, 0xad);
  assert.ok(!keyboard.typeCtrlAltDel());
  rig.command(0x60, 0x05);
  assert.ok(keyboard.typeCtrlAltDel());
  assert.deepEqual(rig.answers().slice(0, 4), [0x14, 0x11, 0xe0, 0x71], 'set 2 without translation');
});

test('I8042: any accesses → the line is up exactly while a byte waits and its interrupt is on; the self test works afterwards', () => {
  const access = fc.record({ port: fc.constantFrom(DATA, COMMAND), value: fc.option(fc.nat(0xff)) });
  fc.assert(
    fc.property(fc.array(access, { maxLength: 100 }), (accesses) => {
      const rig = new KeyboardRig();
      for (const { port, value } of accesses) {
        if (value === null) assert.ok(rig.in(port) <= 0xff);
        else rig.out(port, value);
        if (rig.level(GSI)) assert.equal(rig.in(COMMAND) & pc.I8042_STR_OBF, 1);
      }
      rig.out(COMMAND, 0xad);
      rig.answers();
      assert.deepEqual(rig.command(0xaa), [0x55]);
      assert.ok(!rig.level(GSI));
    }),
  );
});
