/** V8's patience: how often code runs before it is compiled. */
import { setFlagsFromString } from 'node:v8';

/** The version of V8 (that of Node 20) whose budgets these are. Another one complains about options it does not know. */
const V8 = '11.3.';

/**
 * A third of V8's usual budget before a function is optimized, and a ninth before it watches what a function does. The
 * defaults suit programs with much code that each runs a little. Ours is small and hot: a device's first requests would
 * run in the interpreter, ten times slower than later ones.
 */
const OPTIONS = ['--interrupt-budget=20000', '--interrupt-budget-for-feedback-allocation=100'];

/** Makes V8 compile hot code sooner, in this thread and in those started later. Call it before they start. */
export function compileSoon(): void {
  if (process.versions.v8.startsWith(V8)) for (const option of OPTIONS) setFlagsFromString(option);
}
