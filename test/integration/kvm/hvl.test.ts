// `lkvm run --rsld` on the host's own KVM: a bare-metal front end drives an entropy device over a pool.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { buildImage, type LkvmResult, skipWithoutCompiler, startLkvm } from '../../support/bare-image.js';
import { skipWithoutKvm } from '../../support/kvm-rig.js';
import { tempDir } from '../../support/temp.js';

const skip = skipWithoutKvm() || skipWithoutCompiler();
const LIMIT_MS = 120_000;

/** Runs the front end to its end. @param args more options of lkvm @param words more words for the front end */
async function run(t: TestContext, args: readonly string[], words = ''): Promise<LkvmResult> {
  const image = buildImage(tempDir(t), 'hvl', args.includes('--vxworks'));
  const few = ['-m', '16', '-c', '1', '--debug-exit', '--rng'];
  const pool = ['--rsld', '--shmem-addr', '0xd4000000', '--shmem-size', '1M'];
  const card = args.includes('-n') ? [] : ['-n', 'mode=none'];
  const all = [image, ...few, ...pool, ...card, ...args, '-p', words];
  const lkvm = startLkvm(all, LIMIT_MS, { LKVM_EXIT_STATS: '1' });
  t.after(() => lkvm.child.kill('SIGKILL'));
  return await lkvm.ended;
}

/** What the front end has counted. */
function counted(output: string): { interrupts: number; rings: number } {
  const [, interrupts, rings] = /HVL-OK interrupts=(\d+) rings=(\d+)/.exec(output) ?? assert.fail(output);
  return { interrupts: Number(interrupts), rings: Number(rings) };
}

/** Exits by stores to doorbells, as the vCPU has counted them. */
const STORES = /^ *\d+ {2}mmio write 0x(e0000000|d30001f0)$/m;

test('lkvm run --rsld: a front end asks for entropy 100 times → 100 answers by interrupt, no doorbell leaves the kernel', {
  skip,
}, async (t) => {
  // While the device polls, the front end need not ring.
  const { code, output } = await run(t, ['--irq', '12', '--poll', 'none'], 'rounds=100');
  assert.equal(code, 1, output); // 0 written to the debug-exit port
  const { interrupts, rings } = counted(output);
  assert.ok(interrupts >= 101, `one for the queue, one for each request: ${interrupts}`);
  assert.ok(rings >= 205, `five for the start, two for each request: ${rings}`);
  assert.match(output, /exits of a vCPU by address/);
  assert.doesNotMatch(output, STORES);
  assert.match(output, /hypervisorless: rng at 0xd4000000; doorbell 0xe0000000, interrupt 12$/m);
});

test('lkvm run --rsld: a buffer in the guest RAM instead of the pool → answered with length 0, not written', {
  skip,
}, async (t) => {
  const { code, output } = await run(t, [], 'rounds=1 outside=1');
  assert.equal(code, 1, output);
});

test('lkvm run --rsld --irq 5 --no-dtb: another line, another place, register blocks at the start of the pool → the same', {
  skip,
}, async (t) => {
  const place = ['--shmem-addr', '0xdff00000', '--irq', '5', '--no-dtb'];
  const { code, output } = await run(t, place, 'shm_addr=0xdff00000 irq=5 dtb=0');
  assert.equal(code, 1, output);
  assert.doesNotMatch(output, STORES);
});

test('lkvm run --rsld: a disk beside the pool, --confine, --static, --queue-size → the front end finds what it needs', {
  skip,
}, async (t) => {
  const disk = join(tempDir(t), 'disk');
  writeFileSync(disk, Buffer.alloc(1 << 20));
  const { code, output } = await run(t, [
    ...['-d', disk, '--confine', '--static', '--queue-size', 'rng=8', '--region', 'rng=64K'],
    ...['--dump-dtb', join(disk, '..', 'tree')],
  ]);
  assert.equal(code, 1, output);
  assert.equal(readFileSync(join(disk, '..', 'tree')).readUInt32BE(0), 0xd00d_feed);
});

test('lkvm run --rsld --vxworks: the boot line says where the pool is → found there; stores to doorbells wait for the look', {
  skip,
}, async (t) => {
  const place = ['--vxworks', '--shmem-addr', '0xd8000000', '--irq', '7', '--poll', 'none'];
  const { code, output } = await run(t, place, 'sync=1 rounds=20');
  assert.equal(code, 1, output);
  const { interrupts, rings } = counted(output);
  assert.ok(interrupts >= 21, `one for the queue, one for each request: ${interrupts}`);
  const [all, own] = ['e0000000', 'd30001f0'].map((address) =>
    Number(new RegExp(`^ *(\\d+) {2}mmio write 0x${address}$`, 'm').exec(output)?.[1]),
  );
  assert.equal((all ?? 0) + (own ?? 0), rings, output);
});

for (const seed of [1, 2, 3]) {
  test(`lkvm run --rsld: garbage in registers and rings of all devices, seed ${seed} → a front end starts afterwards as if new`, {
    skip,
  }, async (t) => {
    const share = tempDir(t);
    const { code, output } = await run(
      t,
      ['--no-dtb', '--console', 'virtio', '-n', 'mode=user', '--9p', `${share},share`],
      `dtb=0 scribble=20000 seed=${seed}`,
    );
    assert.equal(code, 1, output);
    assert.doesNotMatch(output, /^\s+at |internal|invariant/im, 'no error of our own');
  });
}
