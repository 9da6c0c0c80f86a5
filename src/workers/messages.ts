/** What passes between a thread's two ends: `host.ts` on main, `entry.ts` in the worker. */
import type { WireError } from '../util/errors.js';

/** `workerData` of every thread of ours. */
export interface ThreadInit {
  readonly control: SharedArrayBuffer;
  /** An eventfd that wakes the thread's event loop, or -1 for a thread that sleeps on CONTROL_WAKE. Closed by main. */
  readonly wakeFd: number;
  /** What the thread's own code gets. */
  readonly data: unknown;
}

/** Worker to main: a message of the thread's own code, or the error that ended it. */
export type ThreadMessage =
  | { readonly kind: 'message'; readonly body: unknown }
  | { readonly kind: 'error'; readonly error: WireError };
