// `lkvm demo`: the main job, as a user runs it. A PMM process and an auxiliary runtime process, real files, no root needed.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { lkvm, MAIN } from '../support/cli.js';
import { hasEnded, isRunning } from '../support/processes.js';
import { projectRoot } from '../support/project.js';
import { tempDir } from '../support/temp.js';
import { TerminalChild, terminalSettings } from '../support/terminal-child.js';

/** What demos that have ended left in the file system: their process id is in the name. Others may be running now. */
function leftovers(): string[] {
  return [tmpdir(), '/dev/shm']
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
    .filter((path) => {
      const pid = /\/lkvm-demo-(\d+)-\w+$/.exec(path)?.[1];
      return pid !== undefined && !isRunning(Number(pid));
    });
}

/** The auxiliary runtime that demo `pid` has started. */
function auxOf(pid: number): number {
  const [child = ''] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'ascii').split(' ');
  return Number(child);
}

test('demo -e: commands over all four devices → their real output, exit code 0, nothing left behind', async () => {
  const before = leftovers();
  const { code, stdout, stderr } = await lkvm(['demo', '-e', 'ls /; cat README.md; ping 3; rng 16; exit']);

  assert.equal(code, 0, stderr);
  assert.match(stdout, /^aux> ls \/\n(.*\n)*package\.json$/m);
  assert.ok(stdout.includes(readFileSync(join(projectRoot, 'README.md'), 'utf8').trimEnd()));
  assert.match(stdout, /^3 sent, 3 received, 0% lost/m);
  assert.match(stdout, /^[0-9a-f]{32}$/m);
  assert.deepEqual(
    leftovers().filter((name) => !before.includes(name)),
    [],
  );
});

test('demo -e: one command fails → the others run, exit code 1', async () => {
  const { code, stdout } = await lkvm(['demo', '-e', 'cat no-such-file; rng 4; exit']);
  assert.equal(code, 1);
  assert.match(stdout, /no such file/);
  assert.match(stdout, /^[0-9a-f]{8}$/m);
});

test('demo --json: one object as the last line, with the documented keys', async () => {
  const { code, stdout } = await lkvm(['demo', '--json', '-e', 'ls /; ping 3; rng 16; exit']);
  const report = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');

  assert.equal(code, 0);
  assert.deepEqual(Object.keys(report), ['ok', 'commands', 'ping', 'devices']);
  assert.equal(report.ok, true);
  assert.deepEqual(
    report.commands.map((each: { command: string; ok: boolean }) => [each.command, each.ok]),
    [
      ['ls /', true],
      ['ping 3', true],
      ['rng 16', true],
      ['exit', true],
    ],
  );
  assert.match(report.commands[0].output, /^package\.json$/m);
  assert.deepEqual([report.ping.sent, report.ping.received], [3, 3]);
  assert.ok(report.ping.p50_us > 0 && report.ping.p99_us >= report.ping.p50_us);
  assert.deepEqual(Object.keys(report.devices), ['console', 'p9', 'net', 'rng']);
  for (const device of Object.values<Record<string, number>>(report.devices)) {
    assert.deepEqual(Object.keys(device), ['requests', 'bytes', 'interrupts', 'doorbells']);
    assert.ok((device['requests'] ?? 0) > 0 && (device['bytes'] ?? 0) > 0, JSON.stringify(report.devices));
  }
});

test('demo: no place for its files → 128 and what to do; --share of nothing → 129', async () => {
  const env = { ...process.env, TMPDIR: '/nonexistent' };
  const { status, stderr } = spawnSync(process.execPath, [MAIN, 'demo', '-e', 'exit'], {
    env,
    encoding: 'utf8',
  });
  assert.equal(status, 128);
  assert.match(
    stderr,
    /^ {2}Fatal: cannot make a folder in \/nonexistent: ENOENT; set TMPDIR to a folder .*\n$/,
  );
  for (const share of ['', ',rw']) {
    const result = await lkvm(['demo', '--share', share, '-e', 'exit']);
    assert.deepEqual([result.code, result.stdout], [129, '']);
    assert.match(result.stderr, /--share "(,rw)?" names no directory; write --share DIR or --share DIR,rw/);
  }
});

test('demo --share DIR: read-only → a write fails and nothing changes', async (t) => {
  const share = tempDir(t);
  writeFileSync(join(share, 'kept'), 'old');
  const { code, stdout } = await lkvm(['demo', '--share', share, '-e', 'write /kept new; mkdir /sub; exit']);
  assert.equal(code, 1);
  assert.match(stdout, /read-only/);
  assert.deepEqual(readdirSync(share), ['kept']);
  assert.equal(readFileSync(join(share, 'kept'), 'utf8'), 'old');
});

