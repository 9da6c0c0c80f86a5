// The serial console of `lkvm run`, from the host's pipes to a real vCPU and back. The guests are a few instructions in real mode.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Asm, BX, CX, DX } from '../../support/asm.js';
import { MAIN } from '../../support/cli.js';
import { skipWithoutKvm } from '../../support/kvm-rig.js';
import { tempDir } from '../../support/temp.js';

const skip = skipWithoutKvm();
const LIMIT_MS = 120_000;
const BYTES = 0x1_0000;
/** End of transmission. */
const EOT = 0x04;
/** The first byte of a guest that is ready. */
const READY = 0x52;

/** mov dx, port */
function dx(port: number): number[] {
  return [0xba, port & 0xff, port >>> 8];
}

/** Power off through ACPI's control register, then wait: mov ax, 0x3400; out dx, ax; hlt; jmp $ */
const POWER_OFF = [...dx(0x604), 0xb8, 0x00, 0x34, 0xef, 0xf4, 0xeb, 0xfd];

/** Sends back what it gets, until EOT comes; looks at LSR for input, never for output. */
const ECHO = [
  ...dx(0x3fd), // again: mov dx, LSR
  0xec, // in al, dx
  0xa8,
  0x01, // test al, 1
  0x74,
  0xf8, // jz again
  ...dx(0x3f8), // mov dx, RX
  0xec, // in al, dx
  0x3c,
  EOT, // cmp al, EOT
  0x74,
  0x03, // je off
  0xee, // out dx, al
  0xeb,
  0xed, // jmp again
  ...POWER_OFF, // off:
];

/** Sends 64 KiB without ever looking at LSR, and powers off at once. */
const PRINT = [
  0x31,
  0xdb, // xor bx, bx
  ...dx(0x3f8), // mov dx, TX
  0x88,
  0xd8, // again: mov al, bl
  0x24,
  0x3f, // and al, 0x3f
  0x04,
  0x30, // add al, 0x30
  0xee, // out dx, al
  0x43, // inc bx
  0x75,
  0xf6, // jnz again
  ...POWER_OFF,
];

/** Sends a few bytes to each debug port, and asks both for their sign. */
const DEBUG = [
  0xb0,
  0x41, // mov al, 'A'
  0xe6,
  0xe9, // out 0xe9, al
  0xe4,
  0xe9, // in al, 0xe9
  0xe6,
  0xe9, // out 0xe9, al
  ...POWER_OFF,
];

/** Starts timer 2 until its output is seen low, waits until it is high, and says "Aa". */
const TIMER_2 = [
  0xb0,
  0x01, // again: mov al, 1
  0xe6,
  0x61, // out 0x61, al: gate open
  0xb0,
  0xb0, // mov al, 0xb0
  0xe6,
  0x43, // out 0x43, al: timer 2, both bytes, mode 0
  0xb0,
  0xff, // mov al, 0xff
  0xe6,
  0x42, // out 0x42, al
  0xe6,
  0x42, // out 0x42, al: counting, for 55 ms
  0xe4,
  0x61, // in al, 0x61
  0xa8,
  0x20, // test al, 0x20
  0x75,
  0xec, // jnz again: we were too late, or it is always high
  ...dx(0x3f8), // mov dx, TX
  0xb0,
  0x41, // mov al, 'A'
  0xee, // out dx, al
  0xe4,
  0x61, // wait: in al, 0x61
  0xa8,
  0x20, // test al, 0x20
  0x74,
  0xfa, // jz wait
  0xb0,
  0x61, // mov al, 'a'
  0xee, // out dx, al
  ...POWER_OFF,
];

/** Where a handler begins in its program. */
const HANDLER = 0x80;
const VECTOR = 0x20;
/** FIFO loads that {@link INTERRUPT_PRINT} sends. */
const LOADS = 512;

/** Line 4 of the first PIC calls HANDLER in the image's segment; the port's FIFO is on. */
function wireSerial(asm: Asm, interrupts: number): Asm {
  return asm
    .db(0x31, 0xc0) // xor ax, ax
    .db(0x8e, 0xd8) // mov ds, ax
    .storeWord(4 * (VECTOR + 4), HANDLER)
    .storeWord(4 * (VECTOR + 4) + 2, 0x1000)
    .outByte(0x20, 0x11) // initialise: edges, cascade
    .outByte(0x21, VECTOR)
    .outByte(0x21, 0x04)
    .outByte(0x21, 0x01)
    .outByte(0x21, 0xef) // all but line 4 masked
    .mov(DX, 0x3fa)
    .movAl(0x01)
    .outDx()
    .mov(DX, 0x3f9)
    .movAl(interrupts)
    .outDx();
}

