/**
 * Doorbells whose stores wait until the devices have been looked at, as the C tool has it and VxWorks expects it: an exit,
 * and a call of the reactor.
 */
import { ALL_ONES, type BusDevice } from '../bus/bus.js';
import type { DeviceCalls } from '../virtio/transport/trapped/ports.js';
import type { CallHandler } from '../workers/vcpu/command-server.js';
import type { ServedPool } from './serve-pool.js';

/** What a call is for, instead of the number of a device. */
const HVL_DOORBELL_CALL = 0x7fff_ffff;
/** Stores of any width; the widest are 8 bytes, which come as two. */
export const HVL_DOORBELL_BYTES = 8;

/** One doorbell. Thread: vCPU. */
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
