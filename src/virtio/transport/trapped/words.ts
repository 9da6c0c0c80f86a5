/**
 * Where the registers of a trapped virtio device lie in its shared memory. Who writes what:
 *
 * * the reactor: what the device offers, its config space, NEEDS_RESET, bits of InterruptStatus;
 * * the vCPU that makes an access: everything a driver writes, and the clearing of all that at a reset.
 *
 * A word that is written by itself is read without the lock; decisions over several words, and all of the config space,
 * are made under it.
 */

/** Queues a device may have. */
export const MAX_QUEUES = 16;
/** Bytes of config space a device may have. */
export const MAX_CONFIG_BYTES = 256;

/** `SharedLock` of the words below. Writers: any. Held for a few loads and stores. */
export const REG_LOCK = 0;
/**
 * `SharedLock` of transitions: what changes the device status, and queue resets. Writers: vCPUs, never the reactor, for
 * which its holder may wait.
 */
export const REG_TRANSITION = 1;
/** VIRTIO_ID_. Writer: reactor, once. */
export const REG_DEVICE_ID = 2;
/** Number of queues. Writer: reactor, once. */
export const REG_QUEUE_COUNT = 3;
/** Length of the config space. Writer: reactor, once. */
export const REG_CONFIG_BYTES = 4;
/** Feature bits 0 ... 31 and 32 ... 63 that the device offers. Writer: reactor, once. */
export const REG_OFFERED = 5;
/** Four words of feature bits that the driver accepted; of the last two, none is ever offered. Writer: vCPU. */
export const REG_ACCEPTED = 7;
/** Device status. Writers: vCPU; reactor for NEEDS_RESET. Under the lock. */
export const REG_STATUS = 11;
/** Selectors as the driver wrote them. Writer: vCPU. */
export const REG_DEVICE_FEATURE_SELECT = 12;
export const REG_DRIVER_FEATURE_SELECT = 13;
export const REG_QUEUE_SELECT = 14;
/** InterruptStatus, ISR. Writers: reactor sets bits, vCPU clears them, both by atomic operations. */
export const REG_INTERRUPT_STATUS = 15;
/** Counts changes of the config space. Writer: reactor, under the lock. */
export const REG_GENERATION = 16;
/** First word of queue 0. */
export const REG_QUEUES = 20;

// Words of one queue.
/** Largest size. Writer: reactor, once. */
export const QUEUE_MAX_SIZE = 0;
/** Size the driver chose; the largest, until it chooses. Writer: vCPU. */
export const QUEUE_SIZE = 1;
/** QUEUE_IS_ value. Writer: vCPU, under the lock. Reader: reactor, when the device starts. */
export const QUEUE_STATE = 2;
/** Addresses, two words each in the order of PART_: low, high. Writer: vCPU. */
export const QUEUE_ADDRESSES = 3;
/** Words per queue. */
export const QUEUE_WORDS = 12;

/** Not set up. */
export const QUEUE_IS_OFF = 0;
/** The driver has enabled it. */
export const QUEUE_IS_ON = 1;
/** Reset while the device runs: it may be set up and enabled anew. */
export const QUEUE_IS_RESET = 2;

/** Descriptor table. */
export const PART_DESC = 0;
/** Available ring, "driver area". */
export const PART_AVAIL = 1;
/** Used ring, "device area". */
export const PART_USED = 2;

/** Byte offset of the config space. */
export const CONFIG_OFFSET = (REG_QUEUES + MAX_QUEUES * QUEUE_WORDS) * 4;
const TOTAL_BYTES = CONFIG_OFFSET + MAX_CONFIG_BYTES;

/** Shared memory for the registers of one device, all zero. Thread: main. */
export function createDeviceRegisters(): SharedArrayBuffer {
  return new SharedArrayBuffer(TOTAL_BYTES);
}

/** First word of a queue. @param index 0 ... MAX_QUEUES - 1 */
export function queueWord(index: number): number {
  return REG_QUEUES + index * QUEUE_WORDS;
}
