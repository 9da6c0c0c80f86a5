// Mailbox and UIO doorbells against a raw pty, which behaves as those device nodes do: readable when the other side has
// written, writable at any time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mailboxDoorbell, uioDoorbell } from '#lkvm/backends/doorbell/device.js';
import { Reactor } from '#lkvm/reactor/reactor.js';
import { close, read, write } from '#lkvm/sys/fd.js';
import { StartError } from '#lkvm/util/errors.js';
import { collectLog, DoorbellProbe, rawPty } from '../../../support/doorbell-rig.js';

const WAIT_US = 5_000_000;

test('mailbox: the device becomes readable → one doorbell, whatever the bytes are', () => {
  using pty = rawPty();
  const reactor = new Reactor();
  const probe = new DoorbellProbe();
  const doorbell = mailboxDoorbell(pty.path, reactor, collectLog());
  doorbell.open(probe);

  write(pty.controller, Buffer.from('7\n'));
  reactor.round(WAIT_US);

  assert.equal(probe.rings, 1);
  doorbell.close();
  reactor.close();
});

test('mailbox: signal → at least one byte written', () => {
  using pty = rawPty();
  const reactor = new Reactor();
  const doorbell = mailboxDoorbell(pty.path, reactor, collectLog());
  doorbell.open(new DoorbellProbe());

  doorbell.signal();

  assert.equal(read(pty.controller, new Uint8Array(16)), 1);
  doorbell.close();
  reactor.close();
});

test('uio: a 4-byte interrupt count arrives → one doorbell; signal → a 4-byte 1', () => {
  using pty = rawPty();
  const reactor = new Reactor();
  const probe = new DoorbellProbe();
  const doorbell = uioDoorbell(pty.path, reactor, collectLog());
  doorbell.open(probe);

  write(pty.controller, Uint8Array.of(9, 0, 0, 0));
  reactor.round(WAIT_US);
  doorbell.signal();
  const got = new Uint8Array(16);
  const n = read(pty.controller, got);

  assert.equal(probe.rings, 1);
  assert.deepEqual([n, ...got.subarray(0, 4)], [4, 1, 0, 0, 0]);
  doorbell.close();
  reactor.close();
});

test('device doorbell: the node is missing → StartError that names what to do without a board', () => {
  const reactor = new Reactor();
  const doorbell = mailboxDoorbell('/dev/no-such-mailbox', reactor, collectLog());
  assert.throws(
    () => doorbell.open(new DoorbellProbe()),
    (error) =>
      error instanceof StartError &&
      /no-such-mailbox: ENOENT.*--notify socket:PATH.*lkvm demo/.test(error.message),
  );
  reactor.close();
});

test('device doorbell: the other end closes → one warning, no busy loop, and the node is tried again', () => {
  const pty = rawPty();
  const reactor = new Reactor();
  const log = collectLog();
  const doorbell = mailboxDoorbell(pty.path, reactor, log);
  doorbell.open(new DoorbellProbe());

  close(pty.controller);
  reactor.round(WAIT_US); // end of file: released, retry timer set
  reactor.round(WAIT_US); // the retry: the node is gone with its controller
  doorbell.signal(); // nobody there: nothing happens

  assert.equal(log.warnings.length, 1);
  doorbell.close();
  reactor.close();
});
