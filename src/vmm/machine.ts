/** A running KVM machine, seen from main. Made by `createVm`. */
import type { Duplex } from 'node:stream';
import type { ConsoleStream } from '../machine/console-stream.js';
import { fromWire, LkvmError } from '../util/errors.js';
import type { Log } from '../util/ports.js';
import { shutdownGuard } from '../workers/guard.js';
import { STOP_LIMIT_MS, type ThreadEnd, type WorkerThread } from '../workers/host.js';
import type { IoService } from '../workers/io/service.js';
import type { MainMessage } from '../workers/reactor/messages.js';
import {
  exitCodeOf,
  VCPU_DEBUG_EXIT,
  VCPU_POWERED_OFF,
  VCPU_RESET,
  VCPU_STOPPED,
} from '../workers/vcpu/outcome.js';
import type { VcpuEnd, VcpuThread } from '../workers/vcpu/thread.js';
import type { VirtualMachine, VmExit } from './vm-types.js';

/** Added to the time that threads are given to stop, for each vCPU, in milliseconds. */
const STOP_LIMIT_PER_VCPU_MS = 200;

/** What a machine is made of, for its end: everything that main owns. */
export interface MachineOwned {
  readonly io: IoService;
  readonly console: ConsoleStream | undefined;
  readonly log: Log;
  /** Presses the ACPI power button. */
  readonly powerButton: () => void;
  /** Closes and unmaps everything. Called once, when no thread is left. */
  readonly release: () => void;
}

/** See `VirtualMachine`. Thread: main. */
export class Machine implements VirtualMachine {
  readonly exited: Promise<VmExit>;
  taps: readonly string[] = [];
  readonly #owned: MachineOwned;
  #vcpus: readonly VcpuThread[] = [];
  #reactor: WorkerThread | undefined;
  #exit: VmExit | undefined;
  #resolveExited: (exit: VmExit) => void = () => undefined;
  #restoreTerminal: () => void = () => undefined;
  #beforeStop: (() => void) | undefined;
  #unguard: (() => void) | undefined;

  constructor(owned: MachineOwned) {
    this.#owned = owned;
    this.exited = new Promise((resolve) => {
      this.#resolveExited = resolve;
    });
  }

  /** The console's host end, when asked for (`consoleStream`). */
  get console(): Duplex | undefined {
    return this.#owned.console?.stream;
  }

  async stop(): Promise<void> {
    this.end({ reason: 'stopped', exitCode: 0, text: 'stopped' });
    await this.exited;
  }

  async pause(): Promise<void> {
    await Promise.all(this.#vcpus.map((vcpu) => vcpu.pause()));
  }

  async resume(): Promise<void> {
    if (this.#exit !== undefined) return;
    for (const vcpu of this.#vcpus) vcpu.resume();
  }

  powerButton(): void {
    if (this.#exit === undefined) this.#owned.powerButton();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** @internal The threads, once they are started. */
  attach(reactor: WorkerThread, vcpus: readonly VcpuThread[]): void {
    this.#reactor = reactor;
    this.#vcpus = vcpus;
  }

  /** @internal The console's terminal may have another size. */
  windowChanged(): void {
    this.#reactor?.post({ type: 'window' } satisfies MainMessage);
  }

  /** @internal Puts the terminal back on every way out. */
  onRestoreTerminal(restore: () => void): void {
    this.#restoreTerminal = restore;
  }

  /** @internal Something to do once, synchronously, while the devices are still there: on every end. */
  beforeStop(action: () => void): void {
    this.#beforeStop = action;
    this.#unguard = shutdownGuard.onExit(() => this.#runBeforeStop());
  }

  /** @internal A vCPU's worker has exited. */
  vcpuEnded({ outcome, value, text, error }: VcpuEnd): void {
    if (error !== undefined) this.fail(fromWire(error));
    else if (outcome !== VCPU_STOPPED) this.end(exitOf(outcome, value, text));
  }

  /** @internal The reactor has exited; without a stop request only because of an error. */
  reactorEnded({ error }: ThreadEnd): void {
    if (error !== undefined) this.fail(fromWire(error));
    else this.end({ reason: 'stopped', exitCode: 0, text: 'stopped' });
  }

  /** @internal Ends the machine because of a failure on the host's side. */
  fail(error: LkvmError): void {
    this.end({ reason: 'failed', exitCode: error.exitCode, text: error.message, error });
  }

  /** @internal Ends the machine; the first reason counts. */
  end(exit: VmExit): void {
    if (this.#exit !== undefined) return;
    this.#exit = exit;
    this.#runBeforeStop();
    void this.#shutDown(exit);
  }

  /** vCPUs first, so that nothing new comes; then the reactor, which writes out what the guest has printed. */
  async #shutDown(exit: VmExit): Promise<void> {
    let end = exit;
    try {
      for (const vcpu of this.#vcpus) vcpu.requestStop();
      // A worker that is still loading its modules looks at the request afterwards; many take turns on few processors.
      const limitMs = STOP_LIMIT_MS + STOP_LIMIT_PER_VCPU_MS * this.#vcpus.length;
      await Promise.all(this.#vcpus.map((vcpu) => vcpu.stop(limitMs)));
      await this.#reactor?.stop();
      await this.#owned.io.stop();
      this.#owned.release();
    } catch (error) {
      // Memory stays mapped: a thread that is stuck in a system call may still use it.
      const text = error instanceof Error ? error.message : String(error);
      this.#owned.log.warn(text);
      if (end.exitCode === 0) end = { reason: 'failed', exitCode: 1, text, error: asLkvmError(error) };
    }
    this.#unguard?.();
    this.#restoreTerminal();
    this.#owned.console?.close();
    this.#resolveExited(end);
  }

  #runBeforeStop(): void {
    const action = this.#beforeStop;
    this.#beforeStop = undefined;
    action?.();
  }
}

function asLkvmError(error: unknown): LkvmError {
  return error instanceof LkvmError ? error : new LkvmError('STOP', String(error), 1, error);
}

/** A vCPU's end as the machine's. @param text one line, then registers and code; empty for an orderly end */
function exitOf(outcome: number, value: number, text: string): VmExit {
  const exitCode = exitCodeOf(outcome, value);
  switch (outcome) {
    case VCPU_POWERED_OFF:
      return { reason: 'guest', exitCode, text: 'the guest has powered off' };
    case VCPU_RESET:
      return { reason: 'guest', exitCode, text: 'the guest has reset the machine' };
    case VCPU_DEBUG_EXIT:
      return { reason: 'debug-exit', exitCode, text: `the guest wrote ${value} to the debug-exit port` };
    default: {
      const error = new LkvmError('GUEST', text === '' ? 'the guest has halted for good' : text, exitCode);
      return { reason: 'failed', exitCode, text: error.message, error };
    }
  }
}
