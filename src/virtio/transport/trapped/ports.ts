/**
 * What joins the two halves of a trapped transport (PCI, MMIO): the register half runs on whichever vCPU makes an access,
 * over shared words; the ring half is the reactor's and owns the device. Implemented by the machine's wiring.
 */

/** {@link DeviceCalls.call}: stop the device and forget its queues. Done when nothing touches the guest's memory any more. */
export const CALL_RESET = 0;
/** The driver has set DRIVER_OK: build the enabled queues from their registers and start the device. */
export const CALL_DRIVER_OK = 1;
/** Stop using the queue in the bits from CALL_QUEUE_SHIFT up. */
export const CALL_QUEUE_RESET = 2;
/** Start that queue, from its registers. */
export const CALL_QUEUE_ENABLE = 3;
/** In `what`: CALL_ constant in the low bits, queue index from here on. */
export const CALL_QUEUE_SHIFT = 8;

/** Asked by the register half, answered by the ring half. */
export interface DeviceCalls {
  /**
   * Has the reactor do something with a device, and waits until it is done. Rare: reset, DRIVER_OK, queue reset.
   * @param device number of the virtio device in the machine
   * @param what a CALL_ constant, with a queue's index above it where one is needed
   * Thread: vCPU.
   */
  call(device: number, what: number): number;
}

/** The way to a device's driver, by interrupt. Made by the skin (PCI or MMIO). Thread: reactor. Hot path. */
export interface TrappedInterrupts {
  /** Used buffers in this queue. */
  queue(index: number): void;
  /** The config space changed, or DEVICE_NEEDS_RESET was set. */
  config(): void;
}

/** What becomes an interrupt: an eventfd behind an irqfd, or an edge on a pin. Thread: the one it was made for. Hot path. */
export interface Signal {
  raise(): void;
}

/** Where a device's kicks come from: writes to its notify registers that KVM turns into eventfd signals. */
export interface KickWindow {
  /**
   * Puts the window of a device there, or takes it away.
   * @param gpa of the first queue's notify register; -1 = nowhere. Thread: any; the caller holds the device's or bus's lock.
   */
  move(gpa: number): void;
}

/** What an MSI-X vector delivers, kept in shared words and told to KVM. Thread: any. */
export interface MsiRoutes {
  /** Vector `vector` of PCI function `slot` delivers `data` to that address from now on. */
  setMessage(slot: number, vector: number, addressLow: number, addressHigh: number, data: number): void;
}
