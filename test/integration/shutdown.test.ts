// Every way out of a process with a worker blocked in a system call: exit code, terminal, no process left, and it does
// end. Each case is a real child process; see shutdown/program.ts.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { close, ioctl } from '#lkvm/sys/fd.js';
import { NativeBuffer } from '#lkvm/sys/map.js';
import { openPty, type Pty } from '#lkvm/sys/tty.js';
import { skipWithoutKvm } from '../support/kvm-rig.js';
import { hasEnded } from '../support/processes.js';
import { projectRoot } from '../support/project.js';
import { tempDir } from '../support/temp.js';

const PROGRAM = join(projectRoot, 'build/test/integration/shutdown/program.js');
const TCGETS = 0x5401;
/** A child that has not ended by then hangs: killed, and the test fails. */
const LIMIT_MS = 30_000;

interface Child {
  readonly process: ChildProcess;
  readonly pty: Pty;
  /** Terminal settings before the child started. */
  readonly cooked: Uint8Array;
  /** Settled when it has written "ready". */
  readonly ready: Promise<void>;
  /** Settled at its end. */
  readonly end: Promise<{ code: number | null; signal: string | null; out: string; err: string }>;
  /** Closes the terminal, once. */
  readonly hangUp: () => void;
}

function settings(fd: number): Uint8Array {
  const memory = new NativeBuffer(64);
  assert.equal(ioctl(fd, TCGETS, memory.address), 0);
  return memory.u8.slice(0, 36);
}

/** Starts the program in a session of its own whose controlling terminal is a new pty on stdin. */
function start(t: TestContext, ...args: string[]): Child {
  const pty = openPty();
  assert.ok(typeof pty !== 'number', 'openPty');
  const cooked = settings(pty.terminal);
  const child = spawn('setsid', ['--ctty', process.execPath, PROGRAM, ...args], {
    stdio: [pty.terminal, 'pipe', 'pipe'],
  });
  let open = true;
  const hangUp = (): void => {
    if (open) for (const fd of [pty.terminal, pty.controller]) close(fd);
    open = false;
  };
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
  t.after(() => {
    clearTimeout(timer);
    child.kill('SIGKILL');
    hangUp();
  });
  let [out, err] = ['', ''];
  const ready = new Promise<void>((resolve) => {
    child.stdout?.on('data', (data) => {
      out += data;
      if (out.includes('ready')) resolve();
    });
  });
  child.stderr?.on('data', (data) => {
    err += data;
  });
  const end = once(child, 'close').then(([code, signal]) => ({ code, signal, out, err }));
  return { process: child, pty, cooked, ready, end, hangUp };
}

/** Waits for the end and checks what is the same for every case. */
async function assertEnd(child: Child, code: number): Promise<{ out: string; err: string }> {
  const end = await child.end;
  assert.equal(end.signal, null, `ended by ${end.signal}: it hung\n${end.err}`);
  assert.equal(end.code, code, end.err);
  assert.ok(await hasEnded(child.process.pid ?? 0));
  assert.deepEqual(settings(child.pty.terminal), child.cooked, 'terminal settings');
  return end;
}

for (const [behaviour, how] of [
  ['obedient', 'a worker blocked in epoll'],
  ['deaf', 'a worker that ignores its stop word (watchdog)'],
  ['blocked', 'a worker blocked in a read that nothing ends (watchdog)'],
] as const) {
  test(`shutdown: process.exit(3) with ${how} → 3`, async (t) => {
    await assertEnd(start(t, 'exit', behaviour), 3);
  });

  test(`shutdown: throw in main with ${how} → 1, the error is printed`, async (t) => {
    const { err } = await assertEnd(start(t, 'throw', behaviour), 1);
    assert.match(err, /Error: thrown in main/);
  });

  test(`shutdown: event loop ends with ${how} → 0`, async (t) => {
    await assertEnd(start(t, 'loop-end', behaviour), 0);
  });

  test(`shutdown: SIGINT twice with ${how} → 0`, async (t) => {
    const child = start(t, 'signal', behaviour);
    await child.ready;
    child.process.kill('SIGINT');
    // The first one may already have ended an obedient program; then the second goes nowhere.
    const again = setInterval(() => child.process.kill('SIGINT'), 100);
    await assertEnd(child, 0).finally(() => clearInterval(again));
  });
}

