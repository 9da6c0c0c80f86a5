/**
 * 9P transport device: <linux/virtio_9p.h>. One queue; in a chain the device-readable part is a T-message, the
 * device-writable part takes the R-message, whose length is the used length.
 *
 * A request may complete later (fsync, a tree on another thread); several can be under way, and complete in any order.
 * A chain that holds no whole message header, or has no room even for an error, is completed with length 0.
 */

import { VIRTIO_9P_MOUNT_TAG, VIRTIO_ID_9P } from '../../../abi/virtio.js';
import type { GuestMemory } from '../../../memory/guest-memory.js';
import { IovArray } from '../../../memory/iov-array.js';
import type { FileTree } from '../../../p9/file-tree.js';
import { P9_MAX_MSIZE, P9Server, type ReplyListener } from '../../../p9/server.js';
import {
  COUNTER_BYTES,
  COUNTER_FAULTS,
  COUNTER_REQUESTS,
  type Counters,
  count,
} from '../../../util/counters.js';
import { ConfigError } from '../../../util/errors.js';
import { PENDING } from '../../../util/pending.js';
import { at } from '../../../util/typed.js';
import type { ActiveDevice, VirtioDevice } from '../../core/device.js';
import { finishDrain } from '../../core/drain.js';
import { type Features, featureSet } from '../../core/features.js';
import { DescChain } from '../../queue/desc-chain.js';
import { CHAIN_OK, type VirtQueue } from '../../queue/virt-queue.js';

const QUEUE = 0;
/** Requests, and bytes of messages, per round: other devices wait for at most about a millisecond. */
const BUDGET = 64;
const BUDGET_BYTES = 0x20_0000;
const MAX_TAG_BYTES = 32;

export interface P9DeviceOptions {
  /** What is served; closed with the device. */
  readonly tree: FileTree;
  /** Mount tag, 1 ... 32 bytes of UTF-8. */
  readonly tag: string;
  readonly counters: Counters;
  /** Largest size of the request queue. */
  readonly queueSizes: readonly number[];
  /** Features offered instead of MOUNT_TAG. */
  readonly features?: Features | undefined;
  /** Largest message in bytes, 4096 ... 2^20 (default). */
  readonly maxMsize?: number;
}

/** Buffers of one request. Kept across driver restarts as long as the memory is the same. */
class Slot {
  readonly request: IovArray;
  readonly reply: IovArray;
  head = 0;

  constructor(memory: GuestMemory, entries: number, bytes: number) {
    this.request = new IovArray(memory, entries, bytes);
    this.reply = new IovArray(memory, entries, bytes);
  }
}

/** Everything that exists while a driver runs. */
class P9Run {
  readonly active: ActiveDevice;
  readonly queue: VirtQueue;
  readonly chain: DescChain;
  faultsSeen = 0;

  constructor(active: ActiveDevice, queue: VirtQueue) {
    this.active = active;
    this.queue = queue;
    this.chain = new DescChain(queue.size);
  }
}

/** The mount tag as in config space: length[2] bytes, and a NUL that kvmtool has there too. Errors: ConfigError. */
function tagConfig(tag: string): Uint8Array {
  const bytes = new TextEncoder().encode(tag);
  if (bytes.length < 1 || bytes.length > MAX_TAG_BYTES) {
    throw new ConfigError(
      `9p mount tag "${tag}" is ${bytes.length} bytes long; 1 to ${MAX_TAG_BYTES} are allowed`,
    );
  }
  const config = new Uint8Array(2 + bytes.length + 1);
  config[0] = bytes.length;
  config.set(bytes, 2);
  return config;
}

/** See the file's head. Thread: reactor. */
export class P9Device implements VirtioDevice, ReplyListener {
  readonly deviceId = VIRTIO_ID_9P;
  readonly name = 'p9';
  readonly features: Features;
  readonly queueMaxSizes: readonly number[];
  readonly config: Uint8Array;
  readonly counters: Counters;
  readonly #server: P9Server;
  readonly #maxMsize: number;
  #memory: GuestMemory | undefined;
  #slots: Slot[] = [];
  /** Indices of slots not in use; the one used last is used next, its iovecs are in the cache. */
  readonly #free: number[] = [];
  #run: P9Run | undefined;

