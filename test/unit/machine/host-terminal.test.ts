import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { EAGAIN } from '#lkvm/abi/errno.js';
import { openStream, STREAM_OWN, STREAM_SHARED } from '#lkvm/backends/terminal/stream-kind.js';
import { HostTerminal } from '#lkvm/machine/host-terminal.js';
import { O_NOCTTY, O_RDWR } from '#lkvm/sys/arch.js';
import { close, open, read, write } from '#lkvm/sys/fd.js';
import { openPty } from '#lkvm/sys/tty.js';

function hostTerminal(t: TestContext): HostTerminal {
  const terminal = new HostTerminal();
  t.after(() => terminal.close());
  return terminal;
}

function opened(t: TestContext, path: string): number {
  const fd = open(path, O_RDWR | O_NOCTTY);
  assert.ok(fd >= 0, `open ${path}: ${fd}`);
  t.after(() => close(fd));
  return fd;
}

const text = Buffer.from('a\nb');

test('HostTerminal: bytes both ways → unchanged, without echo, and nobody waits', (t) => {
  const host = hostTerminal(t);
  const far = opened(t, host.path);
  const got = Buffer.alloc(16);
  assert.ok(read(host.fd, got, got.length) < 0, 'nothing typed yet: not blocked, not ended');
  assert.equal(write(host.fd, text, 3), 3);
  assert.equal(read(far, got, got.length), 3);
  assert.equal(got.toString('latin1', 0, 3), 'a\nb');
  assert.ok(read(host.fd, got, got.length) < 0, 'no echo');
  assert.equal(write(far, text, 3), 3);
  assert.equal(read(host.fd, got, got.length), 3);
  assert.equal(got.toString('latin1', 0, 3), 'a\nb');
});

test('HostTerminal: the last program there goes → the port does not end', (t) => {
  const host = hostTerminal(t);
  const far = open(host.path, O_RDWR | O_NOCTTY);
  close(far);
  const got = Buffer.alloc(4);
  assert.equal(read(host.fd, got, 4), -EAGAIN); // not EIO
});

test('openStream: a controlling end → a copy of it, not another terminal', (t) => {
  const host = hostTerminal(t);
  const far = opened(t, host.path);
  const stream = openStream(host.fd);
  t.after(() => close(stream.fd));
  assert.equal(stream.kind, STREAM_OWN);
  assert.equal(write(stream.fd, text, 3), 3);
  assert.equal(read(far, Buffer.alloc(4), 4), 3);
});

test('openStream: a controlling end that blocks → used only when ready', (t) => {
  const pty = openPty();
  assert.ok(typeof pty !== 'number');
  const stream = openStream(pty.controller);
  t.after(() => [pty.controller, pty.terminal, stream.fd].forEach(close));
  assert.equal(stream.kind, STREAM_SHARED);
});
