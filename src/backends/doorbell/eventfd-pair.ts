/** A doorbell that is one eventfd in each direction. */
import { EPOLLET, EPOLLIN } from '../../abi/linux.js';
import { eventfdSignal } from '../../sys/eventfd.js';
import type { EventLoop, Watch } from '../../util/ports.js';
import type { Doorbell, DoorbellHandler } from './doorbell.js';

/**
 * The descriptors belong to the caller, who closes them after {@link EventfdPair.close}.
 *
 * Ours is watched edge-triggered and never read, which saves a system call per signal. Nothing is lost by that: every
 * write to an eventfd is an edge, whatever the count was, and one that comes while we serve the last is reported by
 * the next wait. The count has room for 2^64 signals; a peer that fills it on purpose silences only itself.
 */
export class EventfdPair implements Doorbell {
  readonly #fromPeer: number;
  readonly #toPeer: number;
  readonly #loop: EventLoop;
  #watch: Watch | undefined;

  /** @param fromPeer what the peer signals @param toPeer what we signal */
  constructor(fromPeer: number, toPeer: number, loop: EventLoop) {
    this.#fromPeer = fromPeer;
    this.#toPeer = toPeer;
    this.#loop = loop;
  }

  open(handler: DoorbellHandler): void {
    const onReady = (): void => handler.onDoorbell();
    this.#watch = this.#loop.watch(this.#fromPeer, EPOLLIN | EPOLLET, { onReady });
  }

  signal(): void {
    eventfdSignal(this.#toPeer);
  }

  close(): void {
    this.#watch?.close();
    this.#watch = undefined;
  }
}
