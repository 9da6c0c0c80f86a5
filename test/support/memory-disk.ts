/** A disk in memory that does what a test tells it: short transfers, errors, answers late and in any order. */
import type { IovArray } from '#lkvm/memory/iov-array.js';
import type { BlockBackend, BlockFacts, BlockListener } from '#lkvm/virtio/devices/blk/backend.js';

/** What a request was. */
export interface DiskCall {
  readonly what: 'read' | 'write' | 'flush' | 'discard' | 'zero' | 'unmap';
  readonly token: number;
  readonly offset: number;
  readonly bytes: number;
}

/** See the file's head. */
export class MemoryDisk implements BlockBackend {
  readonly facts: BlockFacts;
  readonly content: Uint8Array;
  /** Every request so far. */
  readonly calls: DiskCall[] = [];
  /** Most bytes per transfer. */
  perCall = Number.POSITIVE_INFINITY;
  /** Results of the next requests, instead of doing them; undefined = do it. */
  readonly results: (number | undefined)[] = [];
  /** Nothing ends before {@link release}. */
  hold = false;
  submits = 0;
  cancels = 0;
  closed = false;
  readonly #given: { readonly call: DiskCall; readonly run: () => number }[] = [];
  #listener: BlockListener | undefined;

  constructor(sectors: number, facts: Partial<BlockFacts> = {}) {
    this.content = new Uint8Array(sectors * 512);
    this.facts = {
      sectors,
      readOnly: false,
      blockBytes: 512,
      physicalBlockBytes: 4096,
      optimalBytes: 0,
      canDiscard: true,
      discardAlignBytes: 4096,
      id: 'memory',
      ...facts,
    };
  }

  get pending(): number {
    return this.#given.length;
  }

  setListener(listener: BlockListener): void {
    this.#listener = listener;
  }

  read(token: number, iov: IovArray, offset: number): void {
    const bytes = iov.windowBytes;
    // What the window leaves out of the list: the status byte behind it, and in front of it what is done already.
    const skip = iov.bytes - bytes - 1;
    this.#give({ what: 'read', token, offset, bytes }, () =>
      iov.scatter(this.content, offset, skip, Math.min(bytes, this.perCall)),
    );
  }

  write(token: number, iov: IovArray, offset: number): void {
    const bytes = iov.windowBytes;
    const skip = iov.bytes - bytes; // the header, and what is done already
    this.#give({ what: 'write', token, offset, bytes }, () => {
      const n = Math.min(bytes, this.perCall);
      return iov.gather(this.content.subarray(offset, offset + n), 0, skip, n);
    });
  }

  flush(token: number): void {
    this.#give({ what: 'flush', token, offset: 0, bytes: 0 }, () => 0);
  }

  discard(token: number, offset: number, bytes: number): void {
    this.#give({ what: 'discard', token, offset, bytes }, () => 0);
  }

  writeZeroes(token: number, offset: number, bytes: number, unmap: boolean): void {
    this.#give({ what: unmap ? 'unmap' : 'zero', token, offset, bytes }, () => {
      this.content.fill(0, offset, offset + bytes);
      return 0;
    });
  }

  submit(): void {
    this.submits++;
    if (!this.hold) this.release();
  }

  /** Ends requests, in the order `pick` chooses. @param pick index of the next of so many @param most at most so many */
  release(pick: (count: number) => number = () => 0, most = Number.POSITIVE_INFINITY): void {
    let any = false;
    for (let n = 0; n < most && this.#given.length > 0; n++) {
      const [next] = this.#given.splice(pick(this.#given.length), 1);
      if (next === undefined) return;
      any = true;
      this.#listener?.requestDone(next.call.token, this.results.shift() ?? next.run());
    }
    if (any) this.#listener?.batchDone();
  }

  cancel(): void {
    this.cancels++;
  }

  close(): void {
    this.closed = true;
  }

  #give(call: DiskCall, run: () => number): void {
    this.calls.push(call);
    this.#given.push({ call, run });
  }
}
