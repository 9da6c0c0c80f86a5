/** Entropy from the kernel's generator, by getrandom(2). */
import { EAGAIN, EINTR } from '../../abi/errno.js';
import { getrandomTo } from '../../sys/random.js';
import type { EventLoop } from '../../util/ports.js';
import type { EntropyListener, EntropySource } from '../../virtio/devices/rng/backend.js';

/** Early in boot the generator is not seeded yet, and no file descriptor tells when it is. */
const RETRY_US = 100_000;

/** Thread: reactor. */
export class GetrandomSource implements EntropySource {
  readonly #loop: EventLoop;
  #listener: EntropyListener | undefined;
  #timer = 0;

  constructor(loop: EventLoop) {
    this.#loop = loop;
  }

  setListener(listener: EntropyListener): void {
    this.#listener = listener;
  }

  fill(address: number, bytes: number): number {
    const n = getrandomTo(address, bytes);
    if (n >= 0 || n === -EINTR) return n;
    this.#arm(RETRY_US);
    return -EAGAIN;
  }

  cancel(): void {
    if (this.#timer !== 0) this.#loop.cancel(this.#timer);
    this.#timer = 0;
  }

  /** Timer: asks the device to go on. */
  onTimer(): void {
    this.#timer = 0;
    if (this.#listener?.entropyReady() === true) this.#arm(0);
  }

  #arm(us: number): void {
    if (this.#timer === 0) this.#timer = this.#loop.after(us, this);
  }
}
