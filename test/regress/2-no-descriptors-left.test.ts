// Issue 2: a peer that connects while no descriptor is left ends nothing. (Making an eventfd threw, which ended the PMM;
// and a driver can use up descriptors by opening files over 9p.)
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { eventfdDoorbell } from '#lkvm/backends/doorbell/socket.js';
import { Reactor } from '#lkvm/reactor/reactor.js';
import { close } from '#lkvm/sys/fd.js';
import { openFileLimit } from '#lkvm/sys/fs.js';
import { connectUnix, recv } from '#lkvm/sys/socket.js';
import { setDescriptorLimit, useUpDescriptors } from '../support/descriptors.js';
import { DoorbellProbe } from '../support/doorbell-rig.js';
import { tempDir } from '../support/temp.js';

const LIMIT = 256;
const WAIT_US = 5_000_000;
const original = openFileLimit();

before(() => setDescriptorLimit(LIMIT));
after(() => setDescriptorLimit(original));

test('eventfd doorbell: no descriptor to accept with → let in when there is one', (t) => {
  const path = join(tempDir(t), 'bell');
  const reactor = new Reactor();
  const probe = new DoorbellProbe();
  const doorbell = eventfdDoorbell(path, reactor, { address: 0x1000, bytes: 0x1000, fd: -1 });
  doorbell.open(probe);
  const peer = connectUnix(path);

  const taken = useUpDescriptors(0);
  reactor.round(WAIT_US);
  for (const fd of taken) close(fd);
  assert.deepEqual(probe.peers, []);
  for (let i = 0; i < 3 && probe.peers.length === 0; i++) reactor.round(WAIT_US);

  assert.deepEqual(probe.peers, [true]);
  close(peer);
  doorbell.close();
  reactor.close();
});

for (const spare of [1, 2]) {
  test(`eventfd doorbell: ${spare} descriptors left, 3 needed → the connection is closed, the next one works`, (t) => {
    const path = join(tempDir(t), 'bell');
    const reactor = new Reactor();
    const probe = new DoorbellProbe();
    const doorbell = eventfdDoorbell(path, reactor, { address: 0x1000, bytes: 0x1000, fd: -1 });
    doorbell.open(probe);
    const first = connectUnix(path);

    const taken = useUpDescriptors(spare);
    reactor.round(WAIT_US);
    for (const fd of taken) close(fd);
    assert.equal(recv(first, new Uint8Array(64)), 0);
    assert.deepEqual(probe.peers, []);

    const second = connectUnix(path);
    reactor.round(WAIT_US);
    assert.deepEqual(probe.peers, [true]);
    for (const fd of [first, second]) close(fd);
    doorbell.close();
    reactor.close();
  });
}
