// The console on real terminals, pipes, sockets, files, /dev/null and nothing.
import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { F_GETFL } from '#lkvm/abi/linux.js';
import { O_NONBLOCK } from '#lkvm/sys/arch.js';
import { close, fcntl, pipe, read } from '#lkvm/sys/fd.js';
import { socketpair } from '#lkvm/sys/socket.js';
import { openPty, RawMode } from '#lkvm/sys/tty.js';
import { COUNTER_DROPPED } from '#lkvm/util/counters.js';
import { ConsoleRig } from '../../../support/console-rig.js';
import { runIdle, runUntil } from '../../../support/rounds.js';
import { tempDir } from '../../../support/temp.js';

/** Closes what the test opened, whatever it closed itself already. */
class Fds {
  readonly #open = new Set<number>();

  constructor(t: TestContext) {
    t.after(() => {
      for (const fd of this.#open) close(fd);
    });
  }

  add(fd: number): number {
    assert.ok(fd >= 0, `errno ${-fd}`);
    this.#open.add(fd);
    return fd;
  }

  close(fd: number): void {
    this.#open.delete(fd);
    close(fd);
  }

  pipe(): { read: number; write: number } {
    const ends = pipe();
    if (typeof ends === 'number') throw new Error(`pipe: ${ends}`);
    return { read: this.add(ends[0]), write: this.add(ends[1]) };
  }

  /** A raw pseudo-terminal. */
  pty(): { controller: number; terminal: number } {
    const pty = openPty();
    if (typeof pty === 'number') throw new Error(`pty: ${pty}`);
    const mode = RawMode.save(pty.terminal);
    if (typeof mode === 'number') throw new Error(`termios: ${mode}`);
    mode.enter(false);
    return { controller: this.add(pty.controller), terminal: this.add(pty.terminal) };
  }
}

/** What can be read now; "" from a non-blocking descriptor without anything. */
function readSome(fd: number): string {
  const buffer = Buffer.alloc(65536);
  return buffer.toString('latin1', 0, Math.max(0, read(fd, buffer)));
}

function isNonBlocking(fd: number): boolean {
  return (fcntl(fd, F_GETFL, 0) & O_NONBLOCK) !== 0;
}

test('terminal: typed on a pty → reaches the driver; output reaches the pty; flags of the inherited fd stay', (t) => {
  const fds = new Fds(t);
  const { controller, terminal } = fds.pty();
  const rig = new ConsoleRig(t, terminal, terminal);
  writeSync(controller, 'ls -l\r');
  assert.equal(rig.receive(6), 'ls -l\r');
  rig.send('total 0\r\n');
  assert.ok(rig.sent());
  assert.equal(readSome(controller), 'total 0\r\n');
  assert.equal(isNonBlocking(terminal), false);
});

test('terminal: Ctrl-A x on a pty while the driver posts no buffer → escape, and nothing of it is delivered', (t) => {
  const fds = new Fds(t);
  const { controller, terminal } = fds.pty();
  const rig = new ConsoleRig(t, terminal, terminal, 'ctrl-a');
  writeSync(controller, 'a\x01');
  runIdle(rig.loop);
  writeSync(controller, 'xb');
  runUntil(rig.loop, () => rig.escapes === 1);
  assert.equal(rig.receive(2), 'ab');
});

test('terminal: the pty is closed → end of input; output is dropped and counted; no event storm', (t) => {
  const fds = new Fds(t);
  const { controller, terminal } = fds.pty();
  const rig = new ConsoleRig(t, terminal, terminal);
  rig.post(4);
  fds.close(controller);
  runUntil(rig.loop, () => rig.backend.inputEnded);
  rig.send('nobody hears this');
  assert.ok(rig.sent());
  assert.equal(rig.counters[COUNTER_DROPPED], 17);
  assertQuiet(rig);
});

test('terminal: a terminal whose reader has stopped → output waits without blocking, and goes on', (t) => {
  const fds = new Fds(t);
  const { controller, terminal } = fds.pty();
  const rig = new ConsoleRig(t, terminal, terminal);
  const text = 'x'.repeat(200_000);
  rig.send(text);
  assert.equal(rig.sent(), false);
  let got = 0;
  runUntil(rig.loop, () => {
    // The kernel moves pty output on in its own time: read only what is there.
    got += readSome(controller).length;
    return got === text.length;
  });
  runUntil(rig.loop, () => rig.sent());
  assert.equal(rig.counters[COUNTER_DROPPED], 0);
});

test('terminal: a pipe with a line and its end → delivered, end noticed, the machine goes on', (t) => {
  const fds = new Fds(t);
  const input = fds.pipe();
  const output = fds.pipe();
  const rig = new ConsoleRig(t, input.read, output.write);
  writeSync(input.write, 'last line\n');
  fds.close(input.write);
  assert.equal(rig.receive(10), 'last line\n');
  runUntil(rig.loop, () => rig.backend.inputEnded);
  rig.send('still here\n');
  assert.equal(readSome(output.read), 'still here\n');
  assert.equal(isNonBlocking(input.read) || isNonBlocking(output.write), false);
  assertQuiet(rig);
});

test('terminal: more input than the driver takes → the pipe fills up, nothing is lost, no event storm meanwhile', (t) => {
  const fds = new Fds(t);
  const input = fds.pipe();
  const rig = new ConsoleRig(t, input.read, -1);
  const line = Array.from({ length: 50_000 }, (_, i) => String.fromCharCode(97 + (i % 26))).join('');
  writeSync(input.write, line);
  fds.close(input.write);
  runIdle(rig.loop, 20);
  assertQuiet(rig);
  assert.equal(rig.backend.inputEnded, false, 'not all of it was read');
  assert.equal(rig.receive(line.length), line);
});

test('terminal: a full pipe as output → the chain waits; when the reader reads, it goes on, in order', (t) => {
  const fds = new Fds(t);
  const output = fds.pipe();
  const rig = new ConsoleRig(t, -1, output.write);
  const text = Array.from({ length: 300_000 }, (_, i) => String.fromCharCode(97 + (i % 26))).join('');
  rig.send(text);
  rig.send('END');
  assert.equal(rig.sent(), false);
  let got = '';
  runUntil(rig.loop, () => {
    got += readSome(output.read);
    return got.length === text.length + 3;
  });
  assert.equal(got, `${text}END`);
  runUntil(rig.loop, () => rig.sent());
});

test('terminal: nobody reads the pipe → output is dropped and counted, nothing hangs', (t) => {
  const fds = new Fds(t);
  const output = fds.pipe();
  const rig = new ConsoleRig(t, -1, output.write);
  rig.send('x'.repeat(300_000));
  assert.equal(rig.sent(), false);
  fds.close(output.read);
  runUntil(rig.loop, () => rig.sent());
  rig.send('more');
  assert.ok(rig.sent());
  assertQuiet(rig);
  assert.ok((rig.counters[COUNTER_DROPPED] ?? 0) > 200_000);
});

test('terminal: one socket for both directions → bytes both ways; full socket waits; closed peer ends it', (t) => {
  const fds = new Fds(t);
  const pair = socketpair();
  if (typeof pair === 'number') throw new Error(`socketpair: ${pair}`);
  const ours = fds.add(pair[0]);
  const peer = fds.add(pair[1]);
  const rig = new ConsoleRig(t, ours, ours);
  writeSync(peer, 'in');
  assert.equal(rig.receive(2), 'in');
  const text = 'y'.repeat(1_000_000);
  let sent = 0;
  for (; sent < 6 && rig.sent(); sent++) rig.send(text);
  assert.equal(rig.sent(), false, 'no socket buffer holds 6 MB');
  let got = 0;
  runUntil(rig.loop, () => {
    got += readSome(peer).length;
    return got === sent * text.length;
  });
  runUntil(rig.loop, () => rig.sent());
  fds.close(peer);
  runUntil(rig.loop, () => rig.backend.inputEnded);
  rig.send('gone');
  assert.ok(rig.sent());
  assertQuiet(rig);
});

test('terminal: input from a file → read as the driver takes it, from where the file stood, up to its end', (t) => {
  const dir = tempDir(t);
  const text = Array.from({ length: 100_000 }, (_, i) => String.fromCharCode(97 + (i % 26))).join('');
  writeFileSync(join(dir, 'in'), `skip${text}`);
  const fds = new Fds(t);
  const input = fds.add(openSync(join(dir, 'in'), 'r'));
  readSync(input, Buffer.alloc(4));
  const rig = new ConsoleRig(t, input, -1);
  assert.equal(rig.receive(text.length), text);
  rig.post(1);
  runUntil(rig.loop, () => {
    rig.rig.kick();
    return rig.backend.inputEnded;
  });
  assertQuiet(rig);
});

test('terminal: a file that ends in an escape prefix → the prefix is delivered', (t) => {
  const path = join(tempDir(t), 'in');
  writeFileSync(path, '\x01');
  const fds = new Fds(t);
  const rig = new ConsoleRig(t, fds.add(openSync(path, 'r')), -1, 'ctrl-a');
  assert.equal(rig.receive(1), '\x01');
  assert.equal(rig.escapes, 0);
});

test('terminal: output to a file opened for appending → appended, nothing overwritten', (t) => {
  const dir = tempDir(t);
  const path = join(dir, 'log');
  writeFileSync(path, 'before\n');
  const fds = new Fds(t);
  const rig = new ConsoleRig(t, -1, fds.add(openSync(path, 'a')));
  rig.send('one\n');
  rig.send('two\n');
  assert.ok(rig.sent());
  assert.equal(readFileSync(path, 'utf8'), 'before\none\ntwo\n');
});

test('terminal: /dev/null both ways → end of input, output taken', (t) => {
  const fds = new Fds(t);
  const rig = new ConsoleRig(t, fds.add(openSync('/dev/null', 'r')), fds.add(openSync('/dev/null', 'w')));
  rig.post(1);
  assert.ok(rig.backend.inputEnded);
  rig.send('into the void');
  assert.ok(rig.sent());
  assert.equal(rig.counters[COUNTER_DROPPED], 0);
  assertQuiet(rig);
});

test('terminal: closed descriptors → end of input, output dropped', (t) => {
  const gone = openSync('/dev/null', 'r');
  closeSync(gone);
  const rig = new ConsoleRig(t, gone, gone);
  rig.post(1);
  assert.ok(rig.backend.inputEnded);
  rig.send('lost');
  assert.ok(rig.sent());
  assert.equal(rig.counters[COUNTER_DROPPED], 4);
});

test('terminal: a directory as input → end of input', (t) => {
  const fds = new Fds(t);
  const rig = new ConsoleRig(t, fds.add(openSync(tempDir(t), 'r')), -1);
  rig.post(1);
  assert.ok(rig.backend.inputEnded);
});

test('terminal: an endless device as input → served as the driver takes it, the loop is not held up', (t) => {
  const fds = new Fds(t);
  const rig = new ConsoleRig(t, fds.add(openSync('/dev/zero', 'r')), -1);
  assert.ok(rig.receive(5000).length >= 5000);
});

/** Rounds must wait: an event that is reported over and over would burn a processor. */
function assertQuiet(rig: ConsoleRig): void {
  runIdle(rig.loop, 3);
  const before = performance.now();
  rig.loop.round(50_000);
  assert.ok(performance.now() - before > 40, 'a round without events waits');
}
