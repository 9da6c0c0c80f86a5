import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { EINTR, EINVAL, ESRCH } from '#lkvm/abi/errno.js';
import { SIGKILL } from '#lkvm/abi/linux.js';
import {
  dieWithParent,
  getpid,
  gettid,
  installHarmlessHandler,
  KICK_SIGNAL,
  tgkill,
} from '#lkvm/sys/process.js';
import { hasEnded, isRunning } from '../../support/processes.js';
import { projectRoot } from '../../support/project.js';

const module = (name: string): string => JSON.stringify(`file://${join(projectRoot, 'dist', name)}`);

test('getpid, gettid: on main → both are the process id', () => {
  assert.equal(getpid(), process.pid);
  assert.equal(gettid(), process.pid);
});

test('exitNow: a worker is blocked for ever in a system call → the process ends with that code', () => {
  const blocked = `
    import { parentPort } from 'node:worker_threads';
    import { Epoll } from ${module('sys/epoll.js')};
    parentPort.postMessage('ready');
    new Epoll().wait(-1);
  `;
  const program = `
    import { Worker } from 'node:worker_threads';
    import { exitNow } from ${module('sys/process.js')};
    new Worker(${JSON.stringify(blocked)}, { eval: true }).once('message', () => exitNow(7));
  `;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  assert.equal(child.stderr, '');
  assert.equal(child.status, 7);
});

test('dieWithParent: the expected parent → 0; another → ESRCH', async () => {
  const program = `
    import { dieWithParent } from ${module('sys/process.js')};
    console.log(dieWithParent(${SIGKILL}, process.ppid), dieWithParent(${SIGKILL}, 1 + process.ppid));
  `;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  assert.equal(child.stdout, `0 ${-ESRCH}\n`);
  assert.equal(dieWithParent(0, process.ppid), 0);
});

test('dieWithParent: the parent is killed → the child is, too', async () => {
  const grandchild = `
    import { dieWithParent } from ${module('sys/process.js')};
    console.log(process.pid, dieWithParent(${SIGKILL}, process.ppid));
    setInterval(() => {}, 1000);
  `;
  const parentProgram = `
    import { spawn } from 'node:child_process';
    spawn(process.execPath, ['--input-type=module', '-e', ${JSON.stringify(grandchild)}], { stdio: ['ignore', 'inherit', 'inherit'] });
    setInterval(() => {}, 1000);
  `;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', parentProgram], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  const pid = Number(line.toString().split(' ')[0]);
  assert.ok(isRunning(pid));
  parent.kill('SIGKILL');
  await once(parent.stdout, 'close'); // the grandchild held the pipe's write end until it died
  assert.ok(await hasEnded(pid));
});

test('installHarmlessHandler, tgkill: a thread blocked in epoll_wait → EINTR, the process lives', async () => {
  assert.equal(installHarmlessHandler(KICK_SIGNAL), 0);
  const source = `
    const { parentPort } = require('node:worker_threads');
    (async () => {
      const { Epoll } = await import(${module('sys/epoll.js')});
      const { gettid } = await import(${module('sys/process.js')});
      const epoll = new Epoll();
      parentPort.postMessage({ tid: gettid() });
      const result = epoll.wait(-1);
      parentPort.postMessage({ result });
      parentPort.close();
    })();
  `;
  const worker = new Worker(source, { eval: true });
  const [first] = (await once(worker, 'message')) as [{ tid: number }];
  const done = once(worker, 'message') as Promise<[{ result: number }]>;
  const exited = once(worker, 'exit');
  // The thread may not be inside epoll_wait yet, and then a kick is lost: kick until it answers.
  const kicks = setInterval(() => tgkill(first.tid, KICK_SIGNAL), 20);
  const [second] = await done;
  clearInterval(kicks);
  assert.equal(second.result, -EINTR);
  await exited;
  assert.equal(tgkill(first.tid, KICK_SIGNAL), -ESRCH);
});

test('installHarmlessHandler: a signal that is not real-time → EINVAL', () => {
  assert.equal(installHarmlessHandler(10), -EINVAL);
  assert.equal(installHarmlessHandler(65), -EINVAL);
});
