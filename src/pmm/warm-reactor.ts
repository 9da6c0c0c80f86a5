/**
 * A reactor worker that loads its modules while main still reads words and opens things: the two take about the same
 * time, and a PMM is ready that much sooner. It touches nothing before {@link WarmReactor.begin}.
 *
 * Thread: main.
 */
import { shutdownGuard } from '../workers/guard.js';
import { type ThreadEnd, type ThreadOwner, WorkerThread } from '../workers/host.js';
import type { PmmReactorData } from './messages.js';

export class WarmReactor {
  readonly #thread: WorkerThread;
  #owner: ThreadOwner | undefined;
  #end: ThreadEnd | undefined;

  constructor() {
    this.#thread = new WorkerThread({
      name: 'lkvm reactor',
      entry: new URL('./pmm-reactor.js', import.meta.url),
      data: undefined,
      wake: 'fd',
      guard: shutdownGuard,
      owner: {
        onMessage: (message) => this.#owner?.onMessage(message),
        onEnd: (end) => {
          this.#end = end;
          this.#owner?.onEnd(end);
        },
      },
    });
    this.#thread.unref(); // until it has work, it is no reason for the process to stay
  }

  /**
   * Gives it a machine to run. Once.
   * @returns the thread; `owner` hears from it, also if it has ended already
   * Errors: DataCloneError if something in `data` (a tree's options) cannot be sent; then the thread ends.
   */
  begin(data: PmmReactorData, owner: ThreadOwner): WorkerThread {
    try {
      this.#thread.post(data);
    } catch (error) {
      this.#thread.requestStop();
      throw error;
    }
    this.#owner = owner;
    const end = this.#end;
    if (end !== undefined) queueMicrotask(() => owner.onEnd(end));
    this.#thread.ref();
    return this.#thread;
  }
}
