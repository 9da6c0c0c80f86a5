/** Help for people: made from the same tables that drive the parser. */

import { print } from './messages.js';
import { COMMON_OPTIONS, type CommandSpec, type OptionGroup, type OptionSpec } from './option-table.js';

const WIDTH = 88;
const INDENT = 4;
/** Column where the text of an option starts. */
const TEXT_COLUMN = 34;

/** Breaks text into lines of at most `width` columns. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

/** "-n, --network k=v,..." */
export function optionHeading(option: OptionSpec): string {
  const { name, short, argument, optional } = option;
  const dashes = short === undefined ? `--${name}` : `-${short}, --${name}`;
  if (argument === undefined) return dashes;
  if (optional === 'attached') return `${dashes}[=${argument}]`;
  return optional === 'next' ? `${dashes} [${argument}]` : `${dashes} ${argument}`;
}

function optionLines(option: OptionSpec): string[] {
  const heading = `${' '.repeat(INDENT)}${optionHeading(option)}`;
  const [first = '', ...others] = wrap(option.text, WIDTH - TEXT_COLUMN);
  const rest = others.map((line) => `${' '.repeat(TEXT_COLUMN)}${line}`);
  if (heading.length + 2 > TEXT_COLUMN) return [heading, `${' '.repeat(TEXT_COLUMN)}${first}`, ...rest];
  return [heading.padEnd(TEXT_COLUMN) + first, ...rest];
}

function groupLines(group: OptionGroup, all: boolean): string[] {
  const options = group.options.filter((option) => all || option.rare !== true);
  return options.length === 0 ? [] : ['', `${group.title}:`, ...options.flatMap(optionLines)];
}

/** Help of one command. @param all also the rare options */
export function commandHelp(command: CommandSpec, all: boolean): string {
  const lines = [`usage: lkvm ${command.name}${command.usage === '' ? '' : ` ${command.usage}`}`];
  for (const paragraph of command.about) lines.push('', ...wrap(paragraph, WIDTH));
  for (const group of [...command.groups, COMMON_OPTIONS]) lines.push(...groupLines(group, all));
  const hidden = command.groups.some((group) => group.options.some((option) => option.rare === true));
  if (hidden && !all) lines.push('', `More options: lkvm ${command.name} --help-all`);
  if (command.examples.length > 0) lines.push('', 'Examples:');
  for (const { text, command: line } of command.examples) {
    lines.push(
      ...wrap(text, WIDTH - INDENT).map((each) => `${' '.repeat(INDENT)}# ${each}`),
      `${' '.repeat(INDENT)}${line}`,
      '',
    );
  }
  return `${lines.join('\n').trimEnd()}\n`;
}

/** A line of the list of commands. */
export interface CommandSummary {
  readonly name: string;
  readonly summary: string;
}

/** What `lkvm` without a command prints. */
export function generalHelp(commands: readonly CommandSummary[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length)) + 3;
  const rows = commands.map(({ name, summary }) => `   ${name.padEnd(width)}${summary}`);
  return `
 usage: lkvm COMMAND [ARGS]

 The most commonly used lkvm commands are:
${rows.join('\n')}

 Boot a Linux guest:       lkvm run -k KERNEL -i INITRD  (examples: lkvm run --help)
 Try it without a board:   lkvm demo
 Help on one command:      lkvm help COMMAND  or  lkvm COMMAND --help

`;
}

/** Prints help of one command on stdout. @returns exit code 0 */
export function printCommandHelp(command: CommandSpec, all: boolean): number {
  print(commandHelp(command, all));
  return 0;
}
