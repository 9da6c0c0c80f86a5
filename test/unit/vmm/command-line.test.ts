import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CommandLineFacts, generateCommandLine } from '#lkvm/vmm/command-line.js';

const line = (facts: Partial<CommandLineFacts>) =>
  generateCommandLine({ console: 'serial', root: 'unknown', hvl: undefined, extra: '', ...facts });

const MACHINE = 'reboot=k panic=1 i8042.direct=1 i8042.dumbkbd=1 i8042.nopnp=1 i8042.noaux=1';
const SERIAL = `${MACHINE} earlyprintk=serial console=ttyS0`;
const P9 = 'rw rootflags=trans=virtio,version=9p2000.L,cache=loose rootfstype=9p';

test('generateCommandLine: nothing said → words of the machine and of the serial console, no ACPI word', () => {
  assert.equal(line({}), SERIAL);
});

test('generateCommandLine: console virtio, none → hvc0; no console word', () => {
  assert.equal(line({ console: 'virtio' }), `${MACHINE} console=hvc0`);
  assert.equal(line({ console: 'none' }), MACHINE);
});

test('generateCommandLine: a disk → it is the root, writable unless it is read-only', () => {
  assert.equal(line({ root: 'disk' }), `${SERIAL} root=/dev/vda rw`);
  assert.equal(line({ root: 'read-only disk' }), `${SERIAL} root=/dev/vda ro`);
});

test('generateCommandLine: a root directory → 9p root by its tag', () => {
  assert.equal(line({ root: 'directory' }), `${SERIAL} ${P9} root=/dev/root`);
});

test("generateCommandLine: the user's words → last, and his root= instead of ours", () => {
  assert.equal(line({ root: 'disk', extra: ' quiet ' }), `${SERIAL} root=/dev/vda rw quiet`);
  assert.equal(line({ root: 'disk', extra: 'quiet root=/dev/vda1' }), `${SERIAL} quiet root=/dev/vda1`);
  assert.equal(line({ root: 'directory', extra: 'root=mine' }), `${SERIAL} ${P9} root=mine`);
});

test('generateCommandLine: a shell in the initial RAM disk asked for → no panic=, with which Debian gives none', () => {
  const shell = SERIAL.replace('panic=1 ', '');
  assert.equal(line({ extra: 'break=mount' }), `${shell} break=mount`);
  assert.equal(line({ extra: 'quiet break' }), `${shell} quiet break`);
  assert.equal(line({ extra: 'breaks x.break=1' }), `${SERIAL} breaks x.break=1`);
});

test('generateCommandLine: words that only contain "root=" → our root stays', () => {
  assert.equal(
    line({ root: 'disk', extra: 'nfsroot=1 x.root=2' }),
    `${SERIAL} root=/dev/vda rw nfsroot=1 x.root=2`,
  );
});
