/**
 * What an inherited descriptor is, and how it can be used without ever waiting.
 *
 * O_NONBLOCK belongs to the open file description, which an inherited terminal or pipe shares with the shell and its
 * other children: it is never set there. A terminal or pipe is opened a second time where that is possible; a socket has
 * calls that never wait; everything else is used only when epoll says that it is ready. The controlling end of a
 * pseudo-terminal cannot be opened a second time (that makes another terminal), but whoever made it for us alone may
 * have made it non-blocking.
 */
import { fstatSync } from 'node:fs';
import { F_DUPFD_CLOEXEC, F_GETFL, PTMX_RDEV } from '../../abi/linux.js';
import { O_NONBLOCK } from '../../sys/arch.js';
import { fcntl } from '../../sys/fd.js';
import { isTerminal, reopenNonBlocking } from '../../sys/tty.js';

/** Not open. */
export const STREAM_CLOSED = 0;
/** A regular file: never waits, cannot be watched. */
export const STREAM_FILE = 1;
/** A copy of the descriptor; `recv` and `send` never wait. */
export const STREAM_SOCKET = 2;
/** Our own non-blocking descriptor of a pipe or terminal. */
export const STREAM_OWN = 3;
/** A copy of the inherited descriptor: only when ready, and only little at a time. */
export const STREAM_SHARED = 4;

export interface Stream {
  /** STREAM_... */
  readonly kind: number;
  readonly fd: number;
  readonly terminal: boolean;
  /** `fd` is ours to close. */
  readonly owned: boolean;
}

const CLOSED: Stream = { kind: STREAM_CLOSED, fd: -1, terminal: false, owned: false };

/**
 * Looks at `fd`, which stays as it is. The caller closes `stream.fd` in the end if `stream.owned`.
 *
 * Descriptors that will be watched are always copies: one socket or terminal may be input and output at once, and epoll
 * takes each number only once.
 */
export function openStream(fd: number): Stream {
  let kind = STREAM_SHARED;
  let rdev = 0;
  try {
    const stat = fstatSync(fd);
    if (stat.isCharacterDevice()) rdev = stat.rdev;
    if (stat.isDirectory()) return CLOSED;
    if (stat.isFile()) return { kind: STREAM_FILE, fd, terminal: false, owned: false };
    if (stat.isSocket()) kind = STREAM_SOCKET;
  } catch {
    return CLOSED;
  }
  const terminal = isTerminal(fd);
  const controller = rdev === PTMX_RDEV;
  const own = kind === STREAM_SOCKET || controller ? -1 : reopenNonBlocking(fd);
  if (own >= 0) return { kind: STREAM_OWN, fd: own, terminal, owned: true };
  if (controller && (fcntl(fd, F_GETFL, 0) & O_NONBLOCK) !== 0) kind = STREAM_OWN;
  const copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  return copy < 0 ? CLOSED : { kind, fd: copy, terminal, owned: true };
}
