/**
 * Block device. Spec: virtio 1.2 section 5.2.
 *
 * One queue. A request is parsed, checked against the size of the disk, and given to the back end with the driver's own
 * buffers; it ends when the back end says so, in any order. Whatever the host does (a short read, a full or broken disk, a
 * file cut off behind our back) becomes a status byte: a chain is never left unanswered.
 */
import { EAGAIN, EINTR } from '../../../abi/errno.js';
import { VIRTIO_ID_BLOCK } from '../../../abi/virtio.js';
import {
  VIRTIO_BLK_ID_BYTES,
  VIRTIO_BLK_OUTHDR_BYTES,
  VIRTIO_BLK_S_IOERR,
  VIRTIO_BLK_S_OK,
  VIRTIO_BLK_S_UNSUPP,
  VIRTIO_BLK_SECTOR_BYTES,
  VIRTIO_BLK_T_DISCARD,
  VIRTIO_BLK_T_FLUSH,
  VIRTIO_BLK_T_GET_ID,
  VIRTIO_BLK_T_IN,
  VIRTIO_BLK_T_OUT,
  VIRTIO_BLK_T_WRITE_ZEROES,
  VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP,
} from '../../../abi/virtio-blk.js';
import type { GuestMemory } from '../../../memory/guest-memory.js';
import {
  COUNTER_BYTES,
  COUNTER_FAULTS,
  COUNTER_REQUESTS,
  type Counters,
  count,
} from '../../../util/counters.js';
import { at, f64At, i32At } from '../../../util/typed.js';
import type { ActiveDevice, VirtioDevice } from '../../core/device.js';
import { finishDrain } from '../../core/drain.js';
import type { Features } from '../../core/features.js';
import { CHAIN_OK, type VirtQueue } from '../../queue/virt-queue.js';
import { checkFeatures } from '../feature-check.js';
import type { BlockBackend, BlockListener } from './backend.js';
import { BlkRequest, STEP_FLUSH, STEP_FREE, STEP_RANGES, STEP_SYNC, STEP_TRANSFER } from './request.js';
import { BlkRun, possibleFeatures } from './run.js';
import { BlkHeader, blkConfig, MAX_RANGE_SECTORS, statusDescriptor } from './wire.js';

const QUEUE = 0;
/** Requests, and bytes of data, per round: other devices wait for at most about a millisecond. */
const BUDGET = 64;
const BUDGET_BYTES = 0x20_0000;
/** How often the host may move nothing before that counts as an error. */
const MAX_IDLE = 8;
/** Bytes of private memory per request in a pool of device memory; longer ones fail there. */
const STAGING_BYTES = 0x10_0000;
/** Private result: the request is with the back end. */
const STARTED = -1;

export interface BlkDeviceOptions {
  /** Closed with the device. */
  readonly backend: BlockBackend;
  readonly counters: Counters;
  /** Largest size of the request queue. */
  readonly queueSizes: readonly number[];
  /** Features offered instead of all that the disk allows. */
  readonly features?: Features | undefined;
}

/** See the file's head. Thread: reactor. */
export class BlkDevice implements VirtioDevice, BlockListener {
  readonly deviceId = VIRTIO_ID_BLOCK;
  readonly name = 'blk';
  readonly features: Features;
  readonly queueMaxSizes: readonly number[];
  readonly config: Uint8Array;
  readonly counters: Counters;
  readonly #backend: BlockBackend;
  readonly #sectors: number;
  readonly #readOnly: boolean;
  readonly #id: Uint8Array;
  readonly #header = new BlkHeader();
  /** By token. */
  readonly #requests: BlkRequest[] = [];
  /** Tokens not in use; the one used last is used next, its iovecs are in the cache. */
  readonly #free: number[] = [];
  #generation = 0;
  #active: ActiveDevice | undefined;
  #run: BlkRun | undefined;
  /** Results come while a drain runs, which publishes them itself. */
  #draining = false;

