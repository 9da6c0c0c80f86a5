// The size of the terminal that a machine's console is on: a guest of a few bytes on the host's real KVM reads it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setWindowSize } from '#lkvm/sys/tty.js';
import { Asm } from '../../support/asm.js';
import { elf, multibootHeader } from '../../support/boot-images.js';
import { imageFile } from '../../support/boot-rig.js';
import { MAIN } from '../../support/cli.js';
import { skipWithoutKvm } from '../../support/kvm-rig.js';
import { projectRoot } from '../../support/project.js';
import { TerminalChild } from '../../support/terminal-child.js';

const MIB = 1 << 20;
const DEBUG_OUTPUT = 0xe9;
const DEBUG_EXIT = 0xf4;
/** The first device of virtio-mmio, and its registers. */
const WINDOW = 0xd300_0000;
const DRIVER_FEATURES = WINDOW + 0x20;
const DRIVER_FEATURES_SEL = WINDOW + 0x24;
const STATUS = WINDOW + 0x70;
const CONFIG = WINDOW + 0x100;

/** Waits until the config space has this size. */
function waitForSize(asm: Asm, label: string, columns: number, rows: number): Asm {
  asm.label(label);
  asm.loadAl(CONFIG).cmpAl(columns).jne(label);
  return asm
    .loadAl(CONFIG + 2)
    .cmpAl(rows)
    .jne(label);
}

test('lkvm run --console virtio: on a terminal → the guest sees its size, and each change of it', {
  skip: skipWithoutKvm(),
}, async (t) => {
  const asm = new Asm(32);
  for (const status of [0, 1, 3]) asm.storeDword(STATUS, status);
  for (const [select, bits] of [
    [0, 1], // SIZE
    [1, 1], // VERSION_1
  ] as const) {
    asm.storeDword(DRIVER_FEATURES_SEL, select).storeDword(DRIVER_FEATURES, bits);
  }
  for (const status of [0xb, 0xf]) asm.storeDword(STATUS, status);
  waitForSize(asm, 'first', 100, 40).outByte(DEBUG_OUTPUT, 0x41);
  waitForSize(asm, 'second', 120, 50).outByte(DEBUG_EXIT, 0x15);
  const code = asm.label('end').hlt().jmp('end').code();
  const header = multibootHeader(0);
  const image = elf(32, MIB + header.length, [{ gpa: MIB, bytes: Uint8Array.from([...header, ...code]) }]);
  const kernel = imageFile(t, 'guest', image);
  const words = ['run', '-k', kernel, '-m', '16', '-c', '1', '-n', 'mode=none', '--debug-exit'];
  const machine = [MAIN, ...words, '--console', 'virtio', '--transport', 'mmio', '--loglevel', 'warning'];
  const child = new TerminalChild(t, process.execPath, machine, projectRoot);
  assert.equal(setWindowSize(child.pty.controller, 40, 100), 0);
  await child.shows('A');
  assert.equal(setWindowSize(child.pty.controller, 50, 120), 0);
  assert.deepEqual(await child.ended, { code: (0x15 << 1) | 1, signal: null });
});
