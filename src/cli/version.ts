/** `lkvm version`. */
import { readFileSync } from 'node:fs';
import { print } from './messages.js';
import type { CommandSpec } from './option-table.js';

/** The version in package.json, which is beside `dist/` in a checkout and in an installed package. */
export function versionOf(): string {
  const file = new URL('../../package.json', import.meta.url);
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { readonly version: string };
  return version;
}

export const command: CommandSpec = {
  name: 'version',
  usage: '',
  about: ['Prints "kvm tool" and the version, the way the C tool does. "lkvm --version" is the same.'],
  groups: [],
  examples: [],
  maxWords: 0,
  run(): number {
    print(`kvm tool ${versionOf()}\n`);
    return 0;
  },
};
