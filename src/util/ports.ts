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

/** Where diagnostics go. Implementations limit the rate; text is built only by callers off the hot path. */
export interface Log {
  info(text: string): void;
  warn(text: string): void;
}
