/** One request of the block device while it is served. */
import type { GuestMemory } from '../../../memory/guest-memory.js';
import { IovArray } from '../../../memory/iov-array.js';
import { BlkRanges } from './wire.js';

/** Not in use. */
export const STEP_FREE = 0;
/** Moving data between the disk and the driver's buffers. */
export const STEP_TRANSFER = 1;
export const STEP_FLUSH = 2;
/** Discarding or zeroing one range after the other. */
export const STEP_RANGES = 3;
/** The write itself is done; a driver without the flush feature gets its answer when it is on the medium. */
export const STEP_SYNC = 4;

/** Reused; its native memory is never given back. Index of it = token. */
export class BlkRequest {
  readonly memory: GuestMemory;
  readonly iov: IovArray;
  /** Which start of the device it belongs to. */
  generation = 0;
  step = STEP_FREE;
  /** VIRTIO_BLK_T_... */
  type = 0;
  head = 0;
  /** Data: bytes of `iov` to leave out at the front, length, how much is done, and where on the disk it begins. */
  skip = 0;
  bytes = 0;
  done = 0;
  offset = 0;
  /** Attempts in a row that moved nothing. */
  idle = 0;
  /** Place of the status byte, and bytes of the writable part with it. */
  statusChunk = 0;
  statusOffset = 0;
  writableBytes = 0;
  /** Bytes written to the front of the writable part. */
  written = 0;
  /** Range being worked on. */
  range = 0;
  #ranges: BlkRanges | undefined;

  /** @param entries most descriptors of a chain @param stagingBytes see {@link IovArray} */
  constructor(memory: GuestMemory, entries: number, stagingBytes: number) {
    this.memory = memory;
    this.iov = new IovArray(memory, entries, stagingBytes);
  }

  /** Made at the first use: few requests have any. */
  get ranges(): BlkRanges {
    this.#ranges ??= new BlkRanges();
    return this.#ranges;
  }
}
