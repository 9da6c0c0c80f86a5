/**
 * What an inherited descriptor is, and how it can be used without ever waiting.
 *
 * O_NONBLOCK belongs to the open file description, which an inherited terminal or pipe shares with the shell and its
 * other children: it is never set there. A terminal or pipe is opened a second time where that is possible; a socket has
 * calls that never wait; everything else is used only when epoll says that it is ready.
 */
import { fstatSync } from 'node:fs';
import { isTerminal, reopenNonBlocking } from '../../sys/tty.js';

/** Not open. */
export const STREAM_CLOSED = 0;
/** A regular file: never waits, cannot be watched. */
export const STREAM_FILE = 1;
/** `recv` and `send` never wait. */
export const STREAM_SOCKET = 2;
/** Our own non-blocking descriptor of a pipe or terminal. */
export const STREAM_OWN = 3;
/** The inherited descriptor itself: only when ready, and only little at a time. */
export const STREAM_SHARED = 4;

export interface Stream {
  /** STREAM_... */
  readonly kind: number;
  readonly fd: number;
  readonly terminal: boolean;
}

/** Looks at `fd`. With STREAM_OWN the caller closes `stream.fd` in the end, and never otherwise. */
export function openStream(fd: number): Stream {
  const closed = { kind: STREAM_CLOSED, fd: -1, terminal: false };
  try {
    const stat = fstatSync(fd);
    if (stat.isDirectory()) return closed;
    if (stat.isFile()) return { kind: STREAM_FILE, fd, terminal: false };
    if (stat.isSocket()) return { kind: STREAM_SOCKET, fd, terminal: false };
  } catch {
    return closed;
  }
  const terminal = isTerminal(fd);
  const own = reopenNonBlocking(fd);
  if (own >= 0) return { kind: STREAM_OWN, fd: own, terminal };
  return { kind: STREAM_SHARED, fd, terminal };
}
