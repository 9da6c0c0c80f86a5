/**
 * Drives the auxiliary runtime's shell through its console, one command at a time. In script mode the shell ends each
 * command with a mark: a line that starts with the byte 0x1E and continues with one JSON object (docs/aux.md). What stands
 * between two marks is the command's output; a byte 0x1E in it comes doubled.
 */

/** What a mark says. */
interface Mark {
  readonly command: string;
  readonly status: number;
  readonly ping: PingResult | undefined;
}

/** Result of the shell's `ping`. Times in microseconds. */
export interface PingResult {
  readonly sent: number;
  readonly received: number;
  readonly p50_us: number;
  readonly p99_us: number;
}

/** One finished command. */
export interface CommandResult {
  readonly command: string;
  readonly ok: boolean;
  readonly output: string;
  readonly ping: PingResult | undefined;
}

const MARK = 0x1e;
const LINE_FEED = 0x0a;
/** A shell that writes more than this without ending a command is broken. */
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;

/** Splits the console's byte stream into outputs and marks. Any chunking of the stream gives the same result. */
export class MarkParser {
  #output: Buffer[] = [];
  #bytes = 0;
  #mark: Buffer[] | undefined;
  readonly #onEnd: (mark: Mark, output: string) => void;

  constructor(onEnd: (mark: Mark, output: string) => void) {
    this.#onEnd = onEnd;
  }

  /** @throws Error when a mark cannot be read or the output has no end */
  push(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#mark === undefined) {
        const start = rest.indexOf(MARK);
        const text = start < 0 ? rest : rest.subarray(0, start);
        this.#output.push(Buffer.from(text));
        this.#bytes += text.length;
        if (this.#bytes > MAX_OUTPUT_BYTES) throw new Error('the shell does not end its output');
        if (start < 0) return;
        this.#mark = [];
        rest = rest.subarray(start + 1);
        continue;
      }
      if (this.#mark.length === 0 && rest[0] === MARK) {
        this.#output.push(Buffer.of(MARK)); // doubled: a byte of the output itself
        this.#mark = undefined;
        rest = rest.subarray(1);
        continue;
      }
      const end = rest.indexOf(LINE_FEED);
      this.#mark.push(Buffer.from(end < 0 ? rest : rest.subarray(0, end)));
      if (end < 0) return;
      rest = rest.subarray(end + 1);
      this.#finish(Buffer.concat(this.#mark).toString());
    }
  }

  #finish(text: string): void {
    const output = Buffer.concat(this.#output).toString().replaceAll('\r\n', '\n');
    this.#output = [];
    this.#bytes = 0;
    this.#mark = undefined;
    this.#onEnd(parseMark(text), output);
  }
}

function parseMark(text: string): Mark {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null) throw new Error(`unreadable mark from the shell: ${text}`);
  const { command, status, ping } = value as { command?: unknown; status?: unknown; ping?: unknown };
  if (typeof command !== 'string' || typeof status !== 'number') {
    throw new Error(`unreadable mark from the shell: ${text}`);
  }
  return { command, status, ping: ping as PingResult | undefined };
}

/** The commands of a `-e` text: separated by `;` or line ends, blank ones left out. */
export function splitCommands(text: string): string[] {
  return text
    .split(/[;\n]/)
    .map((command) => command.trim())
    .filter((command) => command !== '');
}
