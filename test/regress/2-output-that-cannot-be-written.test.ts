// Issue 2: what cannot be written is reported in one line; a reader that has gone away is no error.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { test } from 'node:test';
import { MAIN } from '../support/cli.js';

interface End {
  readonly code: number | null;
  readonly stderr: string;
}

/** Runs the command with its standard output in `out`, or in a pipe whose reader has gone. */
function run(args: readonly string[], out: number | 'gone'): Promise<End> {
  const stdout = out === 'gone' ? 'pipe' : out;
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', stdout, 'pipe'] });
  child.stdout?.destroy();
  let stderr = '';
  child.stderr?.on('data', (chunk) => {
    stderr += String(chunk);
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stderr })));
}

const LAYOUT = ['layout', '--shmem-addr', '0x37000000', '--shmem-size', '16M', '--rng', '--c-header'];
const DEMO = ['demo', '-e', 'rng 4; rng 4; rng 4'];

for (const [name, args] of [
  ['layout', LAYOUT],
  ['demo', DEMO],
] as const) {
  test(`${name}: standard output on a full disk → one line, exit 1`, async () => {
    const { code, stderr } = await run(args, openSync('/dev/full', 'w'));
    assert.equal(stderr, '  Fatal: cannot write to standard output: ENOSPC\n');
    assert.equal(code, 1);
  });

  test(`${name}: the reader of standard output has gone → not a word, exit 0`, async () => {
    const { code, stderr } = await run(args, 'gone');
    assert.equal(stderr, '');
    assert.equal(code, 0);
  });
}
