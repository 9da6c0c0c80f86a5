/**
 * The vCPU's end of the device thread: writes are posted and not waited for; reads wait. Whatever a vCPU can answer itself
 * must not come here: a waiting read costs tens of microseconds.
 *
 * Thread: vCPU.
 */
import { eventfdSignal } from '../../sys/eventfd.js';
import { CONTROL_WAKE, type ControlBlock, stopRequested } from '../control-block.js';
import { ALL_ONES, type VcpuPort } from './access-port.js';
import type { CommandChannel } from './channel.js';
import {
  CommandProducer,
  commandWord,
  OP_MMIO_READ,
  OP_MMIO_WRITE,
  OP_PIO_READ,
  OP_PIO_WRITE,
} from './command-ring.js';
import { VCPU_GO_ON } from './outcome.js';
import { VCPU_ANSWER, VCPU_ANSWERED } from './words.js';

/** While a ring is full, the stop word is looked at this often, in milliseconds. */
const FULL_WAIT_MS = 20;

/** Forwards every access. */
export class CommandClient implements VcpuPort {
  readonly outcome = VCPU_GO_ON;
  readonly outcomeValue = 0;
  readonly #producer: CommandProducer;
  readonly #doorbellFd: number;
  readonly #control: ControlBlock;
  readonly #vcpu: number;
  readonly #spinTurns: number;

  /** @param vcpu number of the vCPU whose thread this is; `channel.controls` has its control block */
  constructor(channel: CommandChannel, vcpu: number, control: ControlBlock) {
    this.#producer = new CommandProducer(channel.ring);
    this.#doorbellFd = channel.doorbellFd;
    this.#control = control;
    this.#vcpu = vcpu;
    this.#spinTurns = channel.spinTurns;
  }

  pioWrite(port: number, bytes: number, value: number): void {
    this.#give(commandWord(OP_PIO_WRITE, bytes, this.#vcpu), port, value);
  }

  pioRead(port: number, bytes: number): number {
    return this.#ask(commandWord(OP_PIO_READ, bytes, this.#vcpu), port);
  }

  mmioWrite(gpa: number, bytes: number, value: number): void {
    this.#give(commandWord(OP_MMIO_WRITE, bytes, this.#vcpu), gpa, value);
  }

  mmioRead(gpa: number, bytes: number): number {
    return this.#ask(commandWord(OP_MMIO_READ, bytes, this.#vcpu), gpa);
  }

  /** @returns false if the machine stops and the command was not given */
  #give(command: number, address: number, value: number): boolean {
    while (!this.#producer.offer(command, address, value)) {
      if (stopRequested(this.#control)) return false;
      this.#producer.waitForRoom(FULL_WAIT_MS);
    }
    if (this.#producer.takeDoorbell()) eventfdSignal(this.#doorbellFd);
    return true;
  }

  #ask(command: number, address: number): number {
    const control = this.#control;
    const before = Atomics.load(control, VCPU_ANSWERED);
    if (!this.#give(command, address, 0)) return ALL_ONES;
    for (let turn = 0; turn < this.#spinTurns; turn++) {
      if (Atomics.load(control, VCPU_ANSWERED) !== before) return Atomics.load(control, VCPU_ANSWER) >>> 0;
    }
    for (;;) {
      // Read before looking: an answer (or a stop request) after this line makes the wait below return at once.
      const wakeUps = Atomics.load(control, CONTROL_WAKE);
      if (Atomics.load(control, VCPU_ANSWERED) !== before) return Atomics.load(control, VCPU_ANSWER) >>> 0;
      if (stopRequested(control)) return ALL_ONES; // the device thread may be gone
      Atomics.wait(control, CONTROL_WAKE, wakeUps);
    }
  }
}
