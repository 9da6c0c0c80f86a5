/** What main and the reactor thread of every kind of machine tell each other. Set-up and events only; never on a data path. */

/** To or from a tree or a network on the main thread. Main to worker, read after a wake-up; and back. */
export interface ServiceMessage {
  readonly type: 'tree' | 'network';
  /** Index among the trees, or the networks. */
  readonly id: number;
  readonly message: unknown;
}

/** Main to worker. */
export type MainMessage =
  | ServiceMessage
  /** The size of a terminal may have changed: consoles on one look at it. */
  | { readonly type: 'window' };

/** Worker to main. */
export type ReactorMessage =
  /** All devices are open, and the driver's side is ready for a driver. */
  | { readonly type: 'ready'; readonly taps: readonly string[] }
  | { readonly type: 'log'; readonly level: 'debug' | 'info' | 'warn'; readonly text: string }
  /** The person at the console asked to end. */
  | { readonly type: 'escape' }
  | ServiceMessage;
