/**
 * Names inside a received message. They are used where they lie: the codec puts a NUL behind each, so that a tree of
 * host files can pass its address to the kernel, and host names keep whatever bytes they have.
 */
import { EINVAL, ENAMETOOLONG } from '../abi/errno.js';
import { P9_MAX_NAME_BYTES } from '../abi/p9.js';
import { u8At } from '../util/typed.js';

const textDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const SLASH = 0x2f;
const DOT = 0x2e;

/** A name or a link's target, good until the method it was passed to returns. Reused. */
export class P9Name {
  /** The message; the name is `[at, at + length)`, followed by a NUL. */
  u8: Uint8Array = new Uint8Array(1);
  at = 0;
  /** Bytes, without the NUL. */
  length = 0;
  /** Host address of the NUL-terminated name. */
  address = 0;

  /** The bytes, copied. Allocates. */
  copy(): Uint8Array {
    return this.u8.slice(this.at, this.at + this.length);
  }

  /** As text, or undefined if it is not UTF-8. Allocates. */
  text(): string | undefined {
    try {
      return textDecoder.decode(this.copy());
    } catch {
      return undefined;
    }
  }

  /** True for "..". */
  get isParent(): boolean {
    return this.length === 2 && u8At(this.u8, this.at) === DOT && u8At(this.u8, this.at + 1) === DOT;
  }

  /** True if there is a NUL inside. */
  get hasNul(): boolean {
    const end = this.at + this.length;
    for (let i = this.at; i < end; i++) if (this.u8[i] === 0) return true;
    return false;
  }

  /** 0 if this can name something in a directory, or ".."; -EINVAL for "", ".", a slash or a NUL; -ENAMETOOLONG. */
  checkWalk(): number {
    if (this.length > P9_MAX_NAME_BYTES) return -ENAMETOOLONG;
    if (this.length === 0) return -EINVAL;
    if (this.length === 1 && u8At(this.u8, this.at) === DOT) return -EINVAL;
    const end = this.at + this.length;
    for (let i = this.at; i < end; i++) {
      const byte = u8At(this.u8, i);
      if (byte === 0 || byte === SLASH) return -EINVAL;
    }
    return 0;
  }

  /** As {@link checkWalk}, and -EINVAL for ".." too: for names to be made or removed. */
  check(): number {
    return this.isParent ? -EINVAL : this.checkWalk();
  }
}
