/** A disk that is a file or block device of the host. Thread: reactor. */
import { EINVAL, EOPNOTSUPP } from '../../abi/errno.js';
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE } from '../../abi/linux.js';
import type { IovArray } from '../../memory/iov-array.js';
import { at } from '../../util/typed.js';
import type { BlockBackend, BlockFacts, BlockListener } from '../../virtio/devices/blk/backend.js';
import type { HostQueue, HostQueueHandler } from './host-queue.js';
import { closeImage, type DiskImage } from './image.js';
import { Zeros } from './zeros.js';

// What the call under way for a token is
/** Its result is the request's. */
const CALL_PLAIN = 0;
const CALL_DIRECT_READ = 6;
const CALL_DIRECT_WRITE = 7;
const CALL_PUNCH_TO_DISCARD = 1;
const CALL_DISCARD = 2;
const CALL_PUNCH_TO_ZERO = 3;
const CALL_ZERO_RANGE = 4;
const CALL_WRITE_ZEROS = 5;

/** A request that may take several calls. */
class Work {
  call = CALL_PLAIN;
  offset = 0;
  bytes = 0;
  iov = 0;
  count = 0;
}

/** See the file's head. */
export class FileDisk implements BlockBackend, HostQueueHandler {
  readonly facts: BlockFacts;
  readonly #image: DiskImage;
  readonly #queue: HostQueue;
  /** By token. */
  readonly #work: Work[] = [];
  #listener: BlockListener | undefined;
  #zeros: Zeros | undefined;
  // What the host turned out not to have is not tried again.
  #canPunch = true;
  #canZero = true;
  #open = true;

  /** @param makeQueue gets the disk as the one to tell */
  constructor(image: DiskImage, makeQueue: (handler: HostQueueHandler) => HostQueue) {
    this.facts = image.facts;
    this.#image = image;
    this.#queue = makeQueue(this);
  }

  get pending(): number {
    return this.#queue.pending;
  }

  setListener(listener: BlockListener): void {
    this.#listener = listener;
  }

  read(token: number, iov: IovArray, offset: number): void {
    const work = this.#take(token);
    if (this.#image.directFd >= 0 && this.#isAligned(iov, offset)) {
      rememberCall(work, CALL_DIRECT_READ, iov, offset);
      this.#queue.preadv(this.#image.directFd, iov.windowAddress, iov.windowCount, offset, token);
      return;
    }
    work.call = CALL_PLAIN;
    this.#queue.preadv(this.#image.fd, iov.windowAddress, iov.windowCount, offset, token);
  }

  write(token: number, iov: IovArray, offset: number): void {
    const work = this.#take(token);
    if (this.#image.directFd >= 0 && this.#isAligned(iov, offset)) {
      rememberCall(work, CALL_DIRECT_WRITE, iov, offset);
      this.#queue.pwritev(this.#image.directFd, iov.windowAddress, iov.windowCount, offset, token);
      return;
    }
    work.call = CALL_PLAIN;
    this.#queue.pwritev(this.#image.fd, iov.windowAddress, iov.windowCount, offset, token);
  }

  flush(token: number): void {
    this.#take(token).call = CALL_PLAIN;
    this.#queue.fdatasync(this.#image.fd, token);
  }

