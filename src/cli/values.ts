/** Values of options: numbers in C notation, sizes, words of a list. Errors: ConfigError, one line. */
import { ConfigError } from '../util/errors.js';

const SUFFIXES = 'BKMGTP';

function digitsOf(text: string): number | undefined {
  if (/^0[xX][0-9a-fA-F]+$/.test(text)) return Number.parseInt(text.slice(2), 16);
  if (/^0[0-7]*$/.test(text)) return Number.parseInt(text, 8);
  return /^[1-9][0-9]*$/.test(text) ? Number(text) : undefined;
}

/**
 * A number as `strtoull(text, 0)` reads it: 0x hexadecimal, leading 0 octal, else decimal. Unlike there, the whole word
 * must be the number.
 */
export function numberOf(option: string, text: string): number {
  const value = digitsOf(text);
  if (value === undefined) {
    throw new ConfigError(`${option} "${text}" is not a number; write 4096, 0x1000 or (octal) 010000`);
  }
  return safe(option, text, value);
}

/** A number of bytes: {@link numberOf}, or a decimal number with one of the suffixes B K M G T P (powers of 1024). */
export function sizeOf(option: string, text: string): number {
  const exponent = SUFFIXES.indexOf(text.slice(-1).toUpperCase());
  const suffixed = text !== '' && exponent >= 0 && /^[1-9][0-9]*$/.test(text.slice(0, -1));
  const value = suffixed ? Number(text.slice(0, -1)) * 1024 ** exponent : digitsOf(text);
  if (value === undefined) {
    throw new ConfigError(`${option} "${text}" is not a size; write 16777216, 0x1000000 or 16M`);
  }
  return safe(option, text, value);
}

/**
 * Memory of a guest in bytes, as kvmtool reads it: a decimal number of MiB, or with one of the suffixes B K M G T P.
 */
export function memoryOf(option: string, text: string): number {
  const parts = /^([0-9]+)([BKMGTP]?)$/i.exec(text);
  if (parts === null) {
    const at = text.includes('@') ? ' (an address behind @ is for ARM guests)' : '';
    throw new ConfigError(`${option} "${text}" is not an amount of memory${at}; write 512 (MiB), 512M or 2G`);
  }
  const [, digits = '', suffix = ''] = parts;
  const exponent = SUFFIXES.indexOf(suffix === '' ? 'M' : suffix.toUpperCase());
  const value = Number(digits) * 1024 ** exponent;
  if (value === 0)
    throw new ConfigError(`${option} ${text}: a guest needs memory; write 512 (MiB), 512M or 2G`);
  return safe(option, text, value);
}

function safe(option: string, text: string, value: number): number {
  if (Number.isSafeInteger(value)) return value;
  throw new ConfigError(`${option} ${text} is too large; numbers go up to 2^53 - 1`);
}

/** One of a few words. */
export function choiceOf<T extends string>(option: string, text: string, words: readonly T[]): T {
  const found = words.find((word) => word === text);
  if (found === undefined)
    throw new ConfigError(`${option} "${text}" is not known; it is one of ${words.join(', ')}`);
  return found;
}

/** Splits "KIND:REST" at the first colon; the rest is undefined if there is no colon. */
export function splitKind(text: string): { readonly kind: string; readonly rest: string | undefined } {
  const colon = text.indexOf(':');
  return colon < 0
    ? { kind: text, rest: undefined }
    : { kind: text.slice(0, colon), rest: text.slice(colon + 1) };
}

/** Splits "KEY=VALUE" at the first "="; the value is undefined if there is none. */
export function splitPair(text: string): { readonly key: string; readonly value: string | undefined } {
  const equals = text.indexOf('=');
  return equals < 0
    ? { key: text, value: undefined }
    : { key: text.slice(0, equals), value: text.slice(equals + 1) };
}
