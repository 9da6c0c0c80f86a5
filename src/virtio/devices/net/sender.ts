/** Transmit queue of the network device: one system call per frame; completions are shown as soon as the queue is empty. */
import { EAGAIN } from '../../../abi/errno.js';
import {
  COUNTER_BYTES,
  COUNTER_DROPPED,
  COUNTER_REQUESTS,
  type Counters,
  count,
} from '../../../util/counters.js';
import type { EventLoop } from '../../../util/ports.js';
import type { Features } from '../../core/features.js';
import { CHAIN_EMPTY, CHAIN_OK } from '../../queue/virt-queue.js';
import type { QueueEnd } from '../queue-end.js';
import type { NetBackend } from './backend.js';
import { Completions } from './completions.js';
import { Linger } from './linger.js';
import { MAX_PACKET_BYTES } from './receiver.js';
import { netHeaderBytes, TxRules } from './wire.js';

/** Frames per round. */
const BUDGET = 128;
/** An Ethernet header. */
const MIN_FRAME_BYTES = 14;

/** Exists from `activate` to `reset`. Thread: reactor. */
export class Sender {
  readonly #end: QueueEnd;
  readonly #backend: NetBackend;
  readonly #counters: Counters;
  readonly #rules: TxRules;
  readonly #header: Uint8Array;
  readonly #linger: Linger | undefined;
  readonly #completions: Completions | undefined;

  /** @param loop for timers; without it there is a kick, and an interrupt, whenever the queue is empty */
  constructor(
    end: QueueEnd,
    backend: NetBackend,
    features: Features,
    counters: Counters,
    loop: EventLoop | undefined,
  ) {
    this.#end = end;
    this.#linger = loop && new Linger(end.queue, loop, this);
    this.#completions = loop && new Completions(end, loop);
    this.#backend = backend;
    this.#counters = counters;
    this.#rules = new TxRules(features);
    this.#header = new Uint8Array(netHeaderBytes(features));
  }

  /** Sends what is available. @returns true if the budget ran out */
  run(): boolean {
    const { queue, chain } = this.#end;
    for (let budget = BUDGET; budget > 0; budget--) {
      queue.disableKicks();
      const status = queue.pop(chain);
      if (status === CHAIN_OK) {
        if (this.#send() !== -EAGAIN) continue;
        queue.unpop(); // stays with the driver; the back end calls when there is room
        this.#settle();
        return false;
      }
      if (status !== CHAIN_EMPTY) {
        this.#end.fault(status);
        return false;
      }
      queue.publish();
      this.#linger?.emptied();
      if (queue.enableKicks()) continue;
      if (this.#completions === undefined) this.#end.settle();
      else this.#completions.emptied();
      return false;
    }
    this.#settle();
    return true;
  }

  /** The queue is not used any more. */
  stop(): void {
    this.#linger?.stop();
    this.#completions?.stop();
  }

  #settle(): void {
    if (this.#completions === undefined) this.#end.settle();
    else this.#completions.settle();
  }

  /** Sends the popped chain and completes it. @returns -EAGAIN if it was neither sent nor completed */
  #send(): number {
    const { chain, iov, queue } = this.#end;
    const header = this.#header;
    const frameBytes = chain.readableBytes - header.length;
    if (frameBytes < MIN_FRAME_BYTES) {
      this.#end.refuse();
      return 0;
    }
    const usable =
      frameBytes <= MAX_PACKET_BYTES - header.length &&
      chain.readable(iov) &&
      iov.gather(header, 0, 0, header.length) === header.length &&
      this.#rules.accept(header, frameBytes);
    const result = usable ? this.#backend.send(header, iov) : -1;
    if (result === -EAGAIN) return result;
    queue.push(chain.head, 0);
    if (result < 0) {
      count(this.#counters, COUNTER_DROPPED, 1);
    } else {
      count(this.#counters, COUNTER_REQUESTS, 1);
      count(this.#counters, COUNTER_BYTES, frameBytes);
      this.#linger?.sent(frameBytes);
      this.#completions?.sent(frameBytes);
    }
    return 0;
  }
}
