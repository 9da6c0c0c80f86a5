// A vCPU whose accesses are recorded in shared words; reads of one port become calls to the reactor.
import type { VcpuPort } from '#lkvm/workers/vcpu/access-port.js';
import type { CommandChannel } from '#lkvm/workers/vcpu/channel.js';
import { CommandClient } from '#lkvm/workers/vcpu/command-client.js';
import { runVcpu } from '#lkvm/workers/vcpu/entry.js';
import { AccessWriter, CALL_PORT, IN, LOAD, OUT, STORE } from './access-record.js';

export interface RecorderData {
  readonly channel: CommandChannel;
  readonly record: SharedArrayBuffer;
}

await runVcpu<RecorderData>(({ data, control }): VcpuPort => {
  const client = new CommandClient(data.channel, control);
  const writer = new AccessWriter(data.record);
  return {
    outcome: 0,
    outcomeValue: 0,
    close: () => undefined,
    pioWrite: (port, bytes, value) => writer.add(OUT, port, bytes, value),
    pioRead: (port, bytes) => {
      if (port === CALL_PORT) return client.call(port, bytes);
      writer.add(IN, port, bytes, 0);
      return writer.answer();
    },
    mmioWrite: (gpa, bytes, value) => writer.add(STORE, gpa, bytes, value),
    mmioRead: (gpa, bytes) => {
      writer.add(LOAD, gpa, bytes, 0);
      return writer.answer();
    },
  };
});