for (const [ending, code] of [
  ['exit', 3],
  ['throw', 1],
  ['loop-end', 0],
  ['worker-throw', 1],
  ['stop', 0],
] as const) {
  test(`shutdown: ${ending} with fsync calls in flight on the I/O worker → ${code}`, async (t) => {
    await assertEnd(start(t, ending, 'syncing', join(tempDir(t), 'file')), code);
  });
}

test('shutdown: SIGTERM with fsync calls in flight on the I/O worker → 0', async (t) => {
  const child = start(t, 'signal', 'syncing', join(tempDir(t), 'file'));
  await child.ready;
  child.process.kill('SIGTERM');
  await assertEnd(child, 0);
});

test('shutdown: process.exit before the worker runs → that code', async (t) => {
  await assertEnd(start(t, 'exit-at-once'), 4);
});

test('shutdown: unhandled rejection in main → 1', async (t) => {
  const { err } = await assertEnd(start(t, 'reject'), 1);
  assert.match(err, /rejected in main/);
});

test('shutdown: throw in the worker → 1, main gets the error', async (t) => {
  const { err } = await assertEnd(start(t, 'worker-throw'), 1);
  assert.match(err, /^Error: thrown in the worker/);
});

test('shutdown: orderly stop → 0', async (t) => {
  const { out } = await assertEnd(start(t, 'stop'), 0);
  assert.equal(out, 'ready\nstopped\n');
});

test('shutdown: stop of a worker that is blocked → THREAD_STUCK, and process.exit still works', async (t) => {
  const { out } = await assertEnd(start(t, 'stuck', 'blocked'), 1);
  assert.equal(out, 'ready\nTHREAD_STUCK\n');
});

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const) {
  test(`shutdown: ${signal} → 0`, async (t) => {
    const child = start(t, 'signal');
    await child.ready;
    assert.notDeepEqual(settings(child.pty.terminal), child.cooked, 'raw mode');
    child.process.kill(signal);
    await assertEnd(child, 0);
  });
}

test('shutdown: the terminal is closed → 0', async (t) => {
  const child = start(t, 'signal');
  await child.ready;
  child.hangUp();
  const { code, signal } = await child.end;
  assert.deepEqual({ code, signal }, { code: 0, signal: null });
  assert.ok(await hasEnded(child.process.pid ?? 0));
});

const skip = skipWithoutKvm();

for (const [behaviour, how] of [
  ['vcpu-spin', 'a vCPU whose guest spins'],
  ['vcpu-halt', 'a vCPU whose guest has halted'],
] as const) {
  for (const [ending, code] of [
    ['exit', 3],
    ['throw', 1],
    ['reject', 1],
    ['loop-end', 0],
    ['stop', 0],
    ['exit-at-once', 4],
  ] as const) {
    test(`shutdown: ${ending} with ${how} → ${code}`, { skip }, async (t) => {
      await assertEnd(start(t, ending, behaviour), code);
    });
  }

  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    test(`shutdown: ${signal} with ${how} → 0`, { skip }, async (t) => {
      const child = start(t, 'signal', behaviour);
      await child.ready;
      child.process.kill(signal);
      await assertEnd(child, 0);
    });
  }

  test(`shutdown: SIGINT twice with ${how} → 0`, { skip }, async (t) => {
    const child = start(t, 'signal', behaviour);
    await child.ready;
    child.process.kill('SIGINT');
    const again = setInterval(() => child.process.kill('SIGINT'), 100);
    await assertEnd(child, 0).finally(() => clearInterval(again));
  });

  test(`shutdown: the terminal is closed with ${how} → 0`, { skip }, async (t) => {
    const child = start(t, 'signal', behaviour);
    await child.ready;
    child.hangUp();
    const { code, signal } = await child.end;
    assert.deepEqual({ code, signal }, { code: 0, signal: null });
    assert.ok(await hasEnded(child.process.pid ?? 0));
  });
}

test('shutdown: throw in the worker of a vCPU → 1, main gets the error', { skip }, async (t) => {
  const { err } = await assertEnd(start(t, 'worker-throw', 'vcpu-throw'), 1);
  assert.match(err, /^Error: thrown in the worker/);
});
