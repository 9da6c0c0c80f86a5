/** What the block device needs from the host. Thread: reactor. */
import type { IovArray } from '../../../memory/iov-array.js';

/** Told how requests ended. Implemented by the device; safe to call when no driver runs. */
export interface BlockListener {
  /**
   * One request has ended; its buffers are not touched any more.
   * @param token as given with the request, which may be used for another one at once
   * @param result reads and writes: bytes moved, perhaps fewer than asked; others: 0 or more; or -errno
   */
  requestDone(token: number, result: number): void;
  /** The last of some results that came together: a good moment to tell the driver. */
  batchDone(): void;
}

/** Facts about a disk that do not change while it is open. */
export interface BlockFacts {
  /** Size in units of 512 bytes. */
  readonly sectors: number;
  readonly readOnly: boolean;
  /** Smallest piece the disk works with: a power of two, 512 or more. Drivers align to it, but any multiple of 512 works. */
  readonly blockBytes: number;
  /** Piece that is written without reading around it: `blockBytes` times a power of two. */
  readonly physicalBlockBytes: number;
  /** Best size of large transfers; 0 = not known. */
  readonly optimalBytes: number;
  /** Ranges can be given back to the host. */
  readonly canDiscard: boolean;
  /** What {@link BlockBackend.discard} works in units of, in bytes: a multiple of 512. */
  readonly discardAlignBytes: number;
  /** At most 20 bytes of ASCII that identify the disk on this host. */
  readonly id: string;
}

/**
 * A disk. Requests are given one by one and begin at {@link submit} at the latest; they end in any order. Everything is
 * in bytes and was checked against the size. Nothing a request names may be changed or unmapped before its end.
 */
export interface BlockBackend {
  readonly facts: BlockFacts;
  /** Requests given and not yet ended. */
  readonly pending: number;

  /** Who is told. Called once. */
  setListener(listener: BlockListener): void;
  /**
   * Hot path; allocates nothing.
   * @param token 0 ... the largest number of requests at a time - 1; not in use
   * @param iov its window is what is moved; neither may be changed until the end
   */
  read(token: number, iov: IovArray, offset: number): void;
  /** As {@link read}. Not on a read-only disk. */
  write(token: number, iov: IovArray, offset: number): void;
  /** Makes everything that was written before reach the medium. */
  flush(token: number): void;
  /** A hint that the range is not needed. */
  discard(token: number, offset: number, bytes: number): void;
  /** The range reads as zeros afterwards. @param unmap whether the host may give its space back */
  writeZeroes(token: number, offset: number, bytes: number, unmap: boolean): void;
  /** Starts what was given. The listener may be called before this returns. Hot path. */
  submit(): void;
  /**
   * The driver is gone: no request takes a further step, and those that can be called back end soon. Returns at once; the
   * others end when they end, see {@link pending}. The listener may be called before this returns.
   */
  cancel(): void;
  /** Waits a limited time for what is under way, then frees host resources. The listener may be called meanwhile. */
  close(): void;
}
