/**
 * Entropy device. Spec: virtio 1.2 section 5.4.
 *
 * One queue; a request is a chain of device-writable buffers, and all of it is filled: known drivers ignore the length
 * in the used ring and would take stale memory for entropy. A request may be as long as the whole shared memory, many
 * times over, so a request is filled in pieces and the position in it survives from round to round.
 */
import { EAGAIN, EINTR } from '../../../abi/errno.js';
import { VIRTIO_ID_ENTROPY } from '../../../abi/virtio.js';
import { COUNTER_BYTES, COUNTER_REQUESTS, type Counters, count } from '../../../util/counters.js';
import { f64At, i32At } from '../../../util/typed.js';
import type { ActiveDevice, VirtioDevice } from '../../core/device.js';
import { type Features, NO_FEATURES } from '../../core/features.js';
import { CHAIN_EMPTY, CHAIN_OK, type VirtQueue } from '../../queue/virt-queue.js';
import { checkFeatures } from '../feature-check.js';
import { IovCache } from '../iov-cache.js';
import { QueueEnd } from '../queue-end.js';
import type { EntropySource } from './backend.js';

/** Bytes per call of the source: some 0.2 ms of work. */
const PIECE_BYTES = 0x1_0000;
/** Requests and pieces per round, together. */
const BUDGET = 64;
/** Bytes per round. */
const BUDGET_BYTES = 4 * PIECE_BYTES;

const QUEUE = 0;

export interface RngOptions {
  readonly source: EntropySource;
  readonly counters: Counters;
  /** Largest size of the request queue. */
  readonly queueSizes: readonly number[];
  /** Features offered instead of none (ring features only: the device has none of its own). */
  readonly features?: Features | undefined;
}

/** Everything that exists while a driver runs. */
class RngRun {
  readonly end: QueueEnd;
  /** A chain was popped and is not yet full. */
  open = false;
  /** Descriptor being filled, and bytes done in it. */
  desc = 0;
  done = 0;

  constructor(end: QueueEnd) {
    this.end = end;
  }
}

/** See the file's head. Thread: reactor. */
export class RngDevice implements VirtioDevice {
  readonly deviceId = VIRTIO_ID_ENTROPY;
  readonly name = 'rng';
  readonly features: Features;
  readonly queueMaxSizes: readonly number[];
  readonly config = new Uint8Array(0);
  readonly counters: Counters;
  readonly #source: EntropySource;
  readonly #iov = new IovCache(1, PIECE_BYTES);
  #active: ActiveDevice | undefined;
  #run: RngRun | undefined;

  /** Errors: ConfigError if `features` has something this device cannot do. */
  constructor(options: RngOptions) {
    this.features = options.features ?? NO_FEATURES;
    checkFeatures(this.name, this.features, 0);
    this.queueMaxSizes = options.queueSizes;
    this.counters = options.counters;
    this.#source = options.source;
    this.#source.setListener(this);
  }

  activate(active: ActiveDevice): void {
    this.#active = active;
    const queue = active.queues[QUEUE];
    if (queue !== undefined) this.enableQueue(QUEUE, queue);
  }

  reset(): void {
    this.#active = undefined;
    this.resetQueue(QUEUE);
  }

  resetQueue(queueIndex: number): void {
    if (queueIndex !== QUEUE) return;
    this.#run = undefined;
    this.#source.cancel();
  }

  enableQueue(queueIndex: number, queue: VirtQueue): void {
    const active = this.#active;
    if (active === undefined || queueIndex !== QUEUE) return;
    this.#run = new RngRun(new QueueEnd(active, queue, this.#iov.take(active.memory), this.counters));
  }

  close(): void {
    this.#source.cancel();
  }

  processQueue(queueIndex: number): boolean {
    const run = this.#run;
    if (run === undefined || queueIndex !== QUEUE) return false;
    return this.#drain(run);
  }

  entropyReady(): boolean {
    const run = this.#run;
    return run === undefined ? false : this.#drain(run);
  }

  /** @returns true if the budget ran out */
  #drain(run: RngRun): boolean {
    const { queue, chain } = run.end;
    let left = BUDGET;
    let bytes = BUDGET_BYTES;
    let status = CHAIN_OK;
    do {
      left--; // a driver that refills as fast as we drain must not keep us here
      queue.disableKicks();
      while (left > 0 && bytes > 0) {
        if (!run.open) {
          status = queue.pop(chain);
          if (status !== CHAIN_OK) break;
          run.open = true;
          run.desc = chain.readableCount;
          run.done = 0;
        }
        left--;
        const n = this.#fillPiece(run, bytes);
        if (n < 0) {
          run.end.settle();
          return false; // the source calls back
        }
        bytes -= n;
        if (run.desc < chain.count) continue;
        run.open = false;
        this.#complete(run.end);
      }
      if (status < 0) {
        run.end.fault(status);
        return false;
      }
      queue.publish();
    } while (left > 0 && bytes > 0 && status === CHAIN_EMPTY && queue.enableKicks());
    run.end.settle();
    return left <= 0 || bytes <= 0;
  }

  /** Fills the next bytes of the open chain. @returns bytes filled, 0 at a descriptor's end, or -EAGAIN */
  #fillPiece(run: RngRun, limit: number): number {
    const { chain, iov } = run.end;
    const { desc } = run;
    if (desc === chain.count) return 0; // nothing to write to at all
    const rest = f64At(chain.length, desc) - run.done;
    const bytes = Math.min(rest, PIECE_BYTES, limit);
    let n = 0;
    if (bytes > 0) {
      iov.reset();
      iov.add(i32At(chain.chunk, desc), f64At(chain.offset, desc) + run.done, bytes, false);
      n = this.#source.fill(iov.addressOf(0), bytes);
      if (n === -EINTR) return 0;
      if (n < 0) return -EAGAIN;
      iov.commit(n);
    }
    if (n === rest) {
      run.desc++;
      run.done = 0;
    } else {
      run.done += n;
    }
    return n;
  }

  #complete(end: QueueEnd): void {
    const written = end.chain.writableBytes;
    if (written === 0) {
      end.refuse();
      return;
    }
    end.queue.push(end.chain.head, written);
    count(this.counters, COUNTER_REQUESTS, 1);
    count(this.counters, COUNTER_BYTES, written);
  }
}
