/**
 * Steps that run at once when their values are there, and later when they are promises. A tree in the reactor never
 * makes a promise, so that nothing here does either; there everything stays synchronous.
 */
import { constants } from 'node:os';
import { EIO } from '../abi/errno.js';
import { at } from '../util/typed.js';

export type MaybePromise<T> = T | Promise<T>;

const errnos: Readonly<Record<string, number>> = constants.errno;

/** `next(value)`, now or when the promise is fulfilled. */
export function then<A, B>(value: MaybePromise<A>, next: (value: A) => MaybePromise<B>): MaybePromise<B> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** Calls `step` for one item after the other until it says false. */
export function sequence<T>(
  items: readonly T[],
  step: (item: T, index: number) => MaybePromise<boolean>,
  from = 0,
): MaybePromise<undefined> {
  for (let i = from; i < items.length; i++) {
    const more = step(at(items, i), i);
    if (more instanceof Promise) {
      return more.then((goOn) => (goOn ? sequence(items, step, i + 1) : undefined));
    }
    if (!more) return undefined;
  }
  return undefined;
}

/** Runs `work`; its value goes through `done`, what it throws or rejects with through `failed`. */
export function settle<A, B>(
  work: () => MaybePromise<A>,
  done: (value: A) => B,
  failed: (error: unknown) => B,
): MaybePromise<B> {
  try {
    const value = work();
    return value instanceof Promise ? value.then(done).catch(failed) : done(value);
  } catch (error) {
    return failed(error);
  }
}

/** True for a negative errno among results that are objects, text or undefined otherwise. */
export function isErrno(value: unknown): value is number {
  return typeof value === 'number';
}

/** A negative errno that a tree returned where a value was needed. */
export class TreeErrno extends Error {
  readonly status: number;

  /** @param status -4095 ... -1 */
  constructor(status: number) {
    super(`errno ${-status}`);
    this.status = status;
  }
}

/** -errno of a thrown error by its `code` ("ENOENT"); -EIO for anything else, which is reported. */
export function errnoOf(error: unknown, report: (error: unknown) => void): number {
  if (error instanceof TreeErrno) return error.status;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const number = typeof code === 'string' ? errnos[code] : undefined;
  if (number !== undefined) return -number;
  report(error);
  return -EIO;
}