  /** Errors: ConfigError if `features` has something this disk cannot do. */
  constructor(options: BlkDeviceOptions) {
    const { backend } = options;
    const possible = possibleFeatures(backend.facts);
    this.features = options.features ?? possible;
    checkFeatures(this.name, this.features, possible.low);
    this.queueMaxSizes = options.queueSizes;
    // Two descriptors are for header and status.
    this.config = blkConfig(backend.facts, Math.max(1, at(options.queueSizes, QUEUE) - 2));
    this.counters = options.counters;
    this.#backend = backend;
    this.#sectors = backend.facts.sectors;
    this.#readOnly = backend.facts.readOnly;
    this.#id = new Uint8Array(VIRTIO_BLK_ID_BYTES);
    this.#id.set(new TextEncoder().encode(backend.facts.id).subarray(0, VIRTIO_BLK_ID_BYTES));
    backend.setListener(this);
  }

  activate(active: ActiveDevice): void {
    const queue = active.queues[QUEUE];
    this.#active = active;
    if (queue !== undefined) this.enableQueue(QUEUE, queue);
  }

  reset(): void {
    this.#active = undefined;
    this.#stop();
  }

  quiesced(): boolean {
    return this.#backend.pending === 0;
  }

  resetQueue(queueIndex: number): void {
    if (queueIndex === QUEUE) this.#stop();
  }

  enableQueue(queueIndex: number, queue: VirtQueue): void {
    const active = this.#active;
    if (queueIndex !== QUEUE || active === undefined) return;
    this.#generation++;
    this.#run = new BlkRun(active, queue, this.#generation);
  }

  close(): void {
    this.#backend.close();
  }

  processQueue(queueIndex: number): boolean {
    const run = this.#run;
    if (run === undefined || queueIndex !== QUEUE) return false;
    const { queue, chain } = run;
    queue.disableKicks();
    this.#draining = true;
    let status = CHAIN_OK;
    let bytes = 0;
    for (let left = BUDGET; left > 0 && bytes < BUDGET_BYTES; left--) {
      status = queue.pop(chain);
      if (status !== CHAIN_OK) break;
      bytes += this.#begin(run);
    }
    this.#backend.submit();
    this.#draining = false;
    count(this.counters, COUNTER_FAULTS, queue.dataFaults - run.faultsSeen);
    run.faultsSeen = queue.dataFaults;
    return finishDrain(queue, status, run.active.notifier);
  }

