// Interrupts and kernel-side events on the host's real KVM: timer, irqfd, ioeventfd, messages, processors that start each other.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KVM_CAP_COALESCED_PIO, KVM_EXIT_IO, KVM_MP_STATE_UNINITIALIZED } from '#lkvm/abi/kvm.js';
import { EPOLLIN } from '#lkvm/abi/linux.js';
import { CoalescedRing } from '#lkvm/kvm/coalesced-ring.js';
import { GsiRouting } from '#lkvm/kvm/gsi-routing.js';
import { eventfd, eventfdDrain, eventfdSignal } from '#lkvm/sys/eventfd.js';
import { close } from '#lkvm/sys/fd.js';
import { SysError } from '#lkvm/util/errors.js';
import { Asm } from '../../support/asm.js';
import {
  CODE,
  interruptTables,
  makeVcpu,
  makeVm,
  protectedMode,
  type Rig,
  realMode,
  STACK,
  skipWithoutKvm,
} from '../../support/kvm-rig.js';
import { makeChannel, serve, startVcpu } from '../../support/vcpu-rig.js';

const skip = skipWithoutKvm();
/** A byte the interrupt handler counts in. */
const COUNT = 0x2000;
const HANDLER = CODE + 0x100;
const DONE = 'out 0x80 1 0xa';
const DEVICE = 0x30_0000;

/** Real mode: line `irq` of the first PIC calls HANDLER, all other lines are masked. */
function wirePic(asm: Asm, irq: number): Asm {
  return asm
    .cli()
    .storeWord((8 + irq) * 4, HANDLER)
    .storeWord((8 + irq) * 4 + 2, 0)
    .outByte(0x20, 0x11) // initialise: edge, cascade
    .outByte(0x21, 8) // vectors from 8
    .outByte(0x21, 4)
    .outByte(0x21, 1)
    .outByte(0x21, ~(1 << irq) & 0xff);
}

/** Real mode: counts and acknowledges. */
const PIC_HANDLER = new Asm(16).pushAx().incByte(COUNT).outByte(0x20, 0x20).popAx().iret().code();

function eventFd(rig: Rig): number {
  const fd = eventfd();
  rig.onClose(() => close(fd));
  return fd;
}

test('PIT: programmed for 1 ms by a guest → its handler counts ten ticks', { skip }, async (t) => {
  const rig = makeVm(t, true);
  rig.load(
    wirePic(new Asm(16), 0)
      .outByte(0x43, 0x34) // channel 0, both bytes, rate generator
      .outByte(0x40, 0xa9) // 1193 at 1.193 MHz
      .outByte(0x40, 0x04)
      .sti()
      .label('wait')
      .hlt()
      .loadAl(COUNT)
      .cmpAl(10)
      .jne('wait')
      .cli()
      .outAl(0x80)
      .hlt()
      .code(),
  );
  rig.load(PIC_HANDLER, HANDLER);
  const vcpu = rig.vm.createVcpu(0);
  realMode(vcpu);
  const channel = makeChannel(rig);
  const { recorder } = channel;
  const device = serve(rig, channel);
  startVcpu(rig, vcpu, channel);
  await device.until(() => recorder.log.length > 0);
  assert.deepEqual(recorder.log, [DONE]);
});

test('ioeventfd, irqfd: ten kicks by port, each answered by an interrupt → ten round trips without an exit', {
  skip,
}, async (t) => {
  const rig = makeVm(t, true);
  rig.load(
    wirePic(new Asm(16), 5)
      .label('again')
      .cli()
      .outByte(0x70, 1)
      .sti() // takes effect after the next instruction: an interrupt cannot come before hlt
      .hlt()
      .loadAl(COUNT)
      .cmpAl(10)
      .jne('again')
      .outAl(0x80)
      .hlt()
      .code(),
  );
  rig.load(PIC_HANDLER, HANDLER);
  const vcpu = rig.vm.createVcpu(0);
  realMode(vcpu);
  const [kick, interrupt] = [eventFd(rig), eventFd(rig)];
  rig.vm.addIoEvent({ space: 'pio', address: 0x70, bytes: 1, fd: kick, datamatch: 1 });
  rig.vm.addIrqfd(interrupt, 5);
  const channel = makeChannel(rig);
  const { recorder } = channel;
  const device = serve(rig, channel);
  let kicks = 0;
  device.reactor.watch(kick, EPOLLIN, {
    onReady: () => {
      eventfdDrain(kick);
      kicks++;
      eventfdSignal(interrupt);
    },
  });
  startVcpu(rig, vcpu, channel);
  await device.until(() => recorder.log.length > 0);
  assert.deepEqual([recorder.log, kicks], [[DONE], 10]);
});

