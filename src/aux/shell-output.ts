/**
 * What the shell writes on its console. For a person, lines end with CR LF, because the terminal at the other end is
 * raw. For a program (`--script`), bytes are left as they are, and marks stand between the outputs of two commands:
 *
 *     0x1E {"command":"ls /","status":0} LF
 *
 * A byte 0x1E in a command's own output is doubled, so a mark cannot be forged: 0x1E 0x1E is the byte itself, 0x1E '{'
 * starts a mark.
 */
const MARK = 0x1e;
const LF = 0x0a;
const CR = 0x0d;

/** Where it goes: the console driver. */
export interface ByteSink {
  /** Writes everything, however long it takes. */
  write(bytes: Uint8Array): void;
}

/** Thread: main. */
export class ShellOutput {
  readonly #console: ByteSink;
  readonly #script: boolean;
  readonly #encoder = new TextEncoder();

  constructor(console: ByteSink, script: boolean) {
    this.#console = console;
    this.#script = script;
  }

  /** Writes text. Waits for the console. */
  text(text: string): void {
    this.bytes(this.#encoder.encode(text));
  }

  /** Writes bytes. Waits for the console. */
  bytes(bytes: Uint8Array): void {
    const special = this.#script ? MARK : LF;
    this.#console.write(bytes.includes(special) ? this.#translate(bytes, special) : bytes);
  }

  /** Writes bytes as they are: echo, control sequences. */
  raw(bytes: Uint8Array): void {
    this.#console.write(bytes);
  }

  /** Ends a command for a program. Nothing for a person. */
  mark(fields: Readonly<Record<string, unknown>>): void {
    if (this.#script) this.#console.write(this.#encoder.encode(`\x1e${JSON.stringify(fields)}\n`));
  }

  /** Doubles marks, or puts CR before each LF. */
  #translate(bytes: Uint8Array, special: number): Uint8Array {
    let extra = 0;
    for (const byte of bytes) if (byte === special) extra++;
    const out = new Uint8Array(bytes.length + extra);
    let at = 0;
    for (const byte of bytes) {
      if (byte === special) out[at++] = special === LF ? CR : MARK;
      out[at++] = byte;
    }
    return out;
  }
}
