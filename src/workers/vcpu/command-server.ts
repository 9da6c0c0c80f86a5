/**
 * The reactor's end: takes the vCPUs' calls when the doorbell rings, and answers them at once or later.
 *
 * Thread: reactor.
 */
import { EPOLLIN } from '../../abi/linux.js';
import { eventfdDrain } from '../../sys/eventfd.js';
import { PENDING } from '../../util/pending.js';
import type { EventLoop, FdHandler, Watch } from '../../util/ports.js';
import { at, i32At } from '../../util/typed.js';
import { type ControlBlock, wakeByWord } from '../control-block.js';
import type { CommandChannel } from './channel.js';
import { VCPU_ANSWER, VCPU_ANSWERED, VCPU_ASKED, VCPU_CALL_DEVICE, VCPU_CALL_WHAT } from './words.js';

/** What calls are for. `TrappedTransport` has this shape. */
export interface CallHandler {
  /** @returns the answer, or PENDING: {@link CommandServer.answer} gives it later */
  onCall(device: number, what: number): number;
}

/** {@link CommandServer}: this vCPU waits for no device. */
const NONE = -1;

/** See the file's head. */
export class CommandServer implements FdHandler {
  readonly #doorbellFd: number;
  readonly #controls: readonly ControlBlock[];
  readonly #handler: CallHandler;
  readonly #watch: Watch;
  /** By vCPU: value of VCPU_ASKED of the call served last. */
  readonly #served: Int32Array;
  /** By vCPU: the device whose answer is pending, or NONE. */
  readonly #pending: Int32Array;

  /** Errors: SysError. */
  constructor(channel: CommandChannel, handler: CallHandler, loop: EventLoop) {
    this.#doorbellFd = channel.doorbellFd;
    this.#controls = channel.controls.map((shared) => new Int32Array(shared));
    this.#handler = handler;
    this.#served = new Int32Array(this.#controls.length);
    this.#pending = new Int32Array(this.#controls.length).fill(NONE);
    this.#watch = loop.watch(this.#doorbellFd, EPOLLIN, this);
  }

  /** The doorbell rang: one call of each vCPU at most, since each waits for its answer. */
  onReady(): void {
    eventfdDrain(this.#doorbellFd); // before looking: a call after the look rings again
    for (let vcpu = 0; vcpu < this.#controls.length; vcpu++) this.#look(vcpu);
  }

  /** Ends the calls that wait for this device. */
  answer(device: number, result: number): void {
    for (let vcpu = 0; vcpu < this.#controls.length; vcpu++) {
      if (i32At(this.#pending, vcpu) !== device) continue;
      this.#pending[vcpu] = NONE;
      this.#answer(vcpu, result);
    }
  }

  /** Serves no more. Vcpus that wait for an answer go on when they are stopped. */
  close(): void {
    this.#watch.close();
  }

  #look(vcpu: number): void {
    const control = at(this.#controls, vcpu);
    const asked = Atomics.load(control, VCPU_ASKED);
    if (asked === i32At(this.#served, vcpu)) return;
    this.#served[vcpu] = asked;
    const device = Atomics.load(control, VCPU_CALL_DEVICE);
    const result = this.#handler.onCall(device, Atomics.load(control, VCPU_CALL_WHAT));
    if (result === PENDING) this.#pending[vcpu] = device;
    else this.#answer(vcpu, result);
  }

  #answer(vcpu: number, result: number): void {
    const control = at(this.#controls, vcpu);
    Atomics.store(control, VCPU_ANSWER, result);
    Atomics.add(control, VCPU_ANSWERED, 1);
    wakeByWord(control);
  }
}
