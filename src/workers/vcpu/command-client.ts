/**
 * The vCPU's end of the reactor: what only the thread of the devices can do is called, and waited for. A call costs tens of
 * microseconds; starting and resetting a device is worth that, a register access is not.
 *
 * Thread: vCPU.
 */
import { eventfdSignal } from '../../sys/eventfd.js';
import { CONTROL_WAKE, type ControlBlock, stopRequested } from '../control-block.js';
import type { CommandChannel } from './channel.js';
import { VCPU_ANSWER, VCPU_ANSWERED, VCPU_ASKED, VCPU_CALL_DEVICE, VCPU_CALL_WHAT } from './words.js';

/** Makes one call at a time. Has the shape of `DeviceCalls`. */
export class CommandClient {
  readonly #doorbellFd: number;
  readonly #control: ControlBlock;
  readonly #spinTurns: number;

  /** @param control of the vCPU whose thread this is: the one in `channel.controls` */
  constructor(channel: CommandChannel, control: ControlBlock) {
    this.#doorbellFd = channel.doorbellFd;
    this.#control = control;
    this.#spinTurns = channel.spinTurns;
  }

  /**
   * Asks the reactor, and waits for its answer.
   * @param device, what 32-bit integers, for the handler of `CommandServer`
   * @returns the answer, a signed 32-bit integer; 0 if the machine stops meanwhile: the reactor may be gone
   */
  call(device: number, what: number): number {
    const control = this.#control;
    const before = Atomics.load(control, VCPU_ANSWERED);
    Atomics.store(control, VCPU_CALL_DEVICE, device);
    Atomics.store(control, VCPU_CALL_WHAT, what);
    Atomics.add(control, VCPU_ASKED, 1); // after the two words: who sees it sees them
    eventfdSignal(this.#doorbellFd);
    for (let turn = 0; turn < this.#spinTurns; turn++) {
      if (Atomics.load(control, VCPU_ANSWERED) !== before) return Atomics.load(control, VCPU_ANSWER);
    }
    for (;;) {
      // Read before looking: an answer (or a stop request) after this line makes the wait below return at once.
      const wakeUps = Atomics.load(control, CONTROL_WAKE);
      if (Atomics.load(control, VCPU_ANSWERED) !== before) return Atomics.load(control, VCPU_ANSWER);
      if (stopRequested(control)) return 0;
      Atomics.wait(control, CONTROL_WAKE, wakeUps);
    }
  }
}
