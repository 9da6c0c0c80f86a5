// A tiny guest on the host's real KVM with an entropy device behind virtio-pci: kicks and interrupts in every way there is.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { EPOLLIN } from '#lkvm/abi/linux.js';
import { VIRTIO_ID_ENTROPY } from '#lkvm/abi/virtio.js';
import { createPci } from '#lkvm/bus/pci/create.js';
import { HOST_BRIDGE } from '#lkvm/bus/pci/host-bridge.js';
import { createMsiRoutes, SharedMsiRoutes } from '#lkvm/kvm/msi-routes.js';
import { NoPoll } from '#lkvm/reactor/poll-policy.js';
import { eventfd, eventfdDrain } from '#lkvm/sys/eventfd.js';
import { close } from '#lkvm/sys/fd.js';
import { COUNTER_COUNT } from '#lkvm/util/counters.js';
import { RngDevice } from '#lkvm/virtio/devices/rng/device.js';
import { PciInterrupts } from '#lkvm/virtio/transport/pci/interrupts.js';
import { vectorCount, virtioPciFunction } from '#lkvm/virtio/transport/pci/layout.js';
import { createVirtioPci } from '#lkvm/virtio/transport/pci/words.js';
import { TrappedTransport } from '#lkvm/virtio/transport/trapped/transport.js';
import { createKickWindow } from '#lkvm/vmm/kick-window.js';
import { Asm } from '../../support/asm.js';
import { CountingSource } from '../../support/fake-backends.js';
import {
  CODE,
  interruptTables,
  makeVm,
  protectedMode,
  type Rig,
  STACK,
  skipWithoutKvm,
} from '../../support/kvm-rig.js';
import { GSI, interruptPorts, type PciGuestData, WINDOW } from '../../support/pci-guest.js';
import { makeChannel, serve, startVcpuIn } from '../../support/vcpu-rig.js';

const skip = skipWithoutKvm();

// The guest's memory.
const [DESC, AVAIL, USED, BUFFER] = [0x1_0000, 0x1_1000, 0x1_2000, 0x1_3000];
/** Where a handler goes on. */
const NEXT = 0x2000;
/** Handlers of the vectors 0x41, 0x42 and 0x43, and the stages of a program. */
const HANDLERS = [CODE + 0x100, CODE + 0x180, CODE + 0x200];
const STAGE = 0x4000;
const STAGE_BYTES = 0x400;

/** What the device's driver uses: a BAR here, later there. */
const [HERE, THERE] = [WINDOW.start + 0x10_0000, WINDOW.start + 0x20_0000];
const [ISR, NOTIFY, TABLE, PENDING] = [0x200, 0x1000, 0x2000, 0x2800];
const SLOT = 1;

/** Protected-mode instructions, and what a driver makes of them. */
class Driver extends Asm {
  constructor() {
    super(32);
  }

  #dword(value: number): this {
    return this.db(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24);
  }

  /** mov word [address], value */
  word(address: number, value: number): this {
    return this.db(0x66, 0xc7, 0x05)
      .#dword(address)
      .db(value & 0xff, value >>> 8);
  }

  /** mov byte [address], value */
  byte(address: number, value: number): this {
    return this.db(0xc6, 0x05).#dword(address).db(value);
  }

  /** mov eax, [address] */
  load(address: number): this {
    return this.db(0xa1).#dword(address);
  }

  /** out dx, eax to `port` */
  outPort(port: number, value: number): this {
    return this.mov(0, value).mov(2, port).db(0xef);
  }

  /** Writes a dword of the device's configuration space. */
  config(register: number, value: number): this {
    return this.outPort(0xcf8, 0x8000_0000 + (SLOT << 11) + register).outPort(0xcfc, value);
  }

  /** Reads one into eax. */
  loadConfig(register: number): this {
    return this.outPort(0xcf8, 0x8000_0000 + (SLOT << 11) + register)
      .mov(2, 0xcfc)
      .db(0xed);
  }

  /** Makes buffer number `n` available. */
  submit(n: number): this {
    return this.word(AVAIL + 2, n);
  }

  /** Waits for the interrupt whose handler goes on with this stage. */
  waitFor(stage: number): this {
    return this.storeDword(NEXT, stageAt(stage)).sti().hlt();
  }

  /** End of an interrupt: a report from eax, acknowledged, and on. It never returns: not every KVM emulates iretd. */
  goOn(port: number): this {
    return this.outAx(port)
      .storeDword(0xfee0_00b0, 0)
      .db(0xbc)
      .#dword(STACK) // mov esp, STACK
      .db(0xff, 0x25)
      .#dword(NEXT); // jmp [NEXT]
  }
}

