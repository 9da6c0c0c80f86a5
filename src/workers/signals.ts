/** SIGINT, SIGTERM, SIGHUP and SIGQUIT: an orderly stop first, at once the second time. Thread: main. */

const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];

/**
 * Calls `stop` at the first signal that asks the process to end (also when the terminal is closed). At the second one
 * the process exits at once, through the shutdown guard, with `process.exitCode` if somebody set it, else 0.
 *
 * @param stop begins the orderly end; the process exits by itself when all has stopped
 * @returns a function that takes the handlers away again
 */
export function onTerminationSignal(stop: (signal: NodeJS.Signals) => void): () => void {
  let signalled = false;
  const handler = (signal: NodeJS.Signals): void => {
    if (signal === 'SIGHUP') ignoreOutputErrors();
    if (signalled) process.exit(); // with process.exitCode, or 0
    signalled = true;
    stop(signal);
  };
  for (const signal of SIGNALS) process.on(signal, handler);
  return () => {
    for (const signal of SIGNALS) process.off(signal, handler);
  };
}

/** After the terminal has gone, writing to it fails, and that must not turn a clean end into a crash. */
function ignoreOutputErrors(): void {
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
}
