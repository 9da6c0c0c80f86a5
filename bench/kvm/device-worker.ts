// The device thread of bench/kvm/exits.ts: a reactor that serves the command ring, and answers each kick with an interrupt.
import { EPOLLIN } from '#lkvm/abi/linux.js';
import { Reactor } from '#lkvm/reactor/reactor.js';
import { eventfdDrain, eventfdSignal } from '#lkvm/sys/eventfd.js';
import { runThread } from '#lkvm/workers/entry.js';
import type { AccessPort } from '#lkvm/workers/vcpu/access-port.js';
import type { CommandChannel } from '#lkvm/workers/vcpu/channel.js';
import { CommandServer } from '#lkvm/workers/vcpu/command-server.js';

export interface DeviceData {
  readonly channel: CommandChannel;
  readonly kick: number;
  readonly interrupt: number;
}

const port: AccessPort = { pioWrite: () => {}, pioRead: () => 0, mmioWrite: () => {}, mmioRead: () => 0 };

await runThread<DeviceData>((context) => {
  const { channel, kick, interrupt } = context.data;
  const reactor = new Reactor(context.wakeFd);
  reactor.onWake(() => {
    if (context.stopRequested()) reactor.stop();
  });
  const server = new CommandServer(channel, port, reactor);
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
