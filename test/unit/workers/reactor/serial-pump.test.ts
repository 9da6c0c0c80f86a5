// A guest's serial port and the host's pipes and terminals: every byte, in order, whoever is slow.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { F_SETFL } from '#lkvm/abi/linux.js';
import { TerminalBackend } from '#lkvm/backends/terminal/terminal.js';
import { Reactor } from '#lkvm/reactor/reactor.js';
import { O_NONBLOCK } from '#lkvm/sys/arch.js';
import { close, fcntl, pipe, read, write } from '#lkvm/sys/fd.js';
import { openPty, RawMode } from '#lkvm/sys/tty.js';
import { finishPumps, PumpBell, SerialPump } from '#lkvm/workers/reactor/serial-pump.js';
import { PlatformThreads } from '../../../support/platform-threads.js';
import { patternAt, type WorkerJob } from '../../../support/platform-worker.js';
import { runIdle, runUntil } from '../../../support/rounds.js';

const MEGABYTE = 0x10_0000;
const LIMIT_MS = 120_000;
const NOTHING = { send: 0, value: -1, blind: false, receive: 0 };

function openPipe(t: TestContext): [number, number] {
  const ends = pipe(O_NONBLOCK);
  if (typeof ends === 'number') throw new Error(`pipe: ${ends}`);
  t.after(() => ends.map((fd) => close(fd)));
  return ends;
}

/** A raw pseudo-terminal whose controlling end does not block: what a user's terminal program has. */
function openTerminal(t: TestContext): { controller: number; terminal: number } {
  const pty = openPty();
  if (typeof pty === 'number') throw new Error(`pty: ${pty}`);
  const mode = RawMode.save(pty.terminal);
  if (typeof mode === 'number') throw new Error(`termios: ${mode}`);
  mode.enter(false);
  assert.equal(fcntl(pty.controller, F_SETFL, O_NONBLOCK), 0);
  t.after(() => [pty.controller, pty.terminal].map((fd) => close(fd)));
  return pty;
}

/** A pump between ttyS0 and two descriptors, and a vCPU. */
class Rig {
  readonly loop = new Reactor();
  readonly threads: PlatformThreads;
  readonly pump: SerialPump;

  constructor(t: TestContext, inputFd: number, outputFd: number, job: Partial<WorkerJob> = {}) {
    const { loop } = this;
    this.threads = new PlatformThreads(t, job.send || job.receive ? [{ ...NOTHING, ...job }] : []);
    const backend = new TerminalBackend(loop, { inputFd, outputFd, escape: 'none', onEscape: () => {} });
    this.pump = new SerialPump(loop, this.threads.serial, this.threads.serial, backend);
    const bell = new PumpBell(loop, this.threads.doorbellFd, [this.pump]);
    t.after(() => {
      bell.close();
      this.pump.close();
      loop.close();
    });
  }

  /** A guest in this thread writes. */
  print(text: string): void {
    for (const byte of Buffer.from(text, 'latin1')) this.threads.serial.writeByte(0, byte);
  }

  finish(patienceMs = LIMIT_MS): boolean {
    return finishPumps([this.pump], this.loop, (us) => this.loop.round(us), patienceMs);
  }
}

/** Reads what is there. @returns "" if nothing is */
function readSome(fd: number, most = 0x1_0000): Buffer {
  const buffer = Buffer.alloc(most);
  return buffer.subarray(0, Math.max(0, read(fd, buffer)));
}

/** Checks a stream that comes in pieces against the pattern. */
class PatternCheck {
  got = 0;
  wrongAt = -1;

  add(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (byte !== patternAt(this.got) && this.wrongAt < 0) this.wrongAt = this.got;
      this.got++;
    }
  }
}

/** Writes the pattern to `fd` as far as it takes it. */
class PatternSource {
  given = 0;
  readonly #fd: number;
  readonly #total: number;

  constructor(fd: number, total: number) {
    this.#fd = fd;
    this.#total = total;
  }

