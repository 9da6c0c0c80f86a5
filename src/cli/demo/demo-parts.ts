/** What a demo owns besides the PMM: a place for its files, the session on the console, and the child process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { StartError } from '../../util/errors.js';
import { type CommandResult, MarkParser } from './script-session.js';

/** With the process id, so that one can tell whose a folder is that a killed demo could not remove. */
const PREFIX = `lkvm-demo-${process.pid}-`;

/** A private folder for the pool file and the doorbell socket; removed on every way out. */
export class DemoPlace implements Disposable {
  readonly poolPath: string;
  readonly socketPath: string;
  readonly #folders: string[];
  readonly #onExit = () => this.#remove();

  /** Errors: StartError. */
  constructor() {
    const folder = temporaryFolder();
    const memory = memoryFolder() ?? folder;
    this.#folders = memory === folder ? [folder] : [folder, memory];
    this.poolPath = join(memory, 'pool');
    this.socketPath = join(folder, 'doorbell');
    process.on('exit', this.#onExit);
  }

  [Symbol.dispose](): void {
    process.off('exit', this.#onExit);
    this.#remove();
  }

  #remove(): void {
    for (const folder of this.#folders) rmSync(folder, { recursive: true, force: true });
  }
}

function temporaryFolder(): string {
  try {
    return mkdtempSync(join(tmpdir(), PREFIX));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new StartError(
      `cannot make a folder in ${tmpdir()}: ${code ?? String(error)}; set TMPDIR to a folder that you may write`,
      error,
    );
  }
}

/** A fresh folder in /dev/shm, where files are memory; undefined where there is none. */
function memoryFolder(): string | undefined {
  try {
    accessSync('/dev/shm', constants.W_OK);
    return mkdtempSync(join('/dev/shm', PREFIX));
  } catch {
    return undefined;
  }
}

/** The shell behind a console stream, one command at a time. */
export class ConsoleSession {
  readonly #console: Duplex;
  #waiting: { resolve: (result: CommandResult) => void; reject: (error: Error) => void } | undefined;

  constructor(console: Duplex) {
    this.#console = console;
    const parser = new MarkParser(({ command, status, ping }, text) => {
      this.#waiting?.resolve({ command, ok: status === 0, output: text, ping });
    });
    console.on('data', (chunk: Buffer) => {
      try {
        parser.push(chunk);
      } catch (error) {
        this.#waiting?.reject(error as Error);
      }
    });
    console.on('error', (error) => this.#waiting?.reject(error));
  }

  /** Types a command; the result comes with its end mark. @param patienceMs after that it is an error */
  async run(command: string, patienceMs: number): Promise<CommandResult> {
    const { promise, resolve, reject } = withResolvers<CommandResult>();
    const late = new StartError(
      `the auxiliary runtime did not finish within ${patienceMs / 1000} s: ${command}`,
    );
    const timer = setTimeout(() => reject(late), patienceMs);
    this.#waiting = { resolve, reject };
    this.#console.write(`${command}\n`);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting = undefined;
    }
  }
}

/** A promise and its two ends. */
export function withResolvers<T>() {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** The auxiliary runtime as a child process that dies with us. */
export class AuxChild implements Disposable {
  /** Its exit code; 1 if a signal ended it. */
  readonly exited: Promise<number>;
  /** The signal that ended it; null if none did, or not yet. */
  signal: NodeJS.Signals | null = null;
  readonly #process: ChildProcess;
  readonly #onExit = () => this.#process.kill('SIGKILL');

  constructor(place: DemoPlace, script: boolean) {
    const [, main = ''] = process.argv; // this program
    const words = ['aux', '--die-with-parent', '--shmem-backend', `file:${place.poolPath}`];
    words.push('--notify', `socket:${place.socketPath}`, ...(script ? ['--script'] : []));
    this.#process = spawn(process.execPath, [main, ...words], { stdio: ['ignore', 'ignore', 'inherit'] });
    this.exited = new Promise((resolve) => {
      this.#process.once('error', () => resolve(1));
      this.#process.once('exit', (code, signal) => {
        this.signal = signal;
        resolve(code ?? 1);
      });
    });
    process.on('exit', this.#onExit);
  }

  [Symbol.dispose](): void {
    process.off('exit', this.#onExit);
    this.#process.kill('SIGKILL');
  }
}
