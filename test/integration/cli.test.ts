// The command itself: help, version, manual, and `pmm` from the first word to the end.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { lkvm, MAIN } from '../support/cli.js';
import { projectRoot } from '../support/project.js';
import { tempDir } from '../support/temp.js';

test('lkvm: without a command, --help, -h, help → the general help, exit code 0', async () => {
  const { code, stdout, stderr } = await lkvm('');
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /The most commonly used/);
  for (const word of ['--help', '-h', 'help']) {
    assert.deepEqual(await lkvm(word), { code: 0, stdout, stderr: '' }, word);
  }
});

test('lkvm version, --version: → "kvm tool" and the version of the package', async () => {
  const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
    version: string;
  };
  const expected = { code: 0, stdout: `kvm tool ${version}\n`, stderr: '' };
  assert.deepEqual(await lkvm('version'), expected);
  assert.deepEqual(await lkvm('--version'), expected);
});

test('lkvm COMMAND --help, -h, help COMMAND: → usage, options, examples; exit code 0', async () => {
  const { code, stdout } = await lkvm('pmm --help');
  assert.equal(code, 0);
  assert.match(stdout, /^usage: lkvm pmm --shmem-addr ADDR --shmem-size SIZE/);
  assert.match(stdout, /--9p DIR\[,TAG\]\[,ro\] /);
  assert.match(stdout, /^Examples:/m);
  assert.doesNotMatch(stdout, /--vxworks/);
  assert.equal((await lkvm('help pmm')).stdout, stdout);
  assert.equal((await lkvm('pmm --rng -h')).stdout, stdout);
  assert.match((await lkvm('pmm --help-all')).stdout, /-v, --vxworks/);
});

test('lkvm help COMMAND: unknown → exit code 22', async () => {
  assert.equal((await lkvm('help frobnicate')).code, 22);
});

test('docs/cli.md: made from the tables → up to date (node dist/cli/main.js help --markdown > docs/cli.md)', async () => {
  const { stdout } = await lkvm('help --markdown');
  assert.equal(readFileSync(join(projectRoot, 'docs', 'cli.md'), 'utf8'), stdout);
});

/** A PMM over a pool file, without a doorbell; ended after the test whatever happens. */
function startPmm(t: TestContext, pool: string, more: string): ChildProcess {
  const words = `pmm --shmem-addr 0x37000000 --shmem-size 1M --shmem-backend file:${pool} --notify poll --rng -n mode=none ${more}`;
  const child = spawn(process.execPath, [MAIN, ...words.trim().split(' ')], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => child.kill('SIGKILL'));
  return child;
}

/** Waits until the first register block has its magic, which is the last word written but for the device tree. */
async function published(pool: string, block: number): Promise<void> {
  for (let round = 0; round < 3000; round++) {
    if (
      existsSync(pool) &&
      readFileSync(pool)
        .subarray(block, block + 4)
        .toString() === 'virt'
    )
      return;
    await sleep(10);
  }
  assert.fail('the PMM published nothing');
}

test('lkvm pmm: a pool file → published, and said so; SIGTERM → exit code 0', async (t) => {
  const pool = join(tempDir(t), 'pool');
  const child = startPmm(t, pool, '--no-dtb');
  const [said] = (await once(child.stderr ?? assert.fail(), 'data')) as [Buffer];
  assert.equal(said.toString(), '  Info: ready: rng at 0x37000000; doorbell none, memory is polled\n');
  await published(pool, 0);
  child.kill('SIGTERM');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
});

test('lkvm pmm --dump-dtb: → the bytes at the start of the pool', async (t) => {
  const dir = tempDir(t);
  const pool = join(dir, 'pool');
  const child = startPmm(t, pool, `--dump-dtb ${join(dir, 'x.dtb')}`);
  await published(pool, 0x10000);
  const blob = readFileSync(join(dir, 'x.dtb'));
  for (let round = 0; round < 3000 && readFileSync(pool).readUInt32BE(0) !== 0xd00dfeed; round++)
    await sleep(10);
  assert.deepEqual(readFileSync(pool).subarray(0, blob.length), blob);
  child.kill('SIGINT');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
});

test('lkvm pmm: a pool held by another → exit code 128, and the first goes on; with --force → taken over', async (t) => {
  const pool = join(tempDir(t), 'pool');
  const first = startPmm(t, pool, '--no-dtb');
  await published(pool, 0);
  const second = startPmm(t, pool, '--no-dtb');
  assert.deepEqual(await once(second, 'exit'), [128, null]);
  assert.equal(first.exitCode, null);
  const third = startPmm(t, pool, '--no-dtb --force');
  const [said] = (await once(third.stderr ?? assert.fail(), 'data')) as [Buffer];
  assert.match(said.toString(), /^ {2}Warning: .*--force/);
  third.kill('SIGTERM');
  await once(third, 'exit');
  first.kill('SIGTERM');
  assert.deepEqual(await once(first, 'exit'), [0, null]);
});
