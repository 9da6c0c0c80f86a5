/**
 * The device thread's end: takes commands in order, calls the machine's {@link AccessPort}, answers reads.
 *
 * Thread: the device thread (reactor).
 */
import { EPOLLIN } from '../../abi/linux.js';
import { eventfdDrain, eventfdSignal } from '../../sys/eventfd.js';
import type { EventLoop, FdHandler, Watch } from '../../util/ports.js';
import { at } from '../../util/typed.js';
import { type ControlBlock, wakeByWord } from '../control-block.js';
import type { AccessPort } from './access-port.js';
import type { CommandChannel } from './channel.js';
import { CommandConsumer, OP_MMIO_READ, OP_MMIO_WRITE, OP_PIO_READ, OP_PIO_WRITE } from './command-ring.js';
import { VCPU_ANSWER, VCPU_ANSWERED } from './words.js';

/** Commands served before other file descriptors get their turn. */
const BUDGET = 256;

/** Serves the ring when its doorbell rings, and when somebody polls it. */
export class CommandServer implements FdHandler {
  readonly #consumer: CommandConsumer;
  readonly #doorbellFd: number;
  readonly #controls: readonly ControlBlock[];
  readonly #port: AccessPort;
  readonly #watch: Watch;

  constructor(channel: CommandChannel, port: AccessPort, loop: EventLoop) {
    this.#consumer = new CommandConsumer(channel.ring);
    this.#doorbellFd = channel.doorbellFd;
    this.#controls = channel.controls.map((shared) => new Int32Array(shared));
    this.#port = port;
    this.#watch = loop.watch(this.#doorbellFd, EPOLLIN, this);
    // What came before there was a consumer has rung nobody.
    if (this.#consumer.arm()) eventfdSignal(this.#doorbellFd);
  }

  /** The doorbell rang: serves a budget of commands, then sleeps again or rings itself. */
  onReady(): void {
    eventfdDrain(this.#doorbellFd);
    this.poll();
    if (this.arm()) eventfdSignal(this.#doorbellFd);
  }

  /** Serves what there is, at most a budget. Hot path. @returns true if there was something */
  poll(): boolean {
    let served = 0;
    while (served < BUDGET && this.#consumer.take()) {
      this.#serve();
      served++;
    }
    return served !== 0;
  }

  /** As in `Pollable`: about to sleep. @returns true if there is work again */
  arm(): boolean {
    return this.#consumer.arm();
  }

  /** As in `Pollable`: polling starts, doorbells are not needed. */
  disarm(): void {
    this.#consumer.disarm();
  }

  /** Serves no more. Vcpus that wait for an answer go on when they are stopped. */
  close(): void {
    this.#watch.close();
  }

  #serve(): void {
    const { op, bytes, address, value } = this.#consumer;
    switch (op) {
      case OP_PIO_WRITE:
        this.#port.pioWrite(address, bytes, value);
        break;
      case OP_PIO_READ:
        this.#answer(this.#port.pioRead(address, bytes));
        break;
      case OP_MMIO_WRITE:
        this.#port.mmioWrite(address, bytes, value);
        break;
      case OP_MMIO_READ:
        this.#answer(this.#port.mmioRead(address, bytes));
        break;
    }
  }

  #answer(value: number): void {
    const control = at(this.#controls, this.#consumer.vcpu);
    Atomics.store(control, VCPU_ANSWER, value | 0);
    Atomics.add(control, VCPU_ANSWERED, 1);
    wakeByWord(control);
  }
}
