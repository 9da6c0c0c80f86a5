/**
 * One request on its way through the server and the tree. Pooled and reused.
 *
 * For a tree: `out` takes results, `io` is the memory to read to or write from, `complete` ends a request that was
 * answered with PENDING. The other fields are the server's.
 */
import type { IovArray } from '../memory/iov-array.js';
import type { Fid } from './fids.js';
import type { Handler } from './handler.js';
import type { TreeOutput } from './tree-output.js';

/** Who is told of a completion: the server. */
export interface CallOwner {
  prepare(call: TreeCall): void;
  complete(call: TreeCall, status: number): void;
}

export class TreeCall {
  /** Results go here. */
  readonly out: TreeOutput;
  /** read: where to put data; write: where it is. Its window is prepared before the tree is called. */
  io: IovArray;
  /** Position in `io` of the data, in bytes. */
  ioAt = 0;
  /** Bytes of data there are in `io` (write) or room for (read). */
  ioBytes = 0;

  // The server's part.
  token = 0;
  type = 0;
  tag = 0;
  request: IovArray;
  reply: IovArray;
  handler: Handler | undefined;
  /** Fids in use by this request; their nodes are not forgotten before its end. */
  fid: Fid | undefined;
  other: Fid | undefined;
  /** Parameter kept for the reply: newfid of walk, flags of open. */
  argument = 0;
  /** walk: number of names. */
  count = 0;
  /** Where the reply's fields begin and end in the message. */
  replyAt = 0;
  replyLimit = 0;
  /** Data behind the fields that is in the reply's buffers already. */
  dataBytes = 0;
  /** The request answered only after this one: see Tflush. */
  after: TreeCall | undefined;
  /** Session (Tversion to Tversion) it belongs to. */
  session = 0;
  /** PENDING was returned; it is in the server's list. */
  pending = false;
  /** The device was reset: the buffers belong to somebody else now. */
  detached = false;
  readonly #owner: CallOwner;

  constructor(owner: CallOwner, out: TreeOutput, request: IovArray, reply: IovArray) {
    this.#owner = owner;
    this.out = out;
    this.request = request;
    this.reply = reply;
    this.io = request;
  }

  /** Call before filling in `out` for a request that was answered with PENDING; then {@link complete} at once. */
  prepare(): void {
    this.#owner.prepare(this);
  }

  /**
   * Ends a request that was answered with PENDING; exactly once, not from inside any method of the tree.
   * @param status as the method would have returned
   */
  complete(status: number): void {
    this.#owner.complete(this, status);
  }

  /** read: copies bytes to the reply. @returns how many fitted: what the method then returns */
  putData(bytes: Uint8Array): number {
    const count = Math.min(bytes.length, this.ioBytes);
    return this.detached ? count : this.io.scatter(bytes, 0, this.ioAt, count);
  }

  /** write: a copy of the data. Only before the method returns. Allocates. */
  takeData(): Uint8Array {
    const bytes = new Uint8Array(this.ioBytes);
    this.io.gather(bytes, 0, this.ioAt, this.ioBytes);
    return bytes;
  }
}
