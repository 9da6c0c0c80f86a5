/** Test files of the bed: one outer guest for a file, and scenarios in it. */
import { after, before, type TestContext, test } from 'node:test';
import { type KernelName, skipWithoutBed, skipWithoutKernel } from './cache.js';
import { OuterGuest, type OuterOptions } from './outer.js';

/** One scenario may take this long, whatever else the machine does. */
const SCENARIO_LIMIT_MS = 900_000;

/** A scenario. */
export type Scenario = (outer: OuterGuest, t: TestContext) => Promise<void>;

/** The outer guest of a test file. */
export interface Bed {
  /** A test in it. When it fails, its message holds what the processes and guests of this test have printed. */
  scenario(title: string, body: Scenario): void;
  /** The same, skipped where a kernel is missing. */
  scenario(title: string, kernel: KernelName, body: Scenario): void;
}

async function play(outer: OuterGuest, t: TestContext, body: Scenario): Promise<void> {
  outer.forget();
  try {
    await body(outer, t);
  } catch (error) {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    throw new Error(`${message}\n${outer.report()}`);
  } finally {
    await outer.killAll();
  }
}

/**
 * Boots an outer guest before the tests of this file, and ends it after them.
 * @param alsoSkip why these tests cannot run here, beside what the bed itself needs
 */
export function useBed(options: OuterOptions = {}, alsoSkip: string | false = false): Bed {
  const skip = skipWithoutBed() || alsoSkip;
  let outer: OuterGuest | undefined;
  const boot = async (): Promise<OuterGuest> => {
    await outer?.close();
    outer = await OuterGuest.boot(options);
    return outer;
  };
  before(async () => {
    if (skip === false) await boot();
  });
  after(async () => {
    await outer?.close();
  });
  return {
    scenario: (title: string, second: KernelName | Scenario, third?: Scenario) => {
      const body = typeof second === 'string' ? third : second;
      const missing = typeof second === 'string' ? skip || skipWithoutKernel(second) : skip;
      test(title, { skip: missing, timeout: SCENARIO_LIMIT_MS }, async (t) => {
        if (outer === undefined || body === undefined) throw new Error('the outer guest is not there');
        try {
          await play(outer.dead ? await boot() : outer, t, body);
        } catch (error) {
          // The emulation itself may fail; lkvm, a process in its guest, cannot end it.
          if (!outer.dead) throw error;
          t.diagnostic(`the outer guest has died, once more: ${error}`);
          await play(await boot(), t, body);
        }
      });
    },
  };
}