  /** For the back end. */
  requestDone(token: number, result: number): void {
    const request = at(this.#requests, token);
    const run = this.#run;
    if (run === undefined || request.generation !== run.generation) {
      this.#release(request, token);
      return;
    }
    switch (request.step) {
      case STEP_TRANSFER:
        this.#transferred(run, request, token, result);
        return;
      case STEP_RANGES:
        this.#rangeDone(run, request, token, result);
        return;
      default:
        // Like the others, a flush that a signal cut short is made again.
        if (result === -EINTR && ++request.idle < MAX_IDLE) this.#backend.flush(token);
        else this.#finish(run, request, token, result < 0 ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK);
    }
  }

  /** For the back end. */
  batchDone(): void {
    const run = this.#run;
    if (run === undefined || this.#draining) return;
    this.#draining = true;
    this.#backend.submit(); // whatever goes on with its next part
    this.#draining = false;
    run.queue.publish();
    if (run.queue.needsInterrupt()) run.active.notifier.usedBuffers(QUEUE);
  }

  /** What is under way keeps its request object until it ends, and is not answered. */
  #stop(): void {
    this.#run = undefined;
    this.#backend.cancel();
  }

  /** Begins the popped chain. @returns bytes of data it will move */
  #begin(run: BlkRun): number {
    const { chain, active } = run;
    count(this.counters, COUNTER_REQUESTS, 1);
    if (chain.writableBytes === 0) {
      // No place for a status.
      run.queue.push(chain.head, 0);
      count(this.counters, COUNTER_FAULTS, 1);
      return 0;
    }
    const token = this.#take(active.memory, run.generation);
    const request = at(this.#requests, token);
    const last = statusDescriptor(chain);
    request.head = chain.head;
    request.statusChunk = i32At(chain.chunk, last);
    request.statusOffset = f64At(chain.offset, last) + f64At(chain.length, last) - 1;
    request.writableBytes = chain.writableBytes;
    request.written = 0;
    request.idle = 0;
    request.done = 0;
    request.bytes = 0;
    if (!this.#header.read(chain, active.memory)) {
      count(this.counters, COUNTER_FAULTS, 1);
      this.#finish(run, request, token, VIRTIO_BLK_S_IOERR);
      return 0;
    }
    request.type = this.#header.type;
    const status = this.#dispatch(run, request, token);
    if (status !== STARTED) this.#finish(run, request, token, status);
    return request.bytes;
  }

  /** @returns STARTED, or the status it ends with at once */
  #dispatch(run: BlkRun, request: BlkRequest, token: number): number {
    const { chain } = run;
    switch (request.type) {
      case VIRTIO_BLK_T_IN:
        if (!chain.writable(request.iov)) return VIRTIO_BLK_S_IOERR;
        return this.#startTransfer(request, token, 0, chain.writableBytes - 1);
      case VIRTIO_BLK_T_OUT:
        if (this.#readOnly || !chain.readable(request.iov)) return VIRTIO_BLK_S_IOERR;
        return this.#startTransfer(
          request,
          token,
          VIRTIO_BLK_OUTHDR_BYTES,
          chain.readableBytes - VIRTIO_BLK_OUTHDR_BYTES,
        );
      case VIRTIO_BLK_T_FLUSH:
        request.step = STEP_FLUSH;
        this.#backend.flush(token);
        return STARTED;
      case VIRTIO_BLK_T_GET_ID:
        if (!chain.writable(request.iov)) return VIRTIO_BLK_S_IOERR;
        return this.#getId(request);
      case VIRTIO_BLK_T_DISCARD:
        return run.discard ? this.#startRanges(run, request, token, 0) : VIRTIO_BLK_S_UNSUPP;
      case VIRTIO_BLK_T_WRITE_ZEROES: {
        const allowed = VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
        return run.writeZeroes ? this.#startRanges(run, request, token, allowed) : VIRTIO_BLK_S_UNSUPP;
      }
      default:
        return VIRTIO_BLK_S_UNSUPP;
    }
  }

  #startTransfer(request: BlkRequest, token: number, skip: number, bytes: number): number {
    if (bytes % VIRTIO_BLK_SECTOR_BYTES !== 0) return VIRTIO_BLK_S_IOERR;
    const { sector } = this.#header;
    if (sector + bytes / VIRTIO_BLK_SECTOR_BYTES > this.#sectors) return VIRTIO_BLK_S_IOERR;
    if (bytes === 0) return VIRTIO_BLK_S_OK;
    request.step = STEP_TRANSFER;
    request.skip = skip;
    request.bytes = bytes;
    request.offset = sector * VIRTIO_BLK_SECTOR_BYTES;
    this.#transfer(request, token);
    return STARTED;
  }

