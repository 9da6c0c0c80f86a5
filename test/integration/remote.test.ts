// `--remote qemu`: real QEMU machines, started, watched and ended by the PMM, with a bare-metal front end in them.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createPmm, type Pmm, type PmmOptions, type PmmQemuOptions, StartError } from '#lkvm/index.js';
import { buildImage } from '../support/bare-image.js';
import { MAIN } from '../support/cli.js';
import { collectLog } from '../support/doorbell-rig.js';
import { childrenOf, hasEnded } from '../support/processes.js';
import { skipWithoutQemu } from '../support/qemu.js';
import { tempDir } from '../support/temp.js';

const TIMEOUT = { timeout: 240_000 };
const OPTIONS = { ...TIMEOUT, skip: skipWithoutQemu() };
const POOL = '--shmem-addr 0xd4000000 --shmem-size 16M --rng -n mode=none --loglevel info'.split(' ');

/** The only QEMU that a process has started. */
async function machineOf(pid: number): Promise<number> {
  for (;;) {
    const found = childrenOf(pid).find((child) => /^qemu/.test(readFileSync(`/proc/${child}/comm`, 'ascii')));
    if (found !== undefined) return found;
    await sleep(10);
  }
}

class Command {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  stderr = '';

  /** @param env what differs from this process's */
  constructor(t: TestContext, words: readonly string[], env: Record<string, string> = {}) {
    this.child = spawn(
      process.execPath,
      [MAIN, 'pmm', ...POOL, '--remote', 'qemu', '--remote-arch', 'x86_64', ...words],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { ...process.env, ...env },
      },
    );
    t.after(() => this.child.kill('SIGKILL'));
    this.child.stderr?.on('data', (data: Buffer) => {
      this.stderr += data.toString();
    });
    this.ended = new Promise((resolve) => {
      this.child.once('close', resolve);
    });
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  async says(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.stderr)) await sleep(10);
  }

  /** The socket it has made for the machine. */
  get socket(): string {
    return /doorbell ivshmem-server:(\S+)/.exec(this.stderr)?.[1] ?? assert.fail(this.stderr);
  }
}

/** Words for the image of this test. */
function imageWords(t: TestContext, commandLine: string): string[] {
  return ['--remote-kernel', buildImage(tempDir(t), 'ivshmem'), '--remote-append', commandLine];
}

test('--remote qemu: the machine switches itself off → exit code 0, nothing is left', OPTIONS, async (t) => {
  const log = join(tempDir(t), 'log');
  const command = new Command(t, [...imageWords(t, 'requests=20 then=2'), '--remote-log', log]);
  assert.equal(await command.ended, 0);
  assert.match(
    command.stderr,
    /Info: remote machine started.*\n.*Info: ready: rng .*\n.*it has switched itself off\n$/,
  );
  assert.match(readFileSync(log, 'latin1'), /^IVSHMEM-BEGIN\r?\nPEER 1\r?\nENTROPY 20 /);
  assert.equal(existsSync(command.socket), false);
});

test(
  '--remote qemu --remote-log: without a file → what the machine says is on stderr',
  OPTIONS,
  async (t) => {
    const command = new Command(t, [...imageWords(t, 'requests=20 then=3'), '--remote-log']);
    await command.says(/remote\| ENTROPY 20 interrupts/);
    command.child.kill('SIGTERM');
    assert.equal(await command.ended, 0);
    assert.match(command.stderr, /\nremote\| IVSHMEM-BEGIN\nremote\| PEER 1\nremote\| ENTROPY/);
  },
);

test('--remote qemu: SIGTERM → exit code 0, the machine is gone, too', OPTIONS, async (t) => {
  const command = new Command(t, imageWords(t, 'requests=1000000'));
  await command.says(/ready: rng/);
  const machine = await machineOf(command.pid);
  command.child.kill('SIGTERM');
  assert.equal(await command.ended, 0);
  assert.equal(await hasEnded(machine), true);
  assert.equal(existsSync(command.socket), false);
});

