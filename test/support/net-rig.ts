/** A network device over a back end of plain memory. */
import { COUNTER_COUNT } from '#lkvm/util/counters.js';
import type { EventLoop } from '#lkvm/util/ports.js';
import type { Features } from '#lkvm/virtio/core/features.js';
import { NetDevice } from '#lkvm/virtio/devices/net/device.js';
import { DeviceRig, type DeviceRigOptions } from './device-rig.js';
import { MemoryNetwork } from './fake-backends.js';

const MAC = [2, 0x15, 0x15, 0x15, 0x15, 0x15];

export interface NetRigOptions extends Partial<DeviceRigOptions> {
  readonly offered?: Features;
  readonly offloads?: number;
  readonly loop?: EventLoop;
}

export function netRig(options: NetRigOptions = {}) {
  const net = new MemoryNetwork();
  net.offloads = options.offloads ?? 0;
  net.possibleOffloads = net.offloads;
  const counters = new Float64Array(COUNTER_COUNT);
  const device = new NetDevice({
    backend: net,
    counters,
    queueSizes: [256, 256],
    mac: MAC,
    features: options.offered,
    loop: options.loop,
  });
  return { net, counters, device, rig: new DeviceRig(device, { sizes: [256, 256], ...options }) };
}

/** Bytes that tell when they are in the wrong place. */
export function frame(bytes: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => (i * 7 + seed) & 0xff);
}
