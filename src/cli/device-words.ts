/** Words about devices that mean the same in every machine. Errors: ConfigError. */
import type { ShareOptions } from '../machine/device-options.js';
import type { PollSpec } from '../pmm/config.js';
import { ConfigError } from '../util/errors.js';
import { numberOf, splitPair } from './values.js';

/** One line of information or warning. */
export interface Remark {
  readonly level: 'info' | 'warning';
  readonly text: string;
}

/** `--poll`: when to look at memory instead of sleeping. */
export function readPoll(text: string | undefined): PollSpec | undefined {
  if (text === undefined) return undefined;
  const { key, value } = splitPair(text);
  if (key === 'interval' && value !== undefined) return { kind: key, us: numberOf('--poll interval', value) };
  if (value === undefined && (key === 'none' || key === 'adaptive' || key === 'spin')) return { kind: key };
  throw new ConfigError(`--poll "${text}" is not known; it is one of none, adaptive, interval=US, spin`);
}

/** `--9p`: DIR, DIR,TAG, DIR,ro or DIR,TAG,ro. */
export function readShare(text: string): ShareOptions {
  const [directory = '', ...rest] = text.split(',');
  if (directory === '') throw new ConfigError(`--9p "${text}" names no directory; write --9p DIR[,TAG][,ro]`);
  const last = rest.at(-1);
  const mode = last === 'ro' || last === 'rw' ? last : undefined;
  const tags = mode === undefined ? rest : rest.slice(0, -1);
  if (tags.length > 1) {
    throw new ConfigError(`--9p "${text}": "${tags[1]}" is not known; write --9p DIR[,TAG][,ro]`);
  }
  const tag = tags[0];
  return { type: '9p', directory, readOnly: mode === 'ro', ...(tag === undefined ? {} : { tag }) };
}