test(
  '--remote qemu: the PMM is killed → the machine ends, too; the same command again → works',
  OPTIONS,
  async (t) => {
    const socket = ['--shmem-backend', `ivshmem-server:${join(tempDir(t), 'socket')}`];
    const words = [...imageWords(t, 'requests=1000000'), ...socket];
    const first = new Command(t, words);
    await first.says(/ready: rng/);
    const machine = await machineOf(first.pid);
    const children = childrenOf(first.pid);
    first.child.kill('SIGKILL');
    const second = new Command(t, words);
    await second.says(/ready: rng/);
    assert.ok(children.includes(machine));
    for (const child of children) assert.equal(await hasEnded(child), true);
    second.child.kill('SIGTERM');
    assert.equal(await second.ended, 0);
  },
);

test(
  '--remote qemu: the PMM is killed → the socket that it has named itself is removed',
  OPTIONS,
  async (t) => {
    const command = new Command(t, imageWords(t, 'requests=1000000'));
    await command.says(/ready: rng/);
    const machine = await machineOf(command.pid);
    assert.equal(existsSync(command.socket), true);
    command.child.kill('SIGKILL');
    assert.equal(await hasEnded(machine), true);
    while (existsSync(command.socket)) await sleep(10);
  },
);

test('--remote qemu: QEMU is not installed → exit code 128 and what to install', TIMEOUT, async (t) => {
  const command = new Command(t, ['--remote-kernel', MAIN], { PATH: tempDir(t) });
  assert.equal(await command.ended, 128);
  assert.match(
    command.stderr,
    /^ {2}Fatal: qemu-system-x86_64 is not installed; .*apt install qemu-system-x86\n$/,
  );
});

test(
  '--remote qemu: a kernel that is not there, one that is none → exit code 128 and one line',
  OPTIONS,
  async (t) => {
    const missing = new Command(t, ['--remote-kernel', '/nonexistent/kernel']);
    assert.equal(await missing.ended, 128);
    assert.match(
      missing.stderr,
      /^ {2}Fatal: --remote-kernel \/nonexistent\/kernel: cannot read it: ENOENT\n$/,
    );
    const none = new Command(t, ['--remote-kernel', '/etc/hostname']);
    assert.equal(await none.ended, 128);
    assert.match(none.stderr, /Fatal: qemu-system-x86_64 has ended with exit code 1: .*kernel/);
  },
);

/** A program in place of QEMU. @returns what to put into the environment */
function fakeQemu(t: TestContext, script: string): Record<string, string> {
  const folder = join(tempDir(t), 'bin');
  mkdirSync(folder);
  const path = join(folder, 'qemu-system-x86_64');
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return { PATH: `${folder}:${process.env['PATH'] ?? ''}` };
}

test('--remote qemu: QEMU refuses → exit code 128 and its last line', TIMEOUT, async (t) => {
  const env = fakeQemu(t, 'echo one >&2; echo "no such machine" >&2; exit 3');
  const command = new Command(t, ['--remote-kernel', MAIN], env);
  assert.equal(await command.ended, 128);
  assert.equal(command.stderr, '  Fatal: qemu-system-x86_64 has ended with exit code 3: no such machine\n');
});

test('--remote qemu: the PMM is killed while the machine starts → it ends, too', TIMEOUT, async (t) => {
  const { PATH = '' } = fakeQemu(t, 'exec /bin/sleep 600');
  // Nothing else is needed of the system's programs.
  const command = new Command(t, ['--remote-kernel', MAIN], { PATH: PATH.split(':')[0] ?? '' });
  let children: number[] = [];
  for (; children.length < 2; children = childrenOf(command.pid)) await sleep(10);
  command.child.kill('SIGKILL');
  for (const child of children) assert.equal(await hasEnded(child), true);
});

