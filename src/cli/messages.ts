/**
 * Text to the terminal: results on stdout, everything else as one prefixed line on stderr, with the prefixes scripts
 * for the C tool look for. Writes are synchronous, so nothing is lost when the process ends right afterwards.
 */
import { writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { LkvmError } from '../util/errors.js';
import type { Log } from '../util/ports.js';
import { EXIT_FAILED } from './exit-codes.js';

/**
 * Writes all of `text`.
 * @returns undefined, or the name of the error that ended it. A reader that went away is not an error: nobody is left
 *   to tell, and what was asked for has been done
 */
export function writeAll(fd: number, text: string): string | undefined {
  const bytes = Buffer.from(text);
  let done = 0;
  while (done < bytes.length) {
    try {
      done += writeSync(fd, bytes, done);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EPIPE' || code === 'EBADF' || code === 'EIO') return undefined; // nobody is there
      if (code !== 'EAGAIN') return code ?? String(error);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2); // a full pipe of a slow reader
    }
  }
  return undefined;
}

/** Prints a result. Errors: OutputError; half a header or JSON object on a full disk must not pass for a whole one. */
export function print(text: string): void {
  const code = writeAll(1, text);
  if (code !== undefined) throw new OutputError(code);
}

/** Standard output cannot take what was asked for. */
class OutputError extends LkvmError {
  constructor(errno: string) {
    super('OUTPUT', `cannot write to standard output: ${errno}`, EXIT_FAILED);
  }
}

function line(prefix: string, text: string): void {
  // While a console is served the terminal is raw: a line feed alone would not go back to the first column.
  const end = isatty(2) ? '\r\n' : '\n';
  writeAll(2, `  ${prefix}: ${text.replaceAll('\n', ' ')}${end}`);
}

/** Could not start, or failed after the start. */
export function fatal(text: string): void {
  line('Fatal', text);
}

/** The command line is wrong. */
export function failure(text: string): void {
  line('Error', text);
}

export function warning(text: string): void {
  line('Warning', text);
}

export function info(text: string): void {
  line('Info', text);
}

/** Longest line of a remote machine that is kept back until its end comes. */
const MAX_LINE = 4096;

/** Shows what a remote machine says, line by line and marked, on stderr. @param label "remote" or "remote 2" */
export function remoteLines(label: string): (bytes: Uint8Array) => void {
  const decoder = new TextDecoder();
  let rest = '';
  return (bytes) => {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split(/\r*\n/);
    rest = lines.pop() ?? '';
    if (rest.length > MAX_LINE) {
      lines.push(rest);
      rest = '';
    }
    const end = isatty(2) ? '\r\n' : '\n';
    for (const text of lines) writeAll(2, `${label}| ${text.replaceAll('\r', '')}${end}`);
  };
}

/** How much is said on stderr: the words of `--loglevel`. */
export type LogLevel = 'error' | 'warning' | 'info' | 'debug';

export const LOG_LEVELS: readonly LogLevel[] = ['error', 'warning', 'info', 'debug'];

/** A log for the libraries. */
export function stderrLog(level: LogLevel): Log {
  const rank = LOG_LEVELS.indexOf(level);
  return {
    debug(text: string): void {
      if (rank >= LOG_LEVELS.indexOf('debug')) line('Debug', text);
    },
    info(text: string): void {
      if (rank >= LOG_LEVELS.indexOf('info')) info(text);
    },
    warn(text: string): void {
      if (rank >= LOG_LEVELS.indexOf('warning')) warning(text);
    },
  };
}
