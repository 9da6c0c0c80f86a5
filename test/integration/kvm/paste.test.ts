import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildImage, skipWithoutCompiler, startLkvm } from '../../support/bare-image.js';
import { skipWithoutKvm } from '../../support/kvm-rig.js';
import { tempDir } from '../../support/temp.js';

const skip = skipWithoutKvm() || skipWithoutCompiler();
const BYTES = 1_000_000;
const LIMIT_MS = 600_000;

/** FNV-1a, as the image has it. */
function checksum(data: Uint8Array): number {
  let sum = 2166136261;
  for (const byte of data) sum = Math.imul(sum ^ byte, 16777619) >>> 0;
  return sum;
}

test('serial port: 1 MB pasted at once → the guest reads every byte, in order', { skip }, async (t) => {
  const image = buildImage(tempDir(t), 'paste');
  const words = [
    '-m',
    '64',
    '-c',
    '1',
    '--nodefaults',
    '-n',
    'mode=none',
    '-p',
    `bytes=${BYTES}`,
    '--debug-exit',
  ];
  const lkvm = startLkvm([image, ...words], LIMIT_MS);
  t.after(() => lkvm.child.kill('SIGKILL'));
  while (!lkvm.text().includes('PASTE-BEGIN') && lkvm.child.exitCode === null) await sleep(20);
  // no escape key (Ctrl-A), which is not for the guest
  const data = Buffer.from(Array.from({ length: BYTES }, (_, i) => 2 + ((i * 7 + (i >> 7) * 3) % 250)));
  lkvm.child.stdin?.write(data);
  const { code, output } = await lkvm.ended;
  assert.match(output, new RegExp(`PASTE-SUM ${checksum(data)}\n`), output);
  assert.equal(code, 1);
});
