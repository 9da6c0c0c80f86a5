// The reactor of bench/kvm/kick.ts: an entropy device behind virtio-mmio, or nothing but an interrupt for each kick.
import { EPOLLIN } from '#lkvm/abi/linux.js';
import { GetrandomSource } from '#lkvm/backends/random/getrandom.js';
import { Vm, type VmRecord } from '#lkvm/kvm/vm.js';
import { GuestMemory, type RegionRecord } from '#lkvm/memory/guest-memory.js';
import { NoPoll } from '#lkvm/reactor/poll-policy.js';
import { Reactor } from '#lkvm/reactor/reactor.js';
import { eventfdDrain } from '#lkvm/sys/eventfd.js';
import { COUNTER_COUNT } from '#lkvm/util/counters.js';
import { RngDevice } from '#lkvm/virtio/devices/rng/device.js';
import { MmioInterrupts } from '#lkvm/virtio/transport/mmio/interrupts.js';
import { TrappedTransport } from '#lkvm/virtio/transport/trapped/transport.js';
import { PinSignal } from '#lkvm/vmm/thread-parts.js';
import { runThread } from '#lkvm/workers/entry.js';
import type { CommandChannel } from '#lkvm/workers/vcpu/channel.js';
import { CommandServer } from '#lkvm/workers/vcpu/command-server.js';
import { GSI } from '../../test/support/virtio-guest.js';

export interface KickData {
  readonly channel: CommandChannel;
  readonly kick: number;
  readonly vm: VmRecord;
  readonly registers: SharedArrayBuffer;
  readonly memory: readonly RegionRecord[];
  /** Kicks are answered by an interrupt, and the device sees nothing of them. */
  readonly bare: boolean;
}

await runThread<KickData>((context) => {
  const { bare, channel, kick, memory, registers, vm } = context.data;
  const reactor = new Reactor(context.wakeFd);
  reactor.onWake(() => {
    if (context.stopRequested()) reactor.stop();
  });
  const counters = new Float64Array(COUNTER_COUNT);
  const device = new RngDevice({ source: new GetrandomSource(reactor), counters, queueSizes: [64] });
  const signal = new PinSignal(new Vm(vm), GSI);
  const transport = new TrappedTransport({
    devices: [{ device, registers, interrupts: new MmioInterrupts(registers, signal) }],
    memory: new GuestMemory(memory),
    log: { info: () => {}, warn: (text) => console.error(text) },
    answer: (number, result) => server.answer(number, result),
  });
  const server: CommandServer = new CommandServer(channel, transport, reactor);
  if (!bare) reactor.setPollable(transport, new NoPoll());
  reactor.watch(kick, EPOLLIN, {
    onReady: () => {
      eventfdDrain(kick);
      if (bare) signal.raise();
      else transport.kicked(0, 0);
    },
  });
  context.post('ready');
  reactor.run();
  transport.stop();
  server.close();
  reactor.close();
});