function stageAt(stage: number): number {
  return STAGE + stage * STAGE_BYTES;
}

/** Lists all functions of the bus at port 0x80, as a slot's address and its ids. */
function enumerate(asm: Driver): Driver {
  return asm
    .mov(3, 0x8000_0000) // ebx
    .label('slot')
    .db(0x89, 0xd8) // mov eax, ebx
    .mov(2, 0xcf8)
    .db(0xef)
    .mov(2, 0xcfc)
    .db(0xed) // in eax, dx
    .db(0x3d, 0xff, 0xff, 0xff, 0xff) // cmp eax, -1
    .je('nobody')
    .outAx(0x80)
    .label('nobody')
    .db(0x81, 0xc3, 0x00, 0x08, 0x00, 0x00) // add ebx, 0x800
    .db(0x81, 0xfb, 0x00, 0x00, 0x01, 0x80) // cmp ebx, 0x80010000
    .jne('slot');
}

/** Places the BAR, sizes it first, and starts the device as section 3.1.1 says; used buffers interrupt on vector 1. */
function startDevice(asm: Driver): Driver {
  const common = (offset: number): number => HERE + offset;
  return asm
    .config(4, 0)
    .config(0x10, 0xffff_ffff)
    .loadConfig(0x10)
    .outAx(0x80)
    .config(0x10, HERE)
    .config(4, 6)
    .byte(common(0x14), 0)
    .byte(common(0x14), 3)
    .storeDword(common(0x08), 1)
    .storeDword(common(0x0c), 1)
    .byte(common(0x14), 11)
    .word(common(0x16), 0)
    .word(common(0x18), 8)
    .word(common(0x1a), 1)
    .storeDword(common(0x20), DESC)
    .storeDword(common(0x28), AVAIL)
    .storeDword(common(0x30), USED)
    .word(common(0x1c), 1)
    .storeDword(HERE + TABLE + 16, 0xfee0_0000)
    .storeDword(HERE + TABLE + 16 + 8, 0x41)
    .storeDword(HERE + TABLE + 16 + 12, 0)
    .config(0x40, 0x8000_0000)
    .byte(common(0x14), 15)
    .load(common(0x14))
    .outAx(0x80);
}

/** One stage after the other; each ends with a kick, and the interrupt leads to the next. */
function loadProgram(rig: Rig): void {
  const stages: ((asm: Driver) => Driver)[] = [
    (asm) =>
      // Local APIC on; nothing by the PICs, which are connected to it after a reset.
      startDevice(enumerate(asm.storeDword(0xfee0_00f0, 0x1ff).outByte(0x21, 0xff).outByte(0xa1, 0xff)))
        .submit(1)
        .word(HERE + NOTIFY, 0),
    // The BAR moves: the kick has to come from there.
    (asm) =>
      asm
        .config(0x10, THERE)
        .submit(2)
        .word(THERE + NOTIFY, 0),
    // A masked vector: the interrupt waits in its pending bit.
    (asm) =>
      asm
        .storeDword(THERE + TABLE + 16 + 12, 1)
        .submit(3)
        .word(THERE + NOTIFY, 0)
        .label('pending')
        .load(THERE + PENDING)
        .db(0x85, 0xc0) // test eax, eax
        .je('pending')
        .outAx(0x80)
        .storeDword(THERE + TABLE + 16 + 12, 0),
    // A kick by configuration space.
    (asm) => asm.submit(4).config(0x94, 0).config(0x98, NOTIFY).config(0x9c, 2).config(0xa0, 0),
    // Another message, without masking.
    (asm) =>
      asm
        .storeDword(THERE + TABLE + 16 + 8, 0x43)
        .submit(5)
        .storeDword(THERE + NOTIFY, 0),
    // No MSI-X any more: the line, on vector 0x42 of the IOAPIC, level-triggered.
    (asm) =>
      asm
        .config(0x40, 0)
        .storeDword(0xfec0_0000, 0x10 + 2 * GSI + 1)
        .storeDword(0xfec0_0010, 0)
        .storeDword(0xfec0_0000, 0x10 + 2 * GSI)
        .storeDword(0xfec0_0010, 0x8042)
        .submit(6)
        .word(THERE + NOTIFY, 0),
    (asm) => asm.outByte(0x8f, 1),
  ];
  for (const [i, stage] of stages.entries()) {
    rig.load(
      stage(new Driver())
        .waitFor(i + 1)
        .code(),
      stageAt(i),
    );
  }
  rig.load(new Driver().load(USED).goOn(0x81).code(), HANDLERS[0]);
  rig.load(
    new Driver()
      .load(THERE + ISR)
      .goOn(0x82)
      .code(),
    HANDLERS[1],
  );
  rig.load(new Driver().load(USED).goOn(0x83).code(), HANDLERS[2]);
  rig.load(Uint8Array.of(0xe9, ...new Uint8Array(Int32Array.of(STAGE - CODE - 5).buffer))); // jmp STAGE
  const view = new DataView(rig.u8.buffer);
  view.setUint32(DESC, BUFFER, true);
  view.setUint32(DESC + 8, 64, true);
  view.setUint16(DESC + 12, 2, true); // VIRTQ_DESC_F_WRITE
}

