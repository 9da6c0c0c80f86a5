/** What a PMM and its other side know of each other, when one starts and ends with the other. Thread: main. */
import type { LkvmError } from '../../util/errors.js';

/** Something happened to the other side. */
export interface RemoteEvent {
  /** "gone": it has crashed; "back": it is there again; "off": it has switched itself off. */
  readonly event: 'started' | 'gone' | 'back' | 'off';
  /** One line for a person. */
  readonly text: string;
}

/** Who is told of it. */
export interface RemoteOwner {
  event(event: RemoteEvent): void;
  /** It will not come back: it was switched off (no error), or it does not work. Not called once it was stopped. */
  ended(error: LkvmError | undefined): void;
}

/** The other side. */
export interface Remote {
  /** Starts it. Resolves when it runs; errors: StartError. Once. */
  start(): Promise<void>;
  /** Ends it, and resolves when it has ended. More than once is fine. Never rejects. */
  stop(): Promise<void>;
  /** Ends it at once: the process is about to exit. */
  kill(): void;
  /** A peer has come to the doorbell. */
  peerUp(): void;
  /** A driver has started a device. */
  deviceStarted(): void;
}
