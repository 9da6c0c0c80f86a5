/**
 * io_uring(7): system calls put into a ring in shared memory, and their results taken out of another.
 *
 * Two rings, each with one producer and one consumer. Our side of the submission queue is its tail, of the completion
 * queue its head; the kernel, on any processor, writes the other two. An entry is filled before the tail is stored, and
 * read before the head is stored: the Atomics calls on these words are the ordering. All entries of the submission queue
 * are taken by the `enter` that follows (there is no kernel thread that polls), and the index array between tail and
 * entries is the identity for ever.
 *
 * Thread: the one that made it; its end waits in the kernel for what is under way. Results are >= 0 or -errno. Hot path
 * unless noted: nothing is allocated.
 */
import { ENOSYS } from '../abi/errno.js';
import {
  IO_CQRING_OFFSETS_CQES_OFF,
  IO_CQRING_OFFSETS_FLAGS_OFF,
  IO_CQRING_OFFSETS_HEAD_OFF,
  IO_CQRING_OFFSETS_TAIL_OFF,
  IO_SQRING_OFFSETS_ARRAY_OFF,
  IO_SQRING_OFFSETS_FLAGS_OFF,
  IO_SQRING_OFFSETS_HEAD_OFF,
  IO_SQRING_OFFSETS_TAIL_OFF,
  IO_URING_CQE_BYTES,
  IO_URING_CQE_RES_OFF,
  IO_URING_CQE_USER_DATA_OFF,
  IO_URING_GETEVENTS_ARG_BYTES,
  IO_URING_GETEVENTS_ARG_TS_OFF,
  IO_URING_PARAMS_BYTES,
  IO_URING_PARAMS_CQ_ENTRIES_OFF,
  IO_URING_PARAMS_CQ_OFF_OFF,
  IO_URING_PARAMS_FEATURES_OFF,
  IO_URING_PARAMS_FLAGS_OFF,
  IO_URING_PARAMS_SQ_ENTRIES_OFF,
  IO_URING_PARAMS_SQ_OFF_OFF,
  IO_URING_SQE_ADDR_OFF,
  IO_URING_SQE_BYTES,
  IO_URING_SQE_FD_OFF,
  IO_URING_SQE_LEN_OFF,
  IO_URING_SQE_OFF_OFF,
  IO_URING_SQE_RW_FLAGS_OFF,
  IO_URING_SQE_USER_DATA_OFF,
  IORING_ASYNC_CANCEL_ALL,
  IORING_ASYNC_CANCEL_ANY,
  IORING_CQ_EVENTFD_DISABLED,
  IORING_ENTER_EXT_ARG,
  IORING_ENTER_GETEVENTS,
  IORING_FEAT_EXT_ARG,
  IORING_FEAT_NATIVE_WORKERS,
  IORING_FEAT_NODROP,
  IORING_FEAT_SINGLE_MMAP,
  IORING_FSYNC_DATASYNC,
  IORING_OFF_SQ_RING,
  IORING_OFF_SQES,
  IORING_OP_ASYNC_CANCEL,
  IORING_OP_FALLOCATE,
  IORING_OP_FSYNC,
  IORING_OP_READV,
  IORING_OP_WRITEV,
  IORING_REGISTER_EVENTFD,
  IORING_SETUP_CLAMP,
  IORING_SETUP_COOP_TASKRUN,
  IORING_SETUP_SINGLE_ISSUER,
  IORING_SQ_CQ_OVERFLOW,
  NR_IO_URING_ENTER,
  NR_IO_URING_REGISTER,
  NR_IO_URING_SETUP,
} from '../abi/io-uring.js';
import { SysError } from '../util/errors.js';
import { i32At, u32At } from '../util/typed.js';
import { close } from './fd.js';
import { declare, status, viewOf } from './libc.js';
import { type Mapping, mapShared, NativeBuffer, unmap } from './map.js';

const cSetup = declare('long syscall(long number, unsigned int entries, uintptr_t params)');
const cEnter = declare(
  'long syscall(long number, int fd, unsigned int submit, unsigned int complete, unsigned int flags, uintptr_t arg, size_t bytes)',
);
const cRegister = declare(
  'long syscall(long number, int fd, unsigned int op, uintptr_t arg, unsigned int count)',
);

const HIGH = 0x1_0000_0000;
/**
 * What a kernel must have: one mapping for both rings, no lost results, waits with a time-out, and workers that are
 * threads of this process (5.12): before those, requests did not always run with our credentials.
 */
