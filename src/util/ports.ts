/**
 * Small interfaces through which lower layers reach the event loop and the log without knowing them.
 * Implemented by `reactor/` and the composition roots; passed by constructor.
 */

/** Called by the event loop. Thread: reactor. */
export interface FdHandler {
  /** @param events EPOLLIN / EPOLLOUT / EPOLLHUP / EPOLLERR bits that are ready */
  onReady(events: number): void;
}

/** A watched file descriptor. */
export interface Watch {
  /** Changes the events waited for (0 = none, but HUP and ERR are still reported). Cheap when nothing changes. */
  setEvents(events: number): void;
  /** Stops watching. The fd itself stays open: its owner closes it afterwards. */
  close(): void;
}

/** Called once, when its time has come. Thread: reactor. */
export interface TimerHandler {
  onTimer(): void;
}

/** The event loop as seen by back ends and transports. Thread: reactor. */
export interface EventLoop {
  /** Errors: SysError (EPERM: a regular file or /dev/null cannot be watched). */
  watch(fd: number, events: number, handler: FdHandler): Watch;
  /** Runs the handler once after `us` microseconds. @returns an id for {@link cancel} */
  after(us: number, handler: TimerHandler): number;
  cancel(timer: number): void;
  /** Microseconds on a monotonic clock. */
  nowUs(): number;
}

/** Gets the results of calls made through a {@link BlockingLane}. Thread: reactor. */
export interface BlockingHandler {
  /**
   * One call has ended. @param token as given with the call
   * @param result what the system call returned, >= 0 or -errno
   */
  onDone(token: number, result: number): void;
}

/**
 * System calls that may take long, made on another thread so that the reactor never waits for a disk. Calls of all
 * lanes are made one after the other, in the order given. Nothing named in a call (the fd, the iovecs, the memory they
 * point to) may be closed, unmapped or changed before its `onDone`. Thread: reactor. Hot path: allocates nothing.
 */
export interface BlockingLane {
  fsync(fd: number, token: number): void;
  fdatasync(fd: number, token: number): void;
  /** @param iov address of `count` iovecs @param offset file offset in bytes, 0 ... 2^53 - 1 */
  preadv(fd: number, iov: number, count: number, offset: number, token: number): void;
  /** As {@link preadv}. */
  pwritev(fd: number, iov: number, count: number, offset: number, token: number): void;
  /** fallocate(2). @param mode FALLOC_FL_... @param offset, bytes the range */
  fallocate(fd: number, mode: number, offset: number, bytes: number, token: number): void;
  /** BLKDISCARD on a block device. @param offset, bytes the range */
  discard(fd: number, offset: number, bytes: number, token: number): void;
  /**
   * Waits until this lane's calls have ended, and delivers their results; meanwhile nothing else happens on this thread,
   * except that calls of other lanes may end, too. For set-up and reset only.
   * @returns false if that took longer than `limitMs` milliseconds. When the whole service has ended: true if none of its
   *   calls is being made, so that files and memory may go
   */
  settle(limitMs: number): boolean;
  /** Calls given and not yet answered. */
  readonly pending: number;
  /** No result is delivered any more. Calls already given are still made, unless the whole service ends first. */
  close(): void;
}

/** Where lanes come from. Thread: reactor. */
export interface BlockingCalls {
  lane(handler: BlockingHandler): BlockingLane;
}

/** Where diagnostics go. Implementations limit the rate; text is built only by callers off the hot path. */
export interface Log {
  /** How something was decided, for who looks for the reason of something else. A log that has no such level leaves it out. */
  debug?(text: string): void;
  info(text: string): void;
  warn(text: string): void;
}
