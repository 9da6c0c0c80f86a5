import assert from 'node:assert/strict';
import { useBed } from './bed.js';
import { Guest } from './guest.js';
import { LKVM } from './machine.js';

const { scenario } = useBed();

scenario("outer guest: started → its own /dev/kvm, the host's files, a writable /run", async (outer) => {
  const facts = await outer.sh(
    'uname -r; ls -l /dev/kvm; echo text > /run/file; cat /run/file; ! touch /tmp/file',
  );
  assert.match(facts, /^6\.1\..*\n.*\/dev\/kvm\ntext\n$/);
});

scenario('outer guest: lkvm version → the same as on the host', async (outer) => {
  const { code, stdout } = await outer.run([...LKVM, 'version']);
  assert.equal(code, 0);
  assert.match(stdout, /^kvm tool \d+\.\d+\.\d+/);
});

scenario('outer guest: a command that fails → its status, output and errors', async (outer) => {
  const result = await outer.run(['/bin/sh', '-c', 'cat; echo lost >&2; exit 7'], { input: 'kept' });
  assert.deepEqual(result, { code: 7, signal: null, stdout: 'kept', stderr: 'lost\n' });
});

scenario('outer guest: QEMU on its KVM → a Debian kernel boots and reboots', async (outer) => {
  const guest = await Guest.boot(outer, { kernel: '6.1', initrd: outer.initrd('6.1') }, 'qemu');
  assert.equal(await guest.sh('echo inside'), 'inside\n');
  assert.equal((await guest.end()).code, 0);
});
