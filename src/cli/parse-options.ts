/**
 * The command-line grammar of kvmtool, which has it from git:
 *
 * - `--name value`, `--name=value`; a prefix that fits one option only (`--cons`); `--no-name` takes back what was said
 *   before;
 * - `-m512`, `-m 512`, and clusters of flags (`-vh`); a long name behind a single dash is pointed out;
 * - `--` ends the options; other words are returned.
 *
 * Different from it on purpose: nothing is ignored silently.
 */
import { ConfigError } from '../util/errors.js';
import { nearest } from './nearest.js';
import type { OptionSpec } from './option-table.js';

/** What was given. */
export class ParsedOptions {
  /** Words that are not options, in order. */
  readonly words: string[] = [];
  readonly #given = new Map<string, string[]>();
  readonly #takenBack = new Set<string>();

  /** Names given, in order of first mention. */
  get names(): string[] {
    return [...this.#given.keys()];
  }

  /** Whether the option was given (and not taken back). */
  has(name: string): boolean {
    return this.#given.has(name);
  }

  /** A flag: true if given, false if taken back with `--no-`, otherwise undefined. */
  flag(name: string): boolean | undefined {
    if (this.has(name)) return true;
    return this.#takenBack.has(name) ? false : undefined;
  }

  /** The value given last; "" for an optional value left out; undefined if the option was not given. */
  value(name: string): string | undefined {
    return this.#given.get(name)?.at(-1);
  }

  /** All values, in order. */
  values(name: string): readonly string[] {
    return this.#given.get(name) ?? [];
  }

  add(name: string, value: string): void {
    const values = this.#given.get(name);
    if (values === undefined) this.#given.set(name, [value]);
    else values.push(value);
  }

  takeBack(name: string): void {
    this.#given.delete(name);
    this.#takenBack.add(name);
  }
}

/** An option as found in the table, and whether it was written with `--no-`. */
interface Match {
  readonly spec: OptionSpec;
  readonly negated: boolean;
}

/**
 * Parses words.
 *
 * @param specs options that may be given
 * @param args the words behind the sub-command
 * Errors: ConfigError.
 */
export function parseOptions(specs: readonly OptionSpec[], args: readonly string[]): ParsedOptions {
  return new Parser(specs, args).parse();
}

class Parser {
  readonly #specs: readonly OptionSpec[];
  readonly #args: readonly string[];
  readonly #parsed = new ParsedOptions();
  #next = 0;

  constructor(specs: readonly OptionSpec[], args: readonly string[]) {
    this.#specs = specs;
    this.#args = args;
  }

  parse(): ParsedOptions {
    for (;;) {
      const arg = this.#args[this.#next++];
      if (arg === undefined) break;
      if (arg === '--') {
        this.#parsed.words.push(...this.#args.slice(this.#next));
        break;
      }
      if (arg.startsWith('--')) this.#long(arg.slice(2));
      else if (arg.startsWith('-') && arg !== '-') this.#cluster(arg.slice(1));
      else this.#parsed.words.push(arg);
    }
    return this.#parsed;
  }

  #long(arg: string): void {
    const equals = arg.indexOf('=');
    const name = equals < 0 ? arg : arg.slice(0, equals);
    const attached = equals < 0 ? undefined : arg.slice(equals + 1);
    const { spec, negated } = findLong(this.#specs, name);
    if (negated) {
      if (attached !== undefined) throw new ConfigError(`--${name} takes no value, but got "${attached}"`);
      this.#parsed.takeBack(spec.name);
      return;
    }
    this.#parsed.add(spec.name, this.#valueOf(spec, `--${spec.name}`, attached));
  }

  #valueOf(spec: OptionSpec, shown: string, attached: string | undefined): string {
    if (spec.argument === undefined) {
      if (attached !== undefined) throw new ConfigError(`${shown} takes no value, but got "${attached}"`);
      return '';
    }
    if (attached !== undefined) return attached;
    if (spec.optional === 'attached') return '';
    const following = this.#args[this.#next];
    if (spec.optional === 'next' && (following === undefined || following.startsWith('-'))) return '';
    if (following === undefined) throw new ConfigError(`${shown} needs a value: ${shown} ${spec.argument}`);
    this.#next++;
    return following;
  }

  #cluster(letters: string): void {
    this.#checkSingleDash(letters);
    for (let at = 0; at < letters.length; at++) {
      const letter = letters.charAt(at);
      const spec = this.#specs.find((each) => each.short === letter);
      if (spec === undefined) throw new ConfigError(`unknown option -${letter}${hint(this.#specs, letters)}`);
      const rest = letters.slice(at + 1);
      if (spec.argument === undefined) {
        this.#parsed.add(spec.name, '');
        continue;
      }
      this.#parsed.add(spec.name, this.#valueOf(spec, `-${letter}`, rest === '' ? undefined : rest));
      return;
    }
  }

  /** `-network` is not `-n etwork`: say so, as kvmtool does. */
  #checkSingleDash(letters: string): void {
    const name = letters.split('=', 1)[0] as string;
    if (name.length < 3) return;
    const long = this.#specs.find((spec) => spec.name.startsWith(name));
    if (long !== undefined)
      throw new ConfigError(`did you mean --${long.name} (with two dashes)? Got -${letters}`);
  }
}

/** Exact names first (also those that begin with "no-"), then unambiguous prefixes. */
function findLong(specs: readonly OptionSpec[], name: string): Match {
  const exact = specs.find((spec) => spec.name === name);
  if (exact !== undefined) return { spec: exact, negated: false };
  const positive = name.startsWith('no-') ? name.slice(3) : undefined;
  const negated = positive === undefined ? undefined : specs.find((spec) => spec.name === positive);
  if (negated !== undefined) return { spec: negated, negated: true };

  const matches: Match[] = [];
  for (const spec of specs) {
    if (spec.name.startsWith(name)) matches.push({ spec, negated: false });
    else if (positive !== undefined && positive !== '' && spec.name.startsWith(positive)) {
      matches.push({ spec, negated: true });
    }
  }
  const [first, ...others] = matches;
  if (first === undefined || name === '')
    throw new ConfigError(`unknown option --${name}${hint(specs, name)}`);
  if (others.length > 0) {
    const names = matches.map((match) => `--${match.negated ? 'no-' : ''}${match.spec.name}`);
    throw new ConfigError(
      `--${name} could be ${names.slice(0, -1).join(', ')} or ${names.at(-1)}; write more of it`,
    );
  }
  return first;
}

/** "; did you mean --console?" if one name is close. */
function hint(specs: readonly OptionSpec[], name: string): string {
  const names = specs.map((spec) => spec.name);
  const close = nearest(names, name);
  return close === undefined ? '' : `; did you mean --${close}?`;
}
