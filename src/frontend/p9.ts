/**
 * 9P transport driver: one queue, each request a chain "T-message, R-message", one at a time. The buffers lie in the
 * pool for good; file data is read by the device straight into a buffer of the pool and written straight from one.
 * Spec: virtio 9P transport (device id 9), 9P2000.L.
 */
import { EIO, EMSGSIZE, ENAMETOOLONG, EPROTO } from '../abi/errno.js';
import { P9_IO_HEADER_BYTES, P9_NONUNAME, P9_RREAD_HEADER_BYTES, P9_TWRITE_HEADER_BYTES } from '../abi/p9.js';
import { P9Encoder, P9Reply } from '../p9/client.js';
import type { Device } from './device.js';
import type { DriverQueue } from './driver-queue.js';
import { DeviceError } from './errors.js';
import type { PoolBuffer } from './pool.js';
import type { Condition } from './ports.js';

const QUEUE_SIZE = 16;
/** Longest request without data: a walk of 16 short names, or one name of 255 bytes. */
const REQUEST_BYTES = 3072;
/** The answer's header when its data goes elsewhere: in the same page, behind the request. */
const HEADER_OFF = REQUEST_BYTES;
const FIXED_BYTES = 4096;
/** Replies other than data are copied out and parsed from private memory, where nobody changes them. */
const REPLY_BYTES = 32768;
const LEAST_MSIZE = 4096;
/** Our largest wish; Linux uses 128 KiB by default, large reads profit up to about this. */
const MOST_MSIZE = 512 * 1024 + 4096;
const TAG = 1;
const ROOT_FID = 0;
const ANSWER_MS = 60_000;

/** Thread: the front end's only one. Every method that returns a number returns >= 0, or -errno from the server. */
export class P9Driver implements Condition {
  readonly device: Device;
  /** Mount tag. */
  readonly tag: string;
  /** Negotiated largest message; 0 until {@link mount}. */
  msize = 0;
  readonly encoder = new P9Encoder();
  /** The last answer. */
  readonly reply = new P9Reply();
  /** Encode here, then {@link call}. */
  readonly request = new Uint8Array(REQUEST_BYTES);
  /** Pool memory for file data: `msize` bytes less the headers can be read or written at once. */
  readonly data: PoolBuffer;
  readonly #queue: DriverQueue;
  readonly #fixed: PoolBuffer;
  readonly #answer = new Uint8Array(REPLY_BYTES);
  readonly #freeFids: number[] = [];
  #nextFid = ROOT_FID + 1;

  /**
   * Opens and starts the device.
   * @param mostMsize largest message to ask for; less if there is no room for it, at least 4096
   * Errors: HandshakeError, PoolExhaustedError.
   */
  constructor(device: Device, mostMsize = MOST_MSIZE) {
    this.device = device;
    device.open(1, [QUEUE_SIZE]);
    const queue = device.queues[0];
    if (queue === undefined) throw new DeviceError('9p: the device has no queue');
    this.#queue = queue;
    this.tag = readTag(device);
    this.#fixed = device.memory.alloc('9p requests', FIXED_BYTES, 64);
    const room = Math.floor(device.memory.largest(64) / 64) * 64;
    const bytes = Math.max(LEAST_MSIZE, Math.min(mostMsize, room));
    this.data = device.memory.alloc('9p data', bytes, 64);
    device.run();
  }

  ready(): boolean {
    return this.#queue.hasUsed();
  }

  /** Most bytes of one {@link read} or {@link write}. */
  get ioBytes(): number {
    return this.msize - P9_IO_HEADER_BYTES;
  }

  /** Tversion and Tattach. @returns 0 or -errno (-EPROTO: the server does not speak 9P2000.L) */
  mount(): number {
    const version = this.call(this.encoder.tversion(this.request, this.data.bytes));
    if (version < 0) return version;
    if (this.reply.version !== '9P2000.L' || this.reply.msize < LEAST_MSIZE / 2) return -EPROTO;
    this.msize = Math.min(this.reply.msize, this.data.bytes);
    this.#freeFids.length = 0;
    this.#nextFid = ROOT_FID + 1;
    return this.call(this.encoder.tattach(this.request, TAG, ROOT_FID, P9_NONUNAME));
  }

  get rootFid(): number {
    return ROOT_FID;
  }

  /** A fid nobody uses. */
  takeFid(): number {
    return this.#freeFids.pop() ?? this.#nextFid++;
  }

  /** Gives back a fid that the server does not know. */
  giveFid(fid: number): void {
    this.#freeFids.push(fid);
  }

  /** Tclunk, and the fid may be used again. */
  clunk(fid: number): number {
    const result = this.call(this.encoder.tclunk(this.request, TAG, fid));
    this.#freeFids.push(fid);
    return result;
  }

