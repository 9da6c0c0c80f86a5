/** What a process has printed, with ways to wait for more. */
import { setTimeout as sleep } from 'node:timers/promises';

interface Waiter {
  readonly pattern: RegExp;
  readonly done: (match: RegExpExecArray) => void;
}

/** From new text to a look at it, milliseconds. */
const LOOK_MS = 10;

/** Text that grows. */
export class Transcript {
  #text = '';
  #read = 0;
  #ended: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #waiters = new Map<Waiter, (error: Error) => void>();
  readonly #name: string;

  /** @param name for messages: what prints here */
  constructor(name: string) {
    this.#name = name;
  }

  /** Everything so far. */
  get text(): string {
    return this.#text;
  }

  /** Adds output. */
  add(text: string): void {
    this.#text += text;
    // Not at every piece: a search looks at all the text again, and much may come in small pieces.
    this.#timer ??= setTimeout(() => this.#look(), LOOK_MS);
  }

  /** Nothing more will come. @param how for the messages of those who still wait */
  end(how: string): void {
    this.#ended = how;
    this.#look();
    for (const [waiter, fail] of this.#waiters) fail(this.#error(waiter.pattern, how));
    this.#waiters.clear();
  }

  /**
   * Waits for text behind what earlier calls have matched.
   * @param limitMs generous: a loaded machine is slow
   * Errors: the time is over, or the process has ended.
   */
  async expect(pattern: RegExp, limitMs: number): Promise<RegExpExecArray> {
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter);
        reject(this.#error(pattern, `not within ${limitMs / 1000} s`));
      }, limitMs);
      const waiter: Waiter = {
        pattern,
        done: (match) => {
          clearTimeout(timer);
          resolve(match);
        },
      };
      this.#waiters.set(waiter, (error) => {
        clearTimeout(timer);
        reject(error);
      });
      this.#look();
      if (this.#ended !== undefined && this.#waiters.delete(waiter)) {
        clearTimeout(timer);
        reject(this.#error(pattern, this.#ended));
      }
    });
  }

  /** As {@link expect}, but looks at the whole text, and moves nothing. */
  async seen(pattern: RegExp, limitMs: number): Promise<void> {
    for (const end = Date.now() + limitMs; !pattern.test(this.#text); await sleep(50)) {
      if (this.#ended !== undefined) throw this.#error(pattern, this.#ended);
      if (Date.now() > end) throw this.#error(pattern, `not within ${limitMs / 1000} s`);
    }
  }

  #look(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const waiter of this.#waiters.keys()) {
      const match = waiter.pattern.exec(this.#text.slice(this.#read));
      if (match === null) continue;
      this.#read += match.index + match[0].length;
      this.#waiters.delete(waiter);
      waiter.done(match);
    }
  }

  #error(pattern: RegExp, how: string): Error {
    return new Error(`${this.#name}: ${pattern} did not come: ${how}`);
  }

  /** The end of the text, as a block for messages. */
  tail(characters = 6000): string {
    const cut = this.#text.length > characters ? '...' : '';
    return `----- ${this.#name}\n${cut}${this.#text.slice(-characters).replaceAll('\r\n', '\n').trimEnd()}\n-----`;
  }
}
