// A PMM that is killed: what it leaves behind must not be in the way of the same command.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
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