  /** Gives what is left of the data to the back end. */
  #transfer(request: BlkRequest, token: number): void {
    const { iov, done } = request;
    iov.window(request.skip + done, request.bytes - done);
    const offset = request.offset + done;
    if (request.type === VIRTIO_BLK_T_IN) this.#backend.read(token, iov, offset);
    else this.#backend.write(token, iov, offset);
  }

  #transferred(run: BlkRun, request: BlkRequest, token: number, result: number): void {
    if (result > 0) {
      request.done = Math.min(request.bytes, request.done + result);
      request.idle = 0;
      if (request.done === request.bytes) {
        this.#written(run, request, token);
        return;
      }
    } else if (result === 0 || (result !== -EINTR && result !== -EAGAIN) || ++request.idle >= MAX_IDLE) {
      // Nothing more comes: an error, or a file that has become shorter than it was.
      this.#finish(run, request, token, VIRTIO_BLK_S_IOERR);
      return;
    }
    this.#transfer(request, token);
  }

  #startRanges(run: BlkRun, request: BlkRequest, token: number, allowedFlags: number): number {
    const { chain } = run;
    const { ranges, iov } = request;
    if (this.#readOnly || !chain.readable(iov)) return VIRTIO_BLK_S_IOERR;
    const bytes = chain.readableBytes - VIRTIO_BLK_OUTHDR_BYTES;
    if (!ranges.read(iov, VIRTIO_BLK_OUTHDR_BYTES, bytes)) return VIRTIO_BLK_S_IOERR;
    for (let i = 0; i < ranges.count; i++) {
      if ((ranges.flags(i) & ~allowedFlags) !== 0) return VIRTIO_BLK_S_UNSUPP;
      const sectors = ranges.sectors(i);
      if (sectors > MAX_RANGE_SECTORS || ranges.sector(i) + sectors > this.#sectors)
        return VIRTIO_BLK_S_IOERR;
    }
    request.step = STEP_RANGES;
    request.range = -1;
    return this.#nextRange(request, token) ? STARTED : VIRTIO_BLK_S_OK;
  }

  /** @returns false if there is none left */
  #nextRange(request: BlkRequest, token: number): boolean {
    const { ranges } = request;
    while (++request.range < ranges.count) {
      const bytes = ranges.sectors(request.range) * VIRTIO_BLK_SECTOR_BYTES;
      if (bytes === 0) continue;
      const offset = ranges.sector(request.range) * VIRTIO_BLK_SECTOR_BYTES;
      const unmap = (ranges.flags(request.range) & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP) !== 0;
      if (request.type === VIRTIO_BLK_T_DISCARD) this.#backend.discard(token, offset, bytes);
      else this.#backend.writeZeroes(token, offset, bytes, unmap);
      return true;
    }
    return false;
  }

  #rangeDone(run: BlkRun, request: BlkRequest, token: number, result: number): void {
    if (result < 0) this.#finish(run, request, token, VIRTIO_BLK_S_IOERR);
    else if (!this.#nextRange(request, token)) this.#written(run, request, token);
  }

  #getId(request: BlkRequest): number {
    request.written = request.iov.scatter(
      this.#id,
      0,
      0,
      Math.min(request.writableBytes - 1, this.#id.length),
    );
    request.iov.commit(request.written);
    return VIRTIO_BLK_S_OK;
  }

  /** All of a request's data is where it belongs. */
  #written(run: BlkRun, request: BlkRequest, token: number): void {
    if (run.writeThrough && request.type !== VIRTIO_BLK_T_IN) {
      request.step = STEP_SYNC;
      request.idle = 0;
      this.#backend.flush(token);
      return;
    }
    this.#finish(run, request, token, VIRTIO_BLK_S_OK);
  }

  /** Answers a request; the driver sees it when the queue is published. */
  #finish(run: BlkRun, request: BlkRequest, token: number, status: number): void {
    if (request.type === VIRTIO_BLK_T_IN && request.done > 0) {
      request.iov.commit(request.done);
      request.written = request.done;
    }
    at(run.active.memory.chunks, request.statusChunk).u8[request.statusOffset] = status;
    // The used length counts from the front: the status byte is in it only if all before it was written, too.
    const { written } = request;
    run.queue.push(request.head, written + 1 === request.writableBytes ? written + 1 : written);
    count(this.counters, COUNTER_BYTES, request.done);
    this.#release(request, token);
  }

  #release(request: BlkRequest, token: number): void {
    request.step = STEP_FREE;
    this.#free.push(token);
  }

  #take(memory: GuestMemory, generation: number): number {
    const token = this.#free.pop() ?? this.#requests.length;
    let request = this.#requests[token];
    if (request === undefined || request.memory !== memory) {
      request = new BlkRequest(memory, at(this.queueMaxSizes, QUEUE), STAGING_BYTES);
      this.#requests[token] = request;
    }
    request.generation = generation;
    return token;
  }
}
