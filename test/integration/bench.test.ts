// The benches can be run and their report can be read. What they measure is not judged here: that needs a quiet machine.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { projectRoot } from '../support/project.js';

const RUN = join(projectRoot, 'build', 'bench', 'run.js');

function bench(...words: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [RUN, ...words], { timeout: 120_000 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, stdout, stderr });
    });
  });
}

test('bench: --only ring --quick --json → one JSON object with name, value, unit, floor and ratio', async () => {
  const { code, stdout, stderr } = await bench('--only', 'ring', '--quick', '--json');
  assert.equal(code, 0, stderr);
  const { benches } = JSON.parse(stdout) as { benches: Record<string, unknown>[] };
  assert.equal(benches.length, 1);
  const [ring] = benches;
  assert.equal(ring?.['name'], 'ring');
  assert.equal(ring?.['unit'], 'ns/buffer');
  for (const field of ['value', 'floor', 'ratio']) {
    assert.ok(Number(ring?.[field]) > 0, `${field}: ${ring?.[field]}`);
  }
});

test('bench: a name that does not exist → status 2 and the names that do', async () => {
  const { code, stdout, stderr } = await bench('--only', 'rung');
  assert.equal(code, 2);
  assert.equal(stdout, '');
  for (const name of ['ring', 'rtt-spin', 'p9-read', 'net-gbps', 'pmm-start', 'idle-cpu']) {
    assert.ok(stderr.includes(name), stderr);
  }
});
