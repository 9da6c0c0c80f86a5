// The reactor of bench/kvm/exits.ts: it answers calls with 0, and each kick with an interrupt.
import { EPOLLIN } from '#lkvm/abi/linux.js';
import { Reactor } from '#lkvm/reactor/reactor.js';
import { eventfdDrain, eventfdSignal } from '#lkvm/sys/eventfd.js';
import { runThread } from '#lkvm/workers/entry.js';
import type { CommandChannel } from '#lkvm/workers/vcpu/channel.js';
import { CommandServer } from '#lkvm/workers/vcpu/command-server.js';

export interface DeviceData {
  readonly channel: CommandChannel;
  readonly kick: number;
  readonly interrupt: number;
}

await runThread<DeviceData>((context) => {
  const { channel, kick, interrupt } = context.data;
  const reactor = new Reactor(context.wakeFd);
  reactor.onWake(() => {
    if (context.stopRequested()) reactor.stop();
  });
  const server = new CommandServer(channel, { onCall: () => 0 }, reactor);
  reactor.watch(kick, EPOLLIN, {
    onReady: () => {
      eventfdDrain(kick);
      eventfdSignal(interrupt);
    },
  });
  reactor.run();
  server.close();
  reactor.close();
});
