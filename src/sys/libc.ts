/**
 * The one place where C functions are declared. Every other file of `sys/` builds typed wrappers on it.
 *
 * Convention of the whole folder: a wrapper returns the call's result (>= 0) or **-errno**; it does not throw. Code
 * that starts things turns a negative result into a {@link SysError} with {@link must}. Addresses are plain numbers
 * (user space ends below 2^47, a double is exact to 2^53), so no BigInt crosses this folder's border.
 *
 * Thread: any. Each worker that imports this module loads its own copy of the prototypes, once.
 */
import { constants } from 'node:os';
import koffi from 'koffi';
import { SysError } from '../util/errors.js';

const libc = koffi.load(null);

/**
 * What C functions are called with: numbers (also addresses), C strings, bytes, an array for `_Out_ int *`, and BigInt
 * only for the rare 64-bit value that a double does not hold (directory cookies).
 */
export type CArgument = number | string | null | Uint8Array | number[] | bigint;

/** A declared C function. All of ours return an integer. */
export type CFunction = (...args: CArgument[]) => number;

/** Declares a libc function by its C prototype (koffi syntax). Call once, at module load. */
export function declare(prototype: string): CFunction {
  return libc.func(prototype) as CFunction;
}

/**
 * errno of the last call on this thread, as a positive number. Safety: koffi saves errno right after each call, so
 * this is right if it is read before the next FFI call.
 */
export function errno(): number {
  return koffi.errno();
}

/** Result of a call: itself if it is not negative, else -errno. */
export function status(result: number): number {
  return result < 0 ? -koffi.errno() : result;
}

const names = new Map<number, string>(
  Object.entries(constants.errno).map(([name, number]) => [number, name]),
);

/** Name of an errno ("ENOENT"), or "errno 999". */
export function errnoName(number: number): string {
  return names.get(number) ?? `errno ${number}`;
}

/**
 * The result of a system call, or an exception.
 *
 * @param result what a wrapper of this folder returned
 * @param what the object it was about, for the message ("/dev/umb")
 * Errors: {@link SysError} with the errno's name as code.
 */
export function must(result: number, syscall: string, what = ''): number {
  if (result < 0) throw new SysError(syscall, -result, errnoName(-result), what);
  return result;
}

/**
 * An ArrayBuffer over mapped memory.
 *
 * @param address start of a mapping, from `mmap`
 * @param bytes 1 ... 2^31 (longer views are slower, and abort Node 20 above 4 GiB)
 * Safety: the mapping must outlive every typed array made on the buffer; nothing here unmaps it. Use `memory/`.
 */
export function viewOf(address: number, bytes: number): ArrayBuffer {
  return koffi.view(BigInt(address), bytes);
}