/** Sends 16 bytes for each "transmitter empty", and sleeps in between: an interrupt that is lost stops it for ever. */
const INTERRUPT_PRINT = wireSerial(new Asm(16).mov(BX, LOADS), 0x02)
  .label('wait')
  .sti()
  .hlt()
  .cli()
  .db(0x85, 0xdb) // test bx, bx
  .jne('wait')
  .db(...POWER_OFF)
  .padTo(HANDLER)
  .mov(DX, 0x3fa)
  .inDx()
  .cmpAl(0xc2)
  .jne('done')
  .mov(CX, 16)
  .mov(DX, 0x3f8)
  .label('put')
  .db(0x88, 0xd8) // mov al, bl
  .outDx()
  .loop('put')
  .db(0x4b) // dec bx
  .jne('done')
  .mov(DX, 0x3f9)
  .movAl(0)
  .outDx()
  .label('done')
  .outByte(0x20, 0x20)
  .iret()
  .code();

/**
 * As {@link ECHO}, but sleeps until an interrupt says that there is input, and then takes what is there. It says first that
 * it is there: what comes before it switches the FIFO on is lost, as in any such port.
 */
const INTERRUPT_ECHO = wireSerial(new Asm(16), 0x01)
  .mov(DX, 0x3f8)
  .movAl(READY)
  .outDx()
  .label('wait')
  .sti()
  .hlt()
  .jmp('wait')
  .padTo(HANDLER)
  .label('next')
  .mov(DX, 0x3fd)
  .inDx()
  .db(0xa8, 0x01) // test al, 1
  .je('done')
  .mov(DX, 0x3f8)
  .inDx()
  .cmpAl(EOT)
  .je('off')
  .outDx()
  .jmp('next')
  .label('done')
  .outByte(0x20, 0x20)
  .iret()
  .label('off')
  .db(...POWER_OFF)
  .code();

/** A machine with one vCPU, its console on pipes. Killed after the test. */
function start(t: TestContext, program: Iterable<number>) {
  const image = join(tempDir(t), 'guest.bin');
  writeFileSync(image, Uint8Array.from(program));
  const child = spawn(process.execPath, [MAIN, 'run', '-k', image, '-c', '1', '-m', '64']);
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
  t.after(() => {
    clearTimeout(timer);
    child.kill('SIGKILL');
  });
  return { child, ended: once(child, 'close') };
}

async function outputOf(child: ReturnType<typeof start>['child']): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of child.stdout) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

test('serial console: 64 KiB pasted at once into an echoing guest → the same 64 KiB come back, exit code 0', {
  skip,
}, async (t) => {
  const { child, ended } = start(t, ECHO);
  const text = Buffer.from(Array.from({ length: BYTES }, (_, i) => 0x20 + (i % 95)));
  child.stdin.end(Buffer.concat([text, Buffer.of(EOT)]));
  const back = await outputOf(child);
  assert.deepEqual(await ended, [0, null]);
  assert.ok(back.equals(text), `${back.length} bytes came back`);
});

test('serial console: guest sends without looking and powers off, reader is late → every byte is there, exit code 0', {
  skip,
}, async (t) => {
  const { child, ended } = start(t, PRINT);
  await sleep(500); // nobody reads: a pipe holds as much as the guest sends, and some of it is still to be written
  const text = await outputOf(child);
  assert.deepEqual(await ended, [0, null]);
  assert.ok(text.equals(Buffer.from(Array.from({ length: BYTES }, (_, i) => 0x30 + (i & 0x3f)))));
});

test('serial console: guest sends on interrupts only → one comes for each load of the FIFO', {
  skip,
}, async (t) => {
  const { child, ended } = start(t, INTERRUPT_PRINT);
  const text = await outputOf(child);
  assert.deepEqual(await ended, [0, null]);
  const expected = Array.from({ length: 16 * LOADS }, (_, i) => (LOADS - (i >>> 4)) & 0xff);
  assert.ok(text.equals(Buffer.from(expected)), `${text.length} bytes came`);
});

test('serial console: 16 KiB pasted into a guest that reads on interrupts only → all of it comes back', {
  skip,
}, async (t) => {
  const { child, ended } = start(t, INTERRUPT_ECHO);
  const text = Buffer.from(Array.from({ length: BYTES / 4 }, (_, i) => 0x20 + (i % 95)));
  await once(child.stdout, 'readable');
  // In pieces, so that the guest sleeps many times.
  for (let at = 0; at < text.length; at += 1000) {
    child.stdin.write(text.subarray(at, at + 1000));
    await sleep(1);
  }
  child.stdin.end(Buffer.of(EOT));
  const back = await outputOf(child);
  assert.deepEqual(await ended, [0, null]);
  assert.ok(back.equals(Buffer.concat([Buffer.of(READY), text])), `${back.length} bytes came back`);
});

test('debug port: bytes to 0xe9 → on the standard output', { skip }, async (t) => {
  const { child, ended } = start(t, DEBUG);
  const text = await outputOf(child);
  assert.deepEqual(await ended, [0, null]);
  assert.deepEqual([...text], [0x41, 0xe9]);
});

test('port 0x61: timer 2 started through its gate → its output bit is low, and then high', {
  skip,
}, async (t) => {
  const { child, ended } = start(t, TIMER_2);
  assert.equal((await outputOf(child)).toString(), 'Aa');
  assert.deepEqual(await ended, [0, null]);
});