test('ioeventfd: datamatch, width and space → only equal writes signal, the others exit; removed → all exit', {
  skip,
}, async (t) => {
  const rig = makeVm(t);
  const writes = (asm: Asm): Asm =>
    asm
      .outByte(0x70, 1)
      .outByte(0x70, 2)
      .storeDword(DEVICE, 7)
      .storeDword(DEVICE, 8)
      .storeDword(DEVICE + 4, 7);
  rig.load(
    writes(writes(new Asm(32)).outByte(0x80, 0))
      .outByte(0x80, 1)
      .hlt()
      .code(),
  );
  const vcpu = rig.vm.createVcpu(0);
  protectedMode(vcpu);
  const [port, memory] = [eventFd(rig), eventFd(rig)];
  const events = [
    { space: 'pio', address: 0x70, bytes: 1, fd: port, datamatch: 1 },
    { space: 'mmio', address: DEVICE, bytes: 4, fd: memory, datamatch: 7 },
  ] as const;
  for (const event of events) rig.vm.addIoEvent(event);
  assert.throws(
    () => rig.vm.addIoEvent(events[0]),
    (error) =>
      error instanceof SysError &&
      error.code === 'EEXIST' &&
      /ioeventfd for 1-byte.*0x70/.test(error.message),
  );
  const channel = makeChannel(rig);
  const { recorder } = channel;
  const device = serve(rig, channel);
  const { thread } = startVcpu(rig, vcpu, channel, true);
  thread.resume();
  await device.until(() => recorder.log.includes('out 0x80 1 0x1'));
  const other = ['out 0x70 1 0x2', 'store 0x300000 4 0x8', 'store 0x300004 4 0x7'];
  assert.deepEqual(recorder.log, [...other, 'out 0x80 1 0x0', ...other, 'out 0x80 1 0x1']);
  assert.deepEqual([eventfdDrain(port), eventfdDrain(memory)], [8, 8]);
  for (const event of events) rig.vm.removeIoEvent(event);
  for (const event of events) rig.vm.addIoEvent(event);
});

test('messages: KVM_SIGNAL_MSI, and an irqfd routed to a message → one interrupt each; a released route → none', {
  skip,
}, async (t) => {
  const rig = makeVm(t, true);
  rig.load(
    new Asm(32)
      .storeDword(0xfee0_00f0, 0x1ff) // local APIC on
      .outByte(0x80, 0)
      .sti()
      .hlt()
      .code(),
  );
  // It never returns: iretd of protected mode is an instruction that not every KVM can emulate.
  rig.load(
    new Asm(32)
      .incByte(COUNT)
      .storeDword(0xfee0_00b0, 0) // acknowledge
      .loadAl(COUNT)
      .outAl(0x81)
      .db(0xbc, STACK & 0xff, STACK >> 8, 0, 0) // mov esp, STACK
      .sti()
      .hlt()
      .code(),
    HANDLER,
  );
  const vcpu = rig.vm.createVcpu(0);
  protectedMode(vcpu);
  interruptTables(vcpu, rig, { 64: HANDLER, 65: HANDLER });
  const routing = new GsiRouting();
  routing.addPcPins();
  const gsi = routing.allocate();
  routing.setMessage(gsi, 0xfee0_0000, 0, 0x41);
  rig.vm.setRouting(routing);
  const fd = eventFd(rig);
  rig.vm.addIrqfd(fd, gsi);
  const channel = makeChannel(rig);
  const { recorder } = channel;
  const device = serve(rig, channel);
  startVcpu(rig, vcpu, channel);
  await device.until(() => recorder.log.length === 1);
  assert.ok(rig.vm.signalMsi(0xfee0_0000, 0, 0x40) > 0);
  await device.until(() => recorder.log.length === 2);
  eventfdSignal(fd);
  await device.until(() => recorder.log.length === 3);
  routing.release(gsi);
  rig.vm.setRouting(routing);
  eventfdSignal(fd); // goes nowhere
  assert.ok(rig.vm.signalMsi(0xfee0_0000, 0, 0x40) > 0);
  await device.until(() => recorder.log.length === 4);
  assert.deepEqual(recorder.log.slice(1), ['out 0x81 1 0x1', 'out 0x81 1 0x2', 'out 0x81 1 0x3']);
  rig.vm.removeIrqfd(fd, gsi);
});

test('irqLine: a line raised and lowered → 0', {
  skip,
}, (t) => {
  const rig = makeVm(t, true);
  assert.deepEqual([rig.vm.irqLine(5, 1), rig.vm.irqLine(5, 0)], [0, 0]);
});