  discard(token: number, offset: number, bytes: number): void {
    const work = this.#takeRange(token, offset, bytes);
    if (this.#canPunch) this.#punch(work, token, CALL_PUNCH_TO_DISCARD);
    else this.#discardDevice(work, token);
  }

  writeZeroes(token: number, offset: number, bytes: number, unmap: boolean): void {
    const work = this.#takeRange(token, offset, bytes);
    if (unmap && this.#canPunch) this.#punch(work, token, CALL_PUNCH_TO_ZERO);
    else this.#zeroRange(work, token);
  }

  submit(): void {
    this.#queue.submit();
  }

  cancel(): void {
    // Whatever ends from now on ends its request: there is no next step.
    for (let i = 0; i < this.#work.length; i++) at(this.#work, i).call = CALL_PLAIN;
    this.#queue.cancel();
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.cancel();
    const settled = this.#queue.settle();
    this.#queue.close();
    // A call that has not begun names a number, not a file: it must not find another file under it.
    if (settled) closeImage(this.#image);
  }

  /** For the queue. */
  onDone(token: number, result: number): void {
    const work = at(this.#work, token);
    switch (work.call) {
      case CALL_PLAIN:
        break;
      case CALL_DIRECT_READ:
      case CALL_DIRECT_WRITE:
        if (result !== -EINVAL) break;
        this.#buffered(work, token);
        return;
      case CALL_PUNCH_TO_DISCARD:
        if (!this.#punchMissing(result)) break;
        this.#discardDevice(work, token);
        return;
      case CALL_DISCARD:
        // It was a hint: a device that cannot, or not at these borders, has done what it can.
        this.#end(token, isMissing(result) ? 0 : result);
        return;
      case CALL_PUNCH_TO_ZERO:
        if (!this.#punchMissing(result)) break;
        this.#zeroRange(work, token);
        return;
      case CALL_ZERO_RANGE:
        if (!isMissing(result)) break;
        if (result === -EOPNOTSUPP) this.#canZero = false;
        this.#writeZeros(work, token);
        return;
      case CALL_WRITE_ZEROS:
        if (result <= 0) break;
        work.offset += result;
        work.bytes -= result;
        if (work.bytes <= 0) break;
        this.#writeZeros(work, token);
        return;
    }
    this.#end(token, result);
  }

  /** For the queue. */
  onBatchEnd(): void {
    this.#listener?.batchDone();
  }

  /** The kernel knows better than we what direct I/O needs here: through the page cache, then. */
  #buffered(work: Work, token: number): void {
    const write = work.call === CALL_DIRECT_WRITE;
    work.call = CALL_PLAIN;
    if (write) this.#queue.pwritev(this.#image.fd, work.iov, work.count, work.offset, token);
    else this.#queue.preadv(this.#image.fd, work.iov, work.count, work.offset, token);
  }

  #isAligned(iov: IovArray, offset: number): boolean {
    const { directAlign, directMemoryAlign } = this.#image;
    if ((iov.windowAddressBits & (directMemoryAlign - 1)) !== 0) return false;
    return (iov.windowLengthBits & (directAlign - 1)) === 0 && offset % directAlign === 0;
  }

  #end(token: number, result: number): void {
    this.#listener?.requestDone(token, result);
  }

  #punch(work: Work, token: number, call: number): void {
    work.call = call;
    const mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    this.#queue.fallocate(this.#image.fd, mode, work.offset, work.bytes, token);
  }

  /** Files have no other way; a block device has. */
  #discardDevice(work: Work, token: number): void {
    work.call = CALL_DISCARD;
    this.#queue.discard(this.#image.fd, work.offset, work.bytes, token);
  }

  #zeroRange(work: Work, token: number): void {
    if (!this.#canZero) {
      this.#writeZeros(work, token);
      return;
    }
    work.call = CALL_ZERO_RANGE;
    const mode = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
    this.#queue.fallocate(this.#image.fd, mode, work.offset, work.bytes, token);
  }

  #writeZeros(work: Work, token: number): void {
    this.#zeros ??= new Zeros();
    this.#zeros.choose(work.bytes);
    work.call = CALL_WRITE_ZEROS;
    this.#queue.pwritev(this.#image.fd, this.#zeros.iov, this.#zeros.count, work.offset, token);
  }

  #punchMissing(result: number): boolean {
    if (result === -EOPNOTSUPP) this.#canPunch = false;
    return isMissing(result);
  }

  #take(token: number): Work {
    while (this.#work.length <= token) this.#work.push(new Work());
    return at(this.#work, token);
  }

  #takeRange(token: number, offset: number, bytes: number): Work {
    const work = this.#take(token);
    work.offset = offset;
    work.bytes = bytes;
    return work;
  }
}

function rememberCall(work: Work, call: number, iov: IovArray, offset: number): void {
  work.call = call;
  work.iov = iov.windowAddress;
  work.count = iov.windowCount;
  work.offset = offset;
}

/** The host cannot do this at all, or not at these borders (a device with blocks of more than 512 bytes). */
function isMissing(result: number): boolean {
  return result === -EOPNOTSUPP || result === -EINVAL;
}
