/**
 * The real front end against the real transport and devices, in one process and in lock step: a wait delivers doorbells
 * and interrupts until the condition holds, and lets time pass only when both lines are quiet.
 */
import { FrontEnd, type FrontEndOptions } from '#lkvm/frontend/front-end.js';
import type { Condition, PeerLine } from '#lkvm/frontend/ports.js';
import { ACCESS_DIRECT, GuestMemory } from '#lkvm/memory/guest-memory.js';
import { type BenchOptions, HvlBench } from './hvl-bench.js';

/** Time that passes per look when nothing happens, microseconds. */
const QUIET_US = 20_000;

export class FrontEndRig implements PeerLine, Disposable {
  readonly bench: HvlBench;
  /** The pool as the front end maps it: one region at gpa 0. */
  readonly memory: GuestMemory;
  /** Set while attached. */
  frontEnd: FrontEnd | undefined;
  /** False: our doorbells get lost. */
  connected = true;
  #ringing = false;
  #signalled = false;

  constructor(options: BenchOptions) {
    this.bench = new HvlBench({ bytes: 0x40_0000, ...options });
    this.bench.onSignal = () => {
      this.#signalled = true;
    };
    const { hva = 0, bytes = 0 } = this.bench.memory.regions[0] ?? {};
    this.memory = new GuestMemory([{ gpa: 0, hva, bytes }], options.access ?? ACCESS_DIRECT);
  }

  /** Discovers and resets; what `aux` does first. */
  attach(options: FrontEndOptions = {}): FrontEnd {
    this.frontEnd = undefined;
    this.frontEnd = new FrontEnd(this.memory, this, options);
    return this.frontEnd;
  }

  ring(): void {
    this.#ringing = true;
  }

  nowUs(): number {
    return this.bench.loop.us;
  }

  waitUntil(condition: Condition, timeoutMs: number): boolean {
    const end = this.nowUs() + timeoutMs * 1000;
    while (!condition.ready()) {
      if (this.step()) continue;
      if (this.nowUs() >= end) return false;
      this.bench.loop.advance(QUIET_US);
      this.bench.look();
    }
    return true;
  }

  /** Delivers one doorbell or one interrupt. @returns false if both lines are quiet */
  step(): boolean {
    if (this.#ringing) {
      this.#ringing = false;
      if (this.connected) this.bench.ring();
      return true;
    }
    if (!this.#signalled) return false;
    this.#signalled = false;
    this.frontEnd?.interrupt();
    return true;
  }

  /** Until both lines are quiet. */
  settle(): void {
    for (let i = 0; i < 10_000; i++) if (!this.step()) return;
    throw new Error('FrontEndRig: the two sides keep each other busy');
  }

  [Symbol.dispose](): void {
    this.bench.close();
  }
}
