/**
 * Bulk transmission with fewer kicks. A driver that sends one large frame after the other finds the queue empty each time,
 * since we are faster, and would kick for each. So while large frames come the device asks for no kicks and looks by
 * timer, until it has looked in vain. Small frames are often questions that somebody waits for the answers of: for those the
 * driver kicks.
 */
import type { EventLoop, TimerHandler } from '../../../util/ports.js';
import type { VirtQueue } from '../../queue/virt-queue.js';

/** Between two looks; what a large frame may have to wait. */
const LINGER_US = 500;
/** Frames are large if they have so many bytes on average: several segments each. */
const LARGE_FRAME_BYTES = 8192;
/** A look that comes so much later than it should means that timers are coarse here, or the processor is busy. */
const LATE_US = 2000;
/** After a look in vain (this driver is slower than we look) or a late one the next ones have to wait for so long. */
const QUIET_US = 20_000;

/** Drains the queue. */
interface Drain {
  /** @returns true if there is more to do */
  run(): boolean;
}

/** For one running queue. Thread: reactor. Hot path: {@link Linger.sent}. */
export class Linger implements TimerHandler {
  readonly #queue: VirtQueue;
  readonly #loop: EventLoop;
  readonly #drain: Drain;
  #timer = 0;
  /** When it should fire. */
  #dueUs = 0;
  /** Since the last look. */
  #frames = 0;
  #bytes = 0;
  /** The queue is being drained because of the timer. */
  #looked = false;
  #quietUntilUs = 0;

  constructor(queue: VirtQueue, loop: EventLoop, drain: Drain) {
    this.#queue = queue;
    this.#loop = loop;
    this.#drain = drain;
  }

  /** A frame was sent. */
  sent(bytes: number): void {
    this.#frames++;
    this.#bytes += bytes;
  }

  /** The queue is empty: decides whether to ask for kicks. Before `enableKicks`. */
  emptied(): void {
    if (this.#timer !== 0) return;
    const none = this.#frames === 0;
    const large = !none && this.#bytes >= this.#frames * LARGE_FRAME_BYTES;
    this.#frames = 0;
    this.#bytes = 0;
    if (none && this.#looked) this.#beQuiet();
    this.#looked = false;
    if (!large) return;
    const nowUs = this.#loop.nowUs();
    if (nowUs < this.#quietUntilUs) return;
    this.#queue.setLingering(true);
    this.#look(nowUs, LINGER_US);
  }

  /** Time to look. */
  onTimer(): void {
    this.#timer = 0;
    this.#queue.setLingering(false);
    this.#looked = true;
    const nowUs = this.#loop.nowUs();
    if (nowUs - this.#dueUs > LATE_US) this.#beQuiet();
    if (!this.#drain.run()) return;
    this.stop();
    this.#look(nowUs, 0);
  }

  /** No look any more. */
  stop(): void {
    if (this.#timer !== 0) this.#loop.cancel(this.#timer);
    this.#timer = 0;
  }

  #look(nowUs: number, us: number): void {
    this.#dueUs = nowUs + us;
    this.#timer = this.#loop.after(us, this);
  }

  #beQuiet(): void {
    this.#quietUntilUs = this.#loop.nowUs() + QUIET_US;
  }
}
