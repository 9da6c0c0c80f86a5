/** `lkvm aux`: the auxiliary runtime, from options to exit code. */
import { SIGKILL } from '../abi/linux.js';
import { DeviceError, PeerRestartedError } from '../frontend/errors.js';
import type { NetDriver } from '../frontend/net.js';
import { dieWithParent as setParentDeathSignal } from '../sys/process.js';
import { openTap, type Tap, type TapAdvice } from '../sys/tap.js';
import { LkvmError, StartError } from '../util/errors.js';
import type { Log } from '../util/ports.js';
import type { AuxOptions } from './options.js';
import { Runtime } from './runtime.js';
import { Session } from './session.js';
import { Shell } from './shell.js';
import { StoppedError } from './stopped-error.js';
import { closeTap, TapBridge } from './tap-bridge.js';

const FOR_EVER_MS = 0x7fff_ffff;
/** How else a tap can be had. */
const TAP_ADVICE: TapAdvice = { name: '--net-tap NAME', without: undefined };
/** Between two attachments: a PMM that is broken for good must not keep us busy. */
const RETRY_MS = 100;

/**
 * Runs until the shell's `exit` or a signal that asks the process to end; with a tap, until the signal. The devices are stopped
 * then; a second signal cuts even that short. When the PMM starts anew, so do we.
 * @param options checked by `checkAuxOptions`
 * @returns the exit code: 0 (also after a signal), or 1 if a command of a script failed
 * Errors: StartError, PoolExhaustedError, DeviceError.
 * Thread: main; blocks it.
 */
export function runAux(options: AuxOptions, log: Log): number {
  const tap =
    options.netTap === undefined ? undefined : openTap({ tapif: options.netTap, advice: TAP_ADVICE });
  const runtime = new Runtime(options, log);
  try {
    runtime.endAtSignals();
    for (;;) {
      try {
        return tap === undefined ? runShell(runtime, options, log) : runBridge(runtime, options, tap, log);
      } catch (error) {
        if (error instanceof PeerRestartedError) log.info('the PMM has started anew; attaching again');
        else if (error instanceof DeviceError) log.warn(`${error.message}; attaching again`);
        else throw error;
        runtime.pause(RETRY_MS);
      }
    }
  } catch (error) {
    if (error instanceof StoppedError) return error.exitCode;
    throw error;
  } finally {
    runtime.close();
    if (tap !== undefined) closeTap(tap);
  }
}

/**
 * Runs `body`, leaves in order at a signal, detaches. A wiped pool looks like a broken ring at first: the two are told
 * apart here.
 */
function attached<T>(session: Session, runtime: Runtime, body: () => T): T {
  using _ = session;
  try {
    return body();
  } catch (error) {
    if (error instanceof StoppedError) tryToLeave(session);
    if (error instanceof DeviceError && runtime.peerRestarted) throw new PeerRestartedError(error.message);
    throw error;
  }
}

/** The PMM may be gone, and the next signal ends this, too. */
function tryToLeave(session: Session): void {
  try {
    session.leave();
  } catch (error) {
    if (!(error instanceof LkvmError)) throw error;
  }
}

function runShell(runtime: Runtime, options: AuxOptions, log: Log): number {
  const session = Session.attach(runtime, options, 'shell', log);
  return attached(session, runtime, () => {
    const failures = new Shell(session, runtime, options, log).run();
    session.leave();
    return options.script && failures > 0 ? 1 : 0;
  });
}

/** Only a signal, a restarted PMM or an error ends it. */
function runBridge(runtime: Runtime, options: AuxOptions, tap: Tap, log: Log): never {
  const session = Session.attach(runtime, options, tap.vnetHeader ? 'net-offloads' : 'net', log);
  return attached(session, runtime, () => {
    const { net } = session.drivers;
    if (net === undefined) throw new StartError('the PMM has no net device to join to the tap');
    const bridge = new TapBridge(runtime.reactor, net, tap);
    log.info(`${tap.name} is joined to the PMM's network card: ${describe(net)}`);
    try {
      for (;;) runtime.pause(FOR_EVER_MS);
    } finally {
      bridge.stop();
    }
  });
}

function describe({ device, rx, tx }: NetDriver): string {
  const features = device.features.toString(16);
  return `features 0x${features}, ${rx.slotCount} x ${rx.slotBytes} bytes to receive, ${tx.slotCount} x ${tx.slotBytes} to send`;
}

/** Has the kernel kill this process when process `parent` ends. Errors: StartError (it has ended already). */
export function dieWithParent(parent: number): void {
  if (setParentDeathSignal(SIGKILL, parent) < 0) {
    throw new StartError(`process ${parent}, which started this one, has ended`);
  }
}
