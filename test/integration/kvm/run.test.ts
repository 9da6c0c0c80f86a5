// `lkvm run` as a command, with guests of a few bytes on the host's real KVM: what it says, what comes in and out, and
// the exit code of every way to end.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Asm, DX } from '../../support/asm.js';
import { type CliResult, lkvm, MAIN } from '../../support/cli.js';
import { skipWithoutKvm } from '../../support/kvm-rig.js';
import { tempDir } from '../../support/temp.js';

const skip = skipWithoutKvm();
const COM1 = 0x3f8;
const COM2 = 0x2f8;
/** Small, quiet, nothing but the guest. */
const FEW = ['-m', '8', '-c', '1', '-n', 'mode=none', '--name', 'test'];

/** A flat binary: loaded at 0x10000, started in real mode at its first byte. */
function image(t: TestContext, program: Asm): string {
  const file = join(tempDir(t), 'guest.bin');
  writeFileSync(file, program.code());
  return file;
}

const reset = (asm: Asm): Asm => asm.outByte(0x64, 0xfe).label('end').hlt().jmp('end');

/** Writes text to a serial port, waiting for the port as a driver does. */
function print(asm: Asm, port: number, text: string): Asm {
  for (const [index, byte] of Buffer.from(text).entries()) {
    const wait = `wait${index}`;
    asm
      .mov(DX, port + 5)
      .label(wait)
      .inDx()
      .db(0xa8, 0x20, 0x74)
      .db(0xfb); // in al, dx; test al, 0x20; jz -5
    asm.mov(DX, port).movAl(byte).outDx();
  }
  return asm;
}

const run = (file: string, ...more: readonly string[]): Promise<CliResult> =>
  lkvm(['run', file, ...FEW, ...more]);

test('lkvm run: the guest resets itself → banner, a line for the orderly end, exit code 0', {
  skip,
}, async (t) => {
  const file = image(t, reset(new Asm(16)));
  assert.deepEqual(await run(file), {
    code: 0,
    stdout: '',
    stderr: `  Info: # lkvm run -k ${file} -m 8 -c 1 --name test\n  Info: KVM session ended normally.\n`,
  });
});

test('lkvm run --loglevel warning: → nothing on stderr', { skip }, async (t) => {
  const file = image(t, reset(new Asm(16)));
  assert.deepEqual(await run(file, '--loglevel', 'warning'), { code: 0, stdout: '', stderr: '' });
});

test('lkvm run --loglevel debug: a disk → says how it is read', { skip }, async (t) => {
  const file = image(t, reset(new Asm(16)));
  const disk = join(tempDir(t), 'disk');
  writeFileSync(disk, new Uint8Array(512));
  const { code, stderr } = await run(file, '-d', disk, '--loglevel', 'debug');
  assert.equal(code, 0);
  assert.ok(stderr.includes(`disk ${disk}: `), stderr);
});

test('lkvm run --debug-exit: the guest writes 5 → exit code 11; to another port → there', {
  skip,
}, async (t) => {
  const file = image(t, new Asm(16).outByte(0xf4, 5).label('end').hlt().jmp('end'));
  assert.equal((await run(file, '--debug-exit')).code, 11);
  const other = image(t, new Asm(16).mov(DX, 0x501).movAl(0).outDx().label('end').hlt().jmp('end'));
  assert.equal((await run(other, '--debug-exit=0x501')).code, 1);
});

test('lkvm run: output on ttyS0 → stdout; with --console virtio or none → nowhere', { skip }, async (t) => {
  const file = image(t, reset(print(new Asm(16), COM1, 'Hello\n')));
  assert.deepEqual(
    [(await run(file)).stdout, (await run(file, '--console', 'virtio')).stdout],
    ['Hello\n', ''],
  );
  assert.equal((await run(file, '--console', 'none')).stdout, '');
});

test('lkvm run --firmware: an image that ends at 4 GiB → its reset vector runs', { skip }, async (t) => {
  const start = 0xfff0;
  const file = image(
    t,
    new Asm(16).padTo(start).outByte(0xf4, 3).label('end').hlt().jmp('end').padTo(0x1_0000),
  );
  const { code, stderr } = await lkvm(['run', '-f', file, ...FEW, '--debug-exit']);
  assert.equal(code, 7, stderr);
  assert.match(stderr, /# lkvm run --firmware .*guest\.bin -m 8 -c 1 --name test\n/);
});

interface Running {
  readonly child: ChildProcess;
  /** Waits until stderr matches. @returns what was found */
  said(pattern: RegExp): Promise<RegExpExecArray>;
}

/** The command as a process of its own, ended after the test whatever happens. */
function start(t: TestContext, ...args: readonly string[]): Running {
  const child = spawn(process.execPath, [MAIN, 'run', ...args, ...FEW], { stdio: ['pipe', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  let text = '';
  child.stderr.on('data', (bytes: Buffer) => {
    text += bytes.toString();
  });
  return {
    child,
    async said(pattern) {
      for (let round = 0; round < 3000; round++) {
        const found = pattern.exec(text);
        if (found !== null) return found;
        await sleep(20);
      }
      return assert.fail(`stderr has no ${pattern}: ${text}`);
    },
  };
}

/** Says on ttyS0 that it runs, and then waits for ever. */
const idle = (t: TestContext): string =>
  image(t, print(new Asm(16), COM1, 'up').label('end').hlt().jmp('end'));

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  test(`lkvm run: ${signal} while the guest runs → exit code 0`, { skip }, async (t) => {
    const { child, said } = start(t, idle(t));
    await once(child.stdout ?? assert.fail(), 'data');
    child.kill(signal);
    assert.deepEqual(await once(child, 'exit'), [0, null]);
    await said(/Info: KVM session ended normally\.\n$/);
  });
}

test('lkvm run: SIGTERM while it starts → exit code 0', { skip }, async (t) => {
  const { child, said } = start(t, idle(t));
  await said(/# lkvm run/);
  child.kill('SIGTERM');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
});

test('lkvm run: Ctrl-A x on stdin → exit code 0', { skip }, async (t) => {
  const { child } = start(t, idle(t));
  await once(child.stdout ?? assert.fail(), 'data');
  child.stdin?.write('\x01x');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
});

test('lkvm run --tty 1: a terminal of the host → what is typed there reaches ttyS1, and the answer comes back', {
  skip,
}, async (t) => {
  // For each byte read from ttyS1: the next one in the alphabet goes back. "z" ends the guest.
  const guest = new Asm(16);
  guest
    .label('next')
    .mov(DX, COM2 + 5)
    .label('wait')
    .inDx()
    .db(0xa8, 0x01)
    .je('wait'); // test al, 1
  guest.mov(DX, COM2).inDx().cmpAl(0x7a).je('last').incAl().outDx().jmp('next').label('last');
  const { child, said } = start(t, image(t, reset(guest)), '--tty', '1');
  const [, path = ''] = await said(/Assigned terminal 1 to pty (\/dev\/pts\/\d+)\n/);
  const terminal = await open(path, 'r+');
  t.after(() => terminal.close());
  await terminal.write('HAL');
  const answer = Buffer.alloc(3);
  for (let got = 0; got < 3; ) got += (await terminal.read(answer, got, 3 - got)).bytesRead;
  assert.equal(answer.toString(), 'IBM');
  await terminal.write('z');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
});
