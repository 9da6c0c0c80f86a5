/**
 * What has to be done when this process is gone, even if it was killed. Thread: main.
 *
 * A shell reads from a pipe whose other end only this process has: it comes to the end of its input when this process ends,
 * however it does. It is in a session of its own, so that a terminal's signals do not reach it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Log } from '../../util/ports.js';

const SHELL = '/bin/sh';

/** Runs until {@link Sentry.dismiss}, or until this process has ended and the command is done. */
export class Sentry {
  readonly #shell: ChildProcess;

  /**
   * @param command for the shell; `"$0"`, `"$1"`, ... in it are `words`
   * @param log told if there is no shell: then nothing is done after a kill
   */
  constructor(command: string, words: readonly string[], log: Log) {
    this.#shell = spawn(SHELL, ['-c', `read -r _; ${command}`, ...words], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    this.#shell.once('error', (error) => {
      log.warn(
        `if this process is killed, this is left undone: ${command} (${words.join(' ')}): ${error.message}`,
      );
    });
    this.#shell.unref(); // no reason for this process to stay
  }

  /** There is nothing to be done any more. */
  dismiss(): void {
    this.#shell.kill('SIGKILL');
  }
}
