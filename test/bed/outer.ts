/**
 * The outer guest: a Debian kernel in QEMU's emulation of a processor with hardware virtualisation, so that its
 * `/dev/kvm` is complete and standard whatever the host has. It sees the host's files, read-only: node, this checkout
 * and every installed tool. `/run` is its own and writable. An agent in it runs commands for the tests.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from '../support/project.js';
import { type KernelName, kernelFiles } from './cache.js';
import { type InitrdOptions, writeInnerInitrd, writeOuterInitrd } from './initrd.js';
import { OuterProcess, type ProcessResult } from './outer-process.js';
import { Transcript } from './transcript.js';
import { EXIT, type Frame, FrameReader, frame, NUDGE, type ProcessEnd, READY, SPAWN } from './wire.js';

/** Until the outer guest has started; it takes 4 s on an idle machine. */
const BOOT_LIMIT_MS = 120_000;
/** Between two nudges, milliseconds. */
const NUDGE_MS = 2000;
const BOOT_TRIES = 3;
const RUN_LIMIT_MS = 120_000;
const KILL_LIMIT_MS = 30_000;

/**
 * The emulation loses a timer interrupt now and then. A timer that is set for one time only stays silent after that,
 * and an idle guest with it, for ever; one that ticks goes on.
 */
const TICKS = 'nohz=off highres=off';

/** How to start it. */
export interface OuterOptions {
  /** Memory of the outer guest in MiB. The guests in it have only what they touch. */
  readonly memoryMib?: number | undefined;
}

/** Options of a command. */
export interface RunOptions {
  readonly cwd?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly limitMs?: number | undefined;
  /** Sent to the command; then its input ends. */
  readonly input?: Uint8Array | string | undefined;
}

function qemuArguments(folder: string, memoryMib: number): string[] {
  const { image } = kernelFiles('6.1');
  const words = `console=ttyS0 quiet panic=-1 ${TICKS} bed.node=${process.execPath} bed.agent=${join(projectRoot, 'build/test/bed/agent.js')}`;
  // The emulation lacks a few of this model's features, which nobody here needs: check=off is silent about it.
  // One processor: with two, this kernel in this emulation dies of a triple fault in one run of three.
  return [
    ...['-accel', 'tcg', '-cpu', 'EPYC,+svm,+npt,check=off', '-smp', '1', '-m', String(memoryMib)],
    ...['-nodefaults', '-display', 'none', '-no-reboot', '-serial', 'stdio'],
    ...['-kernel', image, '-initrd', join(folder, 'outer.cpio.gz'), '-append', words],
    ...['-virtfs', 'local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap'],
    ...['-device', 'virtio-serial', '-chardev', `socket,id=agent,path=${join(folder, 'agent')}`],
    ...['-device', 'virtserialport,chardev=agent,name=agent'],
  ];
}

/** A running outer guest. */
export class OuterGuest {
  /** Its console: for messages when something fails. */
  readonly console = new Transcript('console of the outer guest');
  readonly #folder: string;
  readonly #server: Server;
  readonly #child: ChildProcess;
  readonly #processes = new Map<number, OuterProcess>();
  #started: OuterProcess[] = [];
  #socket: Socket | undefined;
  #next = 1;
  #ready = (): void => {};
  #dead: string | undefined;

