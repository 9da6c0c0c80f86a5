/**
 * A running KVM machine as its users see it: what `createVm` takes and gives. The command line and the library are
 * written against these shapes only. Thread: main.
 */
import type { Duplex } from 'node:stream';
import type { Services } from '../machine/remote-services.js';
import type { LkvmError } from '../util/errors.js';
import type { Log } from '../util/ports.js';

/** Why a machine ended. */
export type VmExitReason =
  /** The guest switched itself off, or reset itself. */
  | 'guest'
  /** {@link VirtualMachine.stop}. */
  | 'stopped'
  /** The person at the console typed the escape keys. */
  | 'escape'
  /** The guest wrote to the debug-exit port. */
  | 'debug-exit'
  /** A triple fault, a vCPU that KVM cannot run, or a failure of the host; `error` says which. */
  | 'failed';

/** How a machine ended. */
export interface VmExit {
  readonly reason: VmExitReason;
  /** What the command exits with: 0 for an orderly end, 33, 34, 1, or what the debug-exit port says. */
  readonly exitCode: number;
  /** One line for people: "the guest has powered off". */
  readonly text: string;
  /** For `failed`: one line of what went wrong. */
  readonly error?: LkvmError | undefined;
}

/** What is not part of the configuration. */
export interface VmExtras extends Services {
  /** Where diagnostics go; default: nowhere. */
  readonly log?: Log | undefined;
  /** Put the console's host end into {@link VirtualMachine.console} instead of its file descriptors. */
  readonly consoleStream?: boolean | undefined;
}

/** A machine that runs. Disposing of it stops it and waits for its end. */
export interface VirtualMachine extends AsyncDisposable {
  /** Resolves (never rejects) when all has stopped: vCPUs, devices, host terminals. */
  readonly exited: Promise<VmExit>;
  /** Interfaces of the host behind the network cards, in the order of the cards with a tap. */
  readonly taps: readonly string[];
  /** The console's host end, when asked for with `consoleStream`; else undefined. */
  readonly console: Duplex | undefined;
  /** Ends the machine as if its power were cut. Does nothing when it has ended. */
  stop(): Promise<void>;
  /** Stops the vCPUs; resolves when none runs. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Presses the power button: an ACPI guest shuts down by itself. */
  powerButton(): void;
}
