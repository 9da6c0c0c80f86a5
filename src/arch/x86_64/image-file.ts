/**
 * Files that are loaded into a guest: opened without waiting for anybody, read straight into guest memory.
 *
 * Thread: main, before the guest starts.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import type { GuestMemory } from '../../memory/guest-memory.js';
import { StartError } from '../../util/errors.js';
import { guestBytes } from './guest-bytes.js';

/** What a file is for; used in messages. */
export type ImageKind = 'kernel' | 'initrd' | 'firmware';

/** Bytes per read: below what one view of guest memory holds, and what one system call may read. */
const PIECE = 0x1000_0000;

/** An open file of known size. */
export class ImageFile {
  readonly path: string;
  readonly kind: ImageKind;
  /** Size in bytes when it was opened. */
  readonly bytes: number;
  readonly #fd: number;

  /** Errors: StartError. A FIFO or a device is refused without waiting for its other end. */
  constructor(path: string, kind: ImageKind) {
    this.path = path;
    this.kind = kind;
    this.#fd = openFile(path, kind);
    const stat = fstatSync(this.#fd);
    if (!stat.isFile()) {
      closeSync(this.#fd);
      throw new StartError(`Unable to open ${kind} ${path}: it is not a regular file`);
    }
    this.bytes = stat.size;
  }

  /** The first bytes, `count` or fewer if the file is shorter. Errors: StartError. */
  head(count: number): Buffer {
    return this.part(0, Math.min(count, this.bytes));
  }

  /** A copy of a part. Errors: StartError if the file does not reach that far. */
  part(offset: number, count: number): Buffer {
    const buffer = Buffer.alloc(count);
    this.#read(buffer, offset);
    return buffer;
  }

  /** Reads a part into guest RAM. Errors: StartError. */
  load(memory: GuestMemory, gpa: number, offset: number, count: number): void {
    for (let done = 0; done < count; done += PIECE) {
      const bytes = Math.min(PIECE, count - done);
      this.#read(guestBytes(memory, gpa + done, bytes), offset + done);
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  #read(into: Uint8Array, offset: number): void {
    let done = 0;
    while (done < into.length) {
      const got = this.#readSome(into, done, offset + done);
      if (got === 0) {
        throw new StartError(
          `${this.kind} ${this.path} ends after ${offset + done} bytes, ${offset + into.length} are needed: it is cut off`,
        );
      }
      done += got;
    }
  }

  #readSome(into: Uint8Array, done: number, offset: number): number {
    try {
      return readSync(this.#fd, into, done, into.length - done, offset);
    } catch (error) {
      throw new StartError(`Unable to read ${this.kind} ${this.path}: ${codeOf(error)}`, error);
    }
  }
}

function openFile(path: string, kind: ImageKind): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const code = codeOf(error);
    // The bare text is what test suites for the C tool look for.
    throw new StartError(`Unable to open ${kind} ${path}${code === 'ENOENT' ? '' : `: ${code}`}`, error);
  }
}

function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return String(error);
}