  private constructor(folder: string, memoryMib: number) {
    this.#folder = folder;
    this.#server = createServer((socket) => this.#connected(socket));
    this.#server.listen(join(folder, 'agent'));
    // The emulator must not outlive us, whatever ends us.
    const words = ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...qemuArguments(folder, memoryMib)];
    this.#child = spawn('setpriv', words, { stdio: ['ignore', 'pipe', 'pipe'] });
    const print = (data: Buffer): void => this.console.add(data.toString('latin1'));
    this.#child.stdout?.on('data', print);
    this.#child.stderr?.on('data', print);
    this.#child.once('close', (code, signal) => this.#ended(`the outer guest has ended: ${code ?? signal}`));
    this.#child.once('error', (error) => this.#ended(`the outer guest has not started: ${error.message}`));
  }

  /** Starts the outer guest. Rejects with its transcript if it does not come up. */
  static async boot(options: OuterOptions = {}): Promise<OuterGuest> {
    for (let attempt = 1; ; attempt++) {
      const folder = mkdtempSync(join(tmpdir(), 'lkvm-bed-'));
      writeOuterInitrd(join(folder, 'outer.cpio.gz'));
      const outer = new OuterGuest(folder, options.memoryMib ?? 3072);
      try {
        const ready = new Promise<void>((resolve) => {
          outer.#ready = resolve;
        });
        await outer.console.expect(/OUTER-UP .*/, BOOT_LIMIT_MS);
        await Promise.race([ready, outer.console.expect(/OUTER-DONE|Kernel panic/, BOOT_LIMIT_MS)]);
        if (outer.#socket === undefined) throw new Error('the agent has not started');
        return outer;
      } catch (error) {
        await outer.close();
        if (attempt === BOOT_TRIES) throw new Error(`${error}\n${outer.console.tail()}`);
      }
    }
  }

  /** Path of a new initrd for guests under test. */
  initrd(kernel: KernelName, options: InitrdOptions = {}): string {
    const path = join(this.#folder, `inner-${this.#next++}.cpio.gz`);
    writeInnerInitrd(path, kernel, options);
    return path;
  }

  /** Starts a command. */
  spawn(argv: readonly string[], options: RunOptions = {}): OuterProcess {
    const id = this.#next++;
    const started = new OuterProcess(id, argv.join(' '), (kind, payload) => this.#send(kind, id, payload));
    this.#started.push(started);
    if (this.#dead !== undefined) {
      started.ended({ code: null, signal: null, error: this.#dead });
      return started;
    }
    this.#processes.set(id, started);
    const request = { argv, cwd: options.cwd ?? '/run', env: options.env ?? {} };
    this.#send(SPAWN, id, JSON.stringify(request));
    return started;
  }

  /** Runs a command to its end. Rejects if that takes too long. */
  async run(argv: readonly string[], options: RunOptions = {}): Promise<ProcessResult> {
    const started = this.spawn(argv, options);
    if (options.input !== undefined) started.write(options.input);
    started.endInput();
    return await started.result(options.limitMs ?? RUN_LIMIT_MS);
  }

  /** Runs a script of bash and expects it to succeed. @returns what it has printed */
  async sh(script: string, options: RunOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run(['/bin/bash', '-euo', 'pipefail', '-c', script], options);
    if (code !== 0) throw new Error(`status ${code} in the outer guest: ${script}\n${stdout}${stderr}`);
    return stdout;
  }

  /** Whether it has ended: by itself, or because somebody has killed it. */
  get dead(): boolean {
    return this.#dead !== undefined;
  }

  /** A folder of the host, readable in the guest; removed with it. */
  get folder(): string {
    return this.#folder;
  }

  /** Makes an interface whose other end a guest can have. @param address of this end: "10.0.0.1/24" */
  async addTap(name: string, address: string): Promise<void> {
    await this.sh(
      `ip tuntap add ${name} mode tap; ip addr add ${address} dev ${name}; ip link set ${name} up`,
    );
  }

  /** Leaves what has been printed so far out of the next report. */
  forget(): void {
    this.#started = [...this.#processes.values()];
  }

  /** What the console and all commands since {@link forget} have printed, in blocks. */
  report(): string {
    return [...this.#started.map(({ transcript }) => transcript), this.console]
      .map((transcript) => transcript.tail())
      .join('\n');
  }

  /** Kills every command that still runs. */
  async killAll(): Promise<void> {
    const running = [...this.#processes.values()];
    for (const each of running) each.kill('SIGKILL');
    for (const each of running) await each.result(KILL_LIMIT_MS).catch(() => {});
  }

  /** Ends it, and everything in it. */
  async close(): Promise<void> {
    this.#child.kill('SIGKILL');
    if (this.#child.exitCode === null && this.#child.signalCode === null && this.#child.pid !== undefined) {
      await new Promise((resolve) => this.#child.once('close', resolve));
    }
    this.#socket?.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #send(kind: number, id: number, payload: Uint8Array | string): void {
    this.#socket?.write(frame(kind, id, payload));
  }

  #connected(socket: Socket): void {
    this.#socket = socket;
    const nudge = setInterval(() => this.#send(NUDGE, 0, ''), NUDGE_MS);
    socket.once('close', () => clearInterval(nudge));
    const reader = new FrameReader((message) => this.#take(message));
    socket.on('data', (data) => reader.push(data));
    socket.on('error', () => {}); // QEMU has ended: `close` of the process tells
  }

  #take({ kind, id, payload }: Frame): void {
    const from = this.#processes.get(id);
    if (kind === READY) {
      this.#ready();
    } else if (kind === EXIT) {
      this.#processes.delete(id);
      from?.ended(JSON.parse(payload.toString()) as ProcessEnd);
    } else {
      from?.printed(kind, payload);
    }
  }

  #ended(how: string): void {
    this.#dead = how;
    this.console.end(how);
    for (const each of this.#processes.values()) {
      each.ended({ code: null, signal: null, error: how });
    }
    this.#processes.clear();
  }
}
