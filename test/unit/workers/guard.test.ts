// The exit hook as a whole is tested in test/integration/shutdown.test.ts.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

/** Runs a module that has `guard` and returns what it printed. */
function run(program: string): { status: number | null; stdout: string; stderr: string } {
  const source = `
    import { writeSync } from 'node:fs';
    import { shutdownGuard as guard } from ${JSON.stringify(import.meta.resolve('#lkvm/workers/guard.js'))};
    const say = (text) => writeSync(1, text + '\\n');
    ${program}
  `;
  return spawnSync(process.execPath, ['--input-type=module', '-e', source], {
    encoding: 'utf8',
    timeout: 60_000,
  });
}

test('ShutdownGuard.onExit: several actions, one throws, one is removed → last added first, the others still run', () => {
  const { stdout, status } = run(`
    guard.onExit(() => say('first'));
    const remove = guard.onExit(() => say('removed'));
    guard.onExit(() => { throw new Error('x'); });
    guard.onExit(() => say('last'));
    remove();
    process.exitCode = 9;
  `);
  assert.equal(stdout, 'last\nfirst\n');
  assert.equal(status, 9);
});

test('ShutdownGuard.onExit: the same function twice, one removed → called once', () => {
  const { stdout } = run(`
    const action = () => say('action');
    guard.onExit(action);
    guard.onExit(action)();
  `);
  assert.equal(stdout, 'action\n');
});

test('ShutdownGuard: a thread that stops late → waited for, other exit hooks run', () => {
  const { stdout, status } = run(`
    import { Worker } from 'node:worker_threads';
    const control = new Int32Array(new SharedArrayBuffer(16)); // words: state, stop
    control[0] = 1; // running
    new Worker(\`
      import { workerData } from 'node:worker_threads';
      Atomics.wait(workerData, 1, 0);            // asked to stop
      Atomics.wait(workerData, 3, 0, 100);
      Atomics.store(workerData, 0, 2);           // stopped
      Atomics.notify(workerData, 0);
    \`, { eval: true, workerData: control });
    guard.add({ control, wake: () => say('wake') });
    process.on('exit', () => say('after ' + control[0]));
    process.exit(6);
  `);
  assert.equal(stdout, 'wake\nafter 2\n');
  assert.equal(status, 6);
});

test('ShutdownGuard: a thread that never stops, uncaught error → the error is printed once, exit code 1', () => {
  const { stderr, status } = run(`
    const control = new Int32Array(new SharedArrayBuffer(16));
    control[0] = 1; // running
    guard.add({ control, wake: () => {} });
    throw new Error('what went wrong');
  `);
  assert.equal(stderr.match(/Error: what went wrong/g)?.length, 1);
  assert.equal(status, 1);
});

test('ShutdownGuard: a thread that has not begun its work → asked to stop, not waited for', () => {
  const { stdout, status } = run(`
    const control = new Int32Array(new SharedArrayBuffer(16)); // state 0: starting
    guard.add({ control, wake: () => say('wake') });
    process.on('exit', () => say('after ' + control[1]));
    process.exit(6);
  `);
  assert.equal(stdout, 'wake\nafter 1\n');
  assert.equal(status, 6);
});

test('ShutdownGuard: a thread that was removed → not waited for', () => {
  const { stdout } = run(`
    guard.add({ control: new Int32Array(new SharedArrayBuffer(16)), wake: () => say('wake') })();
    process.on('exit', () => say('after'));
  `);
  assert.equal(stdout, 'after\n');
});
