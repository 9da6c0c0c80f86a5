// Whole machines, made by the library from tiny images, on the host's own KVM.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LkvmError } from '#lkvm/util/errors.js';
import { createVm } from '#lkvm/vmm/create-vm.js';
import type { VmOptions } from '#lkvm/vmm/options.js';
import type { VirtualMachine, VmExtras } from '#lkvm/vmm/vm-types.js';
import { Asm } from '../../support/asm.js';
import { elf, multibootHeader } from '../../support/boot-images.js';
import { imageFile } from '../../support/boot-rig.js';
import { skipWithoutKvm } from '../../support/kvm-rig.js';

const skip = skipWithoutKvm();
const DEBUG_EXIT = 0xf4;
const COM1 = 0x3f8;
const COM1_LINE_STATUS = 0x3fd;
const MEMORY_BYTES = 64 << 20;

/** Starts a machine with one processor and no network from a flat image. */
async function start(
  t: TestContext,
  code: Uint8Array,
  options: VmOptions = {},
  extras: VmExtras = {},
): Promise<VirtualMachine> {
  const kernel = imageFile(t, 'image', code);
  const vm = await createVm(
    { kernel, cpus: 1, memoryBytes: MEMORY_BYTES, debugExitPort: DEBUG_EXIT, console: 'none', ...options },
    extras,
  );
  t.after(() => vm.stop());
  return vm;
}

/** Writes a word or a byte to a port whose number does not fit into the instruction. */
function outDx(asm: Asm, port: number, value: number): Asm {
  return asm.mov(2, port).movAl(value).outDx();
}

test('machine: the guest writes 0x15 to the debug-exit port → exit code (0x15 << 1) | 1', {
  skip,
}, async (t) => {
  const vm = await start(t, outDx(new Asm(16), DEBUG_EXIT, 0x15).hlt().code());
  const { reason, exitCode } = await vm.exited;
  assert.deepEqual({ reason, exitCode }, { reason: 'debug-exit', exitCode: 0x2b });
});

const ENDS: readonly (readonly [string, Uint8Array])[] = [
  // mov dx, 0x604; mov ax, SLP_TYP 5 and SLP_EN; out dx, ax
  [
    'ACPI power-off',
    new Asm(16)
      .mov(2, 0x604)
      .mov(0, (5 << 10) | (1 << 13))
      .db(0xef)
      .hlt()
      .code(),
  ],
  ['reset register 0xcf9', outDx(new Asm(16), 0xcf9, 6).hlt().code()],
  ['keyboard controller, command 0xfe', new Asm(16).outByte(0x64, 0xfe).hlt().code()],
];

for (const [name, code] of ENDS) {
  test(`machine: ${name} → ended by the guest, exit code 0`, { skip }, async (t) => {
    const vm = await start(t, code);
    const { reason, exitCode } = await vm.exited;
    assert.deepEqual({ reason, exitCode }, { reason: 'guest', exitCode: 0 });
  });
}

test('machine: triple fault → exit code 33, registers and code', { skip }, async (t) => {
  // A multiboot kernel starts in protected mode without an interrupt table: ud2 is the end.
  const body = Uint8Array.from([...multibootHeader(0), 0x0f, 0x0b]);
  const entry = 0x10_0000 + body.length - 2;
  const image = elf(32, entry, [{ gpa: 0x10_0000, bytes: body }]);
  const vm = await start(t, image);
  const { reason, exitCode, error } = await vm.exited;
  assert.deepEqual({ reason, exitCode }, { reason: 'failed', exitCode: 33 });
  assert.match(error?.message ?? '', /^vCPU 0: triple fault[^\n]*\n[\s\S]* code: /);
});

/** Prints a "!", then every byte it gets, until that is a "q"; then writes 0 to the debug-exit port. */
function echoImage(): Uint8Array {
  const asm = outDx(new Asm(16), COM1, 0x21);
  asm.label('wait').mov(2, COM1_LINE_STATUS).inDx().db(0xa8, 0x01).je('wait'); // test al, 1
  asm.mov(2, COM1).inDx().outDx().cmpAl(0x71).jne('wait');
  return outDx(asm, DEBUG_EXIT, 0).hlt().code();
}

test('machine: console as a stream → what the guest prints, and what it is told', { skip }, async (t) => {
  const vm = await start(t, echoImage(), { console: 'serial' }, { consoleStream: true });
  const { console: stream } = vm;
  assert.ok(stream);
  let text = '';
  stream.on('data', (data: Buffer) => {
    text += data.toString();
    if (text === '!') stream.write('hello q');
  });
  assert.equal((await vm.exited).reason, 'debug-exit');
  assert.equal(text, '!hello q');
});

test('machine: paused → the guest stands still; resumed → it goes on', { skip }, async (t) => {
  const asm = outDx(new Asm(16).label('again'), COM1, 0x2e).jmp('again');
  const vm = await start(t, asm.code(), { console: 'serial' }, { consoleStream: true });
  const { console: stream } = vm;
  assert.ok(stream);
  let bytes = 0;
  stream.on('data', (data: Buffer) => {
    bytes += data.length;
  });
  await once(stream, 'data');
  await vm.pause();
  let seen = -1;
  while (seen !== bytes) {
    seen = bytes; // what was printed before may still be on its way
    await sleep(200);
  }
  await vm.resume();
  await once(stream, 'data');
  assert.ok(bytes > seen);
  await vm.stop();
  assert.deepEqual(await vm.exited, { reason: 'stopped', exitCode: 0, text: 'stopped' });
});

test('machine: stopped at once, stopped twice, stopped while paused → ends each time', {
  skip,
}, async (t) => {
  const asm = new Asm(16).label('again').jmp('again');
  for (const pause of [false, true]) {
    const vm = await start(t, asm.code());
    if (pause) await vm.pause();
    await Promise.all([vm.stop(), vm.stop()]);
    await vm.resume(); // too late, and harmless
    assert.equal((await vm.exited).reason, 'stopped');
  }
});

test('machine: several at a time in one process → each has its own end', { skip }, async (t) => {
  const codes = [1, 2, 3];
  const vms = await Promise.all(
    codes.map((code) => start(t, outDx(new Asm(16), DEBUG_EXIT, code).hlt().code())),
  );
  const ends = await Promise.all(vms.map((vm) => vm.exited));
  assert.deepEqual(
    ends.map(({ exitCode }) => exitCode),
    codes.map((code) => (code << 1) | 1),
  );
});

const REFUSED: readonly (readonly [string, VmOptions, RegExp])[] = [
  [
    'a kernel that is not there',
    { kernel: '/nonexistent/kernel' },
    /^Unable to open kernel \/nonexistent\/kernel/,
  ],
  ['a KVM device that is none', { kvmPath: '/dev/null' }, /^\/dev\/null: .*--dev/],
  [
    'a disk that is not there',
    { devices: [{ type: 'blk', path: '/nonexistent/disk' }] },
    /\/nonexistent\/disk/,
  ],
  [
    'a share that is not there',
    { devices: [{ type: '9p', directory: '/nonexistent/dir' }] },
    /\/nonexistent\/dir/,
  ],
  ['a network that is not given', { devices: [{ type: 'net', remote: 0 }] }, /remote network 0 is not given/],
];

for (const [name, options, text] of REFUSED) {
  test(`createVm: ${name} → one line, nothing is left running`, { skip }, async (t) => {
    await assert.rejects(
      start(t, new Asm(16).hlt().code(), options),
      (error: unknown) =>
        error instanceof LkvmError && text.test(error.message) && !error.message.includes('\n'),
    );
  });
}
