/**
 * What joins the hypervisorless devices of a machine to its guest, as KVM knows it: the pool is a memory slot, doorbells
 * are ioeventfds (a store does not leave the kernel). The interrupt, a pin, needs no preparation. Thread: main.
 */
import { KVM_CAP_IOEVENTFD_ANY_LENGTH } from '../abi/kvm.js';
import {
  HVL_DEVICE_DOORBELL,
  HVL_DOORBELL,
  VIRTIO_MMIO_BASE,
  VIRTIO_MMIO_STRIDE,
} from '../arch/x86_64/memory-map.js';
import type { Vm } from '../kvm/vm.js';
import type { RegionRecord } from '../memory/guest-memory.js';
import { eventfd } from '../sys/eventfd.js';
import { close } from '../sys/fd.js';
import { unmap } from '../sys/map.js';
import type { VmHvlConfig } from './config.js';
import { mapRam } from './ram.js';

/** Plain data, shared by the machine's threads. */
export interface HvlParts {
  /** The pool, in this process. Not a part of the guest's RAM: its other devices cannot be told to use it. */
  readonly pool: RegionRecord;
  /** Eventfd that the guest's stores to the doorbells signal. */
  readonly doorbellFd: number;
  /** Addresses of doorbells whose stores wait instead: exits, which call the reactor (`hvl-doorbell.ts`). */
  readonly trapped: readonly number[];
}

/** Remembers how to undo something. */
type Own = <T>(thing: T, undo: (thing: T) => unknown) => T;

/**
 * Makes pool and doorbells.
 * @param slot a free memory slot @param own undoes things at the machine's end, last made first
 * Errors: StartError (no memory), SysError.
 */
export function connectPool(vm: Vm, config: VmHvlConfig, slot: number, own: Own): HvlParts {
  const mapping = own(mapRam(config.shmemSize, undefined), unmap);
  const pool = { gpa: config.shmemAddr, hva: mapping.address, bytes: mapping.bytes };
  vm.setMemorySlot({ slot, ...pool });
  const doorbellFd = own(eventfd(), close);
  // Any width; where KVM cannot say that, 32 bits, which is what front ends use.
  const bytes = vm.capability(KVM_CAP_IOEVENTFD_ANY_LENGTH) !== 0 ? 0 : 4;
  const addresses = doorbells(config);
  if (config.storesWait) return { pool, doorbellFd, trapped: addresses };
  for (const address of addresses) vm.addIoEvent({ space: 'mmio', address, bytes, fd: doorbellFd });
  return { pool, doorbellFd, trapped: [] };
}

/** The doorbell of all devices, then that of each. */
export function doorbells({ devices }: VmHvlConfig): number[] {
  const own = devices.map((_, i) => VIRTIO_MMIO_BASE + i * VIRTIO_MMIO_STRIDE + HVL_DEVICE_DOORBELL);
  return [HVL_DOORBELL, ...own];
}
