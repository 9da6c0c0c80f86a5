/** One `IovArray` per role of a device, kept across driver restarts: its native memory is never given back. */
import type { GuestMemory } from '../../memory/guest-memory.js';
import { IovArray } from '../../memory/iov-array.js';

/** Thread: reactor. */
export class IovCache {
  readonly #capacity: number;
  readonly #stagingBytes: number;
  #memory: GuestMemory | undefined;
  #iov: IovArray | undefined;

  /** Parameters as of {@link IovArray}. */
  constructor(capacity: number, stagingBytes: number) {
    this.#capacity = capacity;
    this.#stagingBytes = stagingBytes;
  }

  /** An empty list over `memory`: the one used before, if the memory is the same. */
  take(memory: GuestMemory): IovArray {
    let iov = this.#iov;
    if (iov === undefined || this.#memory !== memory) {
      iov = new IovArray(memory, this.#capacity, this.#stagingBytes);
      this.#iov = iov;
      this.#memory = memory;
    }
    iov.reset();
    return iov;
  }
}
