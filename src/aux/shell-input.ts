/** The console's input as lines, with echo for a person, and a look at Ctrl-C while a command runs. */
import type { ConsoleDriver } from '../frontend/console.js';
import { LineEditor, type LineEvent } from './line-editor.js';
import type { ShellOutput } from './shell-output.js';

const CTRL_C = 0x03;
const FOR_EVER_MS = 0x7fff_ffff;

/** Thread: main. */
export class ShellInput {
  readonly #console: ConsoleDriver;
  readonly #output: ShellOutput;
  readonly #script: boolean;
  readonly #editor = new LineEditor();
  /** Received and not yet looked at: [#at, #end) of #buffer. */
  readonly #buffer = new Uint8Array(4096);
  #at = 0;
  #end = 0;

  constructor(console: ConsoleDriver, output: ShellOutput, script: boolean) {
    this.#console = console;
    this.#output = output;
    this.#script = script;
  }

  /** Waits for a line, or Ctrl-C. @returns the line, or undefined for Ctrl-C */
  read(): string | undefined {
    for (;;) {
      if (this.#at === this.#end) this.#receive();
      const event: LineEvent = this.#editor.feed(this.#buffer, this.#at, this.#end);
      this.#at = this.#editor.consumed;
      const echo = Uint8Array.from(this.#editor.echo);
      this.#editor.echo = [];
      if (!this.#script && echo.length > 0) this.#output.raw(echo);
      if (event === 'line') return this.#editor.line;
      if (event === 'interrupt') return undefined;
    }
  }

  /** True if Ctrl-C was typed; it and what was typed before it are forgotten. Does not wait. */
  interrupted(): boolean {
    if (this.#at > 0) {
      this.#buffer.copyWithin(0, this.#at, this.#end);
      this.#end -= this.#at;
      this.#at = 0;
    }
    if (this.#end < this.#buffer.length) this.#end += this.#console.read(this.#buffer.subarray(this.#end));
    const found = this.#buffer.subarray(0, this.#end).lastIndexOf(CTRL_C);
    if (found < 0) return false;
    this.#at = found + 1;
    return true;
  }

  #receive(): void {
    this.#at = 0;
    this.#end = this.#console.read(this.#buffer);
    while (this.#end === 0) {
      this.#console.device.line.waitUntil(this.#console, FOR_EVER_MS);
      this.#end = this.#console.read(this.#buffer);
    }
  }
}
