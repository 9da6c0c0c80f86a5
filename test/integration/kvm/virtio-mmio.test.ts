// A guest on the host's KVM drives a virtio device over virtio-mmio: registers, kicks by ioeventfd, interrupts by irqfd.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OUT } from '../../support/access-record.js';
import { makeVm, skipWithoutKvm } from '../../support/kvm-rig.js';
import { startEntropyGuest } from '../../support/mmio-rig.js';
import { NEEDS_RESET, RUNNING } from '../../support/trapped-rig.js';
import { AVAIL, BUFFER_BYTES, USED } from '../../support/virtio-guest.js';

const skip = skipWithoutKvm();

/** What the guest reports for request `n`: InterruptStatus, and the first bytes of what `CountingSource` gives it. */
function reports(n: number): string[] {
  const bytes = [0, 1, 2, 3].map((i) => 1 + ((n * BUFFER_BYTES + i) % 255));
  return ['out 0x51 4 0x1', `out 0x52 4 0x${Buffer.from(bytes.reverse()).readUInt32BE().toString(16)}`];
}

test('virtio-mmio: a guest sets up an entropy device and asks ten times → each kick is answered by an interrupt', {
  skip,
}, async (t) => {
  const rig = makeVm(t, true);
  const rounds = 10;
  const { channel, kicks, side } = startEntropyGuest(rig, { rounds });
  const { recorder } = channel;
  await side.until(() => recorder.count === 2 + 2 * rounds);
  const expected = Array.from({ length: rounds }, (_, n) => reports(n)).flat();
  assert.deepEqual(recorder.log, [`out 0x50 4 0x${RUNNING.toString(16)}`, ...expected, 'out 0x80 1 0x0']);
  assert.ok(kicks() >= 1 && kicks() <= rounds, `${kicks()} kicks`);
});

test('virtio-mmio: paused and resumed 50 times in the middle of it → no request is lost', {
  skip,
}, async (t) => {
  const rig = makeVm(t, true);
  const rounds = 200;
  const { channel, side, vcpu } = startEntropyGuest(rig, { rounds });
  const { recorder } = channel;
  for (let i = 0; i < 50; i++) {
    let parked = false;
    void vcpu.thread.pause().then(() => {
      parked = true;
    });
    await side.until(() => parked);
    // What the guest asked for before is served while it stands still, and its interrupt waits for it.
    for (let n = 0; n < 3; n++) side.reactor.round(0);
    const before = recorder.count;
    vcpu.thread.resume();
    await side.until(() => recorder.count > before || recorder.count === 2 + 2 * rounds);
  }
  await side.until(() => recorder.count === 2 + 2 * rounds);
  const data = recorder.values(OUT).slice(1, -1);
  assert.ok(data.filter((_, i) => i % 2 === 0).every((status) => status === 1));
  assert.equal(rig.u8[USED + 2], rounds);
});

test('virtio-mmio: a ring outside the memory → the guest reads NEEDS_RESET, the vCPU goes on', {
  skip,
}, async (t) => {
  const rig = makeVm(t, true);
  const { channel, side } = startEntropyGuest(rig, { rounds: 1, avail: 0x7000_0000 });
  await side.until(() => rig.u8[AVAIL + 2] !== 0);
  assert.deepEqual(channel.recorder.values(OUT)[0], RUNNING | NEEDS_RESET);
  assert.equal(rig.u8[USED + 2], 0);
});
