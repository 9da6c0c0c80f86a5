/** The worker of a vCPU of a KVM machine. Thread: vCPU. */
import { writeSync } from 'node:fs';
import { CommandClient } from '../workers/vcpu/command-client.js';
import { runVcpu } from '../workers/vcpu/entry.js';
import { ExitCounts } from './exit-counts.js';
import type { MachineParts } from './machine-parts.js';
import { MachinePort } from './vcpu-port.js';

void runVcpu<MachineParts>(({ data, control, log }) => {
  const port = new MachinePort(data, new CommandClient(data.channel, control), log);
  const counts = process.env['LKVM_EXIT_STATS'];
  if (counts === undefined) return port;
  return new ExitCounts(port, (text) => void writeSync(2, text), counts);
});
