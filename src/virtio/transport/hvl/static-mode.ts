/**
 * The static descriptor of one device (an extension of this project): features and rings fixed by the PMM, so that a
 * driver starts without any handshake. It writes the PMM's epoch into the attach word and runs.
 *
 *     FRESH set:     driver prepares its rings, attach = epoch, doorbell          -> we run
 *     FRESH clear:   attach = ~epoch, doorbell  -> we stop, zero the rings, set FRESH, interrupt
 *     attach = 0:    detached                   -> the same
 *
 * Spec: docs/hvl.md, static mode. Thread: reactor. {@link StaticMode.poll} is one load when there is nothing.
 */
import {
  HVL_QUEUE_ALIGN,
  HVLS_ATTACH_OFF,
  HVLS_BUF_LEN_OFF,
  HVLS_BUF_OFF_OFF,
  HVLS_EPOCH_OFF,
  HVLS_F_FRESH,
  HVLS_FEATURES_HIGH_OFF,
  HVLS_FEATURES_LOW_OFF,
  HVLS_FLAGS_OFF,
  HVLS_MAGIC,
  HVLS_MAGIC_OFF,
  HVLS_QUEUE_ALIGN_OFF,
  HVLS_QUEUE_BYTES,
  HVLS_QUEUE_FLAGS_OFF,
  HVLS_QUEUE_NUM_OFF,
  HVLS_QUEUE_OFF,
  HVLS_QUEUE_RING_OFF,
  HVLS_VERSION,
  HVLS_VERSION_OFF,
} from '../../../abi/hvl.js';
import type { Features } from '../../core/features.js';
import type { QueueConfig } from '../../queue/queue-config.js';
import { legacyRingLayout } from '../../queue/ring-layout.js';
import type { RegisterBlock } from './block.js';
import type { HvlSlot } from './layout.js';

/** Nothing changed, or nothing that matters. */
export const STATIC_NONE = 0;
/** A driver has attached to fresh rings: run. */
export const STATIC_ATTACH = 1;
/** A driver has detached, or wants the rings made fresh. */
export const STATIC_RENEW = 2;

export class StaticMode {
  /** The rings, as configurations to be activated. */
  readonly queues: readonly QueueConfig[];
  readonly #block: RegisterBlock;
  readonly #slot: HvlSlot;
  readonly #epoch: number;
  #seen = 0;
  #fresh = true;

  /** @param epoch 1 ... 0xfffffffe, different at each start of the PMM */
  constructor(block: RegisterBlock, slot: HvlSlot, epoch: number) {
    this.#block = block;
    this.#slot = slot;
    this.#epoch = epoch;
    this.queues = slot.rings.map((ring, index) => ({
      index,
      maxSize: ring.size,
      size: ring.size,
      layout: legacyRingLayout(ring.gpa, ring.size, HVL_QUEUE_ALIGN),
    }));
  }

  /** Writes the descriptor, its magic last. The rings are zero already. */
  publish(features: Features): void {
    const block = this.#block;
    const { rings, shmBase, arenaOffset, arenaBytes } = this.#slot;
    block.store(HVLS_VERSION_OFF, HVLS_VERSION | (rings.length << 16));
    block.store(HVLS_FEATURES_LOW_OFF, features.low);
    block.store(HVLS_FEATURES_HIGH_OFF, features.high);
    block.store(HVLS_EPOCH_OFF, this.#epoch);
    block.store(HVLS_FLAGS_OFF, HVLS_F_FRESH);
    block.store(HVLS_BUF_OFF_OFF, arenaOffset);
    block.store(HVLS_BUF_LEN_OFF, arenaBytes);
    for (const [index, ring] of rings.entries()) {
      const queue = HVLS_QUEUE_OFF + index * HVLS_QUEUE_BYTES;
      block.store(queue + HVLS_QUEUE_RING_OFF, ring.gpa - shmBase);
      block.store(queue + HVLS_QUEUE_NUM_OFF, ring.size);
      block.store(queue + HVLS_QUEUE_ALIGN_OFF, HVL_QUEUE_ALIGN);
      block.store(queue + HVLS_QUEUE_FLAGS_OFF, 0);
    }
    block.store(HVLS_MAGIC_OFF, HVLS_MAGIC);
  }

  /** Whether {@link poll} is worth while. Hot path. */
  hasMoved(): boolean {
    return this.#block.peek(HVLS_ATTACH_OFF) !== this.#seen;
  }

  /** Looks at the attach word. @returns a STATIC_ constant. Hot path. */
  poll(): number {
    const attach = this.#block.load(HVLS_ATTACH_OFF);
    if (attach === this.#seen) return STATIC_NONE;
    this.#seen = attach;
    if (attach === this.#epoch) return this.#fresh ? STATIC_ATTACH : STATIC_NONE;
    return this.#fresh ? STATIC_NONE : STATIC_RENEW;
  }

  /** The rings are in use, or a driver of the other kind may use their memory. */
  spoil(): void {
    if (!this.#fresh) return;
    this.#fresh = false;
    this.#block.store(HVLS_FLAGS_OFF, 0);
  }

  /** The rings are zeroed and nobody uses them. */
  renew(): void {
    this.#fresh = true;
    this.#block.store(HVLS_FLAGS_OFF, HVLS_F_FRESH);
  }
}
