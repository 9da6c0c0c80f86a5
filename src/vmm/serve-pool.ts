/** The hypervisorless devices of a KVM machine, in its reactor. Thread: reactor. */
import { poolLayout } from '../machine/pool-map.js';
import { GuestMemory } from '../memory/guest-memory.js';
import type { EventLoop, Log } from '../util/ports.js';
import type { VirtioDevice } from '../virtio/core/device.js';
import { hvlDeviceTree } from '../virtio/transport/hvl/device-tree.js';
import { HvlTransport } from '../virtio/transport/hvl/hvl-transport.js';
import type { Signal } from '../virtio/transport/trapped/ports.js';
import type { VmHvlConfig } from './config.js';
import { GuestDoorbell } from './hvl-doorbell.js';
import type { HvlParts } from './hvl-parts.js';

/** What is served. */
export interface PoolToServe {
  readonly config: VmHvlConfig;
  readonly parts: HvlParts;
  readonly interrupt: Signal;
  /** In slot order. */
  readonly devices: readonly VirtioDevice[];
  readonly loop: EventLoop;
  readonly log: Log;
}

/** Devices that are published. */
export interface ServedPool {
  /** To be polled by the loop. */
  readonly transport: HvlTransport;
  /** A store to a doorbell waits for this: everything it was for has been looked at, and the guest told. */
  look(): void;
  /** Stops the devices. The memory must stay until their host I/O has ended. */
  close(): void;
}

/** Publishes the devices; before a vCPU runs. Errors: ConfigError. */
export function servePool({ config, parts, interrupt, devices, loop, log }: PoolToServe): ServedPool {
  const layout = poolLayout(config);
  const doorbell = new GuestDoorbell(parts.doorbellFd, interrupt, loop);
  const { restartDetector, confine } = config;
  const transport = new HvlTransport({
    layout,
    // Only the pool: no ring or buffer of these devices can be in the guest's RAM, just as on two processors.
    memory: new GuestMemory([parts.pool]),
    devices,
    doorbell,
    log,
    options: { restartDetector, confine, features: [], loop }, // the devices were made with their features
  });
  transport.publish(layout.withDtb ? hvlDeviceTree(layout) : undefined);
  doorbell.open({ onDoorbell: () => void transport.pass(), onPeer: () => undefined });
  return {
    transport,
    look: () => {
      transport.pass();
      transport.flush();
    },
    close: () => {
      transport.stop();
      doorbell.close();
    },
  };
}
