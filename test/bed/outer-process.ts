/** A process in the outer guest. */
import { Transcript } from './transcript.js';
import { INPUT, OUTPUT, type ProcessEnd, SIGNAL } from './wire.js';

/** How a process has ended, and what it has printed. */
export interface ProcessResult {
  /** Exit status; -1 if a signal has ended it. */
  readonly code: number;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** More than this at a time would fill the queue to the guest for long. */
const INPUT_CHUNK = 64 * 1024;

/** Of a command, to name it in messages. */
const NAME_CHARACTERS = 300;

/** Made by `OuterGuest.spawn`. */
export class OuterProcess {
  /** Standard output and error, as they came. */
  readonly transcript: Transcript;
  #stdout = '';
  #stderr = '';
  readonly #command: string;
  readonly #send: (kind: number, payload: Uint8Array | string) => void;
  readonly #end: Promise<ProcessEnd>;
  #resolve: (end: ProcessEnd) => void = () => {};

  constructor(id: number, command: string, send: (kind: number, payload: Uint8Array | string) => void) {
    this.#command = command;
    const short = command.trim().split('\n', 1)[0]?.slice(0, NAME_CHARACTERS);
    this.transcript = new Transcript(`process ${id}: ${short}`);
    this.#send = send;
    this.#end = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Sends input. */
  write(data: Uint8Array | string): void {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    for (let at = 0; at < bytes.length; at += INPUT_CHUNK) {
      this.#send(INPUT, bytes.subarray(at, at + INPUT_CHUNK));
    }
  }

  /** Closes its input. */
  endInput(): void {
    this.#send(INPUT, '');
  }

  /** Sends a signal: "SIGTERM". */
  kill(signal: NodeJS.Signals): void {
    this.#send(SIGNAL, signal);
  }

  /** Waits for its end. Rejects after the time, or if it could not be started. */
  async result(limitMs: number): Promise<ProcessResult> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const message = `${this.#command}: not finished within ${limitMs / 1000} s`;
      timer = setTimeout(() => reject(new Error(message)), limitMs);
    });
    try {
      const { code, signal, error } = await Promise.race([this.#end, late]);
      if (error !== null) throw new Error(`${this.#command}: ${error}`);
      return { code: code ?? -1, signal, stdout: this.#stdout, stderr: this.#stderr };
    } finally {
      clearTimeout(timer);
    }
  }

  /** From the agent: output. */
  printed(kind: number, data: Buffer): void {
    const text = data.toString('latin1');
    if (kind === OUTPUT) this.#stdout += text;
    else this.#stderr += text;
    this.transcript.add(text);
  }

  /** From the agent: the end. */
  ended(how: ProcessEnd): void {
    this.transcript.end(`it has ended: ${how.error ?? how.signal ?? `status ${how.code}`}`);
    this.#resolve(how);
  }
}