const NEEDED =
  IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_NATIVE_WORKERS;

const SQE_WORDS = IO_URING_SQE_BYTES / 4;
const SQE_FD = IO_URING_SQE_FD_OFF / 4;
const SQE_OFF = IO_URING_SQE_OFF_OFF / 4;
const SQE_ADDR = IO_URING_SQE_ADDR_OFF / 4;
const SQE_LEN = IO_URING_SQE_LEN_OFF / 4;
const SQE_RW_FLAGS = IO_URING_SQE_RW_FLAGS_OFF / 4;
const SQE_USER_DATA = IO_URING_SQE_USER_DATA_OFF / 4;
const CQE_WORDS = IO_URING_CQE_BYTES / 4;
const CQE_USER_DATA = IO_URING_CQE_USER_DATA_OFF / 4;
const CQE_RES = IO_URING_CQE_RES_OFF / 4;

/** High word of `user_data`: ours to leave out, or somebody's. */
const USER_CALL = 0;
const USER_CANCEL = 1;

interface Setup {
  readonly fd: number;
  readonly params: DataView;
}

/** @returns the new ring's descriptor and parameters, or -errno; -ENOSYS also for a kernel that has too little of it */
function setUp(entries: number): Setup | number {
  const { address, view } = new NativeBuffer(IO_URING_PARAMS_BYTES);
  // Without COOP_TASKRUN (5.19) the kernel interrupts us for each result; without SINGLE_ISSUER (6.0) it takes more locks.
  const wishes = [IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SINGLE_ISSUER, IORING_SETUP_COOP_TASKRUN, 0];
  let fd = -ENOSYS;
  for (const flags of wishes) {
    for (let at = 0; at < IO_URING_PARAMS_BYTES; at += 4) view.setUint32(at, 0, true);
    view.setUint32(IO_URING_PARAMS_FLAGS_OFF, flags | IORING_SETUP_CLAMP, true);
    fd = status(cSetup(NR_IO_URING_SETUP, entries, address));
    if (fd >= 0) break;
  }
  if (fd < 0) return fd;
  if ((view.getUint32(IO_URING_PARAMS_FEATURES_OFF, true) & NEEDED) === NEEDED) return { fd, params: view };
  close(fd);
  return -ENOSYS;
}

/** See the file's head. */
export class IoUring {
  /** Most calls that can be queued between two {@link enter}: a power of two. */
  readonly entries: number;
  /** After {@link next}: the number given with the call, and its result. */
  token = 0;
  result = 0;

  readonly #fd: number;
  readonly #rings: Mapping;
  readonly #entriesMapping: Mapping;
  readonly #ring: Int32Array;
  readonly #sqes: Uint32Array;
  // Indices of words in #ring
  readonly #sqHead: number;
  readonly #sqTail: number;
  readonly #sqFlags: number;
  readonly #cqHead: number;
  readonly #cqTail: number;
  readonly #cqFlags: number;
  readonly #cqes: number;
  readonly #cqMask: number;
  /** Tail of the submission queue: ours alone, and what of it the kernel has been told. */
  #tail: number;
  #told: number;
  /** For waits: struct io_uring_getevents_arg, and behind it the struct __kernel_timespec. */
  readonly #wait: NativeBuffer;

  /** @param entries calls at a time, 1 ... 4096 @returns a ring, or -errno: EPERM, ENOSYS, ENOMEM, ... Set-up only. */
  static create(entries: number): IoUring | number {
    const made = setUp(entries);
    if (typeof made === 'number') return made;
    try {
      return new IoUring(made);
    } catch (error) {
      close(made.fd);
      if (error instanceof SysError) return -error.errno;
      throw error;
    }
  }

