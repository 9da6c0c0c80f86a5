/** `lkvm aux`: the auxiliary runtime, from options to exit code. */
import { SIGKILL } from '../abi/linux.js';
import { dieWithParent as setParentDeathSignal } from '../sys/process.js';
import { StartError } from '../util/errors.js';
import type { Log } from '../util/ports.js';
import type { AuxOptions } from './options.js';
import { Runtime } from './runtime.js';
import { isRestart, Session } from './session.js';
import { Shell } from './shell.js';

/**
 * Runs until the shell's `exit`; with a tap, for ever. When the PMM starts anew, so do we.
 * @param options checked by `checkAuxOptions`
 * @returns the exit code: 0, or 1 if a command of a script failed
 * Errors: StartError, PoolExhaustedError.
 * Thread: main; blocks it. Signals keep their default effect.
 */
export function runAux(options: AuxOptions, log: Log): number {
  const runtime = new Runtime(options, log);
  try {
    for (;;) {
      try {
        return attachAndRun(runtime, options, log);
      } catch (error) {
        if (!isRestart(error)) throw error;
        log.info('the PMM has started anew; attaching again');
      }
    }
  } finally {
    runtime.close();
  }
}

function attachAndRun(runtime: Runtime, options: AuxOptions, log: Log): number {
  using session = Session.attach(runtime, options, 'all', log);
  const failures = new Shell(session, runtime, options, log).run();
  session.leave();
  return options.script && failures > 0 ? 1 : 0;
}

/** Has the kernel kill this process when process `parent` ends. Errors: StartError (it has ended already). */
export function dieWithParent(parent: number): void {
  if (setParentDeathSignal(SIGKILL, parent) < 0) {
    throw new StartError(`process ${parent}, which started this one, has ended`);
  }
}
