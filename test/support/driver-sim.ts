/**
 * The driver's side of a split virtqueue, written from the formulas of virtio 1.2 section 2.7. It shares no layout code
 * and no constants with src/, so that a mistake there does not cancel out here. It works on any bytes: give it a view
 * of the memory and the driver-visible address of its first byte.
 *
 *     const driver = new DriverQueue({ memory: pool.u8, base: pool.gpa, size: 8, legacyAt: pool.gpa + 0x1000 });
 *     const head = driver.addChain([{ addr, len: 16 }, { addr: addr2, len: 64, writable: true }]);
 *     driver.publish();
 *     ...the device works...
 *     driver.takeUsed();   // { head, written }
 *
 * It keeps a free list as real drivers do; for a hostile driver use the poke methods, which check nothing.
 */

/** One buffer of a chain. */
export interface DriverBuffer {
  /** Driver-visible address. */
  readonly addr: number;
  readonly len: number;
  /** Device-writable; default: device-readable. */
  readonly writable?: boolean;
}

/** A completion. */
export interface UsedElement {
  readonly head: number;
  readonly written: number;
}

/** Where the three parts lie (driver-visible addresses). */
export interface SimLayout {
  readonly desc: number;
  readonly avail: number;
  readonly used: number;
  /** First address behind the last part. */
  readonly end: number;
}

export interface DriverQueueOptions {
  /** The shared memory. */
  readonly memory: Uint8Array;
  /** Driver-visible address of `memory[0]`. */
  readonly base: number;
  /** Queue size. */
  readonly size: number;
  /** Legacy layout: where the ring starts. */
  readonly legacyAt?: number;
  /** Legacy layout: used-ring alignment, default 4096. */
  readonly align?: number;
  /** Modern layout: the three addresses. */
  readonly parts?: { readonly desc: number; readonly avail: number; readonly used: number };
  /** VIRTIO_F_EVENT_IDX was negotiated. */
  readonly eventIdx?: boolean;
  /** Value both indices start with; for tests of the wrap-around (the device must have got there too). */
  readonly startIndex?: number;
}

const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;

function alignUp(value: number, align: number): number {
  return Math.floor((value + align - 1) / align) * align;
}

/** Virtio 1.2 section 2.7.2: contiguous ring of a legacy driver. */
export function simLegacyLayout(at: number, size: number, align = 4096): SimLayout {
  const avail = at + 16 * size;
  const used = alignUp(avail + 2 * (3 + size), align);
  return { desc: at, avail, used, end: used + 2 * 3 + 8 * size };
}

function layoutOf(options: DriverQueueOptions): SimLayout {
  if (options.parts !== undefined) {
    const { desc, avail, used } = options.parts;
    const ends = [desc + 16 * options.size, avail + 6 + 2 * options.size, used + 6 + 8 * options.size];
    return { desc, avail, used, end: Math.max(...ends) };
  }
  if (options.legacyAt === undefined) throw new Error('DriverQueue needs legacyAt or parts');
  return simLegacyLayout(options.legacyAt, options.size, options.align);
}

/** See the file's head. */
export class DriverQueue {
  readonly size: number;
  readonly layout: SimLayout;
  readonly #u8: Uint8Array;
  readonly #view: DataView;
  readonly #words: Uint16Array;
  readonly #base: number;
  readonly #eventIdx: boolean;
  /** Free descriptors, in the order they will be used. */
  readonly #free: number[] = [];
  /** Head → its descriptors in the main table. */
  readonly #inFlight = new Map<number, number[]>();
  #added: number;
  #published: number;
  #seen: number;

  constructor(options: DriverQueueOptions) {
    this.size = options.size;
    this.layout = layoutOf(options);
    const memory = options.memory;
    this.#u8 = memory;
    this.#view = new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
    this.#words = new Uint16Array(memory.buffer, memory.byteOffset, Math.floor(memory.byteLength / 2));
    this.#base = options.base;
    this.#eventIdx = options.eventIdx ?? false;
    this.#added = options.startIndex ?? 0;
    this.#published = this.#added;
    this.#seen = this.#added;
    for (let i = 0; i < this.size; i++) this.#free.push(i);
  }

  // Ordinary drivers

  /** Descriptors not in use. */
  get freeDescriptors(): number {
    return this.#free.length;
  }

  /** Chains added and not yet taken back. */
  get inFlight(): number {
    return this.#inFlight.size;
  }