  /**
   * Sends the message in {@link request} and waits for the answer, which is then in {@link reply}.
   * @param bytes of the message; 0 (the encoder had no room) gives -ENAMETOOLONG
   * Errors: DeviceError (no answer within 60 s, broken ring).
   */
  call(bytes: number): number {
    if (bytes === 0) return -ENAMETOOLONG;
    this.#fixed.write(0, this.request, 0, bytes);
    const head = this.#begin(bytes);
    const answer = this.#queue.extend(head);
    this.#queue.set(answer, this.data.address, Math.min(REPLY_BYTES, this.data.bytes), true, head);
    const used = this.#run(head);
    this.data.read(0, this.#answer, 0, Math.min(used, REPLY_BYTES));
    return this.reply.parse(this.#answer, used);
  }

  /**
   * Reads a file straight into pool memory.
   * @param to usually {@link data}; any buffer of the pool
   * @param bytes 1 ... {@link ioBytes}
   * @returns bytes read, 0 at the end of the file, or -errno
   */
  read(fid: number, offset: number, to: PoolBuffer, bytes: number): number {
    const count = Math.min(bytes, this.ioBytes, to.bytes);
    const length = this.encoder.tread(this.request, TAG, fid, offset, count);
    this.#fixed.write(0, this.request, 0, length);
    const head = this.#begin(length);
    const header = this.#queue.extend(head);
    this.#queue.set(header, this.#fixed.address + HEADER_OFF, P9_RREAD_HEADER_BYTES, true, head);
    const data = this.#queue.extend(header);
    this.#queue.set(data, to.address, count, true, head);
    const used = this.#run(head);
    this.#fixed.read(HEADER_OFF, this.#answer, 0, P9_RREAD_HEADER_BYTES);
    const status = this.reply.parse(this.#answer.subarray(0, P9_RREAD_HEADER_BYTES), used);
    if (status < 0) return status;
    return this.reply.count <= count ? this.reply.count : -EPROTO;
  }

  /**
   * Writes a file straight from pool memory.
   * @param from usually {@link data}; any buffer of the pool
   * @param bytes 1 ... {@link ioBytes}
   * @returns bytes written, or -errno
   */
  write(fid: number, offset: number, from: PoolBuffer, bytes: number): number {
    if (bytes > this.ioBytes) return -EMSGSIZE;
    const length = this.encoder.twrite(this.request, TAG, fid, offset, bytes);
    if (length === 0) return -EIO;
    this.#fixed.write(0, this.request, 0, P9_TWRITE_HEADER_BYTES);
    const head = this.#begin(P9_TWRITE_HEADER_BYTES);
    const data = this.#queue.extend(head);
    this.#queue.set(data, from.address, bytes, false, head);
    const answer = this.#queue.extend(data);
    this.#queue.set(answer, this.#fixed.address + HEADER_OFF, FIXED_BYTES - HEADER_OFF, true, head);
    const used = this.#run(head);
    this.#fixed.read(HEADER_OFF, this.#answer, 0, Math.min(used, FIXED_BYTES - HEADER_OFF));
    const status = this.reply.parse(this.#answer, used);
    if (status < 0) return status;
    return this.reply.count <= bytes ? this.reply.count : -EPROTO;
  }

  /** Largest part of a directory to ask for at once, so that the answer fits into private memory. */
  get directoryBytes(): number {
    return Math.min(this.ioBytes, REPLY_BYTES - P9_IO_HEADER_BYTES);
  }

  #begin(bytes: number): number {
    const queue = this.#queue;
    if (queue.inFlight > 0) this.#late();
    const head = queue.begin();
    queue.set(head, this.#fixed.address, bytes, false);
    return head;
  }

  /** Submits, waits, takes the answer. @returns bytes of the answer */
  #run(head: number): number {
    const queue = this.#queue;
    queue.submit(head);
    this.device.flush(queue);
    if (!this.device.line.waitUntil(this, ANSWER_MS)) {
      throw new DeviceError(`9p: no answer within ${ANSWER_MS / 1000} s`);
    }
    const used = queue.pop();
    if (used !== head) throw new DeviceError('9p: the used ring is broken');
    queue.release(used);
    return queue.usedBytes;
  }

  /** A request was given up: its buffers still belong to the device until it answers. */
  #late(): void {
    const head = this.#queue.pop();
    if (head < 0) throw new DeviceError('9p: the device does not answer');
    this.#queue.release(head);
  }
}

/** Mount tag in the config space: u16 length, bytes. */
function readTag(device: Device): string {
  const bytes = Math.min(device.registers.config16(0), 120);
  const text = new Uint8Array(bytes);
  for (let i = 0; i < bytes; i++) text[i] = device.registers.config8(2 + i);
  return new TextDecoder().decode(text);
}
