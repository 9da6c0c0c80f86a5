// Messages of MSI-X vectors, changed by several threads at once, and what KVM then delivers.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { KVM_CAP_X2APIC_API } from '#lkvm/abi/kvm-x86.js';
import { createMsiRoutes, SharedMsiRoutes } from '#lkvm/kvm/msi-routes.js';
import type { Vcpu } from '#lkvm/kvm/vcpu.js';
import { eventfd, eventfdSignal } from '#lkvm/sys/eventfd.js';
import { close } from '#lkvm/sys/fd.js';
import { makeVcpu, makeVm, type Rig, skipWithoutKvm } from '../../support/kvm-rig.js';
import { dataOf, type MsiWorkerData } from '../../support/msi-worker.js';

const skip = skipWithoutKvm();
// Offsets in the local APIC's page.
const [SPURIOUS, REQUESTS] = [0xf0, 0x200];

/** A vCPU that never runs, with its local APIC on: interrupts collect in it. */
function collector(rig: Rig): Vcpu {
  const vcpu = makeVcpu(rig);
  const lapic = vcpu.lapic.load();
  lapic.view.setUint32(SPURIOUS, 0x1ff, true);
  lapic.store();
  return vcpu;
}

/** Vectors that have come, in order. */
function arrived(vcpu: Vcpu): number[] {
  const { view } = vcpu.lapic.load();
  return Array.from({ length: 256 }, (_, vector) => vector).filter((vector) => {
    return ((view.getUint32(REQUESTS + (vector >> 5) * 0x10, true) >>> (vector & 31)) & 1) !== 0;
  });
}

/** An eventfd behind a vector's GSI. */
function bind(rig: Rig, gsi: number): number {
  const fd = eventfd();
  rig.vm.addIrqfd(fd, gsi);
  rig.onClose(() => {
    rig.vm.removeIrqfd(fd, gsi);
    close(fd);
  });
  return fd;
}

/** Waits for interrupts that KVM may deliver from a work queue. */
async function until(done: () => boolean): Promise<void> {
  for (const end = Date.now() + 30_000; !done() && Date.now() < end; ) await setTimeout(5);
}

test('SharedMsiRoutes: four threads change 192 vectors at once → each delivers its own message', {
  skip,
}, async (t) => {
  const [threads, vectors] = [4, 16];
  const rig = makeVm(t, true);
  const vcpu = collector(rig);
  const slots = Array.from({ length: 12 }, (_, slot) => slot);
  const routes = createMsiRoutes(slots.map(() => vectors));
  const own = new SharedMsiRoutes(routes, rig.vm);
  own.install();
  // Bound before there are messages, as a machine does it.
  const fds = slots.flatMap((slot) =>
    Array.from({ length: vectors }, (_, vector) => bind(rig, own.gsi(slot, vector))),
  );
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const workers = Array.from({ length: threads }, (_, i) => {
    const mine = slots.filter((slot) => slot % threads === i);
    const workerData: MsiWorkerData = { vm: rig.vm.record, routes, slots: mine, vectors, gate, threads };
    return new Worker(new URL('../../support/msi-worker.js', import.meta.url), { workerData });
  });
  await Promise.all(workers.map((worker) => once(worker, 'exit')));
  for (const fd of fds) eventfdSignal(fd);
  const expected = slots.flatMap((slot) =>
    Array.from({ length: vectors }, (_, vector) => dataOf(slot, vector, vectors)),
  );
  await until(() => arrived(vcpu).length === expected.length);
  assert.deepEqual(arrived(vcpu), expected);
  assert.equal(own.refused, 0);
});

test('SharedMsiRoutes: no message yet, a vector the slot does not have → nothing delivered; another thread’s object → the same', {
  skip,
}, async (t) => {
  const rig = makeVm(t, true);
  const vcpu = collector(rig);
  const shared = createMsiRoutes([0, 2, 1]);
  const [first, second] = [new SharedMsiRoutes(shared, rig.vm), new SharedMsiRoutes(shared, rig.vm)];
  first.install();
  assert.deepEqual([first.gsi(1, 0), first.gsi(1, 1), first.gsi(2, 0)], [24, 25, 26]);
  const fds = [24, 25, 26].map((gsi) => bind(rig, gsi));
  first.setMessage(1, 0, 0xfee0_0000, 0, 0x40);
  second.setMessage(1, 2, 0xfee0_0000, 0, 0x41); // would be slot 2's
  second.setMessage(0, 0, 0xfee0_0000, 0, 0x42);
  second.setMessage(2, 0, 0xfee0_0000, 0, 0x43);
  for (const fd of fds) eventfdSignal(fd);
  await until(() => arrived(vcpu).length === 2);
  assert.deepEqual(arrived(vcpu), [0x40, 0x43]);
  assert.equal(rig.vm.irqLine(5, 0), 0, 'the PC’s pins are still there');
});

test('SharedMsiRoutes: a message KVM refuses → that vector delivers nothing, counted; the others and later ones do', {
  skip,
}, async (t) => {
  const rig = makeVm(t, true);
  const vcpu = collector(rig);
  rig.vm.enableCapability(KVM_CAP_X2APIC_API, 1); // from now on KVM looks at the upper half of addresses
  const routes = new SharedMsiRoutes(createMsiRoutes([2]), rig.vm);
  routes.install();
  const fds = [24, 25].map((gsi) => bind(rig, gsi));
  routes.setMessage(0, 0, 0xfee0_0000, 0, 0x50);
  routes.setMessage(0, 1, 0xfee0_0000, 0x55, 0x51);
  assert.equal(routes.refused, 1);
  routes.setMessage(0, 0, 0xfee0_0000, 0, 0x52);
  for (const fd of fds) eventfdSignal(fd);
  await until(() => arrived(vcpu).length === 1);
  assert.deepEqual(arrived(vcpu), [0x52]);
  routes.setMessage(0, 1, 0xfee0_0000, 0, 0x53);
  eventfdSignal(fds[1] as number);
  await until(() => arrived(vcpu).length === 2);
  assert.deepEqual(arrived(vcpu), [0x52, 0x53]);
});
