// A PMM that starts and stops a remote processor, in a stand-in for sysfs.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createPmm, type PmmOptions, StartError } from '#lkvm/index.js';
import { MAIN } from '../support/cli.js';
import { collectLog } from '../support/doorbell-rig.js';
import { childrenOf, hasEnded } from '../support/processes.js';
import { RemoteprocStandIn } from '../support/remoteproc.js';
import { tempDir } from '../support/temp.js';

const TIMEOUT = { timeout: 120_000 };

function options(t: TestContext, sysfs: string, index = 0): PmmOptions {
  return {
    shmem: { address: 0x3700_0000, bytes: 1 << 20 },
    pool: { kind: 'file', path: join(tempDir(t), 'pool') },
    notify: { kind: 'poll', us: 10_000 },
    devices: [{ type: 'rng' }],
    remote: { kind: 'remoteproc', index, firmware: 'zephyr.elf', sysfs },
  };
}

test('remoteproc: a PMM from start to stop → firmware set, started, stopped', TIMEOUT, async (t) => {
  const processor = new RemoteprocStandIn(t);
  const log = collectLog();
  const pmm = await createPmm(options(t, processor.sysfs), { log });
  assert.equal(processor.state(), 'running');
  await pmm.stop();
  while (processor.state() !== 'offline') await sleep(5);
  assert.match(processor.orders.join(), /^start zephyr\.elf,stop zephyr\.elf/);
  assert.deepEqual([log.infos, log.warnings], [['remoteproc0 started'], []]);
});

test('remoteproc: no firmware given → what was set before is started', TIMEOUT, async (t) => {
  const processor = new RemoteprocStandIn(t);
  const remote = { kind: 'remoteproc', index: 0, sysfs: processor.sysfs } as const;
  const pmm = await createPmm({ ...options(t, processor.sysfs), remote });
  await pmm.stop();
  while (processor.orders.length < 2) await sleep(5);
  assert.match(processor.orders.join(), /^start rproc-fw,stop rproc-fw/);
});

test('remoteproc: it crashes and recovers → one line each, and the PMM goes on', TIMEOUT, async (t) => {
  const processor = new RemoteprocStandIn(t);
  const log = collectLog();
  const pmm = await createPmm(options(t, processor.sysfs), { log });
  t.after(() => pmm.stop());
  processor.become('crashed');
  while (log.warnings.length === 0) await sleep(10);
  processor.become('running');
  while (log.infos.length < 2) await sleep(10);
  assert.deepEqual(log.warnings, ['remoteproc0 is crashed: the peer is gone']);
  assert.equal(log.infos[1], 'remoteproc0 is running: the peer is back');
});

test('remoteproc: it runs already → StartError, and it is left alone', TIMEOUT, async (t) => {
  const processor = new RemoteprocStandIn(t);
  processor.become('running');
  await assert.rejects(
    createPmm(options(t, processor.sysfs)),
    (error) =>
      error instanceof StartError && /remoteproc0 is running already.*echo stop >/.test(error.message),
  );
  assert.deepEqual([processor.state(), processor.orders], ['running', []]);
});

test('remoteproc: there is none with that number → StartError', TIMEOUT, async (t) => {
  const processor = new RemoteprocStandIn(t);
  await assert.rejects(
    createPmm(options(t, processor.sysfs, 7)),
    /there is no remoteproc7: cannot read .*ENOENT/,
  );
});

test('remoteproc: it does not start → StartError', TIMEOUT, async (t) => {
  const processor = new RemoteprocStandIn(t, false);
  await assert.rejects(
    createPmm(options(t, processor.sysfs)),
    /remoteproc0 does not run after its start: it is offline/,
  );
});

/** `lkvm pmm --remoteproc` as a process, once it is ready. */
async function command(t: TestContext, processor: RemoteprocStandIn, pool: string): Promise<ChildProcess> {
  const words = `--remoteproc 0,firmware=zephyr.elf,sysfs=${processor.sysfs} --notify poll --rng -n mode=none`;
  const place = `--shmem-addr 0x37000000 --shmem-size 1M --shmem-backend file:${pool}`;
  const args = [MAIN, 'pmm', ...place.split(' '), ...words.split(' ')];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  let stderr = '';
  child.stderr.on('data', (data: Buffer) => {
    stderr += data.toString();
  });
  while (!/ready: rng/.test(stderr)) {
    assert.equal(child.exitCode, null, stderr);
    await sleep(10);
  }
  return child;
}

test('lkvm pmm --remoteproc: SIGTERM, and twice SIGTERM → stopped, exit code 0', TIMEOUT, async (t) => {
  for (const signals of [1, 2]) {
    const processor = new RemoteprocStandIn(t);
    const child = await command(t, processor, join(tempDir(t), 'pool'));
    const [sentry = assert.fail()] = childrenOf(child.pid ?? -1);
    for (let i = 0; i < signals; i++) child.kill('SIGTERM');
    const [code] = (await once(child, 'close')) as [number | null];
    while (processor.state() !== 'offline') await sleep(5);
    assert.equal(code, 0);
    assert.equal(await hasEnded(sentry), true);
  }
});

test('lkvm pmm --remoteproc: killed → stopped; the same command again → starts it', TIMEOUT, async (t) => {
  const processor = new RemoteprocStandIn(t);
  const pool = join(tempDir(t), 'pool');
  const first = await command(t, processor, pool);
  const [sentry = assert.fail()] = childrenOf(first.pid ?? -1);
  first.kill('SIGKILL');
  await command(t, processor, pool);
  assert.equal(await hasEnded(sentry), true);
  assert.equal(processor.state(), 'running');
  assert.match(processor.orders.join(), /^start zephyr\.elf,(stop zephyr\.elf,)+start zephyr\.elf$/);
});

test(
  'remoteproc: the PMM is told to stop while it waits for the start → stopped, nothing is left',
  TIMEOUT,
  async (t) => {
    const processor = new RemoteprocStandIn(t, false);
    const stop = new AbortController();
    const pmm = createPmm(options(t, processor.sysfs), { signal: stop.signal });
    while (processor.orders.length === 0) await sleep(1);
    const [sentry = assert.fail()] = childrenOf(process.pid);
    stop.abort();
    await assert.rejects(pmm, /the PMM was stopped while it started/);
    while (processor.orders.length < 2) await sleep(1);
    assert.deepEqual(processor.orders, ['start zephyr.elf', 'stop zephyr.elf']);
    assert.equal(await hasEnded(sentry), true);
  },
);
