/** What a command of the shell gets and gives. */

import type { P9Files } from '../frontend/p9-files.js';
import type { PeerLine } from '../frontend/ports.js';
import type { NetStack } from './net-stack.js';
import type { Drivers } from './session.js';
import type { ShellInput } from './shell-input.js';
import type { ShellOutput } from './shell-output.js';

/** Went well. */
export const STATUS_OK = 0;
/** The device, the server or the network said no. */
export const STATUS_FAILED = 1;
/** Wrong words. */
export const STATUS_USAGE = 2;
/** No such command. */
export const STATUS_UNKNOWN = 127;

/** Everything commands work with. */
export interface ShellContext {
  readonly line: PeerLine;
  readonly drivers: Drivers;
  /** Mounted shares, in slot order. */
  readonly shares: readonly P9Files[];
  readonly net: NetStack | undefined;
  readonly input: ShellInput;
  readonly output: ShellOutput;
}

/** What a command came to. */
export interface CommandOutcome {
  readonly status: number;
  /** Printed behind "NAME: ", in one line, if not empty. */
  readonly error?: string;
  /** Extra fields of the mark in script mode. */
  readonly data?: Readonly<Record<string, unknown>>;
  /** Leave the shell. */
  readonly exit?: boolean;
}

/** One command. */
export interface Command {
  readonly name: string;
  /** Behind the name in `help`. */
  readonly usage: string;
  readonly text: string;
  /** Fewest and most words behind the name. */
  readonly words: readonly [number, number];
  run(context: ShellContext, words: readonly string[]): CommandOutcome;
}

export const DONE: CommandOutcome = { status: STATUS_OK };

/** The outcome of something that went wrong. */
export function failed(error: string, data?: Readonly<Record<string, unknown>>): CommandOutcome {
  return data === undefined ? { status: STATUS_FAILED, error } : { status: STATUS_FAILED, error, data };
}

/** The outcome of wrong words. */
export function usage(error: string): CommandOutcome {
  return { status: STATUS_USAGE, error };
}

/** A whole number within a range, or undefined. */
export function numberWord(word: string, least: number, most: number): number | undefined {
  const value = /^\d+$/.test(word) ? Number(word) : -1;
  return value >= least && value <= most ? value : undefined;
}
