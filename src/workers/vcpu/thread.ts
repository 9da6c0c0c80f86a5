/**
 * Main's end of a vCPU: starts its worker, pauses, resumes, stops and kicks it, and hears of its end.
 *
 * Thread: main.
 */
import type { Vcpu } from '../../kvm/vcpu.js';
import type { RegionRecord } from '../../memory/guest-memory.js';
import { must } from '../../sys/libc.js';
import { installHarmlessHandler, KICK_SIGNAL, tgkill } from '../../sys/process.js';
import type { WireError } from '../../util/errors.js';
import { type ControlBlock, wakeByWord } from '../control-block.js';
import type { ShutdownGuard } from '../guard.js';
import { type ThreadEnd, WorkerThread } from '../host.js';
import type { VcpuInit, VcpuMessage } from './messages.js';
import { VCPU_STOPPED } from './outcome.js';
import { VCPU_PAUSE, VCPU_TID } from './words.js';

/** How a vCPU ended. */
export interface VcpuEnd {
  /** A VCPU_ constant of `outcome.ts`; `exitCodeOf` makes an exit code of it. */
  readonly outcome: number;
  /** What the outcome carries: the number written to the debug-exit port; else 0. */
  readonly value: number;
  /** Why, for a person: one line, then registers and code; empty after a stop. */
  readonly text: string;
  /** What the worker threw; undefined if it did not. */
  readonly error: WireError | undefined;
}

/** What a vCPU is started with. */
export interface VcpuThreadOptions {
  /** Its registers are set. Stays open until {@link VcpuThread.ended}; then the owner closes it. */
  readonly vcpu: Vcpu;
  /** The guest's memory, for dumps. */
  readonly memory: readonly RegionRecord[];
  /** From `createVcpuControl`. */
  readonly control: SharedArrayBuffer;
  /** The worker's module; it calls `runVcpu` of `entry.ts`. */
  readonly entry: URL;
  /** Cloned to the function that makes the access port. */
  readonly port: unknown;
  /** True: begins parked; {@link VcpuThread.resume} starts it. */
  readonly paused?: boolean;
  /** True: reports each instruction to the log. */
  readonly singleStep?: boolean;
  /** Gets what the worker has to say; default: nobody. */
  readonly onLog?: (text: string) => void;
  /** Called once, after the worker has exited. */
  readonly onEnd: (end: VcpuEnd) => void;
  readonly guard: ShutdownGuard;
}

/** A vCPU with its worker. Runs from its construction on. Errors: SysError. */
export class VcpuThread {
  /** Resolves when the worker has exited; never rejects. */
  readonly ended: Promise<VcpuEnd>;
  readonly #control: ControlBlock;
  readonly #vcpu: Vcpu;
  readonly #thread: WorkerThread;
  readonly #onLog: ((text: string) => void) | undefined;
  #end: VcpuEnd = { outcome: VCPU_STOPPED, value: 0, text: '', error: undefined };
  #over = false;
  /** Value of VCPU_PAUSE for which the vCPU has said that it is parked; 0 = none. */
  #parkedFor = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(options: VcpuThreadOptions) {
    const { vcpu, memory, control, entry, port, guard, onEnd } = options;
    // KVM_RUN returns EINTR whatever the flag is; with it, no other system call of the process sees a stray kick.
    must(installHarmlessHandler(KICK_SIGNAL, true), 'sigaction');
    this.#vcpu = vcpu;
    this.#onLog = options.onLog;
    this.#control = new Int32Array(control);
    if (options.paused === true) Atomics.store(this.#control, VCPU_PAUSE, 1);
    const init: VcpuInit = { vcpu: vcpu.record, memory, singleStep: options.singleStep === true, port };
    this.#thread = new WorkerThread({
      name: `vcpu-${vcpu.index}`,
      entry,
      data: init,
      wake: 'word',
      kick: () => this.#kick(),
      control,
      owner: {
        onMessage: (message) => this.#onMessage(message as VcpuMessage), // posted by entry.ts
        onEnd: (end) => onEnd(this.#close(end)),
      },
      guard,
    });
    this.ended = this.#thread.ended.then(() => this.#end);
  }

  /** Makes the vCPU look at its words. Cheap; may be called at any time, and does nothing after its end. */
  kick(): void {
    this.#thread.wake();
  }

  /** Asks the vCPU to park. @returns settled when it is parked, or has ended, or was resumed meanwhile */
  pause(): Promise<void> {
    if (this.#over) return Promise.resolve();
    if (!this.#pausing) {
      Atomics.add(this.#control, VCPU_PAUSE, 1);
      this.kick();
    }
    const wanted = Atomics.load(this.#control, VCPU_PAUSE);
    if (this.#parkedFor === wanted) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Lets a parked vCPU go on. */
  resume(): void {
    if (this.#pausing) Atomics.add(this.#control, VCPU_PAUSE, 1);
    this.#settle();
    if (!this.#over) wakeByWord(this.#control);
  }

  /** Asks the vCPU to end, without waiting for it. */
  requestStop(): void {
    this.#thread.requestStop();
  }

  /** Stops the vCPU and waits for its worker's exit. Errors: LkvmError THREAD_STUCK. */
  async stop(limitMs?: number): Promise<VcpuEnd> {
    await this.#thread.stop(limitMs);
    return this.#end;
  }

  /** Lets the process end although the vCPU runs (the guard stops it then). */
  unref(): void {
    this.#thread.unref();
  }

  get #pausing(): boolean {
    return (Atomics.load(this.#control, VCPU_PAUSE) & 1) !== 0;
  }

  #kick(): void {
    // The order is the protocol: the words are stored already; then immediate_exit; then the signal. See words.ts.
    this.#vcpu.run.requestExit();
    const tid = Atomics.load(this.#control, VCPU_TID);
    if (tid !== 0) tgkill(tid, KICK_SIGNAL);
  }

  #onMessage(message: VcpuMessage): void {
    if (message.kind === 'log') this.#onLog?.(message.text);
    else if (message.kind === 'ended') {
      const { outcome, value, text } = message;
      this.#end = { outcome, value, text, error: undefined };
    } else {
      this.#parkedFor = message.pause;
      // An older pause's message says nothing about this one.
      if (message.pause === Atomics.load(this.#control, VCPU_PAUSE)) this.#settle();
    }
  }

  #close({ error }: ThreadEnd): VcpuEnd {
    this.#over = true;
    if (error !== undefined) this.#end = { ...this.#end, error };
    this.#settle();
    return this.#end;
  }

  #settle(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
