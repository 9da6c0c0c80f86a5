/** Several sources of work in memory, as one. Thread: reactor. */
import type { Pollable } from './reactor.js';

/** Asks each of them, always all: none may starve another. Hot path. */
export class PollAll implements Pollable {
  readonly #each: readonly Pollable[];

  constructor(each: readonly Pollable[]) {
    this.#each = each;
  }

  poll(): boolean {
    let busy = false;
    for (let i = 0; i < this.#each.length; i++) {
      if ((this.#each[i] as Pollable).poll()) busy = true;
    }
    return busy;
  }

  arm(): boolean {
    let busy = false;
    for (let i = 0; i < this.#each.length; i++) {
      if ((this.#each[i] as Pollable).arm()) busy = true;
    }
    return busy;
  }

  disarm(): void {
    for (let i = 0; i < this.#each.length; i++) (this.#each[i] as Pollable).disarm();
  }

  flush(): void {
    for (let i = 0; i < this.#each.length; i++) (this.#each[i] as Pollable).flush();
  }

  scan(): boolean {
    let busy = false;
    for (let i = 0; i < this.#each.length; i++) {
      if ((this.#each[i] as Pollable).scan()) busy = true;
    }
    return busy;
  }

  get running(): boolean {
    for (let i = 0; i < this.#each.length; i++) {
      if ((this.#each[i] as Pollable).running) return true;
    }
    return false;
  }
}
