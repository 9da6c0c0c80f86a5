/**
 * Error classes that say who is at fault. Match on `code`, never on the text or on `instanceof` across threads:
 * structured cloning drops the class, so errors cross threads as {@link WireError}.
 */

/** An error as plain data, safe to post between threads. */
export interface WireError {
  readonly name: string;
  readonly code: string;
  readonly message: string;
  readonly exitCode: number;
}

/** Base of every error this project throws. `exitCode` is what the command exits with if nobody handles it. */
export class LkvmError extends Error {
  readonly code: string;
  readonly exitCode: number;

  constructor(code: string, message: string, exitCode: number, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.code = code;
    this.exitCode = exitCode;
  }
}

/** The command line (or an options object) is wrong. One line: what, the value given, what is allowed. Exit code 129. */
export class ConfigError extends LkvmError {
  constructor(message: string, code = 'CONFIG') {
    super(code, message, 129);
  }
}

/** Something needed for starting is missing or refused: file, device node, socket, permission, lock. Exit code 128. */
export class StartError extends LkvmError {
  constructor(message: string, cause?: unknown, code = 'START') {
    super(code, message, 128, cause);
  }
}

/** A system call failed. `syscall` is its name, `errno` the positive number. Exit code 1 unless wrapped. */
export class SysError extends LkvmError {
  readonly syscall: string;
  readonly errno: number;

  constructor(syscall: string, errno: number, errnoName: string, what: string) {
    super(errnoName, `${what === '' ? '' : `${what}: `}${syscall} failed: ${errnoName}`, 1);
    this.syscall = syscall;
    this.errno = errno;
  }
}

/** Our own mistake; never the driver's. Stops the machine. */
export class InvariantError extends LkvmError {
  constructor(message: string) {
    super('INVARIANT', message, 1);
  }
}

/** Throws {@link InvariantError} when `condition` is false. Nothing read from a driver or a peer may reach this. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** Flattens any thrown value for `postMessage`. */
export function toWire(error: unknown): WireError {
  if (error instanceof LkvmError) {
    return { name: error.name, code: error.code, message: error.message, exitCode: error.exitCode };
  }
  if (error instanceof Error) {
    return { name: error.name, code: 'UNEXPECTED', message: error.stack ?? error.message, exitCode: 1 };
  }
  return { name: 'Error', code: 'UNEXPECTED', message: String(error), exitCode: 1 };
}

/** Rebuilds an error posted by another thread. */
export function fromWire(wire: WireError): LkvmError {
  const error = new LkvmError(wire.code, wire.message, wire.exitCode);
  error.name = wire.name;
  return error;
}
