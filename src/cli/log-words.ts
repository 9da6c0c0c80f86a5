/** `--loglevel`: the log that the user asked for, and what is told about his words. */
import type { Log } from '../util/ports.js';
import type { Remark } from './device-words.js';
import { LOG_LEVELS, type LogLevel, stderrLog } from './messages.js';
import type { ParsedOptions } from './parse-options.js';
import { choiceOf } from './values.js';

/** The log that `--loglevel` asks for. @param usual what it is if nothing was said. Errors: ConfigError. */
export function logOf(options: ParsedOptions, usual: LogLevel = 'info'): Log {
  const level = options.value('loglevel') ?? usual;
  return stderrLog(choiceOf('--loglevel', level, LOG_LEVELS));
}

/** The same log, for one of several that speak. */
export function prefixed(log: Log, prefix: string): Log {
  return {
    debug: (text) => log.debug?.(prefix + text),
    info: (text) => log.info(prefix + text),
    warn: (text) => log.warn(prefix + text),
  };
}

/** Tells the user what was accepted without effect. */
export function remarkAll(remarks: readonly Remark[], log: Log): void {
  for (const { level, text } of remarks) {
    if (level === 'warning') log.warn(text);
    else log.info(text);
  }
}
