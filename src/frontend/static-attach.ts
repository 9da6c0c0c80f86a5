/**
 * Static mode, an extension of hypervisorless virtio: the PMM has fixed features and rings and published them behind the
 * config space. If nobody is attached, a front end starts with one store and no answer to wait for.
 */
import {
  HVL_PAGE_BYTES,
  HVLS_ATTACH_OFF,
  HVLS_BUF_LEN_OFF,
  HVLS_BUF_OFF_OFF,
  HVLS_EPOCH_OFF,
  HVLS_F_EDGE,
  HVLS_F_FRESH,
  HVLS_FEATURES_HIGH_OFF,
  HVLS_FEATURES_LOW_OFF,
  HVLS_FLAGS_OFF,
  HVLS_MAGIC,
  HVLS_MAGIC_OFF,
  HVLS_MAX_QUEUES,
  HVLS_NQUEUES_OFF,
  HVLS_QUEUE_ALIGN_OFF,
  HVLS_QUEUE_BYTES,
  HVLS_QUEUE_NUM_OFF,
  HVLS_QUEUE_OFF,
  HVLS_QUEUE_RING_OFF,
  HVLS_VERSION,
  HVLS_VERSION_OFF,
} from '../abi/hvl.js';
import { VIRTQ_SIZE_MAX } from '../abi/virtio-ring.js';
import { isPowerOfTwo } from '../util/numbers.js';
import { ringBytes } from './driver-queue.js';
import { HandshakeError } from './errors.js';
import { type HandshakeTiming, ringAndLook, ringAndWait } from './handshake.js';
import type { FrontEndPool } from './pool.js';
import type { Condition, PeerLine } from './ports.js';
import type { Registers } from './registers.js';

/** A ring the PMM has placed. */
export interface StaticRing {
  /** Offset in the pool. */
  readonly offset: number;
  readonly size: number;
  readonly align: number;
}

/** A checked static descriptor. */
export interface StaticDescriptor {
  /** The feature set, bits 0 ... 31: not a choice. */
  readonly features: number;
  readonly epoch: number;
  /** Interrupts need no status or acknowledge traffic. */
  readonly edge: boolean;
  readonly rings: readonly StaticRing[];
  /** The device's buffer arena: offset in the pool, bytes. */
  readonly arena: number;
  readonly arenaBytes: number;
}

/** Waits for the FRESH flag to be set, or to be gone. */
class FreshWait implements Condition {
  readonly #registers: Registers;
  readonly #wanted: boolean;

  constructor(registers: Registers, wanted: boolean) {
    this.#registers = registers;
    this.#wanted = wanted;
  }

  ready(): boolean {
    return isFresh(this.#registers) === this.#wanted;
  }
}

function isFresh(registers: Registers): boolean {
  return (registers.load(HVLS_FLAGS_OFF) & HVLS_F_FRESH) !== 0;
}

/** True if the PMM has published a static descriptor of a version we know. */
export function hasStatic(registers: Registers): boolean {
  return registers.load(HVLS_MAGIC_OFF) === HVLS_MAGIC && registers.u16(HVLS_VERSION_OFF) === HVLS_VERSION;
}

/**
 * Reads and checks the descriptor of a block.
 * @param shmBase offset in the pool that the descriptor's offsets count from
 * @returns undefined if there is none, or it makes no sense, or asks for features beyond bit 31
 */
export function readStatic(
  pool: FrontEndPool,
  registers: Registers,
  shmBase: number,
): StaticDescriptor | undefined {
  if (!hasStatic(registers)) return undefined;
  const count = registers.u16(HVLS_NQUEUES_OFF);
  if (count < 1 || count > HVLS_MAX_QUEUES || registers.load(HVLS_FEATURES_HIGH_OFF) !== 0) return undefined;
  const rings: StaticRing[] = [];
  for (let i = 0; i < count; i++) {
    const at = HVLS_QUEUE_OFF + i * HVLS_QUEUE_BYTES;
    const offset = shmBase + registers.load(at + HVLS_QUEUE_RING_OFF);
    const size = registers.load(at + HVLS_QUEUE_NUM_OFF);
    const align = registers.load(at + HVLS_QUEUE_ALIGN_OFF);
    if (!isPowerOfTwo(size) || size > VIRTQ_SIZE_MAX) return undefined;
    if (!isPowerOfTwo(align) || align < 4 || align > 0x10000) return undefined;
    if (offset % HVL_PAGE_BYTES !== 0 || offset + ringBytes(size, align) > pool.bytes) return undefined;
    rings.push({ offset, size, align });
  }
  const arena = shmBase + registers.load(HVLS_BUF_OFF_OFF);
  const arenaBytes = registers.load(HVLS_BUF_LEN_OFF);
  if (arena + arenaBytes > pool.bytes) return undefined;
  return {
    features: registers.load(HVLS_FEATURES_LOW_OFF),
    epoch: registers.load(HVLS_EPOCH_OFF),
    edge: (registers.load(HVLS_FLAGS_OFF) & HVLS_F_EDGE) !== 0,
    rings,
    arena,
    arenaBytes,
  };
}

/**
 * Detaches whoever was attached and waits until the rings are fresh. Returns at once if nobody was.
 * @returns false if the PMM did not make them fresh in time
 */
export function detachStatic(registers: Registers, line: PeerLine, timing: HandshakeTiming): boolean {
  const epoch = registers.load(HVLS_EPOCH_OFF);
  const attach = registers.load(HVLS_ATTACH_OFF);
  if (attach === 0 && isFresh(registers)) return true;
  if (attach === epoch && isFresh(registers)) {
    // Somebody attached and died before the PMM saw it. Let it see that first, or it might act on it after our reset.
    ringAndLook(line, new FreshWait(registers, false), timing.againMs, timing.againMs);
  }
  // Any value but the epoch asks for fresh rings, but only a *change* is seen: so alternate.
  const fresh = new FreshWait(registers, true);
  for (let left = timing.answerMs; left > 0; left -= timing.againMs) {
    registers.store(HVLS_ATTACH_OFF, registers.load(HVLS_ATTACH_OFF) === 0 ? ~epoch : 0);
    if (ringAndWait(line, fresh, timing.againMs, timing.againMs)) return true;
  }
  return false;
}

/** Attaches: the device runs from here on. The rings are initialised and fresh. Errors: HandshakeError. */
export function attachStatic(registers: Registers, line: PeerLine, epoch: number): void {
  if (!isFresh(registers)) throw new HandshakeError('the static rings are in use');
  registers.store(HVLS_ATTACH_OFF, epoch);
  line.ring();
}
