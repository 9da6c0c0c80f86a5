import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { skipWithoutBed } from './cache.js';
import { Guest } from './guest.js';
import { LKVM } from './machine.js';
import { OuterGuest } from './outer.js';

const skip = skipWithoutBed();
let outer: OuterGuest;

before(async () => {
  if (skip === false) outer = await OuterGuest.boot();
});

after(async () => {
  if (skip === false) await outer.close();
});

test("outer guest: started → its own /dev/kvm, the host's files, a writable /run", { skip }, async () => {
  const facts = await outer.sh(
    'uname -r; ls -l /dev/kvm; echo text > /run/file; cat /run/file; ! touch /tmp/file',
  );
  assert.match(facts, /^6\.1\..*\n.*\/dev\/kvm\ntext\n$/);
});

test('outer guest: lkvm version → the same as on the host', { skip }, async () => {
  const { code, stdout } = await outer.run([...LKVM, 'version']);
  assert.equal(code, 0);
  assert.match(stdout, /^kvm tool \d+\.\d+\.\d+/);
});

test('outer guest: a command that fails → its status, output and errors', { skip }, async () => {
  const result = await outer.run(['/bin/sh', '-c', 'cat; echo lost >&2; exit 7'], { input: 'kept' });
  assert.deepEqual(result, { code: 7, signal: null, stdout: 'kept', stderr: 'lost\n' });
});

test('outer guest: QEMU on its KVM → a Debian kernel boots and reboots', { skip }, async () => {
  const guest = await Guest.boot(outer, { kernel: '6.1', initrd: outer.initrd('6.1') }, 'qemu');
  assert.equal(await guest.sh('echo inside'), 'inside\n');
  assert.equal((await guest.end()).code, 0);
});
