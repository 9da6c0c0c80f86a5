/**
 * The loop of a vCPU: enter the guest, do what the exit asks for, enter again.
 *
 * Requests (stop, pause) are looked at only after KVM_RUN has returned EINTR, which a kick brings about. That makes pausing
 * lossless by construction: KVM finishes the instruction of the last exit (takes the value of an IN, goes on with a string
 * instruction) at the start of KVM_RUN, before it looks at `immediate_exit`. So at EINTR no exit is pending, and the
 * registers are complete.
 *
 * Thread: vCPU.
 */
import { EAGAIN, EINTR } from '../../abi/errno.js';
import {
  KVM_EXIT_DEBUG,
  KVM_EXIT_HLT,
  KVM_EXIT_INTR,
  KVM_EXIT_IO,
  KVM_EXIT_IO_IN,
  KVM_EXIT_IRQ_WINDOW_OPEN,
  KVM_EXIT_MMIO,
  KVM_EXIT_SHUTDOWN,
  KVM_EXIT_SYSTEM_EVENT,
  KVM_SYSTEM_EVENT_RESET,
  KVM_SYSTEM_EVENT_SHUTDOWN,
} from '../../abi/kvm.js';
import { type KvmRun, MMIO_DATA_OFF } from '../../kvm/kvm-run.js';
import type { Vcpu } from '../../kvm/vcpu.js';
import { gettid } from '../../sys/process.js';
import { u8At } from '../../util/typed.js';
import { CONTROL_WAKE, type ControlBlock, stopRequested } from '../control-block.js';
import type { VcpuPort } from './access-port.js';
import {
  VCPU_CRASHED,
  VCPU_FAILED,
  VCPU_GO_ON,
  VCPU_HALTED,
  VCPU_POWERED_OFF,
  VCPU_STOPPED,
  VCPU_TRIPLE_FAULT,
} from './outcome.js';
import {
  VCPU_EXITS,
  VCPU_IS_OUT,
  VCPU_IS_PAUSED,
  VCPU_IS_RUNNING,
  VCPU_KICKS,
  VCPU_PAUSE,
  VCPU_STATE,
  VCPU_TID,
} from './words.js';

/** Told of what happens in the loop. */
export interface LoopEvents {
  /** The vCPU is parked. @param pause the value of VCPU_PAUSE; once for each */
  onPaused(pause: number): void;
  /** An instruction of a single-stepped vCPU is done. */
  onDebug(): void;
}

/** Runs one vCPU. */
export class VcpuRunLoop {
  /** Result of the last KVM_RUN, for messages: 0 or -errno. */
  lastResult = 0;
  readonly #vcpu: Vcpu;
  readonly #run: KvmRun;
  readonly #control: ControlBlock;
  readonly #port: VcpuPort;
  readonly #events: LoopEvents;
  #exits = 0;
  #kicks = 0;

  /** @param port gets the guest's accesses */
  constructor(vcpu: Vcpu, control: ControlBlock, port: VcpuPort, events: LoopEvents) {
    this.#vcpu = vcpu;
    this.#run = vcpu.run;
    this.#control = control;
    this.#port = port;
    this.#events = events;
  }

  /** Runs the guest until it ends or is stopped. @returns a VCPU_ outcome */
  run(): number {
    const control = this.#control;
    // The thread's id first, the requests afterwards: a request after our look finds the id and gets a signal through.
    Atomics.store(control, VCPU_TID, gettid());
    Atomics.store(control, VCPU_STATE, VCPU_IS_RUNNING);
    try {
      let outcome = this.#attend();
      while (outcome === VCPU_GO_ON) outcome = this.#step();
      return outcome;
    } finally {
      Atomics.store(control, VCPU_TID, 0);
      Atomics.store(control, VCPU_STATE, VCPU_IS_OUT);
    }
  }

  #step(): number {
    const result = this.#vcpu.enter();
    this.lastResult = result;
    if (result === 0) {
      this.#control[VCPU_EXITS] = this.#exits = (this.#exits + 1) | 0;
      return this.#dispatch();
    }
    if (result === -EINTR) {
      this.#run.clearExit(); // before the look at the words: see words.ts
      this.#kicks = (this.#kicks + 1) | 0;
      Atomics.store(this.#control, VCPU_KICKS, this.#kicks);
      return this.#attend();
    }
    // A processor that was waiting for its start has got it.
    return result === -EAGAIN ? VCPU_GO_ON : VCPU_FAILED;
  }

