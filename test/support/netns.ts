/** Network namespaces of a test's own, so that nothing on the machine is touched; gone with the test's process. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, readlinkSync } from 'node:fs';
import type { TestContext } from 'node:test';
import koffi from 'koffi';
import { skipWithout } from './tools.js';

const CLONE_NEWNET = 0x4000_0000;

/**
 * Puts this process (its main thread, and what it starts from then on) into a new network namespace.
 * @returns false if that worked, else why tests that need it must be skipped
 */
export function enterPrivateNetwork(): string | false {
  const missing = skipWithout('ip', 'nsenter', 'unshare');
  if (missing !== false) return missing;
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
  } catch {
    return '/dev/net/tun cannot be used (needs root)';
  }
  const unshare = koffi.load(null).func('int unshare(int flags)');
  if (unshare(CLONE_NEWNET) !== 0) return 'no permission for a network namespace (needs root)';
  if (spawnSync('ip', ['link', 'set', 'lo', 'up']).status !== 0) return 'ip link does not work here';
  return false;
}

/** Runs a command of the network tools. @returns what it printed. Errors: plain Error if it fails. */
export function run(command: string): string {
  const [program = '', ...args] = command.split(' ');
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command}: ${stderr}`);
  return stdout;
}

/** A second network namespace, as long as the test runs. @returns the id of a process in it, for `nsenter -t` */
export async function otherNetwork(t: TestContext): Promise<number> {
  const child = spawn('unshare', ['-n', 'sleep', '600'], { stdio: 'ignore' });
  t.after(() => child.kill('SIGKILL'));
  const ours = readlinkSync('/proc/self/ns/net');
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    if (child.exitCode !== null || child.pid === undefined) throw new Error('unshare failed');
    if (readlinkSync(`/proc/${child.pid}/ns/net`) !== ours) return child.pid;
  }
}

/** A child and its outcome. */
export class Running {
  readonly child: ChildProcess;
  output = '';
  /** Exit status; undefined while it runs, -1 after a signal. */
  status: number | undefined;

  constructor(t: TestContext, program: string, args: readonly string[]) {
    this.child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.stdout?.on('data', (data) => {
      this.output += data;
    });
    this.child.stderr?.on('data', (data) => {
      this.output += data;
    });
    this.child.on('close', (code) => {
      this.status = code ?? -1;
    });
    t.after(() => this.child.kill('SIGKILL'));
  }
}