  /**
   * Writes a chain into the descriptor table and the available ring; the device sees it after {@link publish}.
   * @param indirectAt put the descriptors into an indirect table at this address; one entry of the main table is used
   * @returns the head. Errors: plain Error if too few descriptors are free or the chain is empty.
   */
  addChain(buffers: readonly DriverBuffer[], indirectAt?: number): number {
    const needed = indirectAt === undefined ? buffers.length : 1;
    if (buffers.length === 0 || needed > this.#free.length) {
      throw new Error(`DriverQueue: ${needed} descriptors needed, ${this.#free.length} free`);
    }
    const used = this.#free.splice(0, needed);
    const head = used[0] as number;
    if (indirectAt === undefined) {
      this.#writeChain(this.layout.desc, used, buffers);
    } else {
      const own = buffers.map((_, i) => i);
      this.#writeChain(indirectAt, own, buffers);
      this.pokeDescriptor(head, indirectAt, 16 * buffers.length, INDIRECT, 0);
    }
    this.#inFlight.set(head, used);
    this.pokeAvail(this.#added % this.size, head);
    this.#added = (this.#added + 1) % 65536;
    return head;
  }

  /**
   * Makes the added chains available: one store of `avail.idx`.
   * @returns true if the device wants a notification (used.flags, or avail_event with EVENT_IDX)
   */
  publish(): boolean {
    const old = this.#published;
    this.#published = this.#added;
    this.pokeAvailIdx(this.#published);
    if (old === this.#published) return false;
    if (!this.#eventIdx) return (this.usedFlags & 1) === 0;
    // Section 2.7.10: notify if avail_event is one of the positions just filled, old ... published - 1.
    for (let i = old; i !== this.#published; i = (i + 1) % 65536) if (i === this.availEvent) return true;
    return false;
  }

  /** The next completion and its descriptors back into the free list, or undefined. */
  takeUsed(): UsedElement | undefined {
    if (this.usedIdx === this.#seen) return undefined;
    const element = this.usedElement(this.#seen % this.size);
    this.#seen = (this.#seen + 1) % 65536;
    const descriptors = this.#inFlight.get(element.head);
    if (descriptors === undefined)
      throw new Error(`DriverQueue: head ${element.head} completed, not in flight`);
    this.#inFlight.delete(element.head);
    this.#free.push(...descriptors);
    return element;
  }

  /** All completions there are. */
  takeAllUsed(): UsedElement[] {
    const all: UsedElement[] = [];
    for (let next = this.takeUsed(); next !== undefined; next = this.takeUsed()) all.push(next);
    return all;
  }

  /** Asks not to be interrupted: a flag, or with EVENT_IDX an event index left far behind. */
  disableInterrupts(): void {
    if (this.#eventIdx) this.pokeUsedEvent((this.#seen + 32768) % 65536);
    else this.pokeAvailFlags(1);
  }

  /** Asks for an interrupt at the next completion. @returns true if there already is one */
  enableInterrupts(): boolean {
    if (this.#eventIdx) this.pokeUsedEvent(this.#seen);
    else this.pokeAvailFlags(0);
    return this.usedIdx !== this.#seen;
  }

  // What the device wrote

  get usedFlags(): number {
    return Atomics.load(this.#words, this.#at(this.layout.used) / 2);
  }

  get usedIdx(): number {
    return Atomics.load(this.#words, this.#at(this.layout.used + 2) / 2);
  }

  /** The word behind the used ring: the device's "notify me at" (EVENT_IDX). */
  get availEvent(): number {
    return Atomics.load(this.#words, this.#at(this.layout.used + 4 + 8 * this.size) / 2);
  }

  usedElement(slot: number): UsedElement {
    const at = this.#at(this.layout.used + 4 + 8 * slot);
    return { head: this.#view.getUint32(at, true), written: this.#view.getUint32(at + 4, true) };
  }

  get availIdx(): number {
    return this.#view.getUint16(this.#at(this.layout.avail + 2), true);
  }

  // Pokes, for hostile drivers: no check, no bookkeeping

  /** Writes descriptor `index` of the main table. `addr` may be any u64, also as bigint. */
  pokeDescriptor(index: number, addr: number | bigint, len: number, flags: number, next: number): void {
    this.pokeDescriptorAt(this.layout.desc + 16 * index, addr, len, flags, next);
  }

  /** Writes a descriptor anywhere (indirect tables). */
  pokeDescriptorAt(gpa: number, addr: number | bigint, len: number, flags: number, next: number): void {
    const at = this.#at(gpa);
    this.#view.setBigUint64(at, BigInt(addr), true);
    this.#view.setUint32(at + 8, len, true);
    this.#view.setUint16(at + 12, flags, true);
    this.#view.setUint16(at + 14, next, true);
  }

  /** Writes an entry of the available ring. */
  pokeAvail(slot: number, head: number): void {
    this.#view.setUint16(this.#at(this.layout.avail + 4 + 2 * slot), head, true);
  }

  pokeAvailIdx(value: number): void {
    Atomics.store(this.#words, this.#at(this.layout.avail + 2) / 2, value & 0xffff);
  }

  pokeAvailFlags(value: number): void {
    Atomics.store(this.#words, this.#at(this.layout.avail) / 2, value);
  }

  /** The word behind the available ring: the driver's "interrupt me at" (EVENT_IDX). */
  pokeUsedEvent(value: number): void {
    Atomics.store(this.#words, this.#at(this.layout.avail + 4 + 2 * this.size) / 2, value & 0xffff);
  }

  /** Makes `head` available once more, as it stands in the table. */
  pokeAvailable(head: number): void {
    this.pokeAvail(this.#added % this.size, head);
    this.#added = (this.#added + 1) % 65536;
    this.#published = this.#added;
    this.pokeAvailIdx(this.#added);
  }

  // Buffers

  /** Copies bytes into the memory. */
  write(gpa: number, bytes: Uint8Array | string): void {
    this.#u8.set(typeof bytes === 'string' ? Buffer.from(bytes) : bytes, this.#at(gpa));
  }

  /** A copy of bytes of the memory. */
  read(gpa: number, bytes: number): Uint8Array {
    return this.#u8.slice(this.#at(gpa), this.#at(gpa) + bytes);
  }

  #writeChain(table: number, slots: readonly number[], buffers: readonly DriverBuffer[]): void {
    for (const [i, buffer] of buffers.entries()) {
      const next = slots[i + 1];
      const flags = (buffer.writable === true ? WRITE : 0) | (next === undefined ? 0 : NEXT);
      const slot = slots[i] as number;
      this.pokeDescriptorAt(table + 16 * slot, buffer.addr, buffer.len, flags, next ?? 0);
    }
  }

  #at(gpa: number): number {
    return gpa - this.#base;
  }
}
