/** Two network namespaces of a bench's own, and iperf3 between them. Root only. Gone with the processes that hold them. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, readlinkSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const START_LIMIT_MS = 10_000;
const LISTEN_TRIES = 50;

function hasTool(name: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Why the network benches cannot run here, or undefined. */
export function networkMissing(): string | undefined {
  const missing = ['ip', 'iperf3', 'nsenter', 'unshare'].filter((name) => !hasTool(name));
  if (missing.length > 0) return `not installed: ${missing.join(', ')}`;
  if (process.getuid?.() !== 0) return 'needs root';
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
  } catch {
    return '/dev/net/tun cannot be used';
  }
  return spawnSync('unshare', ['-n', 'true']).status === 0
    ? undefined
    : 'no permission for a network namespace';
}

/** Runs a command. Errors: plain Error with what it printed. */
function run(program: string, words: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, words, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${words.join(' ')}: ${stderr}`);
  return stdout;
}

/** A network namespace, kept by a sleeping process. */
export class Network implements Disposable {
  readonly #holder: ChildProcess;

  private constructor(holder: ChildProcess) {
    this.#holder = holder;
  }

  static async make(): Promise<Network> {
    const holder = spawn('unshare', ['-n', 'sleep', '600'], { stdio: 'ignore' });
    const network = new Network(holder);
    const ours = readlinkSync('/proc/self/ns/net');
    while (readlinkSync(`/proc/${network.pid}/ns/net`) === ours) await sleep(5);
    network.ip('link', 'set', 'lo', 'up');
    return network;
  }

  /** Of the process that keeps it. */
  get pid(): number {
    return this.#holder.pid ?? -1;
  }

  /** What to put in front of a command so that it runs inside. */
  get prefix(): readonly string[] {
    return ['nsenter', '-t', String(this.pid), '-n'];
  }

  /** Runs the `ip` command inside. */
  ip(...words: readonly string[]): void {
    const [program = '', ...rest] = [...this.prefix, 'ip', ...words];
    run(program, rest);
  }

  /** Starts a command inside. */
  spawn(command: readonly string[], stdio: 'ignore' | 'pipe' = 'ignore'): ChildProcess {
    const [program = '', ...words] = [...this.prefix, ...command];
    return spawn(program, words, { stdio: ['ignore', stdio, 'inherit'] });
  }

  /** True once a command inside reaches an address. */
  reaches(address: string): boolean {
    const [program = '', ...words] = [...this.prefix, 'ping', '-c', '1', '-W', '1', address];
    return spawnSync(program, words, { stdio: 'ignore' }).status === 0;
  }

  [Symbol.dispose](): void {
    this.#holder.kill('SIGKILL');
  }
}

/** Waits until something holds. Errors: plain Error after 10 s. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  for (const end = Date.now() + START_LIMIT_MS; !holds(); await sleep(20)) {
    if (Date.now() > end) throw new Error(`${what}: not within ${START_LIMIT_MS / 1000} s`);
  }
}

/** One run of iperf3. */
export interface Transfer {
  readonly client: Network;
  readonly server: Network;
  /** Of the server. */
  readonly address: string;
  readonly seconds: number;
  /** The server sends. */
  readonly reverse: boolean;
}

/** What iperf3 prints with `-J`, as far as we look at it. */
interface Report {
  readonly error?: string;
  readonly end?: { readonly sum_received?: { readonly bits_per_second: number } };
}

/** What came through one TCP connection, measured by the receiver. @returns Gbit/s */
export async function iperf(transfer: Transfer): Promise<number> {
  const { client, server, address, seconds, reverse } = transfer;
  const listener = server.spawn(['iperf3', '-s', '-1', '-B', address]);
  const sender = ['iperf3', '-c', address, '-t', String(seconds), '-J', ...(reverse ? ['-R'] : [])];
  try {
    for (let left = LISTEN_TRIES; ; left--) {
      const { error, end } = JSON.parse(await outputOf(client.spawn(sender, 'pipe'))) as Report;
      if (end?.sum_received !== undefined) return end.sum_received.bits_per_second / 1e9;
      if (left === 0) throw new Error(`iperf3: ${error ?? 'no result'}`);
      await sleep(50); // the server needs a moment until it listens
    }
  } finally {
    listener.kill('SIGKILL');
  }
}

async function outputOf(child: ChildProcess): Promise<string> {
  let text = '';
  child.stdout?.on('data', (data) => {
    text += data;
  });
  await new Promise((resolve) => child.once('close', resolve));
  return text;
}
