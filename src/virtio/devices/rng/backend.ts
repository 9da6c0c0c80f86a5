/** What the entropy device needs from the host. Thread: reactor. */

/** Told when the source can be asked again. Implemented by the device. */
export interface EntropyListener {
  /** @returns true if there is more to do: call again soon, after other work */
  entropyReady(): boolean;
}

/** A source of random bytes that never waits. */
export interface EntropySource {
  /**
   * Fills mapped memory. Hot path.
   * @param address host address of memory that stays mapped during the call
   * @param bytes 1 ... 2^31
   * @returns bytes written, 1 ... `bytes`; or -errno. After -EAGAIN the listener is called when it makes sense to try
   *   again.
   */
  fill(address: number, bytes: number): number;
  /** Who is told after -EAGAIN. Called once, before the first {@link fill}. */
  setListener(listener: EntropyListener): void;
  /** Nothing is wanted any more: no call of the listener until the next {@link fill}. */
  cancel(): void;
}
