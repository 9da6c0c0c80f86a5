/**
 * Fewer interrupts for what was sent. A driver takes back buffers that were sent when it sends again, and when it is
 * interrupted for what was received; so for small frames (acknowledgements, answers) the interrupt waits for a moment, in which
 * it mostly becomes superfluous. The driver sees the buffers at once all the same. If it sends nothing more meanwhile, it
 * may be one that waits for its completions: then it gets the next ones at once. Large frames are not delayed: what is behind
 * them may wait for their memory.
 */
import type { EventLoop, TimerHandler } from '../../../util/ports.js';
import type { QueueEnd } from '../queue-end.js';

/** What an interrupt may have to wait. */
const DELAY_US = 2000;
/** Frames are small if they have fewer bytes on average. */
const SMALL_FRAME_BYTES = 256;
/** Fewer frames than one part in so many of the queue wait. */
const QUEUE_PART = 4;
/** For so long there are no delays after one that only one frame had. */
const PROMPT_US = 100_000;

/** For one running transmit queue. Thread: reactor. Hot path. */
export class Completions implements TimerHandler {
  readonly #end: QueueEnd;
  readonly #loop: EventLoop;
  readonly #mostFrames: number;
  #timer = 0;
  /** Sent and not settled. */
  #frames = 0;
  #bytes = 0;
  #promptUntilUs = 0;

  constructor(end: QueueEnd, loop: EventLoop) {
    this.#end = end;
    this.#loop = loop;
    this.#mostFrames = end.queue.size / QUEUE_PART;
  }

  /** A frame was sent. */
  sent(bytes: number): void {
    this.#frames++;
    this.#bytes += bytes;
  }

  /** The queue is empty: shows the driver what was sent, and settles now or later. */
  emptied(): void {
    if (this.#mayWait()) this.#end.queue.publish();
    else this.settle();
  }

  /** Settles now. */
  settle(): void {
    this.stop();
    this.#frames = 0;
    this.#bytes = 0;
    this.#end.settle();
  }

  onTimer(): void {
    this.#timer = 0;
    if (this.#frames === 1) this.#promptUntilUs = this.#loop.nowUs() + PROMPT_US;
    this.settle();
  }

  /** Settles no more by itself. */
  stop(): void {
    if (this.#timer !== 0) this.#loop.cancel(this.#timer);
    this.#timer = 0;
  }

  #mayWait(): boolean {
    const frames = this.#frames;
    if (frames === 0 || frames >= this.#mostFrames || this.#bytes >= frames * SMALL_FRAME_BYTES) return false;
    if (this.#timer !== 0) return true;
    if (this.#loop.nowUs() < this.#promptUntilUs) return false;
    this.#timer = this.#loop.after(DELAY_US, this);
    return true;
  }
}