  private constructor({ fd, params }: Setup) {
    const sq = IO_URING_PARAMS_SQ_OFF_OFF;
    const cq = IO_URING_PARAMS_CQ_OFF_OFF;
    const word = (at: number): number => params.getUint32(at, true);
    const cqEntries = word(IO_URING_PARAMS_CQ_ENTRIES_OFF);
    const arrayAt = word(sq + IO_SQRING_OFFSETS_ARRAY_OFF);
    const cqesAt = word(cq + IO_CQRING_OFFSETS_CQES_OFF);
    this.entries = word(IO_URING_PARAMS_SQ_ENTRIES_OFF);
    this.#fd = fd;
    const bytes = Math.max(arrayAt + 4 * this.entries, cqesAt + IO_URING_CQE_BYTES * cqEntries);
    this.#rings = mapShared(fd, bytes, IORING_OFF_SQ_RING);
    this.#entriesMapping = mapShared(fd, this.entries * IO_URING_SQE_BYTES, IORING_OFF_SQES);
    this.#ring = new Int32Array(viewOf(this.#rings.address, this.#rings.bytes));
    this.#sqes = new Uint32Array(viewOf(this.#entriesMapping.address, this.#entriesMapping.bytes));
    this.#sqHead = word(sq + IO_SQRING_OFFSETS_HEAD_OFF) / 4;
    this.#sqTail = word(sq + IO_SQRING_OFFSETS_TAIL_OFF) / 4;
    this.#sqFlags = word(sq + IO_SQRING_OFFSETS_FLAGS_OFF) / 4;
    this.#cqHead = word(cq + IO_CQRING_OFFSETS_HEAD_OFF) / 4;
    this.#cqTail = word(cq + IO_CQRING_OFFSETS_TAIL_OFF) / 4;
    this.#cqFlags = word(cq + IO_CQRING_OFFSETS_FLAGS_OFF) / 4;
    this.#cqes = cqesAt / 4;
    this.#cqMask = cqEntries - 1;
    for (let i = 0; i < this.entries; i++) this.#ring[arrayAt / 4 + i] = i;
    this.#tail = i32At(this.#ring, this.#sqTail);
    this.#told = this.#tail;
    this.#wait = new NativeBuffer(IO_URING_GETEVENTS_ARG_BYTES + 16);
    const { view, address } = this.#wait;
    const timespec = address + IO_URING_GETEVENTS_ARG_BYTES;
    view.setBigUint64(IO_URING_GETEVENTS_ARG_TS_OFF, BigInt(timespec), true);
  }

