/** The I/O worker: makes one call after the other. Thread: I/O worker. */
import { EINVAL } from '../../abi/errno.js';
import { blockDiscard } from '../../sys/block-device.js';
import { eventfdSignal } from '../../sys/eventfd.js';
import { fallocate, fdatasync, fsync, preadv, pwritev } from '../../sys/fd.js';
import { f64At } from '../../util/typed.js';
import { CONTROL_WAKE } from '../control-block.js';
import { runThread, type ThreadContext } from '../entry.js';
import {
  IO_BUSY,
  IO_CLOSED,
  IO_DISCARD,
  IO_DONE,
  IO_FALLOCATE,
  IO_FDATASYNC,
  IO_FSYNC,
  IO_GIVEN,
  IO_PREADV,
  IO_PWRITEV,
  type IoInit,
  IoRing,
  SLOT_COUNT,
  SLOT_FD,
  SLOT_IOV,
  SLOT_OFFSET,
  SLOT_OP,
  SLOT_RESULT,
} from './ring.js';

function call(slots: Float64Array, slot: number): number {
  const fd = f64At(slots, slot + SLOT_FD);
  const iov = f64At(slots, slot + SLOT_IOV);
  const count = f64At(slots, slot + SLOT_COUNT);
  const offset = f64At(slots, slot + SLOT_OFFSET);
  switch (f64At(slots, slot + SLOT_OP)) {
    case IO_FSYNC:
      return fsync(fd);
    case IO_FDATASYNC:
      return fdatasync(fd);
    case IO_PREADV:
      return preadv(fd, iov, count, offset);
    case IO_PWRITEV:
      return pwritev(fd, iov, count, offset);
    case IO_FALLOCATE:
      return fallocate(fd, iov, offset, count);
    case IO_DISCARD:
      return blockDiscard(fd, offset, count);
    default:
      return -EINVAL;
  }
}

/** Makes the next call. @returns false if the client has closed */
function serve(ring: IoRing, n: number): boolean {
  const { words, slots } = ring;
  Atomics.store(words, IO_BUSY, 1);
  const closed = Atomics.load(words, IO_CLOSED) !== 0;
  const slot = ring.slot(n);
  if (!closed) slots[slot + SLOT_RESULT] = call(slots, slot);
  Atomics.store(words, IO_BUSY, 0);
  Atomics.notify(words, IO_BUSY);
  return !closed;
}

function work(context: ThreadContext<IoInit>): void {
  const ring = new IoRing(context.data.ring);
  const { words } = ring;
  let done = Atomics.load(words, IO_DONE);
  for (;;) {
    // Read before looking for work: a wake-up after this line makes the wait below return at once.
    const wakeUps = Atomics.load(context.control, CONTROL_WAKE);
    while (done !== Atomics.load(words, IO_GIVEN)) {
      if (context.stopRequested() || !serve(ring, done)) return;
      done = (done + 1) | 0;
      Atomics.store(words, IO_DONE, done);
      Atomics.notify(words, IO_DONE);
      eventfdSignal(context.data.doneFd);
    }
    if (context.stopRequested()) return;
    Atomics.wait(context.control, CONTROL_WAKE, wakeUps);
  }
}

void runThread(work);