  give(most: number): void {
    const bytes = Uint8Array.from({ length: Math.min(most, this.#total - this.given) }, (_, i) =>
      patternAt(this.given + i),
    );
    if (bytes.length > 0) this.given += Math.max(0, write(this.#fd, bytes));
  }
}

for (const blind of [false, true]) {
  const how = blind ? ' that never looks at LSR' : '';
  test(`SerialPump: 1 MB from a vCPU${how} to a slow pipe → every byte, in order`, async (t) => {
    const [from, to] = openPipe(t);
    const rig = new Rig(t, -1, to, { send: MEGABYTE, blind });
    await rig.threads.go();
    const check = new PatternCheck();
    runUntil(
      rig.loop,
      () => {
        check.add(readSome(from, 3000)); // less per round than the vCPU sends
        return check.got === MEGABYTE;
      },
      LIMIT_MS,
    );
    await Promise.all(rig.threads.results);
    assert.equal(check.wrongAt, -1);
    assert.equal(rig.threads.serial.lost, 0);
    assert.equal(rig.pump.pending, 0);
  });
}

test('SerialPump: 1 MB pasted into a pipe → the vCPU reads every byte, in order', async (t) => {
  const [from, to] = openPipe(t);
  const rig = new Rig(t, from, -1, { receive: MEGABYTE });
  await rig.threads.go();
  const source = new PatternSource(to, MEGABYTE);
  runUntil(
    rig.loop,
    () => {
      source.give(0x1_0000);
      return rig.threads.got === MEGABYTE;
    },
    LIMIT_MS,
  );
  const [result] = await Promise.all(rig.threads.results);
  assert.equal(result?.wrongAt, -1);
});

test('SerialPump: the guest takes byte after byte while its port is refilled → all input comes, although no more doorbells do', (t) => {
  const [from, to] = openPipe(t);
  const rig = new Rig(t, -1, -1);
  const backend = new TerminalBackend(rig.loop, {
    ...{ inputFd: from, outputFd: -1, escape: 'none', onEscape: () => {} },
  });
  let room = 0;
  let got = 0;
  const sink = {
    inputRoom: () => room,
    receive: (_from: Uint8Array, bytes: number) => {
      got += bytes;
      return bytes;
    },
  };
  const pump = new SerialPump(rig.loop, rig.threads.serial, sink, backend);
  t.after(() => pump.close());
  assert.equal(write(to, new Uint8Array(1000).fill(1)), 1000);
  runIdle(rig.loop);
  assert.equal(got, 0);
  room = 1; // each time it is asked
  pump.kicked();
  runUntil(rig.loop, () => got === 1000);
});

test('SerialPump: a terminal in both directions at once → every byte, in order', async (t) => {
  const size = MEGABYTE / 4;
  const { controller, terminal } = openTerminal(t);
  const rig = new Rig(t, terminal, terminal, { send: size, receive: size });
  await rig.threads.go();
  const source = new PatternSource(controller, size);
  const check = new PatternCheck();
  runUntil(
    rig.loop,
    () => {
      check.add(readSome(controller));
      source.give(1000);
      return check.got === size && rig.threads.got === size;
    },
    LIMIT_MS,
  );
  const [result] = await Promise.all(rig.threads.results);
  assert.deepEqual([check.wrongAt, result?.wrongAt], [-1, -1]);
});

test('SerialPump: a line from an idle port → one doorbell, written soon, and the pump goes back to sleep', (t) => {
  const [from, to] = openPipe(t);
  const rig = new Rig(t, -1, to);
  rig.print('a line\r\n');
  let text = '';
  runUntil(rig.loop, () => {
    text += readSome(from).toString();
    return text.length === 8;
  });
  assert.equal(text, 'a line\r\n');
  runIdle(rig.loop, 10);
  assert.equal(rig.threads.serial.output.push(0x21), 1, 'the next byte rings again');
});

test('SerialPump: host input while the guest does not read → 4 KiB wait in the port, the rest in the host; all of it comes', (t) => {
  const [from, to] = openPipe(t);
  const rig = new Rig(t, from, -1);
  const { serial } = rig.threads;
  const total = 0x1_0000;
  const source = new PatternSource(to, total);
  source.give(total);
  runIdle(rig.loop, 10);
  assert.equal(serial.inputRoom(), 0);
  const check = new PatternCheck();
  runUntil(rig.loop, () => {
    source.give(total);
    while ((serial.readByte(5) & 1) !== 0) check.add(Uint8Array.of(serial.readByte(0)));
    return check.got === total;
  });
  assert.equal(check.wrongAt, -1);
});

test('SerialPump: reader of the pipe gone → output is thrown away, the guest is not stopped', (t) => {
  const [from, to] = openPipe(t);
  const rig = new Rig(t, -1, to);
  rig.print('first');
  close(from);
  runUntil(rig.loop, () => rig.pump.pending === 0);
  rig.print('second');
  runUntil(rig.loop, () => rig.pump.pending === 0);
  assert.equal(rig.threads.serial.readByte(5), 0x60);
});

test('finishPumps: the last line just printed → written, without waiting for the delay', (t) => {
  const [from, to] = openPipe(t);
  const rig = new Rig(t, -1, to);
  rig.print('reboot: Power down\r\n');
  assert.ok(rig.finish());
  assert.equal(readSome(from).toString(), 'reboot: Power down\r\n');
});

test('finishPumps: more than the terminal holds, somebody reads → all of it is written', (t) => {
  const { controller, terminal } = openTerminal(t);
  const rig = new Rig(t, -1, terminal);
  const size = 0x3c00;
  for (let i = 0; i < size; i++) rig.threads.serial.writeByte(0, patternAt(i));
  const check = new PatternCheck();
  const round = (us: number): void => {
    check.add(readSome(controller));
    rig.loop.round(us);
  };
  assert.ok(finishPumps([rig.pump], rig.loop, round, LIMIT_MS));
  while (check.got < size) check.add(readSome(controller));
  assert.deepEqual([check.got, check.wrongAt], [size, -1]);
});

test('finishPumps: nobody reads a full terminal → gives up after its patience', (t) => {
  const { terminal } = openTerminal(t);
  const rig = new Rig(t, -1, terminal);
  for (let i = 0; i < 100 && rig.pump.pending === 0; i++) {
    rig.print('x'.repeat(0x2000));
    for (let round = 0; round < 100 && rig.pump.pending > 0; round++) rig.loop.round(1000);
  }
  const before = rig.pump.pending;
  assert.ok(before > 0, 'the terminal is full');
  assert.ok(!rig.finish(50));
  assert.equal(rig.pump.pending, before);
});

test('SerialPump: no input and no output descriptor → output goes nowhere, the guest is not stopped', (t) => {
  const rig = new Rig(t, -1, -1);
  for (let i = 0; i < 8; i++) {
    rig.print('x'.repeat(0x3000));
    assert.ok(rig.finish());
  }
  assert.equal(rig.threads.serial.readByte(5), 0x60);
});