  /** Calls queued and not yet taken by the kernel. */
  get queued(): number {
    return (this.#tail - Atomics.load(this.#ring, this.#sqHead)) | 0;
  }

  /** Results wait in the kernel for room in the completion queue; {@link enter} fetches them once others were taken. */
  get overflown(): boolean {
    return (Atomics.load(this.#ring, this.#sqFlags) & IORING_SQ_CQ_OVERFLOW) !== 0;
  }

  /** The eventfd is signalled when results come, unless {@link muteEvents}. Set-up only. */
  registerEventfd(fd: number): number {
    const { view, address } = this.#wait;
    view.setInt32(0, fd, true);
    const result = status(cRegister(NR_IO_URING_REGISTER, this.#fd, IORING_REGISTER_EVENTFD, address, 1));
    view.setInt32(0, 0, true);
    return result;
  }

  /**
   * Whether results signal the eventfd. After switching it on, look for results once more: one may have come just before.
   * The store is sequentially consistent, so that look cannot move before it; the kernel has a full barrier, too, between
   * its store of the tail and its load of this flag.
   */
  muteEvents(mute: boolean): void {
    Atomics.store(this.#ring, this.#cqFlags, mute ? IORING_CQ_EVENTFD_DISABLED : 0);
  }

  /**
   * Queues a readv. Safety, for this and all that follow: the descriptor is open, and the iovecs and what they name are
   * mapped, until the result has been taken.
   * @param token 0 ... 2^32 - 1, returned with the result @returns false if the queue is full: {@link enter} first
   */
  readv(fd: number, iov: number, count: number, offset: number, token: number): boolean {
    const at = this.#begin(IORING_OP_READV, fd, token);
    if (at >= 0) this.#range(at, iov, count, offset);
    return at >= 0;
  }

  writev(fd: number, iov: number, count: number, offset: number, token: number): boolean {
    const at = this.#begin(IORING_OP_WRITEV, fd, token);
    if (at >= 0) this.#range(at, iov, count, offset);
    return at >= 0;
  }

  fdatasync(fd: number, token: number): boolean {
    const at = this.#begin(IORING_OP_FSYNC, fd, token);
    if (at >= 0) this.#sqes[at + SQE_RW_FLAGS] = IORING_FSYNC_DATASYNC;
    return at >= 0;
  }

  fallocate(fd: number, mode: number, offset: number, bytes: number, token: number): boolean {
    const at = this.#begin(IORING_OP_FALLOCATE, fd, token);
    if (at >= 0) this.#range(at, bytes, mode, offset); // length and mode stand where others have address and length
    return at >= 0;
  }

  /** Queues the wish that all calls end soon; it has no result. Calls that a disk is busy with go on. Not hot. */
  cancelAll(): boolean {
    const at = this.#begin(IORING_OP_ASYNC_CANCEL, -1, 0);
    if (at < 0) return false;
    this.#sqes[at + SQE_USER_DATA + 1] = USER_CANCEL;
    // These flags are of 5.19; before, the kernel refuses the call, and there is only waiting.
    this.#sqes[at + SQE_RW_FLAGS] = IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY;
    return true;
  }

  /**
   * Tells the kernel of all calls queued; those that need not wait are made at once.
   * @returns how many it has taken, or -errno: EINTR, EAGAIN, EBUSY: try again, those not taken stay queued
   */
  enter(): number {
    const submit = this.#tell();
    const flags = this.overflown ? IORING_ENTER_GETEVENTS : 0;
    return status(cEnter(NR_IO_URING_ENTER, this.#fd, submit, 0, flags, 0, 0));
  }

  /** As {@link enter}, then waits for a result. Not hot. @returns also -ETIME: it took no call, and no result came in `ms` milliseconds */
  enterAndWait(ms: number): number {
    const { view, address } = this.#wait;
    view.setUint32(IO_URING_GETEVENTS_ARG_BYTES, Math.floor(ms / 1000), true);
    view.setUint32(IO_URING_GETEVENTS_ARG_BYTES + 8, Math.floor((ms % 1000) * 1e6), true);
    const flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
    const bytes = IO_URING_GETEVENTS_ARG_BYTES;
    return status(cEnter(NR_IO_URING_ENTER, this.#fd, this.#tell(), 1, flags, address, bytes));
  }

  /** Takes the next result; read `token` and `result`. @returns false if there is none */
  next(): boolean {
    const ring = this.#ring;
    for (;;) {
      const head = i32At(ring, this.#cqHead); // ours alone
      if (head === Atomics.load(ring, this.#cqTail)) return false;
      const at = this.#cqes + (head & this.#cqMask) * CQE_WORDS;
      const user = i32At(ring, at + CQE_USER_DATA + 1);
      this.token = i32At(ring, at + CQE_USER_DATA) >>> 0;
      this.result = i32At(ring, at + CQE_RES);
      Atomics.store(ring, this.#cqHead, (head + 1) | 0);
      if (user === USER_CALL) return true;
    }
  }

  /**
   * Takes back the call queued last, for a ring the kernel refuses to serve; read `token`. Not hot.
   * @returns false if none is queued
   */
  unqueue(): boolean {
    while (this.queued > 0) {
      this.#tail = (this.#tail - 1) | 0;
      this.#tell();
      const at = (this.#tail & (this.entries - 1)) * SQE_WORDS + SQE_USER_DATA;
      this.token = u32At(this.#sqes, at);
      if (u32At(this.#sqes, at + 1) === USER_CALL) return true;
    }
    return false;
  }

  /** Gives everything back; what is still under way goes on to its end. Not hot. */
  close(): void {
    close(this.#fd);
    unmap(this.#rings);
    unmap(this.#entriesMapping);
  }

  #tell(): number {
    if (this.#told !== this.#tail) {
      this.#told = this.#tail;
      // Whoever sees this store sees the entries' plain stores before it.
      Atomics.store(this.#ring, this.#sqTail, this.#tail);
    }
    return this.queued;
  }

  /** A new entry, all 0 but for these. @returns index of its first word, or -1: the queue is full */
  #begin(op: number, fd: number, token: number): number {
    const tail = this.#tail;
    if (this.queued === this.entries) return -1;
    const sqes = this.#sqes;
    const at = (tail & (this.entries - 1)) * SQE_WORDS;
    for (let i = 0; i < SQE_WORDS; i++) sqes[at + i] = 0;
    sqes[at] = op;
    sqes[at + SQE_FD] = fd;
    sqes[at + SQE_USER_DATA] = token;
    this.#tail = (tail + 1) | 0;
    return at;
  }

  #range(at: number, address: number, length: number, offset: number): void {
    const sqes = this.#sqes;
    sqes[at + SQE_OFF] = offset >>> 0;
    sqes[at + SQE_OFF + 1] = Math.floor(offset / HIGH);
    sqes[at + SQE_ADDR] = address >>> 0;
    sqes[at + SQE_ADDR + 1] = Math.floor(address / HIGH);
    sqes[at + SQE_LEN] = length;
  }
}
