/** A vCPU whose every access goes to the device thread. Thread: vCPU. */
import type { CommandChannel } from './channel.js';
import { CommandClient } from './command-client.js';
import { runVcpu } from './entry.js';

await runVcpu<CommandChannel>(({ data, vcpu, control }) => new CommandClient(data, vcpu.index, control));
