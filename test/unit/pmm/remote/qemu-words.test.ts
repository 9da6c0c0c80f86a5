// From options to QEMU's command line.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildPmmConfig } from '#lkvm/pmm/build-config.js';
import type { PmmPoolOptions, PmmQemuOptions } from '#lkvm/pmm/options.js';
import { qemuProgram, qemuWords } from '#lkvm/pmm/remote/qemu-words.js';

function wordsOf(options: Partial<PmmQemuOptions>, pool?: PmmPoolOptions): string {
  const { remote, pool: spec } = buildPmmConfig({
    shmem: { address: 0xd400_0000, bytes: 16 << 20 },
    devices: [],
    pool,
    remote: { kind: 'qemu', arch: 'x86_64', kernel: '/k', ...options },
  });
  assert.ok(remote?.kind === 'qemu');
  return qemuWords(remote, spec).join(' ');
}

test('qemuWords: what is given → in the words', () => {
  const words = wordsOf({ initrd: '/i', append: 'quiet', memory: 96 }, { kind: 'ivshmem', path: '/run/s' });
  assert.match(words, /-m 96 /);
  assert.match(
    words,
    / -chardev socket,id=pmm,path=\/run\/s -device ivshmem-doorbell,chardev=pmm,vectors=1 /,
  );
  assert.match(words, / -kernel \/k -initrd \/i -append console=ttyS0 virtio_hvl.ring_acks=0 quiet$/);
});

test('qemuWords: a console of the user, and arm64 → its console stays; the default is that of the machine', () => {
  assert.match(
    wordsOf({ append: 'console=hvc0 quiet' }),
    / -append virtio_hvl.ring_acks=0 console=hvc0 quiet$/,
  );
  assert.match(
    wordsOf({ arch: 'aarch64' }),
    /-machine virt .* -append console=ttyAMA0 virtio_hvl.ring_acks=0$/,
  );
  assert.equal(qemuProgram('aarch64').program, 'qemu-system-aarch64');
});

test('qemuWords: a socket path with a comma, more vectors → as QEMU wants them', () => {
  const words = wordsOf({}, { kind: 'ivshmem-server', path: '/run/a,b', vectors: 3 });
  assert.match(words, /path=\/run\/a,,b -device ivshmem-doorbell,chardev=pmm,vectors=3 /);
});

test('buildPmmConfig: a machine and no pool → an ivshmem server at a socket of its own', () => {
  const [first, second] = [1, 2].map(() => /path=(\S+)/.exec(wordsOf({}))?.[1] ?? assert.fail('no path'));
  assert.notEqual(first, second);
  assert.ok((first?.length ?? 999) <= 107);
});
