import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { EAGAIN, EBADF, EINVAL, EIO, ENOTTY, ENXIO } from '#lkvm/abi/errno.js';
import {
  F_GETFL,
  TERMIOS_ECHO,
  TERMIOS_ICANON,
  TERMIOS_LFLAG_OFF,
  TERMIOS_OFLAG_OFF,
} from '#lkvm/abi/linux.js';
import { O_NONBLOCK } from '#lkvm/sys/arch.js';
import { close, fcntl, ioctl, pipe, read } from '#lkvm/sys/fd.js';
import { NativeBuffer } from '#lkvm/sys/map.js';
import { socketpair } from '#lkvm/sys/socket.js';
import {
  isTerminal,
  openPty,
  type Pty,
  RawMode,
  reopenNonBlocking,
  setWindowSize,
  windowSize,
} from '#lkvm/sys/tty.js';
import { projectRoot } from '../../support/project.js';
import { tempDir } from '../../support/temp.js';

const TCGETS = 0x5401;

function pty(t: TestContext): Pty {
  const made = openPty();
  assert.ok(typeof made !== 'number', `openPty: errno ${made}`);
  t.after(() => {
    close(made.terminal);
    close(made.controller);
  });
  return made;
}

function raw(fd: number): RawMode {
  const mode = RawMode.save(fd);
  assert.ok(typeof mode !== 'number', `RawMode.save: errno ${mode}`);
  return mode;
}

/** The kernel's own view of the settings: c_iflag, c_oflag, c_cflag, c_lflag, c_line, c_cc[19]. */
function settings(fd: number): Uint8Array {
  const memory = new NativeBuffer(64);
  assert.equal(ioctl(fd, TCGETS, memory.address), 0);
  return memory.u8.slice(0, 36);
}

function flags(fd: number, offset: number): number {
  return new DataView(settings(fd).buffer).getUint32(offset, true);
}

test('isTerminal: a pty → true; a pipe, a closed fd → false', (t) => {
  const { terminal } = pty(t);
  const ends = pipe();
  assert.ok(typeof ends !== 'number');
  assert.equal(isTerminal(terminal), true);
  assert.equal(isTerminal(ends[0]), false);
  for (const fd of ends) close(fd);
  assert.equal(isTerminal(ends[0]), false);
});

test('RawMode: enter and restore → no echo and no line editing in between, exactly the old settings after', (t) => {
  const { terminal } = pty(t);
  const before = settings(terminal);
  const mode = raw(terminal);
  assert.deepEqual(settings(terminal), before);

  assert.equal(mode.enter(false), 0);
  assert.equal(flags(terminal, TERMIOS_LFLAG_OFF) & (TERMIOS_ECHO | TERMIOS_ICANON), 0);
  assert.equal(flags(terminal, TERMIOS_OFLAG_OFF) & 1, 0);
  assert.equal(mode.restore(), 0);
  assert.deepEqual(settings(terminal), before);
});

test('RawMode.enter: keepOutput → output processing stays', (t) => {
  const { terminal } = pty(t);
  const before = flags(terminal, TERMIOS_OFLAG_OFF);
  const mode = raw(terminal);
  mode.enter(true);
  assert.equal(flags(terminal, TERMIOS_OFLAG_OFF), before);
  assert.equal(flags(terminal, TERMIOS_LFLAG_OFF) & TERMIOS_ECHO, 0);
});

test('RawMode.restore: not entered, or restored already → leaves the terminal to whoever changed it since', (t) => {
  const { terminal } = pty(t);
  const mode = raw(terminal);
  const other = raw(terminal);
  other.enter(false);
  const changed = settings(terminal);
  assert.equal(mode.restore(), 0);
  assert.deepEqual(settings(terminal), changed);
});

test('RawMode.restore: the terminal has gone → -EIO, not a hang', () => {
  const made = openPty();
  assert.ok(typeof made !== 'number');
  const mode = raw(made.terminal);
  mode.enter(false);
  close(made.controller);
  assert.equal(mode.restore(), -EIO);
  close(made.terminal);
});

test('RawMode.restore: in the background of its terminal → restored, the process is not stopped', {
  timeout: 30_000,
}, async (t) => {
  const { terminal } = pty(t);
  const before = settings(terminal);
  const program = join(projectRoot, 'build/test/unit/sys/background-restore.js');
  // In monitor mode every job gets a process group of its own.
  const script = `set -m; sleep 60 & "${process.execPath}" "${program}" $!; kill $!`;
  const child = spawn('setsid', ['--ctty', 'sh', '-c', script], { stdio: [terminal, 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  const [line] = (await once(child.stdout ?? assert.fail(), 'data')) as [Buffer];
  assert.equal(line.toString(), 'restored: 0\n');
  assert.deepEqual(settings(terminal), before);
  await once(child, 'close');
});

test('RawMode.save: not a terminal → -ENOTTY', (t) => {
  const fd = openSync(join(tempDir(t), 'file'), 'w+');
  t.after(() => close(fd));
  assert.equal(RawMode.save(fd), -ENOTTY);
});

test('setWindowSize, windowSize: 24 × 80 → the same on both ends', (t) => {
  const { controller, terminal } = pty(t);
  assert.equal(setWindowSize(controller, 24, 80), 0);
  assert.deepEqual(windowSize(terminal), { rows: 24, columns: 80 });
  assert.equal(windowSize(99999), -EBADF);
});

test('reopenNonBlocking: a terminal → reads return EAGAIN, the inherited description stays blocking', (t) => {
  const { controller, terminal } = pty(t);
  const fd = reopenNonBlocking(terminal);
  assert.ok(fd >= 0);
  t.after(() => close(fd));
  const bytes = new Uint8Array(8);
  assert.equal(read(fd, bytes), -EAGAIN);
  assert.equal(fcntl(terminal, F_GETFL, 0) & O_NONBLOCK, 0);
  writeSync(controller, 'a\n');
  assert.equal(read(fd, bytes), 2);
});

test('reopenNonBlocking: both ends of a pipe → same data, each with its own access mode', (t) => {
  const ends = pipe();
  assert.ok(typeof ends !== 'number');
  const reader = reopenNonBlocking(ends[0]);
  const writer = reopenNonBlocking(ends[1]);
  t.after(() => {
    for (const fd of [...ends, reader, writer]) close(fd);
  });
  const bytes = new Uint8Array(8);
  assert.equal(read(reader, bytes), -EAGAIN);
  writeSync(writer, 'xy');
  assert.equal(readSync(ends[0], bytes, 0, 8, null), 2);
  assert.equal(read(writer, bytes), -EBADF);
  assert.equal(fcntl(ends[0], F_GETFL, 0) & O_NONBLOCK, 0);
});

test('reopenNonBlocking: a file, a socket, a closed fd → EINVAL, ENXIO, EBADF', (t) => {
  const path = join(tempDir(t), 'file');
  writeFileSync(path, 'x');
  const file = openSync(path, 'r');
  const sockets = socketpair();
  assert.ok(typeof sockets !== 'number');
  assert.equal(reopenNonBlocking(file), -EINVAL);
  assert.equal(reopenNonBlocking(sockets[0]), -ENXIO);
  for (const fd of [file, ...sockets]) close(fd);
  assert.equal(reopenNonBlocking(file), -EBADF);
});

test('openPty: path → the terminal end', (t) => {
  const made = pty(t);
  const byPath = statSync(made.path);
  const byFd = statSync(`/proc/self/fd/${made.terminal}`);
  assert.equal(byPath.rdev, byFd.rdev);
  assert.ok(byPath.isCharacterDevice());
});
