// A PMM that is killed: what it leaves behind must not be in the way of the same command.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MAIN } from '../support/cli.js';

const TIMEOUT = { timeout: 120_000 };

/** `lkvm ...` with pipes for all it says. */
class Command {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';

  constructor(t: TestContext, words: readonly string[]) {
    this.child = spawn(process.execPath, [MAIN, ...words], { stdio: 'pipe' });
    t.after(() => this.child.kill('SIGKILL'));
    this.child.stdout?.on('data', (data) => {
      this.stdout += data;
    });
    this.child.stderr?.on('data', (data) => {
      this.stderr += data;
    });
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    const ended = once(this.child, 'close');
    this.child.kill(signal);
    const [code] = (await ended) as [number | null];
    return code;
  }
}

async function startPmm(t: TestContext, place: readonly string[]): Promise<Command> {
  const pool = ['--shmem-addr', '0x37000000', '--shmem-size', '1M', ...place];
  const pmm = new Command(t, ['pmm', ...pool, '--rng', '--console', 'virtio', '-n', 'mode=none']);
  while (!pmm.stderr.includes('ready: rng')) {
    assert.equal(pmm.child.exitCode, null, pmm.stderr);
    await sleep(10);
  }
  return pmm;
}

/** Types a command of the peer's shell until it is answered: what is typed before the peer is there may be lost. */
async function assertServes(pmm: Command): Promise<void> {
  while (!/\{"end":1,"command":"rng 8","status":0/.test(pmm.stdout)) {
    pmm.child.stdin?.write('rng 8\n');
    await sleep(100);
  }
}

for (const [name, pmmWords, auxWords, left] of [
  ['file and socket', 'file:D/pool --notify socket:D/bell', 'file:D/pool --notify socket:D/bell', 'bell'],
  ['file and eventfds', 'file:D/pool --notify eventfd:D/bell', 'file:D/pool --notify eventfd:D/bell', 'bell'],
  ['memfd and eventfds', 'memfd --notify eventfd:D/bell', 'memfd --notify eventfd:D/bell', 'bell'],
  ['file, no doorbell', 'file:D/pool --notify poll', 'file:D/pool --notify poll', 'pool'],
  ['ivshmem', 'ivshmem-server:D/bell', 'ivshmem:D/bell', 'bell'],
] as const) {
  test(`lkvm pmm: ${name}, killed → the same command again works, with the same peer`, TIMEOUT, async (t) => {
    const folder = mkdtempSync('/dev/shm/lkvm-test-');
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const words = (text: string) => ['--shmem-backend', ...text.replaceAll('D/', `${folder}/`).split(' ')];
    const first = await startPmm(t, words(pmmWords));
    const aux = new Command(t, ['aux', '--script', ...words(auxWords)]);
    await assertServes(first);
    await first.end('SIGKILL');
    assert.ok(existsSync(join(folder, left)));
    const second = await startPmm(t, words(pmmWords));
    await assertServes(second);
    assert.equal(await second.end('SIGTERM'), 0);
    assert.equal(await aux.end('SIGTERM'), 0);
  });
}

const POOL_BYTES = 1 << 20;
const FDT_BYTES = 0x1_0000;
/** Register block of the first device, and what static mode has there: epoch, and the driver's answer to it. */
const [BLOCK, EPOCH, ATTACH] = [FDT_BYTES, 0x190, 0x198];

test(
  'lkvm pmm --static: killed while a peer is attached, started again → a new epoch, to which the peer attaches; the file behind the pool is untouched',
  TIMEOUT,
  async (t) => {
    const folder = mkdtempSync('/dev/shm/lkvm-test-');
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const pool = join(folder, 'pool');
    writeFileSync(pool, Buffer.alloc(POOL_BYTES + 4096, 0x5a));
    const words = ['--shmem-backend', `file:${pool}`, '--notify', `socket:${join(folder, 'bell')}`];
    const epochs: number[] = [];
    let aux: Command | undefined;
    for (let turn = 0; turn < 3; turn++) {
      const pmm = await startPmm(t, [...words, '--static']);
      aux ??= new Command(t, ['aux', '--script', ...words]);
      await assertServes(pmm);
      const block = readFileSync(pool).subarray(BLOCK);
      assert.equal(block.readUInt32LE(ATTACH), block.readUInt32LE(EPOCH));
      epochs.push(block.readUInt32LE(EPOCH));
      await pmm.end('SIGKILL');
    }
    assert.equal(new Set([0, ...epochs]).size, 4, `${epochs}`);
    assert.ok(
      readFileSync(pool)
        .subarray(POOL_BYTES)
        .every((byte) => byte === 0x5a),
    );
    assert.equal(await aux?.end('SIGTERM'), 0);
  },
);
