/** Zeros to write where the host cannot make a range zero by itself. */
import { IOVEC_BASE_OFF, IOVEC_BYTES, IOVEC_LEN_OFF } from '../../abi/linux.js';
import { NativeBuffer } from '../../memory/native-buffer.js';
import { setU64 } from '../../util/u64.js';

const UNIT = 512;
const PIECE_BYTES = 0x1_0000;
const PIECES = 64;

/**
 * Iovecs that all name the same page of zeros: a table of whole pieces, and one iovec for each length below a piece. They
 * never change, so any number of calls can use them at the same time. Thread: reactor.
 */
export class Zeros {
  /** After {@link choose}. */
  iov = 0;
  count = 0;
  bytes = 0;
  readonly #zeros = new NativeBuffer(PIECE_BYTES);
  readonly #table = new NativeBuffer((PIECES + PIECE_BYTES / UNIT) * IOVEC_BYTES);

  constructor() {
    for (let i = 0; i < PIECES; i++) this.#set(i, PIECE_BYTES);
    for (let i = 0; i < PIECE_BYTES / UNIT; i++) this.#set(PIECES + i, i * UNIT);
  }

  /** Picks iovecs for the first bytes of `left`, a positive multiple of 512: 4 MiB at most. */
  choose(left: number): void {
    const whole = Math.min(PIECES, Math.floor(left / PIECE_BYTES));
    this.count = Math.max(1, whole);
    this.bytes = whole > 0 ? whole * PIECE_BYTES : left;
    this.iov = this.#table.address + (whole > 0 ? 0 : (PIECES + left / UNIT) * IOVEC_BYTES);
  }

  #set(place: number, bytes: number): void {
    setU64(this.#table.view, place * IOVEC_BYTES + IOVEC_BASE_OFF, this.#zeros.address);
    setU64(this.#table.view, place * IOVEC_BYTES + IOVEC_LEN_OFF, bytes);
  }
}