test('two vCPUs: the first sends INIT and SIPI → the second starts in real mode at the vector', {
  skip,
}, async (t) => {
  const rig = makeVm(t, true);
  rig.load(
    new Asm(32)
      .storeDword(0xfee0_00f0, 0x1ff) // local APIC on
      .storeDword(0xfee0_0310, 1 << 24) // to APIC 1:
      .storeDword(0xfee0_0300, 0x4500) // INIT
      .storeDword(0xfee0_0300, 0x4608) // SIPI, start at 0x8000
      .label('wait')
      .pause()
      .loadAl(COUNT)
      .cmpAl(0x55)
      .jne('wait')
      .outAl(0x80)
      .hlt()
      .code(),
  );
  // cs is 0x800, ds is 0
  rig.load(new Asm(16).outByte(0x81, 0x33).movAl(0x55).storeAl(COUNT).cli().hlt().code(), 0x8000);
  const first = rig.vm.createVcpu(0);
  const second = rig.vm.createVcpu(1);
  protectedMode(first);
  assert.equal(second.mpState, KVM_MP_STATE_UNINITIALIZED);
  const channel = makeChannel(rig, 2);
  const { recorder } = channel;
  const device = serve(rig, channel);
  const threads = [startVcpu(rig, second, channel), startVcpu(rig, first, channel)];
  await device.until(() => recorder.log.length === 2);
  assert.deepEqual(recorder.log, ['out 0x81 1 0x33', 'out 0x80 1 0x55']);
  // A processor that has halted for ever, and one that waits for its start, are pausable like any other.
  for (const { thread } of threads) await thread.pause();
});

test('a vCPU that waits for its start → can be paused and stopped', { skip }, async (t) => {
  const rig = makeVm(t, true);
  rig.vm.createVcpu(0).close();
  const { thread } = startVcpu(rig, rig.vm.createVcpu(1), makeChannel(rig, 2));
  await thread.pause();
  thread.resume();
  const end = await thread.stop();
  assert.equal(end.error, undefined);
});

test('coalesced zones: writes to memory and ports → no exit each, all in the ring in order', {
  skip,
}, (t) => {
  const rig = makeVm(t);
  const page = rig.vm.coalescedPage;
  const vcpu = makeVcpu(rig);
  rig.load(
    new Asm(32)
      .storeDword(DEVICE, 1)
      .outByte(0x70, 2)
      .storeDword(DEVICE + 8, 3)
      .outByte(0x80, 4)
      .hlt()
      .code(),
  );
  protectedMode(vcpu);
  const hasPorts = rig.vm.capability(KVM_CAP_COALESCED_PIO) !== 0;
  assert.ok(page > 0 && hasPorts, 'KVM_CAP_COALESCED_MMIO and _PIO');
  rig.vm.addCoalescedZone({ space: 'mmio', address: DEVICE, bytes: 0x1000 });
  rig.vm.addCoalescedZone({ space: 'pio', address: 0x70, bytes: 1 });
  assert.equal(vcpu.enter(), 0);
  assert.deepEqual([vcpu.run.exitReason(), vcpu.run.ioPort()], [KVM_EXIT_IO, 0x80]);
  const ring = new CoalescedRing(vcpu.record.run, page);
  const log: unknown[] = [];
  const sink = { write: (...args: unknown[]) => log.push(args) };
  assert.equal(ring.drain(sink), 3);
  assert.deepEqual(
    log.map((entry) => (entry as unknown[]).slice(0, 3)),
    [
      [false, DEVICE, 4],
      [true, 0x70, 1],
      [false, DEVICE + 8, 4],
    ],
  );
  assert.deepEqual(
    log.map((entry) => ((entry as number[])[3] ?? 0) & 0xff),
    [1, 2, 3],
  );
  assert.equal(ring.drain(sink), 0);
  rig.vm.removeCoalescedZone({ space: 'mmio', address: DEVICE, bytes: 0x1000 });
});

test('Vm.setLevelTriggered: lines 9, 10 and 11 → the guest reads them as level-triggered, also after it has initialised the PICs', {
  skip,
}, (t) => {
  const rig = makeVm(t, true);
  rig.vm.setLevelTriggered([9, 10, 11]);
  const elcr = (port: number) => [0xba, port & 0xff, port >> 8]; // mov dx, port
  rig.load(
    wirePic(new Asm(16), 0)
      .outByte(0xa0, 0x11)
      .outByte(0xa1, 0x70)
      .db(...elcr(0x4d0))
      .inDx()
      .outAl(0x80)
      .db(...elcr(0x4d1))
      .inDx()
      .outAl(0x80)
      .hlt()
      .code(),
  );
  const vcpu = makeVcpu(rig);
  realMode(vcpu);
  const values = [0, 1].map(() => {
    assert.equal(vcpu.enter(), 0);
    assert.equal(vcpu.run.exitReason(), KVM_EXIT_IO);
    return vcpu.run.u8[vcpu.run.ioDataOffset()];
  });
  assert.deepEqual(values, [0x00, 0x0e]);
});
