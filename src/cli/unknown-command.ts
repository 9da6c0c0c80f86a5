/** What the user is told about a word that is no command. */
import { COMMANDS } from './commands.js';
import { EXIT_UNKNOWN_COMMAND } from './exit-codes.js';
import { generalHelp } from './help-text.js';
import { failure, print } from './messages.js';
import { nearest } from './nearest.js';

/** Commands of the C tool that are not here, and what there is instead. */
const OF_THE_C_TOOL: Readonly<Record<string, string>> = {
  stop: 'end a guest with Ctrl-A x, or kill (SIGTERM) its lkvm',
  pause: 'a program can: see "As a library" in README.md',
  resume: 'a program can: see "As a library" in README.md',
  debug: 'run --debug-ioport, --debug-mmio and --debug-single-step say what a guest does',
  balloon: 'there is no balloon device yet',
  stat: 'for a pool: lkvm inspect',
  list: 'a guest is one process: pgrep -a -f "lkvm.* run"',
  setup: 'name a directory as root: lkvm run -d DIR',
  sandbox: 'name a kernel and a directory: lkvm run -k FILE -d DIR',
};

/** One line and the list of commands. @returns the exit code */
export function unknownCommand(name: string): number {
  const instead = Object.hasOwn(OF_THE_C_TOOL, name) ? OF_THE_C_TOOL[name] : undefined;
  const close = nearest(
    COMMANDS.map((command) => command.name),
    name,
  );
  if (instead !== undefined) failure(`kvmtool's command "${name}" is not supported yet; ${instead}`);
  else failure(`unknown command "${name}"${close === undefined ? '' : `; did you mean "${close}"?`}`);
  print(generalHelp(COMMANDS));
  return EXIT_UNKNOWN_COMMAND;
}
