// A vCPU whose accesses go to the device thread: posted writes in order, waiting reads, pauses in between.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Asm, AX, CX } from '../../support/asm.js';
import { makeVm, protectedMode, skipWithoutKvm } from '../../support/kvm-rig.js';
import { makeChannel, Recorder, serve, startVcpu } from '../../support/vcpu-rig.js';

const skip = skipWithoutKvm();

for (const spinTurns of [0, 2000]) {
  test(`CommandClient: writes and reads of all widths, ${spinTurns} looks before sleeping → in order, values both ways`, {
    skip,
  }, async (t) => {
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
    const channel = makeChannel(rig, 1, spinTurns);
    const recorder = new Recorder();
    recorder.answers.push(0x17, 0xfedc_ba98);
    const device = serve(rig, channel, recorder);
    startVcpu(rig, vcpu, channel);
    await device.until(() => recorder.log.includes('out 0x80 1 0x0'));
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
}

test('VcpuThread.pause: 100 times in the middle of port and memory reads → no access lost, none twice', {
  skip,
}, async (t) => {
  const rig = makeVm(t);
  const rounds = 3000;
  // What a port read gets is stored in a device, what a device read gets goes to a port.
  rig.load(
    new Asm(32)
      .mov(CX, rounds)
      .label('again')
      .inAl(0x60)
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
  const seen: number[] = [];
  let [given, wrong, over] = [0, 0, false];
  const answer = (): number => given++ & 0xff;
  const take = (value: number): void => {
    if (value !== (seen.length & 0xff)) wrong++;
    seen.push(value);
  };
  const device = serve(rig, channel, {
    pioRead: answer,
    mmioRead: answer,
    mmioWrite: (_gpa, _bytes, value) => take(value),
    pioWrite: (port, _bytes, value) => {
      if (port === 0x80) over = true;
      else take(value);
    },
  });
  const { thread } = startVcpu(rig, vcpu, channel);
  for (let i = 0; i < 100; i++) {
    let parked = false;
    void thread.pause().then(() => {
      parked = true;
    });
    await device.until(() => parked);
    const before = seen.length;
    device.reactor.round(0);
    assert.ok(seen.length - before <= 1, 'only what was posted before');
    thread.resume();
    const target = seen.length + 20;
    await device.until(() => over || seen.length >= target);
  }
  await device.until(() => over);
  assert.deepEqual([seen.length, given, wrong], [2 * rounds, 2 * rounds, 0]);
});