function eventFd(rig: Rig): number {
  const fd = eventfd();
  rig.onClose(() => close(fd));
  return fd;
}

/** The machine around the guest: everything but its program. */
function makeMachine(t: TestContext) {
  const rig = makeVm(t, true);
  const channel = makeChannel(rig);
  const spec = virtioPciFunction({ deviceId: VIRTIO_ID_ENTROPY, queues: 1, interruptLine: GSI });
  const pci = createPci({ functions: [HOST_BRIDGE, spec], window: WINDOW });
  const vectors = [eventFd(rig), eventFd(rig)];
  const { recorder, ...plain } = channel;
  const data: PciGuestData = {
    vm: rig.vm.record,
    shared: createVirtioPci(pci, SLOT, vectorCount(1)),
    routes: createMsiRoutes([0, vectorCount(1)]),
    window: createKickWindow(),
    kicks: [eventFd(rig)],
    vectors,
    channel: plain,
    record: recorder.shared,
  };
  const routes = new SharedMsiRoutes(data.routes, rig.vm);
  routes.install();
  for (const [vector, fd] of vectors.entries()) rig.vm.addIrqfd(fd, routes.gsi(SLOT, vector));
  const source = new CountingSource();
  const transport = new TrappedTransport({
    devices: [
      {
        device: new RngDevice({ source, counters: new Float64Array(COUNTER_COUNT), queueSizes: [64] }),
        registers: data.shared.registers,
        interrupts: new PciInterrupts(data.shared, interruptPorts(rig.vm, data)),
      },
    ],
    memory: rig.memory,
    log: { info: () => undefined, warn: (text) => rig.failures.push(text) },
    answer: () => undefined,
  });
  const device = serve(rig, channel, transport);
  device.reactor.setPollable(transport, new NoPoll());
  device.reactor.watch(data.kicks[0] as number, EPOLLIN, {
    onReady: () => {
      eventfdDrain(data.kicks[0] as number);
      transport.kicked(0, 0);
    },
  });
  return { rig, channel, data, device, source, recorder };
}

test('virtio-pci: a guest finds the device, starts it, kicks and is interrupted in every way → six buffers', {
  skip,
}, async (t) => {
  const { rig, channel, data, device, source, recorder } = makeMachine(t);
  loadProgram(rig);
  const vcpu = rig.vm.createVcpu(0);
  protectedMode(vcpu);
  const [used, line, other] = HANDLERS as [number, number, number];
  interruptTables(vcpu, rig, { 65: used, 66: line, 67: other });
  startVcpuIn(rig, vcpu, channel, {
    entry: new URL('../../support/pci-guest-entry.js', import.meta.url),
    port: data,
  });
  await device.until(() => recorder.log.includes('out 0x8f 1 0x1'));
  // What comes behind the end does not count: a KVM that emulates the kernel mode of its guests delivers a level twice.
  assert.deepEqual(recorder.log.slice(0, 13), [
    'out 0x80 4 0x12378086',
    'out 0x80 4 0x10441af4',
    'out 0x80 4 0xffffc000', // the BAR's size
    'out 0x80 4 0xf', // DRIVER_OK
    'out 0x81 4 0x10000', // used.idx in the upper half
    'out 0x81 4 0x20000',
    'out 0x80 4 0x2', // vector 1 is pending
    'out 0x81 4 0x30000',
    'store 0xffffffff 4 0x0', // the one kick that became an exit
    'out 0x81 4 0x40000',
    'out 0x83 4 0x50000',
    'out 0x82 4 0x1', // ISR: used buffers
    'out 0x8f 1 0x1',
  ]);
  assert.equal(source.total, 6 * 64);
});
