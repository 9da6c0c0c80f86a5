/**
 * Doorbells: content-free signals between the PMM and its peer, one line in each direction for all devices. Signals may
 * be lost or repeated; the shared memory is the truth.
 */

/** What the machine does when the peer signals, comes or goes. Thread: reactor. */
export interface DoorbellHandler {
  /** The peer rang, once or more. */
  onDoorbell(): void;
  /** A peer connected (true) or went away (false). Doorbells without connections never say. */
  onPeer(up: boolean): void;
}

/** One kind of doorbell. Thread: reactor. */
export interface Doorbell {
  /** Starts listening. Errors: StartError with what to do. */
  open(handler: DoorbellHandler): void;
  /** Rings the peer once. Never blocks; dropped when nobody listens. Hot path. */
  signal(): void;
  /** Stops and removes what it made (socket files). */
  close(): void;
}
