/** The worker of a vCPU of a KVM machine. Thread: vCPU. */
import { runVcpu } from '../workers/vcpu/entry.js';
import type { MachineParts } from './machine-parts.js';
import { MachinePort } from './vcpu-port.js';

await runVcpu<MachineParts>(({ data }) => new MachinePort(data));
