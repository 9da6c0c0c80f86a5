/** How every device ends a drain of a queue: in one place, because the order matters. */
import { CHAIN_OK, type VirtQueue } from '../queue/virt-queue.js';
import type { Notifier } from './device.js';

/**
 * The device stopped although more is available: it waits for something else (the host's socket, a completion) and will
 * drain again by itself. Chains it could not use were given back with `unpop`, or are still in the ring.
 */
export const DRAIN_BLOCKED = 2;

/**
 * Publishes what was pushed, interrupts the driver if it wants that, reports a structural fault, and asks for kicks again
 * when the queue is empty.
 *
 * @param status what `pop` returned last; CHAIN_OK means that the budget ran out; or DRAIN_BLOCKED
 * @returns what `processQueue` returns: true if there is more to do in the next round
 * Thread: reactor. Hot path.
 */
export function finishDrain(queue: VirtQueue, status: number, notifier: Notifier): boolean {
  queue.publish();
  // What was completed before a fault still counts.
  if (queue.needsInterrupt()) notifier.usedBuffers(queue.index);
  if (status < 0) {
    notifier.driverFault(queue.index, status);
    return false;
  }
  if (status === CHAIN_OK) return true;
  return status === DRAIN_BLOCKED ? false : queue.enableKicks();
}