  /** Errors: ConfigError (tag). */
  constructor(options: P9DeviceOptions) {
    this.features = options.features ?? featureSet(VIRTIO_9P_MOUNT_TAG);
    this.queueMaxSizes = options.queueSizes;
    this.config = tagConfig(options.tag);
    this.counters = options.counters;
    this.#maxMsize = options.maxMsize ?? P9_MAX_MSIZE;
    this.#server = new P9Server({ tree: options.tree, listener: this, maxMsize: this.#maxMsize });
  }

  activate(active: ActiveDevice): void {
    const queue = active.queues[QUEUE];
    if (queue === undefined) return;
    if (this.#memory !== active.memory) {
      this.#memory = active.memory;
      this.#slots = [];
    }
    this.#free.length = 0;
    for (let i = 0; i < this.#slots.length; i++) this.#free.push(i);
    this.#run = new P9Run(active, queue);
  }

  reset(): void {
    this.#run = undefined;
    this.#server.reset(); // what is under way completes without touching a buffer
  }

  close(): void {
    this.#server.close();
  }

  processQueue(queueIndex: number): boolean {
    const run = this.#run;
    if (run === undefined || queueIndex !== QUEUE) return false;
    const { queue, chain } = run;
    queue.disableKicks();
    let status = CHAIN_OK;
    let bytes = 0;
    for (let left = BUDGET; left > 0 && bytes < BUDGET_BYTES; left--) {
      status = queue.pop(chain);
      if (status !== CHAIN_OK) break;
      bytes += this.#serve(run);
    }
    count(this.counters, COUNTER_FAULTS, queue.dataFaults - run.faultsSeen);
    run.faultsSeen = queue.dataFaults;
    return finishDrain(queue, status, run.active.notifier);
  }

  /** A pending request is complete. Never called for one from before the last reset. */
  replyReady(token: number, bytes: number): void {
    const run = this.#run;
    if (run === undefined) return;
    this.#complete(run, token, bytes);
    run.queue.publish();
    if (run.queue.needsInterrupt()) run.active.notifier.usedBuffers(QUEUE);
  }

  /** Serves the popped chain. @returns bytes moved */
  #serve(run: P9Run): number {
    const { chain } = run;
    const token = this.#takeSlot(run);
    const slot = at(this.#slots, token);
    slot.head = chain.head;
    const whole = chain.readable(slot.request);
    // Where data is staged, there may be less room than the driver gave: the reply just has to fit.
    chain.writable(slot.reply);
    const bytes = whole ? this.#server.handle(slot.request, slot.reply, token) : 0;
    count(this.counters, COUNTER_REQUESTS, 1);
    count(this.counters, COUNTER_BYTES, slot.request.bytes);
    if (bytes === PENDING) return slot.request.bytes;
    this.#complete(run, token, bytes);
    return slot.request.bytes + bytes;
  }

  #complete(run: P9Run, token: number, bytes: number): void {
    const slot = at(this.#slots, token);
    slot.reply.commit(bytes);
    run.queue.push(slot.head, bytes);
    count(this.counters, COUNTER_BYTES, bytes);
    if (bytes === 0) count(this.counters, COUNTER_FAULTS, 1);
    this.#free.push(token);
  }

  /** There are never more in use than the queue is long: the ring refuses a head that is in flight. */
  #takeSlot(run: P9Run): number {
    const token = this.#free.pop();
    if (token !== undefined) return token;
    const entries = at(this.queueMaxSizes, QUEUE);
    this.#slots.push(new Slot(run.active.memory, entries, this.#maxMsize));
    return this.#slots.length - 1;
  }
}