  /** Looks at the requests; parks as long as a pause is wanted. */
  #attend(): number {
    const control = this.#control;
    let parkedFor = 0;
    for (;;) {
      // Read before looking: a wake-up after this line makes the wait below return at once.
      const wakeUps = Atomics.load(control, CONTROL_WAKE);
      if (stopRequested(control)) return VCPU_STOPPED;
      const pause = Atomics.load(control, VCPU_PAUSE);
      if ((pause & 1) === 0) break;
      if (pause !== parkedFor) {
        parkedFor = pause;
        Atomics.store(control, VCPU_STATE, VCPU_IS_PAUSED);
        this.#events.onPaused(pause);
      }
      Atomics.wait(control, CONTROL_WAKE, wakeUps);
    }
    if (parkedFor !== 0) Atomics.store(control, VCPU_STATE, VCPU_IS_RUNNING);
    return VCPU_GO_ON;
  }

  #dispatch(): number {
    const run = this.#run;
    switch (run.exitReason()) {
      case KVM_EXIT_IO:
        this.#portAccess();
        return this.#port.outcome;
      case KVM_EXIT_MMIO:
        this.#memoryAccess();
        return this.#port.outcome;
      case KVM_EXIT_INTR:
      case KVM_EXIT_IRQ_WINDOW_OPEN:
        return VCPU_GO_ON;
      case KVM_EXIT_DEBUG:
        this.#events.onDebug();
        return VCPU_GO_ON;
      case KVM_EXIT_HLT:
        return VCPU_HALTED;
      case KVM_EXIT_SHUTDOWN:
        return VCPU_TRIPLE_FAULT;
      case KVM_EXIT_SYSTEM_EVENT: {
        const event = run.systemEvent();
        const off = event === KVM_SYSTEM_EVENT_SHUTDOWN || event === KVM_SYSTEM_EVENT_RESET;
        return off ? VCPU_POWERED_OFF : VCPU_CRASHED;
      }
      default:
        return VCPU_FAILED;
    }
  }

  #portAccess(): void {
    const run = this.#run;
    const port = run.ioPort();
    const bytes = run.ioBytes();
    const end = run.ioDataOffset() + bytes * run.ioCount();
    const isRead = run.ioDirection() === KVM_EXIT_IO_IN;
    for (let at = run.ioDataOffset(); at < end; at += bytes) {
      if (isRead) put(run.u8, at, bytes, this.#port.pioRead(port, bytes));
      else this.#port.pioWrite(port, bytes, get(run.u8, at, bytes));
    }
  }

  #memoryAccess(): void {
    const run = this.#run;
    const gpa = run.mmioAddress();
    const isWrite = run.mmioIsWrite();
    let left = run.mmioBytes();
    for (let done = 0; left > 0; ) {
      const bytes = left >= 4 ? 4 : left >= 2 ? 2 : 1;
      const at = MMIO_DATA_OFF + done;
      if (isWrite) this.#port.mmioWrite(gpa + done, bytes, get(run.u8, at, bytes));
      else put(run.u8, at, bytes, this.#port.mmioRead(gpa + done, bytes));
      done += bytes;
      left -= bytes;
    }
  }
}

/** `bytes` (1, 2 or 4) little-endian bytes as an unsigned number. Byte by byte: the place may be unaligned. */
function get(u8: Uint8Array, at: number, bytes: number): number {
  if (bytes === 1) return u8At(u8, at);
  const low = u8At(u8, at) | (u8At(u8, at + 1) << 8);
  if (bytes === 2) return low;
  return (low | (u8At(u8, at + 2) << 16) | (u8At(u8, at + 3) << 24)) >>> 0;
}

function put(u8: Uint8Array, at: number, bytes: number, value: number): void {
  u8[at] = value;
  if (bytes === 1) return;
  u8[at + 1] = value >>> 8;
  if (bytes === 2) return;
  u8[at + 2] = value >>> 16;
  u8[at + 3] = value >>> 24;
}
