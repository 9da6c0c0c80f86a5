// Several vCPUs at the registers of the same devices at once, while the reactor serves them: workers without any KVM.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { NoPoll } from '#lkvm/reactor/poll-policy.js';
import { Reactor } from '#lkvm/reactor/reactor.js';
import { COUNTER_COUNT } from '#lkvm/util/counters.js';
import { PENDING } from '#lkvm/util/pending.js';
import { featureSet } from '#lkvm/virtio/core/features.js';
import { ConsoleDevice } from '#lkvm/virtio/devices/console/device.js';
import { RngDevice } from '#lkvm/virtio/devices/rng/device.js';
import { MmioInterrupts } from '#lkvm/virtio/transport/mmio/interrupts.js';
import { MmioRegisters } from '#lkvm/virtio/transport/mmio/registers.js';
import { offeredFeatures, PublishedRegisters } from '#lkvm/virtio/transport/trapped/published.js';
import { createDeviceRegisters, DeviceRegisters } from '#lkvm/virtio/transport/trapped/registers.js';
import { TrappedTransport } from '#lkvm/virtio/transport/trapped/transport.js';
import { closeChannel, createChannel } from '#lkvm/workers/vcpu/channel.js';
import { CommandServer } from '#lkvm/workers/vcpu/command-server.js';
import { TestMemory } from '../../../../support/driver-sim-memory.js';
import { CountingSource, MemoryConsole } from '../../../../support/fake-backends.js';
import * as reg from '../../../../support/trapped-rig.js';

const ACCESSES = 5000;

/** Random accesses to the devices; reads whose halves differ in the config space of the last one are the exit code. */
const VCPU = `
  import { workerData } from 'node:worker_threads';
  const load = (path) => import(path);
  const { CommandClient } = await load(${JSON.stringify(import.meta.resolve('#lkvm/workers/vcpu/command-client.js'))});
  const { DeviceRegisters } = await load(${JSON.stringify(import.meta.resolve('#lkvm/virtio/transport/trapped/registers.js'))});
  const { MmioRegisters } = await load(${JSON.stringify(import.meta.resolve('#lkvm/virtio/transport/mmio/registers.js'))});
  const { Random } = await load(${JSON.stringify(import.meta.resolve('../../../../support/random.js'))});
  const { channel, vcpu, shared, gpa } = workerData;
  const random = new Random(vcpu);
  const calls = new CommandClient(channel, new Int32Array(channel.controls[vcpu]));
  const devices = shared.map((each, device) => new MmioRegisters(new DeviceRegisters(each, { device, calls })));
  const last = devices.pop();
  let torn = 0;
  for (let i = 0; i < ${ACCESSES}; i++) {
    const registers = random.pick(devices);
    const offset = random.pick([0x70, 0x70, 0x70, 0x20, 0x24, 0x30, 0x38, 0x44, 0x44, 0xc0, 0x80, 0x90, 0xa0, 0x64]);
    const value = random.pick([0, 1, 2, 3, 8, 11, 15, 15, 256, 257, gpa, gpa + 0x1000]);
    if (random.chance(0.05)) {
      const handshake = [[0x70, 0], [0x70, 3], [0x24, 1], [0x20, 0x101], [0x70, 11], [0x80, gpa], [0x90, gpa], [0xa0, gpa]];
      for (const [at, bits] of [...handshake, [0x44, 1], [0x70, 15]]) registers.write(at, 4, bits);
    } else if (random.chance(0.8)) registers.write(offset, 4, value);
    else registers.read(offset, 4);
    const config = last.read(0x100, 4);
    if ((config & 0xffff) !== config >>> 16) torn++;
  }
  process.exit(Math.min(torn, 100));
`;

test('DeviceRegisters: three vCPUs at two devices, nonsense → one call per device at a time, all end, devices work', async (t) => {
  const channel = createChannel(3);
  t.after(() => closeChannel(channel));
  const reactor = new Reactor();
  t.after(() => reactor.close());
  const memory = new TestMemory({ bytes: 0x1_0000 });
  const counters = new Float64Array(COUNTER_COUNT);
  const shared = [0, 1, 2].map(() => createDeviceRegisters());
  const devices = [
    new RngDevice({ source: new CountingSource(), counters, queueSizes: [16] }),
    new ConsoleDevice({ backend: new MemoryConsole(), counters, queueSizes: [16, 16] }),
  ];
  const transport = new TrappedTransport({
    devices: devices.map((device, i) => {
      const registers = shared[i] as SharedArrayBuffer;
      return { device, registers, interrupts: new MmioInterrupts(registers, { raise: () => {} }) };
    }),
    memory: memory.memory,
    log: { info: () => {}, warn: () => {} },
    answer: () => {},
  });
  reactor.setPollable(transport, new NoPoll());
  // The third block has no device behind it: its config space changes all the time.
  const config = new Uint8Array(4);
  const changing = new PublishedRegisters(shared[2] as SharedArrayBuffer);
  changing.publish({ deviceId: 1, queueMaxSizes: [], config } as never, offeredFeatures(featureSet(), false));

  /** Devices whose call is under way. */
  const busy = new Set<number>();
  let [overlaps, calls] = [0, 0];
  const server = new CommandServer(
    channel,
    {
      onCall: (device, what) => {
        if (busy.has(device)) overlaps++;
        busy.add(device);
        calls++;
        transport.onCall(device, what);
        return PENDING;
      },
    },
    reactor,
  );
  const url = new URL(`data:text/javascript,${encodeURIComponent(VCPU)}`);
  const codes: number[] = [];
  for (const vcpu of [0, 1, 2]) {
    const worker = new Worker(url, { workerData: { channel, vcpu, shared, gpa: memory.gpa } });
    void once(worker, 'exit').then(([code]) => codes.push(code as number));
  }
  for (const end = Date.now() + 120_000; codes.length < 3; await setImmediate()) {
    assert.ok(Date.now() < end, 'a vCPU hangs');
    reactor.round(500);
    for (const device of [...busy]) {
      busy.delete(device);
      server.answer(device, 0);
    }
    config.fill((config[0] ?? 0) + 1);
    changing.changeConfig(config);
  }
  server.close();
  assert.deepEqual([codes, overlaps], [[0, 0, 0], 0]);
  assert.ok(calls > 100, `${calls} calls`);

  // Whatever they left behind: the next driver starts anew.
  const next = new reg.TrappedDriver(
    new MmioRegisters(
      new DeviceRegisters(shared[0] as SharedArrayBuffer, {
        device: 0,
        calls: { call: (device, what) => transport.onCall(device, what) },
      }),
    ),
    memory,
    1,
  );
  next.start();
  next.offer(0, 8);
  transport.kicked(0, 0);
  assert.equal(next.queue(0).usedIdx, 1);
  transport.stop();
});
