/** InterruptStatus of virtio-mmio, the ISR status of virtio-pci: one word with a bit per reason. */
import { VIRTIO_MMIO_INT_CONFIG, VIRTIO_MMIO_INT_VRING } from '../../../abi/virtio-mmio.js';
import { REG_INTERRUPT_STATUS } from './words.js';

/** Used buffers in some queue. The same bit in both transports. */
export const ISR_QUEUE = VIRTIO_MMIO_INT_VRING;
/** The config space changed, or the device needs a reset. */
export const ISR_CONFIG = VIRTIO_MMIO_INT_CONFIG;

/** The word of one device. Thread: any, one object per thread. Hot path. */
export class InterruptStatus {
  readonly #words: Int32Array;

  /** @param shared from `createDeviceRegisters` */
  constructor(shared: SharedArrayBuffer) {
    this.#words = new Int32Array(shared);
  }

  /** The bits that are set. */
  load(): number {
    return Atomics.load(this.#words, REG_INTERRUPT_STATUS);
  }

  /** Sets bits, before the interrupt is sent. @returns the bits that were set before */
  raise(mask: number): number {
    return Atomics.or(this.#words, REG_INTERRUPT_STATUS, mask);
  }

  /** Clears the bits the driver has served. */
  acknowledge(mask: number): void {
    Atomics.and(this.#words, REG_INTERRUPT_STATUS, ~mask);
  }

  /** Reads and clears: what reading the ISR byte of virtio-pci does. */
  take(): number {
    return Atomics.exchange(this.#words, REG_INTERRUPT_STATUS, 0);
  }
}
