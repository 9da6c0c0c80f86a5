/**
 * A line of input, minimally edited: printable bytes, backspace, Ctrl-U, Ctrl-C (drops the line), Enter. Ctrl-D is
 * ignored, and so are escape sequences (arrow keys). Bytes in, lines and echo out; no I/O.
 */
const CTRL_C = 0x03;
const BACKSPACE = 0x08;
const LF = 0x0a;
const CR = 0x0d;
const CTRL_U = 0x15;
const ESCAPE = 0x1b;
const SPACE = 0x20;
const DELETE = 0x7f;
const CSI = 0x5b;
const SS3 = 0x4f;
const MAX_LINE_BYTES = 4096;

const ERASE = [BACKSPACE, SPACE, BACKSPACE];

// Where in an escape sequence we are.
const PLAIN = 0;
const AFTER_ESCAPE = 1;
const IN_CSI = 2;
const AFTER_SS3 = 3;

/** What {@link LineEditor.feed} met. */
export type LineEvent = 'line' | 'interrupt' | 'more';

/** Thread: main. */
export class LineEditor {
  /** After 'line': the text. */
  line = '';
  /** Bytes to send back to the terminal so far; the caller takes and empties it. */
  echo: number[] = [];
  readonly #bytes: number[] = [];
  #escape = PLAIN;
  #afterCr = false;

  /**
   * Takes bytes up to and including the end of a line.
   * @param at offset of the first byte; {@link consumed} tells how far it got
   */
  feed(input: Uint8Array, at: number, end: number): LineEvent {
    for (let i = at; i < end; i++) {
      this.consumed = i + 1;
      const event = this.#byte(input[i] as number);
      if (event !== 'more') return event;
    }
    return 'more';
  }

  /** Offset behind the last byte that {@link feed} took. */
  consumed = 0;

  /** Forgets the line. */
  clear(): void {
    this.#bytes.length = 0;
    this.#escape = PLAIN;
  }

  #byte(byte: number): LineEvent {
    const afterCr = this.#afterCr;
    this.#afterCr = byte === CR;
    if (byte === LF && afterCr) return 'more'; // CR LF is one end of line
    if (this.#escape !== PLAIN && byte !== CTRL_C && byte !== CR && byte !== LF) {
      this.#skipEscape(byte);
      return 'more';
    }
    switch (byte) {
      case CR:
      case LF:
        this.line = new TextDecoder().decode(Uint8Array.from(this.#bytes));
        this.clear();
        this.echo.push(CR, LF);
        return 'line';
      case CTRL_C:
        this.clear();
        this.echo.push(0x5e, 0x43, CR, LF); // ^C
        return 'interrupt';
      case BACKSPACE:
      case DELETE:
        this.#erase();
        return 'more';
      case CTRL_U:
        while (this.#bytes.length > 0) this.#erase();
        return 'more';
      case ESCAPE:
        this.#escape = AFTER_ESCAPE;
        return 'more';
      default:
        if (byte < SPACE && byte !== 0x09) return 'more';
        if (this.#bytes.length >= MAX_LINE_BYTES) return 'more';
        this.#bytes.push(byte);
        this.echo.push(byte);
        return 'more';
    }
  }

  /** Takes back one character: the continuation bytes of UTF-8 go with their first byte. */
  #erase(): void {
    if (this.#bytes.length === 0) return;
    let byte = this.#bytes.pop() as number;
    while ((byte & 0xc0) === 0x80 && this.#bytes.length > 0) byte = this.#bytes.pop() as number;
    this.echo.push(...ERASE);
  }

  #skipEscape(byte: number): void {
    if (this.#escape === AFTER_ESCAPE) {
      this.#escape = byte === CSI ? IN_CSI : byte === SS3 ? AFTER_SS3 : PLAIN;
      return;
    }
    // CSI ends with a byte from '@' to '~'; SS3 is one byte long.
    if (this.#escape === AFTER_SS3 || (byte >= 0x40 && byte <= 0x7e)) this.#escape = PLAIN;
  }
}

/** Splits a line into words; "..." and '...' keep blanks, a backslash keeps the next character. */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let i = 0; i < line.length; i++) {
    const c = line.charAt(i);
    if (c === '\\' && quote !== "'" && i + 1 < line.length) word = (word ?? '') + line.charAt(++i);
    else if (quote !== '') {
      if (c === quote) quote = '';
      else word = (word ?? '') + c;
    } else if (c === '"' || c === "'") {
      quote = c;
      word = word ?? '';
    } else if (c === ' ' || c === '\t') {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + c;
  }
  if (word !== undefined) words.push(word);
  return words;
}
