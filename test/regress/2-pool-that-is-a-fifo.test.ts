// Issue 2: a FIFO in the place of a pool file is refused, and does not make anybody wait for its other end.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { lkvm } from '../support/cli.js';
import { tempDir } from '../support/temp.js';

for (const command of ['inspect', 'aux --notify poll']) {
  test(`${command}: the pool is a FIFO → one line, exit 128`, async (t) => {
    const fifo = join(tempDir(t), 'fifo');
    execFileSync('mkfifo', [fifo]);
    const { code, stderr } = await lkvm(`${command} --shmem-backend file:${fifo}`);
    assert.match(stderr, /^ {2}Fatal: .*not a regular file\n$/);
    assert.equal(code, 128);
  });
}
