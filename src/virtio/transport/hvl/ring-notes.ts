/**
 * Notes for an observer (`lkvm inspect`): where the rings are that a driver named during the handshake. The registers
 * forget that at once (all queues share QUEUE_PFN), and an observer of a pool has nothing else.
 *
 * They are kept where static mode has its table of rings, in the same form, with a flag that says so. No driver reads
 * them: without the static descriptor's magic the table means nothing, and with it the table is not touched here.
 *
 * Thread: reactor. Not a hot path: written while the driver waits for an ACK.
 */
import {
  HVLS_MAX_QUEUES,
  HVLS_QUEUE_ALIGN_OFF,
  HVLS_QUEUE_BYTES,
  HVLS_QUEUE_F_NOTE,
  HVLS_QUEUE_FLAGS_OFF,
  HVLS_QUEUE_NUM_OFF,
  HVLS_QUEUE_OFF,
  HVLS_QUEUE_RING_OFF,
  VIRTIO_MMIO_QUEUE_ALIGN,
} from '../../../abi/hvl.js';
import type { QueueConfig } from '../../queue/queue-config.js';
import type { RegisterBlock } from './block.js';

/** Notes of one block. Not for a device with a static descriptor. */
export class RingNotes {
  readonly #block: RegisterBlock;
  readonly #shmBase: number;
  #used = false;

  constructor(block: RegisterBlock, shmBase: number) {
    this.#block = block;
    this.#shmBase = shmBase;
  }

  /** A queue was accepted; QUEUE_ALIGN still holds what the driver wrote. */
  add(config: QueueConfig): void {
    const distance = config.layout.desc - this.#shmBase;
    if (config.index >= HVLS_MAX_QUEUES || distance !== (distance | 0)) return;
    const block = this.#block;
    const entry = HVLS_QUEUE_OFF + config.index * HVLS_QUEUE_BYTES;
    block.store(entry + HVLS_QUEUE_RING_OFF, distance >>> 0);
    block.store(entry + HVLS_QUEUE_NUM_OFF, config.size);
    block.store(entry + HVLS_QUEUE_ALIGN_OFF, block.load(VIRTIO_MMIO_QUEUE_ALIGN));
    block.store(entry + HVLS_QUEUE_FLAGS_OFF, HVLS_QUEUE_F_NOTE);
    this.#used = true;
  }

  /** The driver starts again: its rings are where it says next. */
  clear(): void {
    if (!this.#used) return;
    this.#used = false;
    for (let at = 0; at < HVLS_MAX_QUEUES * HVLS_QUEUE_BYTES; at += 4)
      this.#block.store(HVLS_QUEUE_OFF + at, 0);
  }
}