test('demo --share DIR,rw: write, mkdir, rm → the host directory changes', async (t) => {
  const share = tempDir(t);
  writeFileSync(join(share, 'gone'), 'x');
  const { code, stderr } = await lkvm([
    'demo',
    '--share',
    `${share},rw`,
    '-e',
    'write /hello some words; mkdir /sub; rm /gone; stat /hello; exit',
  ]);
  assert.equal(code, 0, stderr);
  assert.deepEqual(readdirSync(share).sort(), ['hello', 'sub']);
  assert.equal(readFileSync(join(share, 'hello'), 'utf8'), 'some words\n');
});

test('demo with standard input that is no terminal: commands are read from it; none → a tour', () => {
  const run = (input: string) =>
    spawnSync(process.execPath, [MAIN, 'demo'], { input, cwd: projectRoot, encoding: 'utf8' });
  const piped = run('rng 4\nls /\n');
  assert.equal(piped.status, 0, piped.stderr);
  assert.match(piped.stdout, /^aux> rng 4\n[0-9a-f]{8}\naux> ls \/\n/);
  const tour = run('');
  assert.equal(tour.status, 0, tour.stderr);
  assert.match(tour.stdout, /3 sent, 3 received/);
});

test('demo: wrong words → one line, exit code 129', async () => {
  const share = await lkvm(['demo', '--share', '/tmp,wr', '-e', 'exit']);
  assert.equal(share.code, 129);
  assert.match(
    share.stderr,
    /^ {2}(Fatal|Error): --share \/tmp,wr: "wr" is not known; allowed is DIR or DIR,rw\n$/,
  );
  const missing = await lkvm(['demo', '--share', '/no-such-folder', '-e', 'exit']);
  assert.equal(missing.code, 128);
  assert.match(missing.stderr, /no-such-folder/);
});

test('demo at a terminal: typed commands work, Ctrl-C ends it with code 0, terminal as before, nothing left', async (t) => {
  const before = leftovers();
  const child = new TerminalChild(t, process.execPath, [MAIN, 'demo'], projectRoot);
  await child.shows('aux> ');
  child.type('ls /\r');
  await child.shows('package.json');
  child.type('ping 1\r');
  await child.shows('1 sent, 1 received');
  assert.notDeepEqual(terminalSettings(child.pty.terminal), child.before, 'raw while it runs');

  child.type('\x03');
  const end = await child.ended;

  assert.deepEqual(end, { code: 0, signal: null });
  assert.deepEqual(terminalSettings(child.pty.terminal), child.before);
  assert.deepEqual(
    leftovers().filter((name) => !before.includes(name)),
    [],
  );
});

test('demo at a terminal: SIGTERM, and SIGKILL → no process of it left', async (t) => {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const child = new TerminalChild(t, process.execPath, [MAIN, 'demo'], projectRoot);
    await child.shows('aux> ');
    const pid = child.process.pid ?? 0;
    const aux = auxOf(pid);

    process.kill(pid, signal);
    const end = await child.ended;

    assert.equal(signal === 'SIGTERM' ? end.code : end.signal, signal === 'SIGTERM' ? 0 : 'SIGKILL');
    assert.ok(await hasEnded(aux));
    // Nobody can clean up after SIGKILL, so we do.
    for (const path of leftovers()) if (path.includes(`-${pid}-`)) rmSync(path, { recursive: true });
  }
});

test('demo at a terminal: the auxiliary runtime is killed → said so, exit code 1', async (t) => {
  const child = new TerminalChild(t, process.execPath, [MAIN, 'demo'], projectRoot);
  await child.shows('aux> ');

  process.kill(auxOf(child.process.pid ?? 0), 'SIGKILL');
  await child.shows('Warning: the auxiliary runtime was ended by SIGKILL');

  assert.deepEqual(await child.ended, { code: 1, signal: null });
});

test('demo -e: SIGINT while a command runs → exit code 1, nothing left behind', async (t) => {
  const before = leftovers();
  const child = new TerminalChild(
    t,
    process.execPath,
    [MAIN, 'demo', '-e', 'rng 4; ping 100000'],
    projectRoot,
  );
  await child.shows('aux> rng 4');

  child.type('\x03');

  assert.deepEqual(await child.ended, { code: 1, signal: null });
  assert.deepEqual(
    leftovers().filter((name) => !before.includes(name)),
    [],
  );
});
