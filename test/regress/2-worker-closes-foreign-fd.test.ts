// A worker that listens on a socket ended, and a descriptor that main had opened meanwhile was closed: Node closes the
// numbers that a worker opened through `fs` and did not close through `fs`.
import assert from 'node:assert/strict';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { projectRoot } from '../support/project.js';
import { tempDir } from '../support/temp.js';

test('listenUnix in a worker: the worker ends → no descriptor opened by main is closed', async (t) => {
  const module = join(projectRoot, 'dist/sys/socket.js');
  const path = join(tempDir(t), 'socket');
  const code = `
    const { parentPort } = require('node:worker_threads');
    import(${JSON.stringify(module)}).then(({ listenUnix }) => {
      parentPort.postMessage(listenUnix(${JSON.stringify(path)}));
      parentPort.once('message', () => parentPort.close());
    });`;
  const worker = new Worker(code, { eval: true });
  const listener = await new Promise<number>((resolve) => worker.once('message', resolve));
  assert.ok(listener >= 0);
  const opened = Array.from({ length: 50 }, () => openSync('/dev/null', 'r'));
  const ended = new Promise((resolve) => worker.once('exit', resolve));
  worker.postMessage('end');
  await ended;
  for (const fd of opened) assert.doesNotThrow(() => fstatSync(fd), `fd ${fd}`);
  for (const fd of opened) closeSync(fd);
});
