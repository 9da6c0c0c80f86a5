/** The interrupt of a virtio-mmio device: InterruptStatus says why, an edge says that. Spec: virtio 1.2 section 4.2.3.4. */
import { InterruptStatus, ISR_CONFIG, ISR_QUEUE } from '../trapped/interrupt-status.js';
import type { Signal, TrappedInterrupts } from '../trapped/ports.js';

/** Thread: reactor. Hot path. */
export class MmioInterrupts implements TrappedInterrupts {
  readonly #status: InterruptStatus;
  readonly #signal: Signal;

  /**
   * @param registers of the device, from `createDeviceRegisters`
   * @param signal its edge; sent even if the driver has not acknowledged the last one, which it may never have seen
   */
  constructor(registers: SharedArrayBuffer, signal: Signal) {
    this.#status = new InterruptStatus(registers);
    this.#signal = signal;
  }

  queue(_index: number): void {
    this.#status.raise(ISR_QUEUE);
    this.#signal.raise();
  }

  config(): void {
    this.#status.raise(ISR_CONFIG);
    this.#signal.raise();
  }
}
