/** A process of this machine whose output a test waits for. */
import { type ChildProcess, spawn } from 'node:child_process';
import { Transcript } from '../bed/transcript.js';

/** Ends with its test's process, whatever ends that. */
export class HostProcess {
  /** Standard output and error, as they came. */
  readonly transcript: Transcript;
  readonly #child: ChildProcess;
  readonly #ended: Promise<string>;

  /** @param name for messages */
  constructor(name: string, argv: readonly string[]) {
    this.transcript = new Transcript(name);
    this.#child = spawn('setpriv', ['--pdeathsig', 'KILL', ...argv], { stdio: 'pipe' });
    const print = (data: Buffer): void => this.transcript.add(data.toString('latin1'));
    this.#child.stdout?.on('data', print);
    this.#child.stderr?.on('data', print);
    this.#child.stdin?.on('error', () => {}); // its end is what `ended` tells
    this.#ended = new Promise((resolve) => {
      this.#child.once('error', ({ message }) => resolve(message));
      this.#child.once('close', (code, signal) => resolve(String(code ?? signal)));
    });
    void this.#ended.then((how) => this.transcript.end(`ended: ${how}`));
  }

  /** Its number; 0 if it could not be started. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Sends input. */
  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Sends a signal. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Sends a signal and waits for the end. @returns exit status or name of the signal that ended it */
  async end(signal: NodeJS.Signals): Promise<string> {
    this.#child.kill(signal);
    return await this.#ended;
  }

  /** Waits for its end. @returns exit status or name of the signal */
  async ended(): Promise<string> {
    return await this.#ended;
  }
}
