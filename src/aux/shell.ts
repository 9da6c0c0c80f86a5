/**
 * A small shell on the virtio console, so that a person (or a script) can see the devices work. Commands are ordinary
 * synchronous code over the drivers; while one waits for its device, interrupts of all devices are served.
 */
import { PeerRestartedError } from '../frontend/errors.js';
import { P9Files } from '../frontend/p9-files.js';
import { LkvmError, StartError } from '../util/errors.js';
import type { Log } from '../util/ports.js';
import {
  type Command,
  type CommandOutcome,
  failed,
  type ShellContext,
  STATUS_UNKNOWN,
  usage,
} from './command.js';
import { DEVICE_COMMANDS } from './device-commands.js';
import { errorText } from './error-text.js';
import { FILE_COMMANDS } from './file-commands.js';
import { splitWords } from './line-editor.js';
import { NetStack } from './net-stack.js';
import { type AuxOptions, parseIp } from './options.js';
import type { Runtime } from './runtime.js';
import type { Session } from './session.js';
import { ShellInput } from './shell-input.js';
import { ShellOutput } from './shell-output.js';
import { StoppedError } from './stopped-error.js';

const PROMPT = 'aux> ';
const DRAIN_MS = 2000;

const help: Command = {
  name: 'help',
  usage: '',
  text: 'this list',
  words: [0, 0],
  run({ output, shares }) {
    for (const { name, usage: words, text } of COMMANDS) {
      output.text(`  ${`${name} ${words}`.padEnd(22)}${text}\n`);
    }
    if (shares.length > 1) {
      const tags = shares.map((share) => share.driver.tag).join(', ');
      output.text(`  paths are in the first share; TAG:PATH names another one: ${tags}\n`);
    }
    return { status: 0 };
  },
};

const exit: Command = {
  name: 'exit',
  usage: '',
  text: 'end the auxiliary runtime',
  words: [0, 0],
  run: () => ({ status: 0, exit: true }),
};

const COMMANDS: readonly Command[] = [help, ...FILE_COMMANDS, ...DEVICE_COMMANDS, exit];

/** Thread: main. */
export class Shell {
  readonly #context: ShellContext;
  readonly #script: boolean;

  /**
   * Mounts the shares and greets.
   * Errors: StartError (the PMM has no console).
   */
  constructor(session: Session, runtime: Runtime, options: AuxOptions, log: Log) {
    const { console, net, p9 } = session.drivers;
    if (console === undefined) {
      throw new StartError('the PMM has no console device for the shell; start it with --console virtio');
    }
    const output = new ShellOutput(console, options.script);
    const shares: P9Files[] = [];
    for (const driver of p9) {
      const status = driver.mount();
      if (status === 0) shares.push(new P9Files(driver));
      else log.warn(`9p share "${driver.tag}" cannot be mounted: ${errorText(status)}`);
    }
    this.#script = options.script;
    this.#context = {
      line: runtime,
      drivers: session.drivers,
      shares,
      net: net === undefined ? undefined : new NetStack(net, parseIp('--ip', options.ip)),
      input: new ShellInput(console, output, options.script),
      output,
    };
    if (!options.script) this.#greet(session);
  }

  /** Runs commands until `exit`. @returns the number of commands that failed */
  run(): number {
    let failures = 0;
    for (;;) {
      if (!this.#script) this.#context.output.text(PROMPT);
      const line = this.#context.input.read();
      const words = line === undefined ? [] : splitWords(line);
      const [name, ...rest] = words;
      if (line === undefined || name === undefined) continue;
      const outcome = this.#execute(name, rest);
      const { status, error, data } = outcome;
      if (error !== undefined) this.#context.output.text(`${name}: ${error}\n`);
      this.#context.output.mark({ end: 1, command: line, status, ...data });
      if (status !== 0) failures++;
      if (outcome.exit === true) break;
    }
    this.#context.drivers.console?.drain(DRAIN_MS);
    return failures;
  }

  #execute(name: string, words: readonly string[]): CommandOutcome {
    const command = COMMANDS.find((each) => each.name === name);
    if (command === undefined) return { status: STATUS_UNKNOWN, error: 'unknown command; try: help' };
    const [least, most] = command.words;
    if (words.length < least || words.length > most) return usage(`usage: ${name} ${command.usage}`);
    try {
      return command.run(this.#context, words);
    } catch (error) {
      if (error instanceof PeerRestartedError || error instanceof StoppedError) throw error;
      if (!(error instanceof LkvmError)) throw error;
      return failed(error.message);
    }
  }

  #greet(session: Session): void {
    const names = session.frontEnd.devices.map((device) => device.name).join(', ');
    const how = session.frontEnd.devices.some((device) => device.attachedStatic) ? ', static mode' : '';
    this.#context.output.text(`lkvm auxiliary runtime: ${names}${how}; try: help\n`);
  }
}
