/** `lkvm help [COMMAND]`. */
import { COMMANDS, findCommand } from './commands.js';
import { generalHelp, printCommandHelp } from './help-text.js';
import { print } from './messages.js';
import type { CommandSpec } from './option-table.js';
import type { ParsedOptions } from './parse-options.js';
import { unknownCommand } from './unknown-command.js';

export const command: CommandSpec = {
  name: 'help',
  usage: '[COMMAND]',
  about: [
    'Without a word: the list of commands. With one: that command and its options, as "lkvm COMMAND --help".',
  ],
  groups: [
    {
      title: 'Options',
      options: [
        {
          name: 'markdown',
          text: 'Print the manual of all commands as Markdown (docs/cli.md is made by this).',
          rare: true,
        },
      ],
    },
  ],
  examples: [{ command: 'lkvm help layout', text: 'What layout can print:' }],
  maxWords: 1,
  async run(options: ParsedOptions): Promise<number> {
    if (options.has('markdown')) {
      const { manual } = await import('./manual.js');
      print(await manual());
      return 0;
    }
    const [name] = options.words;
    if (name === undefined) {
      print(generalHelp(COMMANDS));
      return 0;
    }
    const entry = findCommand(name);
    if (entry !== undefined) return printCommandHelp((await entry.load()).command, false);
    return unknownCommand(name);
  },
};
