/** What a sub-command is made of: plain tables that drive parsing, help text and the manual alike. */
import type { WarmReactor } from '../pmm/warm-reactor.js';
import type { ParsedOptions } from './parse-options.js';

/** One option. */
export interface OptionSpec {
  /** Long name, without dashes. */
  readonly name: string;
  /** One letter. */
  readonly short?: string;
  /** What help shows for its value ("DIR[,TAG]"); an option without it is a flag. */
  readonly argument?: string;
  /**
   * The value may be left out. "attached": it must be written `--name=VALUE`; "next": a following word that does not
   * start with "-" is taken as the value (as kvmtool does for `-n`).
   */
  readonly optional?: 'attached' | 'next';
  /** One or more sentences of help. */
  readonly text: string;
  /** Shown by `--help-all` only. */
  readonly rare?: boolean;
}

/** Options under one heading. */
export interface OptionGroup {
  readonly title: string;
  readonly options: readonly OptionSpec[];
}

/** A command line to copy, and what it does. */
export interface Example {
  readonly command: string;
  readonly text: string;
}

/** A sub-command. Each file `src/cli/NAME.ts` exports one as `command`. */
export interface CommandSpec {
  readonly name: string;
  /** Behind the name in the usage line: "[OPTIONS]", "[COMMAND]". */
  readonly usage: string;
  /** What it does, in paragraphs. */
  readonly about: readonly string[];
  readonly groups: readonly OptionGroup[];
  readonly examples: readonly Example[];
  /** Words that are not options: how many at most. */
  readonly maxWords: number;
  /**
   * Does the work. Throws an LkvmError for everything that goes wrong.
   * @param reactor started beforehand, for commands that need one
   * @returns the exit code
   */
  run(options: ParsedOptions, reactor?: WarmReactor): Promise<number> | number;
}

/** Options every command has. */
export const COMMON_OPTIONS: OptionGroup = {
  title: 'Help',
  options: [
    { name: 'help', short: 'h', text: 'Print this help.' },
    { name: 'help-all', text: 'Print help with all options, also the rare ones.' },
  ],
};

/** All options of a command, the common ones included. */
export function allOptions(command: CommandSpec): OptionSpec[] {
  return [...command.groups, COMMON_OPTIONS].flatMap((group) => group.options);
}