test('--remote qemu: SIGTERM while the machine starts → exit code 0, and it is gone', TIMEOUT, async (t) => {
  const pidFile = join(tempDir(t), 'pid');
  const env = fakeQemu(t, `echo $$ > ${pidFile}.new; mv ${pidFile}.new ${pidFile}; exec sleep 600`);
  const command = new Command(t, ['--remote-kernel', MAIN], env);
  while (!existsSync(pidFile)) await sleep(10);
  const machine = Number(readFileSync(pidFile, 'ascii'));
  command.child.kill('SIGTERM');
  assert.equal(await command.ended, 0);
  assert.equal(await hasEnded(machine), true);
  assert.equal(command.stderr, '');
});

function options(t: TestContext, commandLine: string, more: Partial<PmmQemuOptions> = {}): PmmOptions {
  const kernel = buildImage(tempDir(t), 'ivshmem');
  return {
    shmem: { address: 0xd400_0000, bytes: 16 << 20 },
    devices: [{ type: 'rng' }],
    remote: { kind: 'qemu', arch: 'x86_64', kernel, append: commandLine, memory: 32, ...more },
  };
}

function startsOf(pmm: Pmm): number {
  return pmm.counters()[0]?.starts ?? -1;
}

test(
  'createPmm, remote: the machine is killed three times → peer gone and back, and it works again',
  OPTIONS,
  async (t) => {
    const log = collectLog();
    const events: string[] = [];
    const pmm = await createPmm(options(t, 'requests=1000000'), { log });
    t.after(() => pmm.stop());
    pmm.on('remote', ({ event }) => void events.push(event));
    for (let round = 1; round <= 3; round++) {
      while (startsOf(pmm) < round) await sleep(10);
      process.kill(await machineOf(process.pid), 'SIGKILL');
      while (events.length < 2 * round) await sleep(10);
    }
    while (startsOf(pmm) < 4) await sleep(10);
    assert.deepEqual(events, ['gone', 'back', 'gone', 'back', 'gone', 'back']);
    assert.equal(log.warnings.length, 3);
    assert.match(log.warnings[0] ?? '', /was ended by SIGKILL: the peer is gone; it is started again/);
  },
);

test(
  'createPmm, remote: the machine restarts itself → the same QEMU, and the devices start again',
  OPTIONS,
  async (t) => {
    const log = collectLog();
    let output = '';
    const remoteOutput = (bytes: Uint8Array) => {
      output += Buffer.from(bytes).toString('latin1');
    };
    const pmm = await createPmm(options(t, 'requests=5 then=1'), { log, remoteOutput });
    t.after(() => pmm.stop());
    const machine = await machineOf(process.pid);
    while (startsOf(pmm) < 3) await sleep(10);
    assert.equal(await machineOf(process.pid), machine);
    assert.ok(output.split('ENTROPY 5').length > 2, output);
    assert.deepEqual(log.warnings, []);
    await pmm.stop();
    assert.equal((await pmm.exited).reason, 'stopped');
    assert.equal(await hasEnded(machine), true);
  },
);

test(
  'createPmm, remote: the machine switches itself off → the PMM ends, with that reason',
  OPTIONS,
  async (t) => {
    const pmm = await createPmm(options(t, 'requests=5 then=2'));
    assert.deepEqual(await pmm.exited, { reason: 'remote', error: undefined });
  },
);

test('createPmm, remote: its kernel is missing → StartError, and no socket is left', TIMEOUT, async () => {
  const sockets = () =>
    readdirSync(tmpdir()).filter((name) => name.startsWith(`lkvm-remote-${process.pid}-`));
  const wrong: PmmOptions = {
    shmem: { address: 0xd400_0000, bytes: 1 << 20 },
    devices: [{ type: 'rng' }],
    remote: { kind: 'qemu', arch: 'x86_64', kernel: '/nonexistent' },
  };
  await assert.rejects(createPmm(wrong), StartError);
  assert.deepEqual(sockets(), []);
});
