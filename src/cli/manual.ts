/** The manual of all commands as Markdown: what `docs/cli.md` holds. A test compares the two. */
import { COMMANDS } from './commands.js';
import { optionHeading } from './help-text.js';
import { COMMON_OPTIONS, type CommandSpec, type OptionGroup } from './option-table.js';

const INTRODUCTION = `# Command line

<!-- Made from the tables in src/cli by: node dist/cli/main.js help --markdown > docs/cli.md -->

\`lkvm COMMAND [OPTIONS]\`. Without a command, and for \`--help\`, the list of commands; for \`--version\`, the version.

The grammar is kvmtool's. Long options take their value as \`--name value\` or \`--name=value\`; a prefix that fits one option
only is enough (\`--cons\`); \`--no-NAME\` takes back what was said before. Short options take it as \`-m512\` or
\`-m 512\`, and flags can be put together (\`-vh\`). Numbers are written as in C: \`4096\`, \`0x1000\`, \`010000\` (octal); where a
size is meant, \`16M\` works too. Unlike kvmtool, lkvm refuses what it does not understand (junk behind a number, unknown
words in a list) instead of ignoring it.

Results go to stdout. Everything else goes to stderr, one line each, as \`  Fatal: \`, \`  Error: \`, \`  Warning: \` or \`  Info: \`.
\`LKVM_DEBUG=1\` (or \`--loglevel debug\`) adds a stack trace to errors.

| exit code | meaning |
|---|---|
| 0 | the machine ended in order: by the guest (power-off, reboot) or the peer, Ctrl-A x, SIGTERM or SIGINT |
| 1 | failed after the start; a command of \`demo\` or \`aux\` failed |
| 22 | unknown command |
| 33 | the guest died of a triple fault |
| 34 | KVM cannot run the guest (entry failure, internal error) |
| 128 | could not start: file, device, socket, permission, pool in use |
| 129 | the command line is wrong, including a pool that is too small and words that exclude each other |
| 2 x N + 1 | the guest wrote N to the port of \`--debug-exit\` |
`;

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}

function groupText(group: OptionGroup): string[] {
  const rows = group.options.map((option) => `| \`${cell(optionHeading(option))}\` | ${cell(option.text)} |`);
  return [`**${group.title}**`, '', '| option | meaning |', '|---|---|', ...rows, ''];
}

function commandText(command: CommandSpec): string[] {
  const lines = [
    `## lkvm ${command.name}`,
    '',
    `\`lkvm ${command.name} ${command.usage}`.trimEnd().concat('`'),
    '',
  ];
  for (const paragraph of command.about) lines.push(paragraph, '');
  for (const group of command.groups) lines.push(...groupText(group));
  if (command.examples.length > 0) lines.push('Examples:', '', '```sh');
  for (const { text, command: line } of command.examples) lines.push(`# ${text}`, line);
  if (command.examples.length > 0) lines.push('```', '');
  return lines;
}

/** The whole text. */
export async function manual(): Promise<string> {
  const parts = [INTRODUCTION];
  for (const entry of COMMANDS) {
    const { command } = await entry.load();
    parts.push(commandText(command).join('\n'));
  }
  parts.push(`## All commands\n\n${groupText(COMMON_OPTIONS).join('\n')}`);
  return `${parts.join('\n').trimEnd()}\n`;
}
