/** Raw mode of the console's terminal. Thread: main. */
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
