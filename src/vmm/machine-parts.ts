/**
 * What the threads of a machine share: plain data, made by main once, cloned into the `data` of every worker. Each thread
 * builds its own objects over the same shared memory (`thread-parts.ts`).
 */
import type { VmRecord } from '../kvm/vm.js';
import type { RegionRecord } from '../memory/guest-memory.js';
import type { PlatformShared } from '../platform/platform.js';
import type { CommandChannel } from '../workers/vcpu/channel.js';
import type { BusParts } from './device-parts.js';
import type { HvlParts } from './hvl-parts.js';

export interface MachineParts {
  readonly vm: VmRecord;
  /** The guest's RAM, in this process. */
  readonly memory: readonly RegionRecord[];
  readonly platform: PlatformShared;
  readonly bus: BusParts;
  /** Hypervisorless devices; undefined = none. */
  readonly hvl: HvlParts | undefined;
  /** Eventfd that tells the reactor of output in the serial ports' rings. */
  readonly serialDoorbellFd: number;
  /** Between vCPUs and reactor. */
  readonly channel: CommandChannel;
  readonly debug: { readonly ioport: boolean; readonly mmio: boolean };
}
