/** The worker of a vCPU of a KVM machine. Thread: vCPU. */
import type { Log } from '../util/ports.js';
import { CommandClient } from '../workers/vcpu/command-client.js';
import { runVcpu } from '../workers/vcpu/entry.js';
import type { MachineParts } from './machine-parts.js';
import { MachinePort } from './vcpu-port.js';

/** What a guest makes a vCPU's thread say is of no use to anybody, and a guest could say it without end. */
const SILENT: Log = { info: () => undefined, warn: () => undefined, debug: () => undefined };

await runVcpu<MachineParts>(
  ({ data, control }) => new MachinePort(data, new CommandClient(data.channel, control), SILENT),
);
