// Descriptors that cannot be opened a second time: used only when ready, and little at a time, so that nothing blocks.
import assert from 'node:assert/strict';
import { writeSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { EscapeFilter } from '#lkvm/backends/terminal/escape.js';
import { TerminalInput } from '#lkvm/backends/terminal/input.js';
import { TerminalOutput } from '#lkvm/backends/terminal/output.js';
import { STREAM_SHARED } from '#lkvm/backends/terminal/stream-kind.js';
import { IovArray } from '#lkvm/memory/iov-array.js';
import { Reactor } from '#lkvm/reactor/reactor.js';
import { close, pipe, read } from '#lkvm/sys/fd.js';
import { openPty, RawMode } from '#lkvm/sys/tty.js';
import type { ConsoleListener } from '#lkvm/virtio/devices/console/backend.js';
import { TestMemory } from '../../../support/driver-sim-memory.js';
import { runUntil } from '../../../support/rounds.js';

function blockingPipe(t: TestContext): [number, number] {
  const ends = pipe();
  if (typeof ends === 'number') throw new Error(`pipe: ${ends}`);
  t.after(() => close(ends[0]));
  return ends;
}

function listOf(bytes: Uint8Array): IovArray {
  const memory = new TestMemory({ bytes: 0x10_0000 });
  memory.u8.set(bytes);
  const iov = new IovArray(memory.memory, 1, 0);
  assert.ok(memory.memory.translate(memory.gpa, bytes.length));
  iov.add(memory.memory.chunkIndex, memory.memory.offset, bytes.length, true);
  return iov;
}

/** Writes a whole list through `output`, reading `from` whenever it would have to wait. @returns what was read */
function pump(loop: Reactor, output: TerminalOutput, iov: IovArray, from: number): Buffer {
  let done = 0;
  const listener: ConsoleListener = {
    inputReady: () => false,
    outputReady: () => {
      const n = output.write(iov, done);
      assert.ok(n >= 0);
      done += n;
      return done < iov.bytes;
    },
  };
  output.setListener(listener);
  listener.outputReady();
  const got: Buffer[] = [];
  let bytes = 0;
  const buffer = Buffer.alloc(65536);
  runUntil(loop, () => {
    if (done > bytes) {
      const n = read(from, buffer);
      got.push(Buffer.from(buffer.subarray(0, n)));
      bytes += n;
    }
    return bytes === iov.bytes;
  });
  return Buffer.concat(got);
}

const text = Buffer.from(Array.from({ length: 200_000 }, (_, i) => 97 + (i % 26)));

test('shared pipe as output: written without blocking, in order', (t) => {
  const loop = new Reactor();
  t.after(() => loop.close());
  const [from, fd] = blockingPipe(t);
  const output = new TerminalOutput(loop, { kind: STREAM_SHARED, fd, terminal: false, owned: true });
  t.after(() => output.close());
  assert.ok(pump(loop, output, listOf(text), from).equals(text));
});

test('shared terminal as output: written without blocking, in order', (t) => {
  const loop = new Reactor();
  t.after(() => loop.close());
  const pty = openPty();
  if (typeof pty === 'number') throw new Error(`pty: ${pty}`);
  t.after(() => close(pty.controller));
  const mode = RawMode.save(pty.terminal);
  if (typeof mode === 'number') throw new Error(`termios: ${mode}`);
  mode.enter(false);
  const fd = pty.terminal;
  const output = new TerminalOutput(loop, { kind: STREAM_SHARED, fd, terminal: true, owned: true });
  t.after(() => output.close());
  const short = text.subarray(0, 20_000);
  assert.ok(pump(loop, output, listOf(short), pty.controller).equals(short));
});

test('shared pipe as input: one read per event, so it never blocks', (t) => {
  const loop = new Reactor();
  t.after(() => loop.close());
  const [fd, write] = blockingPipe(t);
  const input = new TerminalInput(
    loop,
    { kind: STREAM_SHARED, fd, terminal: false, owned: false },
    new EscapeFilter('none', () => {}),
  );
  t.after(() => input.close());
  let ready = 0;
  input.setListener({ inputReady: () => ++ready === 0, outputReady: () => false });
  const iov = listOf(new Uint8Array(4096));
  writeSync(write, 'abc');
  runUntil(loop, () => ready === 1);
  assert.equal(input.read(iov, 0, 4096), 3);
  assert.equal(input.read(iov, 0, 4096), 0, 'does not try to read again');
  close(write);
  runUntil(loop, () => input.ended);
});
