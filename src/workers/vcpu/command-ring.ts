/**
 * The ring in which vCPUs pass accesses to the device thread: several producers, one consumer, bounded, on a
 * `SharedArrayBuffer`. One ring for all vCPUs, so that accesses which the guest has ordered between its processors (by a
 * lock around an index and a data register, say) arrive in that order.
 *
 * Positions are free-running 32-bit numbers. Each slot carries a turn: equal to a position, the slot is free for the
 * producer of that position; one more, it is filled. A producer that is slow between claiming and filling only makes the
 * ring look empty from there on, and rings the doorbell itself when it is done.
 */

/** Accesses that fit; a power of two. */
export const RING_SLOTS = 512;

// Words. Every access is an Atomics call.
/** Next position to claim. Writers: producers, by compare-and-exchange. */
const RING_HEAD = 0;
/** Positions consumed. Writer: consumer, after it freed the slot. Readers: producers that wait for room. */
const RING_TAIL = 1;
/** 1 = the consumer sleeps, or is about to: who takes it to 0 rings. Writers: both. */
const RING_ASLEEP = 2;
/** Producers that wait for room. Writers: producers. Reader: consumer, which then notifies RING_TAIL. */
const RING_WAITERS = 3;
const RING_WORDS = 16;

// Words of a slot. SLOT_TURN is atomic; the others are plain, ordered by it.
const SLOT_TURN = 0;
/** Operation, width and vCPU: see {@link commandWord}. */
const SLOT_COMMAND = 1;
const SLOT_ADDRESS_LOW = 2;
const SLOT_ADDRESS_HIGH = 3;
const SLOT_VALUE = 4;
const SLOT_WORDS = 8;

/** Operations. */
export const OP_PIO_WRITE = 0;
export const OP_PIO_READ = 1;
export const OP_MMIO_WRITE = 2;
export const OP_MMIO_READ = 3;

const HIGH = 0x1_0000_0000;

/** Operation (OP_), width in bytes and number of the vCPU in one word. */
export function commandWord(op: number, bytes: number, vcpu: number): number {
  return (vcpu << 16) | (bytes << 8) | op;
}

/** Memory for a ring, empty. */
export function createCommandRing(): SharedArrayBuffer {
  const shared = new SharedArrayBuffer((RING_WORDS + RING_SLOTS * SLOT_WORDS) * 4);
  const words = new Int32Array(shared);
  for (let i = 0; i < RING_SLOTS; i++) words[RING_WORDS + i * SLOT_WORDS + SLOT_TURN] = i;
  return shared;
}

function slotOf(position: number): number {
  return RING_WORDS + (position & (RING_SLOTS - 1)) * SLOT_WORDS;
}

/** A producer's end. Thread: any, one object per thread. */
export class CommandProducer {
  readonly #words: Int32Array;

  constructor(shared: SharedArrayBuffer) {
    this.#words = new Int32Array(shared);
  }

  /**
   * Appends a command. Hot path.
   * @param address 0 ... 2^52
   * @returns false if the ring is full
   */
  offer(command: number, address: number, value: number): boolean {
    const words = this.#words;
    for (;;) {
      const position = Atomics.load(words, RING_HEAD);
      const slot = slotOf(position);
      const ahead = (Atomics.load(words, slot + SLOT_TURN) - position) | 0;
      if (ahead < 0) return false;
      // Not 0: another producer has just taken this position; look again.
      if (ahead !== 0) continue;
      if (Atomics.compareExchange(words, RING_HEAD, position, (position + 1) | 0) !== position) continue;
      words[slot + SLOT_COMMAND] = command;
      words[slot + SLOT_ADDRESS_LOW] = address | 0;
      words[slot + SLOT_ADDRESS_HIGH] = (address / HIGH) | 0;
      words[slot + SLOT_VALUE] = value | 0;
      // Whoever sees this store sees the plain stores before it.
      Atomics.store(words, slot + SLOT_TURN, (position + 1) | 0);
      return true;
    }
  }

  /** After {@link offer}: whether the consumer has to be woken, by this producer and no other. */
  takeDoorbell(): boolean {
    const words = this.#words;
    return Atomics.load(words, RING_ASLEEP) === 1 && Atomics.compareExchange(words, RING_ASLEEP, 1, 0) === 1;
  }

  /** Waits until something was consumed, or for `ms` milliseconds. Not on main. */
  waitForRoom(ms: number): void {
    const words = this.#words;
    Atomics.add(words, RING_WAITERS, 1);
    const tail = Atomics.load(words, RING_TAIL);
    const oldest = Atomics.load(words, slotOf(Atomics.load(words, RING_HEAD)) + SLOT_TURN);
    // Still full, judged after RING_WAITERS was raised: the consumer's next step notifies us.
    if (((oldest - Atomics.load(words, RING_HEAD)) | 0) < 0) Atomics.wait(words, RING_TAIL, tail, ms);
    Atomics.sub(words, RING_WAITERS, 1);
  }
}

/** The consumer's end. Thread: the device thread, one object. */
export class CommandConsumer {
  /** Fields of the command taken last. */
  op = 0;
  bytes = 0;
  vcpu = 0;
  address = 0;
  value = 0;
  readonly #words: Int32Array;
  #position = 0;

  constructor(shared: SharedArrayBuffer) {
    this.#words = new Int32Array(shared);
    this.#position = Atomics.load(this.#words, RING_TAIL);
  }

  /** Takes the oldest command into the fields. Hot path. @returns false if there is none */
  take(): boolean {
    const words = this.#words;
    const position = this.#position;
    const slot = slotOf(position);
    if (Atomics.load(words, slot + SLOT_TURN) !== ((position + 1) | 0)) return false;
    const command = words[slot + SLOT_COMMAND] as number;
    this.op = command & 0xff;
    this.bytes = (command >> 8) & 0xff;
    this.vcpu = command >>> 16;
    this.address =
      (words[slot + SLOT_ADDRESS_HIGH] as number) * HIGH + ((words[slot + SLOT_ADDRESS_LOW] as number) >>> 0);
    this.value = (words[slot + SLOT_VALUE] as number) >>> 0;
    Atomics.store(words, slot + SLOT_TURN, (position + RING_SLOTS) | 0);
    this.#position = (position + 1) | 0;
    Atomics.store(words, RING_TAIL, this.#position);
    if (Atomics.load(words, RING_WAITERS) !== 0) Atomics.notify(words, RING_TAIL);
    return true;
  }

  /** Whether there is a command now. */
  get pending(): boolean {
    return Atomics.load(this.#words, slotOf(this.#position) + SLOT_TURN) === ((this.#position + 1) | 0);
  }

  /**
   * About to sleep: producers ring from now on.
   * @returns true if a command arrived in between: do not sleep
   */
  arm(): boolean {
    // Store, then look: a producer fills its slot, then looks at this word. One of the two sees the other.
    Atomics.store(this.#words, RING_ASLEEP, 1);
    if (!this.pending) return false;
    this.disarm();
    return true;
  }

  /** Awake: nobody needs to ring. */
  disarm(): void {
    Atomics.store(this.#words, RING_ASLEEP, 0);
  }
}
