/** `lkvm demo`: both sides on one machine, without a board, without root. */
import type { WarmReactor } from '../pmm/warm-reactor.js';
import { ConfigError } from '../util/errors.js';
import { splitCommands } from './demo/script-session.js';
import { stderrLog } from './messages.js';
import type { CommandSpec } from './option-table.js';
import type { ParsedOptions } from './parse-options.js';

/** Shown to somebody without a terminal and without commands of his own: the whole tour. */
const TOUR = 'help; ls /; ping 3; rng 16; exit';

/** `DIR[,rw]`. Errors: ConfigError. */
function parseShare(value: string): { share: string; shareWritable: boolean } {
  const comma = value.lastIndexOf(',');
  if (value === '' || comma === 0)
    throw new ConfigError(`--share "${value}" names no directory; write --share DIR or --share DIR,rw`);
  if (comma < 0) return { share: value, shareWritable: false };
  const word = value.slice(comma + 1);
  if (word !== 'rw')
    throw new ConfigError(`--share ${value}: "${word}" is not known; allowed is DIR or DIR,rw`);
  return { share: value.slice(0, comma), shareWritable: true };
}

async function readAll(stream: NodeJS.ReadStream): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString();
}

/** The commands to run, or undefined for a person at a terminal. */
async function commandsOf(options: ParsedOptions): Promise<string[] | undefined> {
  const given = options.values('execute');
  if (given.length > 0) {
    const commands = given.flatMap(splitCommands);
    if (commands.length === 0) throw new ConfigError('-e has no command; try -e "ls /; ping 3; exit"');
    return commands;
  }
  if (process.stdin.isTTY && !options.has('json')) return undefined;
  const text = process.stdin.isTTY ? '' : await readAll(process.stdin);
  const commands = splitCommands(text);
  return commands.length > 0 ? commands : splitCommands(TOUR);
}

export const command: CommandSpec = {
  name: 'demo',
  usage: '[-e COMMANDS] [OPTIONS]',
  about: [
    'Starts a PMM here and an auxiliary runtime as a second process, joined by shared memory and a doorbell only, and gives you its console: type "help". Files are read over 9p, ping goes through the network device, all of it without a hypervisor.',
    'Ctrl-C ends everything and leaves nothing behind. Without a terminal, commands are read from standard input, or a short tour is run.',
  ],
  groups: [
    {
      title: 'Options',
      options: [
        {
          name: 'execute',
          short: 'e',
          argument: 'COMMANDS',
          text: 'Run these commands, separated by ";", and end. The exit code is 0 if all of them succeeded.',
        },
        { name: 'json', text: 'Print one JSON object: commands, ping times, counters of the devices.' },
        {
          name: 'share',
          argument: 'DIR[,rw]',
          text: 'What 9p shows: this directory, read-only unless ",rw" (default: the current directory).',
        },
        { name: 'verbose', short: 'v', text: 'Say on stderr what happens underneath.' },
      ],
    },
  ],
  examples: [
    { text: 'Interactive', command: 'lkvm demo' },
    { text: 'From a script', command: 'lkvm demo -e "ls /; cat README.md; ping 3; rng 16; exit" --json' },
    {
      text: 'Write to a directory of this machine',
      command: 'lkvm demo --share /tmp,rw -e "write /hello hi; cat /hello"',
    },
  ],
  maxWords: 0,
  async run(options: ParsedOptions, reactor?: WarmReactor): Promise<number> {
    const { resolve } = await import('node:path');
    const { share, shareWritable } = parseShare(options.value('share') ?? '.');
    const commands = await commandsOf(options);
    const { runDemo } = await import('./demo/run-demo.js');
    const log = stderrLog(options.has('verbose') ? 'info' : 'warning');
    return await runDemo(
      { share: resolve(share), shareWritable, commands, json: options.has('json'), reactor },
      log,
    );
  },
};
