/** The command: finds the sub-command, parses its options, runs it, and turns whatever goes wrong into one line and an exit code. */
import { ConfigError, LkvmError, StartError } from '../util/errors.js';
import { COMMANDS, findCommand } from './commands.js';
import { EXIT_FAILED, EXIT_USAGE } from './exit-codes.js';
import { generalHelp, printCommandHelp } from './help-text.js';
import { failure, fatal, print, writeAll } from './messages.js';
import { allOptions, type CommandSpec } from './option-table.js';
import { type ParsedOptions, parseOptions } from './parse-options.js';
import { unknownCommand } from './unknown-command.js';

/** Other spellings of two commands. */
const ALIASES: Readonly<Record<string, string>> = { '--help': 'help', '-h': 'help', '--version': 'version' };

function parse(command: CommandSpec, args: readonly string[]): ParsedOptions {
  try {
    const options = parseOptions(allOptions(command), args);
    const extra = options.words[command.maxWords];
    if (extra === undefined || options.has('help') || options.has('help-all')) return options;
    throw new ConfigError(`unexpected word "${extra}"`);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(`${error.message} (see: lkvm ${command.name} --help)`);
  }
}

/** For commands with threads: Node can start none without a current directory, and only a stack says so. Errors: StartError. */
function checkPlace(): void {
  try {
    process.cwd();
  } catch (error) {
    throw new StartError('the current directory has been removed: go to one that exists (cd)', error);
  }
}

async function main(args: readonly string[]): Promise<number> {
  const [first, ...rest] = args;
  if (first === undefined) {
    print(generalHelp(COMMANDS));
    return 0;
  }
  const entry = findCommand(ALIASES[first] ?? first);
  if (entry === undefined) return unknownCommand(first);
  if (entry.early !== undefined) checkPlace();
  const reactor = await entry.early?.(rest);
  const { command } = await entry.load();
  const options = parse(command, rest);
  if (options.has('help') || options.has('help-all'))
    return printCommandHelp(command, options.has('help-all'));
  return await command.run(options, reactor);
}

/** One line; with `--loglevel debug` or LKVM_DEBUG also where it came from. @returns the exit code */
function report(error: unknown, args: readonly string[]): number {
  const known = error instanceof LkvmError;
  const code = known ? error.exitCode : EXIT_FAILED;
  const text = error instanceof Error ? error.message : String(error);
  if (code === EXIT_USAGE) failure(text);
  else fatal(known ? text : `internal error: ${text}; please report it with LKVM_DEBUG=1`);
  const wanted = process.env['LKVM_DEBUG'] !== undefined || /--loglevel[ =]debug/.test(args.join(' '));
  if (wanted && error instanceof Error) writeAll(2, `${error.stack ?? ''}\n`);
  return code;
}

async function start(args: readonly string[]): Promise<number> {
  try {
    return await main(args);
  } catch (error) {
    return report(error, args);
  }
}

void start(process.argv.slice(2)).then((code) => process.exit(code));
