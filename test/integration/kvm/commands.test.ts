// What a vCPU's accesses become, calls to the reactor that wait, and pauses in between.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PENDING } from '#lkvm/util/pending.js';
import { CALL_PORT, LOAD, OUT, STORE } from '../../support/access-record.js';
import { Asm, AX, CX } from '../../support/asm.js';
import { makeVm, protectedMode, skipWithoutKvm } from '../../support/kvm-rig.js';
import { makeChannel, serve, startVcpu } from '../../support/vcpu-rig.js';

const skip = skipWithoutKvm();

test('VcpuRunLoop: writes and reads of all widths → in order, values both ways', { skip }, async (t) => {
  const rig = makeVm(t);
  rig.load(
    new Asm(32)
      .mov(AX, 0xa1b2_c3d4)
      .outAx(0x50)
      .inAl(0x60)
      .outAl(0x61)
      .db(0xa1, 0x04, 0x00, 0x30, 0x00) // mov eax, [0x300004]
      .db(0xa3, 0x08, 0x00, 0x30, 0x00) // mov [0x300008], eax
      .db(0x66, 0xa3, 0x0c, 0x00, 0x30, 0x00) // mov [0x30000c], ax
      .outByte(0x80, 0)
      .hlt()
      .code(),
  );
  const vcpu = rig.vm.createVcpu(0);
  protectedMode(vcpu);
  const channel = makeChannel(rig);
  const { recorder } = channel;
  recorder.answer(0x17, 0xfedc_ba98);
  const device = serve(rig, channel);
  startVcpu(rig, vcpu, channel);
  await device.until(() => recorder.count === 7);
  assert.deepEqual(recorder.log, [
    'out 0x50 4 0xa1b2c3d4',
    'in 0x60 1',
    'out 0x61 1 0x17',
    'load 0x300004 4',
    'store 0x300008 4 0xfedcba98',
    'store 0x30000c 2 0xba98',
    'out 0x80 1 0x0',
  ]);
});

for (const spinTurns of [0, 2000]) {
  for (const later of [false, true]) {
    const when = later ? 'later' : 'at once';
    test(`CommandClient.call: answered ${when}, ${spinTurns} looks before sleeping → the guest gets each answer`, {
      skip,
    }, async (t) => {
      const rig = makeVm(t);
      const rounds = 200;
      rig.load(
        new Asm(32).mov(CX, rounds).label('again').inAl(CALL_PORT).outAl(0x61).loop('again').hlt().code(),
      );
      const vcpu = rig.vm.createVcpu(0);
      protectedMode(vcpu);
      const channel = makeChannel(rig, 1, spinTurns);
      let calls = 0;
      let due = 0;
      const device = serve(rig, channel, {
        onCall: (number, what) => {
          assert.deepEqual([number, what], [CALL_PORT, 1]);
          calls++;
          due = later ? calls : 0;
          return later ? PENDING : calls;
        },
      });
      startVcpu(rig, vcpu, channel);
      await device.until(() => {
        device.server.answer(CALL_PORT + 1, 0xff); // of another device: nobody waits for it
        if (due !== 0) device.server.answer(CALL_PORT, due);
        due = 0;
        return channel.recorder.count === rounds;
      });
      assert.deepEqual(
        channel.recorder.values(OUT),
        Array.from({ length: rounds }, (_, i) => (i + 1) & 0xff),
      );
      assert.equal(calls, rounds);
    });
  }
}

test('VcpuThread.pause: 100 times in the middle of port and memory reads → no access lost, none twice', {
  skip,
}, async (t) => {
  const rig = makeVm(t);
  const rounds = 2000;
  // What a port read gets is stored in a device, what a device read gets goes to a port.
  rig.load(
    new Asm(32)
      .mov(CX, rounds)
      .label('again')
      .inAl(CALL_PORT)
      .storeAl(0x30_0000)
      .loadAl(0x30_0004)
      .outAl(0x61)
      .loop('again')
      .outByte(0x80, 0)
      .hlt()
      .code(),
  );
  const vcpu = rig.vm.createVcpu(0);
  protectedMode(vcpu);
  const channel = makeChannel(rig);
  const { recorder } = channel;
  const answers = Array.from({ length: rounds }, (_, i) => i & 0xff);
  recorder.answer(...answers);
  let calls = 0;
  const device = serve(rig, channel, { onCall: () => calls++ & 0xff });
  const total = 3 * rounds + 1;
  const { thread } = startVcpu(rig, vcpu, channel);
  for (let i = 0; i < 100; i++) {
    let parked = false;
    void thread.pause().then(() => {
      parked = true;
    });
    await device.until(() => parked);
    const before = recorder.count;
    device.reactor.round(0);
    assert.equal(recorder.count, before, 'a parked vCPU makes no access');
    thread.resume();
    const target = Math.min(total, recorder.count + 20);
    await device.until(() => recorder.count >= target);
  }
  await device.until(() => recorder.count >= total);
  assert.deepEqual([recorder.count, recorder.answered, calls], [total, rounds, rounds]);
  assert.deepEqual(recorder.values(STORE), answers);
  assert.equal(recorder.values(LOAD).length, rounds);
  assert.deepEqual(recorder.values(OUT), [...answers, 0]);
});
