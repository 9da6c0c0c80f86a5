/**
 * What the tests and the agent in the outer guest say to each other, over one byte stream: frames of a length (4
 * bytes, of what follows the header), a kind (1 byte), a process number (4 bytes) and the payload. Little endian.
 */

/** Says nothing. One run stood still in the middle of a paste until another frame came; it is not known why. */
export const NUDGE = 0;
/** Kinds of frames; the first three go to the guest. */
export const SPAWN = 1;
export const INPUT = 2;
export const SIGNAL = 3;
export const READY = 4;
export const OUTPUT = 5;
export const ERRORS = 6;
export const EXIT = 7;

const HEADER_BYTES = 9;

/** Payload of {@link SPAWN}, as JSON. */
export interface SpawnRequest {
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Payload of {@link EXIT}, as JSON. Exactly one is not null. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: string | null;
  /** Why it could not be started. */
  readonly error: string | null;
}

/** One frame. */
export interface Frame {
  readonly kind: number;
  readonly id: number;
  readonly payload: Buffer;
}

/** Bytes of a frame. An empty {@link INPUT} ends the input. */
export function frame(kind: number, id: number, payload: Uint8Array | string = ''): Buffer {
  const body = typeof payload === 'string' ? Buffer.from(payload) : payload;
  const out = Buffer.alloc(HEADER_BYTES + body.length);
  out.writeUInt32LE(body.length, 0);
  out.writeUInt8(kind, 4);
  out.writeUInt32LE(id, 5);
  out.set(body, HEADER_BYTES);
  return out;
}

/** Takes a stream apart again. */
export class FrameReader {
  readonly #onFrame: (frame: Frame) => void;
  #pending: Buffer = Buffer.alloc(0);

  constructor(onFrame: (frame: Frame) => void) {
    this.#onFrame = onFrame;
  }

  /** More bytes of the stream. */
  push(data: Buffer): void {
    let rest = this.#pending.length === 0 ? data : Buffer.concat([this.#pending, data]);
    while (rest.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + rest.readUInt32LE(0);
      if (rest.length < end) break;
      this.#onFrame({
        kind: rest.readUInt8(4),
        id: rest.readUInt32LE(5),
        payload: rest.subarray(HEADER_BYTES, end),
      });
      rest = rest.subarray(end);
    }
    this.#pending = rest;
  }
}
