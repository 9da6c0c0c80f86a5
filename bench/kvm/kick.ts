/**
 * kvm-kick: a guest kicks a device by ioeventfd, the reactor serves the ring and interrupts the guest by a pin, and the guest's handler
 * makes the next buffer available and kicks again. One request is 16 bytes of entropy; no exit leaves KVM.
 *
 * Floor: two processes that block in `read` of an eventfd each. `bare_us` is the same guest with a reactor that answers
 * each kick by an interrupt and looks at nothing: what KVM and epoll cost alone. Series alternate, and of each kind the
 * fastest counts.
 */
import { eventfd } from '#lkvm/sys/eventfd.js';
import { close } from '#lkvm/sys/fd.js';
import { createDeviceRegisters } from '#lkvm/virtio/transport/trapped/registers.js';
import { ShutdownGuard } from '#lkvm/workers/guard.js';
import { WorkerThread } from '#lkvm/workers/host.js';
import {
  interruptTables,
  openVm,
  protectedMode,
  type Rig,
  skipWithoutKvm,
} from '../../test/support/kvm-rig.js';
import type { MmioData } from '../../test/support/mmio-entry.js';
import { makeChannel, startVcpuIn } from '../../test/support/vcpu-rig.js';
import {
  AVAIL,
  DEVICE,
  entropyGuest,
  entropyHandler,
  HANDLER,
  VECTOR,
} from '../../test/support/virtio-guest.js';
import type { Bench, BenchOptions, Measurement, Skipped } from '../bench.js';
import { eventfdPingPong } from '../support/ping-pong.js';
import { allProcessors, pinTo, processors } from '../support/processor.js';
import type { KickData } from './kick-worker.js';

const SERIES = 6;
const QUICK_SERIES = 2;
const SERIES_MS = 400;
const QUICK_SERIES_MS = 80;
const QUEUE_NOTIFY = 0x50;
const MMIO_ENTRY = new URL('../../test/support/mmio-entry.js', import.meta.url);
const nobody = new Int32Array(new SharedArrayBuffer(4));

/** A guest that goes round in circles, parked between series. */
interface Machine {
  /** Microseconds per round trip. */
  series(ms: number): Promise<number>;
  close(): Promise<void>;
}

/** The reactor's worker, with descriptors that are closed after it. */
async function startReactor(rig: Rig, data: Omit<KickData, 'kick' | 'vm'>): Promise<void> {
  const kick = eventfd();
  rig.vm.addIoEvent({ space: 'mmio', address: DEVICE + QUEUE_NOTIFY, bytes: 4, datamatch: 0, fd: kick });
  rig.onClose(() => close(kick));
  await new Promise((resolve, reject) => {
    const reactor = new WorkerThread({
      name: 'reactor',
      entry: new URL('./kick-worker.js', import.meta.url),
      data: { ...data, kick, vm: rig.vm.record } satisfies KickData,
      wake: 'fd',
      owner: { onMessage: resolve, onEnd: ({ error }) => reject(error) },
      guard: new ShutdownGuard(),
    });
    rig.onClose(() => reactor.stop());
  });
}

async function startMachine(bare: boolean): Promise<Machine> {
  const rig = openVm(true);
  rig.load(entropyGuest());
  rig.load(entropyHandler(), HANDLER);
  const vcpu = rig.vm.createVcpu(0);
  protectedMode(vcpu);
  interruptTables(vcpu, rig, { [VECTOR]: HANDLER });
  const { recorder, ...rest } = makeChannel(rig);
  const channel = { controls: rest.controls, doorbellFd: rest.doorbellFd, spinTurns: rest.spinTurns };
  const registers = createDeviceRegisters();
  await startReactor(rig, { bare, channel, registers, memory: rig.memory.regions });
  const port: MmioData = { channel, record: recorder.shared, devices: [{ at: DEVICE, registers }] };
  const { thread } = startVcpuIn(rig, vcpu, channel, { entry: MMIO_ENTRY, port }, true);
  await thread.pause();
  const requests = (): number => Atomics.load(rig.memory.chunk.u16, AVAIL / 2 + 1);
  return {
    series: async (ms) => {
      thread.resume();
      for (const first = requests(); requests() === first; ) Atomics.wait(nobody, 0, 0, 1);
      let [before, rounds, now] = [requests(), 0, 0];
      const start = performance.now();
      do {
        Atomics.wait(nobody, 0, 0, 20); // far less than a whole turn of the 16-bit index
        now = performance.now();
        const seen = requests();
        rounds += (seen - before) & 0xffff;
        before = seen;
      } while (now - start < ms);
      await thread.pause();
      return ((now - start) * 1000) / rounds;
    },
    close: () => rig.close(),
  };
}

/** The floor, in microseconds per round trip. */
function pingPong(ms: number): number {
  using floor = eventfdPingPong();
  for (let i = 0; i < 200; i++) floor.round();
  const start = performance.now();
  let rounds = 0;
  for (; performance.now() - start < ms; rounds++) floor.round();
  return ((performance.now() - start) * 1000) / rounds;
}

interface Times {
  readonly ours: number;
  readonly bare: number;
  readonly floor: number;
}

async function compare(ours: Machine, bare: Machine, quick: boolean): Promise<Times> {
  const ms = quick ? QUICK_SERIES_MS : SERIES_MS;
  const best = {
    ours: Number.POSITIVE_INFINITY,
    bare: Number.POSITIVE_INFINITY,
    floor: Number.POSITIVE_INFINITY,
  };
  for (let i = 0; i < (quick ? QUICK_SERIES : SERIES); i++) {
    best.ours = Math.min(best.ours, await ours.series(ms));
    best.bare = Math.min(best.bare, await bare.series(ms));
    best.floor = Math.min(best.floor, pingPong(ms));
  }
  return best;
}

/** First all on one processor, then on two, as for `rtt-interrupt`. */
async function run({ quick }: BenchOptions): Promise<Measurement | Skipped> {
  const reason = skipWithoutKvm();
  if (reason !== false) return { skipped: reason };
  const pinned = processors() > 1 && pinTo(process.pid, '1');
  const ours = await startMachine(false);
  const bare = await startMachine(true);
  try {
    const together = await compare(ours, bare, quick);
    const measured = { value: together.ours, floor: together.floor };
    if (!pinned) return { ...measured, extra: { bare_us: together.bare } };
    pinTo(process.pid, allProcessors());
    const apart = await compare(ours, bare, quick);
    const extra = {
      bare_us: together.bare,
      two_processors_us: apart.ours,
      two_processors_bare_us: apart.bare,
      two_processors_floor_us: apart.floor,
    };
    return { ...measured, extra };
  } finally {
    await ours.close();
    await bare.close();
  }
}

export const kick: Bench = {
  name: 'kvm-kick',
  unit: 'us',
  about: 'ioeventfd -> virtio-mmio entropy device -> pin -> guest, 16 bytes; floor: eventfd ping-pong',
  run,
};
