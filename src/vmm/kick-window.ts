/**
 * The notify registers of a virtio device as ioeventfds: a driver's kick is a signal on the queue's eventfd, without an
 * exit. Where they are now is in shared words, because any vCPU may move a PCI BAR.
 */
import { KVM_CAP_IOEVENTFD_ANY_LENGTH } from '../abi/kvm.js';
import type { IoEvent, Vm } from '../kvm/vm.js';
import type { Log } from '../util/ports.js';
import type { KickWindow } from '../virtio/transport/trapped/ports.js';

/** How a transport's driver names the queue it kicks. */
export type KickStyle =
  /** PCI: each queue has a register of its own, `stride` bytes after the one before. */
  | { readonly kind: 'per-queue'; readonly stride: number }
  /** MMIO: one 4-byte register; the value written is the queue's index. */
  | { readonly kind: 'by-value' };

/** Shared state of a window: nowhere. Thread: main. */
export function createKickWindow(): SharedArrayBuffer {
  const shared = new SharedArrayBuffer(8);
  new Float64Array(shared)[0] = -1;
  return shared;
}

/** One device's window. Thread: any, one object per thread; calls are serialised by the caller's lock. */
export class IoEventWindow implements KickWindow {
  readonly #vm: Vm;
  readonly #fds: readonly number[];
  readonly #style: KickStyle;
  /** One double: the gpa, or -1. Written under the caller's lock, which also orders it. */
  readonly #place: Float64Array;
  readonly #log: Log;

  /** @param fds eventfd of each queue @param shared from {@link createKickWindow} */
  constructor(vm: Vm, fds: readonly number[], style: KickStyle, shared: SharedArrayBuffer, log: Log) {
    this.#vm = vm;
    this.#fds = fds;
    this.#style = style;
    this.#place = new Float64Array(shared);
    this.#log = log;
  }

  move(gpa: number): void {
    const old = this.#place[0] as number;
    if (old === gpa) return;
    this.#place[0] = gpa;
    if (old >= 0) this.#each(old, (event) => this.#vm.removeIoEvent(event));
    if (gpa >= 0) this.#each(gpa, (event) => this.#vm.addIoEvent(event));
  }

  #each(gpa: number, action: (event: IoEvent) => void): void {
    for (const [queue, fd] of this.#fds.entries()) {
      try {
        action(this.#eventOf(gpa, queue, fd));
      } catch (error) {
        // A guest may lay two BARs over each other. Kicks then arrive as exits, or at the other device, as on hardware.
        this.#log.warn(error instanceof Error ? error.message : String(error));
      }
    }
  }

  #eventOf(gpa: number, queue: number, fd: number): IoEvent {
    const style = this.#style;
    if (style.kind === 'by-value') return { space: 'mmio', address: gpa, bytes: 4, fd, datamatch: queue };
    const bytes = this.#vm.capability(KVM_CAP_IOEVENTFD_ANY_LENGTH) !== 0 ? 0 : 2;
    return { space: 'mmio', address: gpa + queue * style.stride, bytes, fd };
  }
}
