import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { RunDelay } from '#lkvm/sys/run-delay.js';

const skip = existsSync('/proc/thread-self/schedstat') ? false : 'this kernel keeps no account';

test('RunDelay: read → what the kernel has written down for this thread, in microseconds', { skip }, () => {
  const delay = new RunDelay();
  const kernelUs = () => Number(readFileSync('/proc/thread-self/schedstat', 'ascii').split(' ')[1]) / 1000;
  const before = kernelUs();
  const between = delay.waitedUs();
  const after = kernelUs();
  delay.close();
  assert.ok(before <= between && between <= after, `${before} ${between} ${after}`);
});

test('RunDelay: another process wants the same processor → the time grows', { skip }, async (t) => {
  // Pinned together with the child, so that they compete whatever else the machine does.
  const pinned = spawn('taskset', ['-p', '-c', '0', String(process.pid)], { stdio: 'ignore' });
  const status = await new Promise((resolve) => pinned.once('close', resolve).once('error', resolve));
  if (status !== 0) return t.skip('processes cannot be pinned here');
  const rival = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
  t.after(() => rival.kill('SIGKILL'));
  const delay = new RunDelay();
  t.after(() => delay.close());
  const before = delay.waitedUs();
  const end = performance.now() + 10_000;
  while (delay.waitedUs() < before + 1000 && performance.now() < end);
  assert.ok(delay.waitedUs() >= before + 1000);
});
