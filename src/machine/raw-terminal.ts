/** The console's terminal, as main has to do with it: its mode and its size. Thread: main. */
import { isTerminal, RawMode } from '../sys/tty.js';
import type { ShutdownGuard } from '../workers/guard.js';

/**
 * Switches the terminal `fd` to raw mode (output processing stays), if it is one.
 * @param guard restores it on every way out of the process
 * @returns restores it now; does nothing when called again
 */
export function rawTerminal(fd: number, guard: ShutdownGuard): () => void {
  const mode = isTerminal(fd) ? RawMode.save(fd) : -1;
  if (typeof mode === 'number' || mode.enter(true) < 0) return () => undefined;
  const forget = guard.onExit(() => void mode.restore());
  return () => {
    forget();
    mode.restore();
  };
}

/**
 * A console's terminal: raw mode for its input, and word of its size, which only a process's controlling terminal sends.
 * @param windowChanged called when the size of the output may have changed, and once now: it may have since the start
 * @returns undoes both; does nothing when called again
 */
export function consoleTerminal(
  { inputFd, outputFd }: { readonly inputFd: number; readonly outputFd: number },
  guard: ShutdownGuard,
  windowChanged: () => void,
): () => void {
  const restore = rawTerminal(inputFd, guard);
  if (!isTerminal(outputFd)) return restore;
  process.on('SIGWINCH', windowChanged);
  windowChanged();
  return () => {
    process.off('SIGWINCH', windowChanged);
    restore();
  };
}
