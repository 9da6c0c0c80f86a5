/** Keys that are for us and not for the driver. Pure: bytes in, bytes out. */
import { u8At } from '../../util/typed.js';

/** "ctrl-a": Ctrl-A x or Ctrl-B x ends the machine; "ctrl-c": Ctrl-C does; "none": all bytes go to the driver. */
export type EscapeMode = 'ctrl-a' | 'ctrl-c' | 'none';

const CTRL_A = 0x01;
const CTRL_B = 0x02;
const CTRL_C = 0x03;
const KEY_X = 0x78;
/** No prefix is held back. */
const NONE = -1;

/**
 * Finds the escape in a stream cut anywhere. In mode "ctrl-a" a prefix is held back until the next byte: `x` is the
 * escape; the prefix again stands for itself once; anything else follows the prefix to the driver, so that Ctrl-A in a
 * shell's line editor works without being typed twice.
 */
export class EscapeFilter {
  readonly #mode: EscapeMode;
  readonly #onEscape: () => void;
  #prefix = NONE;

  /** @param onEscape called once per escape, during {@link filter} */
  constructor(mode: EscapeMode, onEscape: () => void) {
    this.#mode = mode;
    this.#onEscape = onEscape;
  }

  /**
   * Moves what is for the driver from one buffer to another.
   * @param to with room for `bytes + 1` at `toOff`: a prefix held back earlier may come out
   * @returns bytes written to `to`
   */
  filter(from: Uint8Array, bytes: number, to: Uint8Array, toOff: number): number {
    let out = toOff;
    for (let i = 0; i < bytes; i++) {
      const byte = u8At(from, i);
      if (this.#mode === 'ctrl-c' && byte === CTRL_C) {
        this.#onEscape();
      } else if (this.#mode !== 'ctrl-a') {
        to[out++] = byte;
      } else if (this.#prefix === NONE) {
        if (byte === CTRL_A || byte === CTRL_B) this.#prefix = byte;
        else to[out++] = byte;
      } else {
        out = this.#afterPrefix(byte, to, out);
      }
    }
    return out - toOff;
  }

  /** The stream has ended: a prefix held back is for the driver. @returns bytes written to `to`, 0 or 1 */
  flush(to: Uint8Array, toOff: number): number {
    if (this.#prefix === NONE) return 0;
    to[toOff] = this.#prefix;
    this.#prefix = NONE;
    return 1;
  }

  #afterPrefix(byte: number, to: Uint8Array, out: number): number {
    const prefix = this.#prefix;
    this.#prefix = NONE;
    if (byte === KEY_X) {
      this.#onEscape();
      return out;
    }
    to[out++] = prefix;
    if (byte === prefix) return out;
    if (byte === CTRL_A || byte === CTRL_B) this.#prefix = byte;
    else to[out++] = byte;
    return out;
  }
}
