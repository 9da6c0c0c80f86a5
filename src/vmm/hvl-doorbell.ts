/**
 * Doorbells of a guest: its stores signal an eventfd; or they wait until the devices have been looked at, as the C tool has
 * it and VxWorks expects it: an exit, and a call of the reactor. The way back is an interrupt.
 */
import { EPOLLET, EPOLLIN } from '../abi/linux.js';
import type { Doorbell, DoorbellHandler } from '../backends/doorbell/doorbell.js';
import { ALL_ONES, type BusDevice } from '../bus/bus.js';
import type { EventLoop, Watch } from '../util/ports.js';
import type { DeviceCalls, Signal } from '../virtio/transport/trapped/ports.js';
import type { CallHandler } from '../workers/vcpu/command-server.js';
import type { ServedPool } from './serve-pool.js';

/** What a call is for, instead of the number of a device. */
const HVL_DOORBELL_CALL = 0x7fff_ffff;
/** Stores of any width; the widest are 8 bytes, which come as two. */
export const HVL_DOORBELL_BYTES = 8;

/** An eventfd that the guest's stores signal, and an interrupt. Thread: reactor. */
export class GuestDoorbell implements Doorbell {
  readonly #fd: number;
  readonly #interrupt: Signal;
  readonly #loop: EventLoop;
  #watch: Watch | undefined;

  /** @param fd what stores signal; the caller closes it, after this doorbell @param interrupt of the guest */
  constructor(fd: number, interrupt: Signal, loop: EventLoop) {
    this.#fd = fd;
    this.#interrupt = interrupt;
    this.#loop = loop;
  }

  open(handler: DoorbellHandler): void {
    const onReady = (): void => handler.onDoorbell();
    this.#watch = this.#loop.watch(this.#fd, EPOLLIN | EPOLLET, { onReady }); // never read, see EventfdPair
  }

  signal(): void {
    this.#interrupt.raise();
  }

  close(): void {
    this.#watch?.close();
    this.#watch = undefined;
  }
}

/** A doorbell whose stores wait. Thread: vCPU. */
export class WaitingDoorbell implements BusDevice {
  readonly #calls: DeviceCalls;

  /** @param calls this vCPU's way to the reactor */
  constructor(calls: DeviceCalls) {
    this.#calls = calls;
  }

  read(): number {
    return ALL_ONES;
  }

  write(offset: number): void {
    if (offset === 0) this.#calls.call(HVL_DOORBELL_CALL, 0);
  }
}

/** Calls of vCPUs: those for the pool, and all others. Thread: reactor. */
export class PoolCalls implements CallHandler {
  readonly #pool: ServedPool;
  readonly #others: CallHandler;

  constructor(pool: ServedPool, others: CallHandler) {
    this.#pool = pool;
    this.#others = others;
  }

  onCall(device: number, what: number): number {
    if (device !== HVL_DOORBELL_CALL) return this.#others.onCall(device, what);
    this.#pool.look();
    return 0;
  }
}
