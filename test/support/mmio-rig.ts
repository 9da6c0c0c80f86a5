// A vCPU that drives virtio-mmio devices, and the reactor that serves them: in this thread, turned by `side.until`.
import { EPOLLIN } from '#lkvm/abi/linux.js';
import { NoPoll } from '#lkvm/reactor/poll-policy.js';
import { eventfd, eventfdDrain, eventfdSignal } from '#lkvm/sys/eventfd.js';
import { close } from '#lkvm/sys/fd.js';
import { COUNTER_COUNT } from '#lkvm/util/counters.js';
import type { VirtioDevice } from '#lkvm/virtio/core/device.js';
import { RngDevice } from '#lkvm/virtio/devices/rng/device.js';
import { MmioInterrupts } from '#lkvm/virtio/transport/mmio/interrupts.js';
import { createDeviceRegisters } from '#lkvm/virtio/transport/trapped/registers.js';
import { TrappedTransport } from '#lkvm/virtio/transport/trapped/transport.js';
import { CountingSource } from './fake-backends.js';
import { interruptTables, protectedMode, type Rig } from './kvm-rig.js';
import type { MmioData } from './mmio-entry.js';
import {
  type DeviceSide,
  makeChannel,
  type RunningVcpu,
  serve,
  startVcpuIn,
  type TestChannel,
} from './vcpu-rig.js';
import {
  DEVICE,
  entropyGuest,
  entropyHandler,
  GSI,
  type GuestOptions,
  HANDLER,
  VECTOR,
} from './virtio-guest.js';

const QUEUE_NOTIFY = 0x50;

export interface MmioMachine {
  readonly channel: TestChannel;
  readonly transport: TrappedTransport;
  readonly side: DeviceSide;
  readonly vcpu: RunningVcpu;
  /** Kicks so far. */
  kicks(): number;
}

/** Loads the guest of `virtio-guest.ts` and starts it with an entropy device. @param rig with interrupt controllers */
export function startEntropyGuest(rig: Rig, options: GuestOptions): MmioMachine {
  rig.load(entropyGuest(options));
  rig.load(entropyHandler(options), HANDLER);
  const vcpu = rig.vm.createVcpu(0);
  protectedMode(vcpu);
  interruptTables(vcpu, rig, { [VECTOR]: HANDLER });
  const counters = new Float64Array(COUNTER_COUNT);
  const device: VirtioDevice = new RngDevice({ source: new CountingSource(), counters, queueSizes: [64] });
  const registers = createDeviceRegisters();
  const [kick, edge] = [eventfd(), eventfd()];
  rig.vm.addIoEvent({ space: 'mmio', address: DEVICE + QUEUE_NOTIFY, bytes: 4, datamatch: 0, fd: kick });
  rig.vm.addIrqfd(edge, GSI);
  const channel = makeChannel(rig);
  const holder: { side?: DeviceSide } = {};
  const transport = new TrappedTransport({
    devices: [
      {
        device,
        registers,
        interrupts: new MmioInterrupts(registers, { raise: () => eventfdSignal(edge) }),
      },
    ],
    memory: rig.memory,
    log: { info: () => {}, warn: () => {} },
    answer: (number, result) => holder.side?.server.answer(number, result),
  });
  const side = serve(rig, channel, transport);
  holder.side = side;
  side.reactor.setPollable(transport, new NoPoll());
  let kicks = 0;
  side.reactor.watch(kick, EPOLLIN, {
    onReady: () => {
      eventfdDrain(kick);
      kicks++;
      transport.kicked(0, 0);
    },
  });
  rig.onClose(() => {
    transport.stop();
    close(kick);
    close(edge);
  });
  const { controls, doorbellFd, recorder, spinTurns } = channel;
  const port: MmioData = {
    channel: { controls, doorbellFd, spinTurns },
    record: recorder.shared,
    devices: [{ at: DEVICE, registers }],
  };
  const entry = new URL('./mmio-entry.js', import.meta.url);
  return {
    channel,
    transport,
    side,
    vcpu: startVcpuIn(rig, vcpu, channel, { entry, port }),
    kicks: () => kicks,
  };
}
