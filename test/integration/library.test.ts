// The library: createPmm over real pools and doorbells, with `lkvm aux` as the other side.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ConsoleSession } from '#lkvm/cli/demo/demo-parts.js';
import {
  ConfigError,
  createPmm,
  type Pmm,
  type PmmOptions,
  remoteTree,
  type StartError,
} from '#lkvm/index.js';
import { MemoryTree } from '../../examples/memory-tree.js';
import { MAIN } from '../support/cli.js';
import { projectRoot } from '../support/project.js';
import { tempDir } from '../support/temp.js';

const PATIENCE_MS = 60_000;
const GENERATED_TREE = join(projectRoot, 'build/examples/generated-tree.js');

/** A PMM's place in a folder of the test: a pool file and a socket. */
function place(folder: string): Pick<PmmOptions, 'shmem' | 'pool' | 'notify'> {
  return {
    shmem: { address: 0x3700_0000, bytes: 16 << 20 },
    pool: { kind: 'file', path: join(folder, 'pool') },
    notify: { kind: 'socket', path: join(folder, 'bell') },
  };
}

/** The other side, in script mode. Killed after the test. */
function startAux(t: TestContext, pool: string, notify: string): ChildProcess {
  const child = spawn(
    process.execPath,
    [MAIN, 'aux', '--script', '--shmem-backend', pool, '--notify', notify],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  t.after(() => child.kill('SIGKILL'));
  return child;
}

function session(pmm: Pmm): ConsoleSession {
  assert.ok(pmm.console !== undefined);
  return new ConsoleSession(pmm.console);
}

function nextDeviceEvent(pmm: Pmm, name: string, event: string): Promise<void> {
  return new Promise((resolve) => {
    pmm.on('device', (each) => {
      if (each.name === name && each.event === event) resolve();
    });
  });
}

test('examples/two-sides: run as it is → files from JavaScript, what was written, a clean end', async (t) => {
  const child = spawn(process.execPath, [join(projectRoot, 'build/examples/two-sides.js')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  let output = '';
  child.stdout.on('data', (bytes) => {
    output += String(bytes);
  });
  const [code] = await once(child, 'close');

  assert.equal(code, 0);
  assert.match(output, /^hello from JavaScript$/m);
  assert.match(output, /^the other side has written 5 bytes$/m);
  assert.match(output, /^[0-9a-f]{16}$/m);
});

test('createPmm: a peer starts, works and goes → events, counters, and a clean end', async (t) => {
  const folder = tempDir(t);
  const peers: boolean[] = [];
  await using pmm = await createPmm(
    { ...place(folder), devices: [{ type: 'rng' }, { type: 'console' }] },
    { consoleStream: true },
  );
  pmm.on('peer', (up) => void peers.push(up));
  const started = nextDeviceEvent(pmm, 'rng', 'started');
  const gone = new Promise<void>((resolve) => pmm.on('peer', (up) => void (up || resolve())));
  const child = startAux(t, `file:${folder}/pool`, `socket:${folder}/bell`);
  const shell = session(pmm);

  const random = await shell.run('rng 32', PATIENCE_MS);
  await started;
  child.kill('SIGKILL');
  await gone;

  const [rng] = pmm.counters();
  assert.match(random.output, /^[0-9a-f]{64}\n$/);
  assert.deepEqual(peers, [true, false]);
  assert.deepEqual([rng?.name, rng?.starts], ['rng', 1]);
  assert.ok((rng?.bytes ?? 0) >= 32);
  await pmm.stop();
  assert.deepEqual(await pmm.exited, { reason: 'stopped', error: undefined });
  assert.equal(existsSync(join(folder, 'bell')), false);
});

test('createPmm: memfd pool over an eventfd doorbell → the peer needs no path to the memory', async (t) => {
  const folder = tempDir(t);
  await using pmm = await createPmm(
    {
      ...place(folder),
      pool: { kind: 'memfd' },
      notify: { kind: 'eventfd', path: join(folder, 'bell') },
      devices: [{ type: 'net' }, { type: 'console' }],
    },
    { consoleStream: true },
  );
  startAux(t, 'memfd', `eventfd:${folder}/bell`);
  const { ok, output } = await session(pmm).run('ping 2', PATIENCE_MS);
  assert.ok(ok, output);
});

test('9p tree of a module: loaded in the reactor, with its options', async (t) => {
  const folder = tempDir(t);
  const module = { module: GENERATED_TREE, export: 'tree', options: { count: 12 } };
  const devices = [{ type: '9p', tag: 'facts', module }, { type: 'console' }] as const;
  await using pmm = await createPmm({ ...place(folder), devices }, { consoleStream: true });
  startAux(t, `file:${folder}/pool`, `socket:${folder}/bell`);
  const shell = session(pmm);
  assert.deepEqual(await outputOf(shell, 'cat /squares/12'), '144\n');
  assert.match(await outputOf(shell, 'ls /'), /process\/\nsquares\/\ntime\n/);
  const missing = await shell.run('cat /squares/13', PATIENCE_MS);
  assert.equal(missing.ok, false);
});

test('9p tree on the main thread: reads and writes go through its object', async (t) => {
  const folder = tempDir(t);
  const files = new MemoryTree({ 'hello.txt': 'hello\n' });
  const written: string[] = [];
  files.onWrite = ({ data }) => void written.push(new TextDecoder().decode(data));
  const devices = [{ type: '9p', tag: 'scratch', remote: 0 }, { type: 'console' }] as const;
  await using pmm = await createPmm(
    { ...place(folder), devices },
    { consoleStream: true, trees: [remoteTree(files)] },
  );
  startAux(t, `file:${folder}/pool`, `socket:${folder}/bell`);
  const shell = session(pmm);
  assert.equal(await outputOf(shell, 'cat /hello.txt'), 'hello\n');
  await outputOf(shell, 'write /new.txt some words');
  assert.equal(await outputOf(shell, 'cat /new.txt'), 'some words\n');
  assert.equal(written.at(-1), 'some words\n');
});

async function outputOf(shell: ConsoleSession, command: string): Promise<string> {
  const { ok, output } = await shell.run(command, PATIENCE_MS);
  assert.ok(ok, `${command}: ${output}`);
  return output;
}

test('createPmm: a tree, directory or module that is not there → an error, and nothing is left half started', async (t) => {
  const folder = tempDir(t);
  const start = (device: PmmOptions['devices'][number]) => createPmm({ ...place(folder), devices: [device] });
  await assert.rejects(start({ type: '9p', remote: 0 }), (error) => error instanceof ConfigError);
  await assert.rejects(
    start({ type: '9p', module: { module: join(folder, 'no-such.js'), export: 'tree' } }),
    /no-such\.js#tree/,
  );
  await assert.rejects(
    start({ type: '9p', module: { module: GENERATED_TREE, export: 'nothing' } }),
    /no such function/,
  );
  await assert.rejects(start({ type: '9p', directory: join(folder, 'gone') }), /gone/);
  assert.deepEqual(readdirSync(folder), []); // no socket, and no pool file that was not there before
  await (await start({ type: 'rng' })).stop(); // and its lock was released
});

test('createPmm: two PMMs on one pool → the second refuses', async (t) => {
  const folder = tempDir(t);
  await using _first = await createPmm({ ...place(folder), devices: [{ type: 'rng' }] });
  const second = createPmm({
    ...place(folder),
    notify: { kind: 'poll', us: 1000 },
    devices: [{ type: 'rng' }],
  });
  await assert.rejects(second, (error) => error instanceof Error && error.message.includes('--force'));
});

test('createPmm: the doorbell socket is taken → StartError', async (t) => {
  const folder = tempDir(t);
  await using _first = await createPmm({ ...place(folder), devices: [{ type: 'rng' }] });
  const pool = { kind: 'file', path: join(folder, 'pool2') } as const;
  await assert.rejects(
    createPmm({ ...place(folder), pool, devices: [{ type: 'rng' }] }),
    (error) =>
      error instanceof Error && (error as StartError).exitCode === 128 && error.message.includes('bell'),
  );
});
