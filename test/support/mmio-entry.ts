// A vCPU with virtio-mmio devices; accesses to anything else are recorded in shared words.
import { Bus } from '#lkvm/bus/bus.js';
import { MmioRegisters } from '#lkvm/virtio/transport/mmio/registers.js';
import { DeviceRegisters } from '#lkvm/virtio/transport/trapped/registers.js';
import type { VcpuPort } from '#lkvm/workers/vcpu/access-port.js';
import { CommandClient } from '#lkvm/workers/vcpu/command-client.js';
import { runVcpu } from '#lkvm/workers/vcpu/entry.js';
import { AccessWriter, LOAD, OUT, STORE } from './access-record.js';
import type { RecorderData } from './recorder-entry.js';

export interface MmioData extends RecorderData {
  /** Devices in order of their numbers: where, and their registers. */
  readonly devices: readonly { readonly at: number; readonly registers: SharedArrayBuffer }[];
}

const STRIDE = 0x200;

await runVcpu<MmioData>(({ data, control }): VcpuPort => {
  const calls = new CommandClient(data.channel, control);
  const writer = new AccessWriter(data.record);
  const bus = new Bus('mmio');
  for (const [device, { at, registers }] of data.devices.entries()) {
    bus.add(at, STRIDE, new MmioRegisters(new DeviceRegisters(registers, { device, calls })));
  }
  return {
    outcome: 0,
    outcomeValue: 0,
    pioWrite: (port, bytes, value) => writer.add(OUT, port, bytes, value),
    pioRead: () => 0xff,
    close: () => {},
    mmioWrite: (gpa, bytes, value) => {
      if (!bus.write(gpa, bytes, value)) writer.add(STORE, gpa, bytes, value);
    },
    mmioRead: (gpa, bytes) => {
      const misses = bus.misses;
      const value = bus.read(gpa, bytes);
      if (bus.misses !== misses) writer.add(LOAD, gpa, bytes, 0);
      return value;
    },
  };
});
