import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import { LkvmError } from '#lkvm/util/errors.js';
import { CONTROL_STATE, STATE_STOPPED } from '#lkvm/workers/control-block.js';
import { ShutdownGuard } from '#lkvm/workers/guard.js';
import { type ThreadEnd, WorkerThread } from '#lkvm/workers/host.js';
import type { ThreadInit } from '#lkvm/workers/messages.js';
import { tempDir } from '../../support/temp.js';

const ENTRY = new URL('./echo-worker.js', import.meta.url);

/** A thread whose messages and ends are recorded; stopped after the test. */
function thread(t: TestContext, behaviour: string, wake: 'fd' | 'word' = 'fd', entry = ENTRY) {
  const messages: unknown[] = [];
  const ends: ThreadEnd[] = [];
  let heard = (): void => {};
  const worker = new WorkerThread({
    name: 'echo',
    entry,
    data: { behaviour },
    wake,
    owner: {
      onMessage: (message) => {
        messages.push(message);
        heard();
      },
      onEnd: (end) => ends.push(end),
    },
    guard: new ShutdownGuard(),
  });
  const count = (n: number): Promise<void> =>
    new Promise((resolve) => {
      heard = () => messages.length >= n && resolve();
      heard();
    });
  t.after(() => worker.stop());
  return { worker, messages, ends, count };
}

for (const wake of ['fd', 'word'] as const) {
  test(`WorkerThread: messages to a thread asleep (${wake}) → received, answered; stop → clean end, once`, async (t) => {
    const { worker, messages, ends, count } = thread(t, 'echo', wake);
    await count(1);
    worker.post({ n: 1 });
    worker.post({ n: 2 });
    await count(3);
    assert.deepEqual(messages, ['ready', { n: 1 }, { n: 2 }]);
    assert.deepEqual(await worker.stop(), { error: undefined });
    assert.deepEqual(await worker.stop(), { error: undefined });
    worker.post('late');
    worker.wake();
    assert.deepEqual(ends, [{ error: undefined }]);
    assert.deepEqual(await worker.ended, { error: undefined });
    assert.equal(Atomics.load(worker.control, CONTROL_STATE), STATE_STOPPED);
  });
}

test('WorkerThread.post: a message port → moves to the thread', async (t) => {
  const { worker, count } = thread(t, 'echo');
  await count(1);
  const { port1, port2 } = new MessageChannel();
  const answer = once(port1, 'message');
  worker.post({ port: port2 }, [port2]);
  assert.deepEqual(await answer, ['through the port']);
  port1.close();
});

test('WorkerThread: stop before the thread runs → its work is never begun', async (t) => {
  const { worker, messages } = thread(t, 'echo');
  assert.deepEqual(await worker.stop(), { error: undefined });
  assert.deepEqual(messages, []);
});

test('WorkerThread: the work throws an LkvmError → its code and exit code arrive', async (t) => {
  const { worker, ends } = thread(t, 'throw');
  const { error } = await worker.ended;
  assert.deepEqual(error, { name: 'LkvmError', code: 'TEST', message: 'thrown on purpose', exitCode: 77 });
  assert.equal(ends.length, 1);
});

test('WorkerThread: the work throws later, outside of any promise → the error arrives', async (t) => {
  const { worker } = thread(t, 'throw-later');
  const { error } = await worker.ended;
  assert.match(error?.message ?? '', /thrown from a timer/);
  assert.equal(Atomics.load(worker.control, CONTROL_STATE), STATE_STOPPED);
});

test('WorkerThread: the entry does not exist → an error, not a hang', async (t) => {
  const { worker } = thread(t, '', 'fd', new URL('./no-such-entry.js', import.meta.url));
  const { error } = await worker.ended;
  assert.match(error?.message ?? '', /no-such-entry/);
  assert.equal(Atomics.load(worker.control, CONTROL_STATE), STATE_STOPPED);
});

test('WorkerThread: process.exit in the thread → THREAD_EXIT', async (t) => {
  const { worker } = thread(t, 'exit');
  const { error } = await worker.ended;
  assert.equal(error?.code, 'THREAD_EXIT');
  assert.match(error?.message ?? '', /echo exited with code 5/);
});

test('WorkerThread: the thread does not obey → stop rejects with THREAD_STUCK, later succeeds', async (t) => {
  const { worker, count } = thread(t, 'second-stop');
  await count(1);
  await assert.rejects(
    worker.stop(50),
    (error) => error instanceof LkvmError && error.code === 'THREAD_STUCK',
  );
  worker.post('now');
  assert.deepEqual(await worker.ended, { error: undefined });
});

test('WorkerThread: in a process started with --input-type or V8 options → runs', (t) => {
  const init: Pick<ThreadInit, 'data'> = { data: { behaviour: 'return' } };
  const program = `
    import { WorkerThread } from ${JSON.stringify(import.meta.resolve('#lkvm/workers/host.js'))};
    import { shutdownGuard } from ${JSON.stringify(import.meta.resolve('#lkvm/workers/guard.js'))};
    const owner = { onMessage: console.log, onEnd: (end) => console.log(end.error?.message) };
    const entry = new URL(${JSON.stringify(ENTRY.href)});
    new WorkerThread({ name: 'x', entry, ...${JSON.stringify(init)}, wake: 'fd', owner, guard: shutdownGuard });
  `;
  const file = join(tempDir(t), 'program.mjs');
  writeFileSync(file, program);
  for (const options of [
    ['--input-type=module', '-e', program],
    ['--input-type', 'module', '-e', program],
    ['--max-old-space-size=200', file],
  ]) {
    const child = spawnSync(process.execPath, options, { encoding: 'utf8', timeout: 60_000 });
    assert.equal(child.stderr, '');
    assert.match(child.stdout, /^ready\nundefined\n/);
  }
});
