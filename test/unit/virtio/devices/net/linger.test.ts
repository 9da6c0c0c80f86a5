// Bulk transmission: a driver that sends large frames is not asked for kicks, since the device looks by timer.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeLoop } from '../../../../support/hvl-bench.js';
import { frame, netRig } from '../../../../support/net-rig.js';

const TX = 1;
const HEADER = new Uint8Array(10);
const LARGE = 20_000;
const SMALL = 100;
const LINGER_US = 500;
const QUIET_US = 20_000;

function started() {
  const loop = new FakeLoop();
  const { rig, net, device } = netRig({ loop, bytes: 8 << 20 });
  rig.start();
  const send = (bytes: number): void => void rig.send(TX, Buffer.concat([HEADER, frame(bytes)]));
  /** As a driver does it: kicks if the device wants that. @returns whether it did */
  const transmit = (bytes: number): boolean => {
    send(bytes);
    const kicks = wantsKicks();
    if (kicks) rig.kick();
    return kicks;
  };
  const wantsKicks = (): boolean => (rig.driver(TX).usedFlags & 1) === 0;
  return { loop, rig, net, device, send, transmit, wantsKicks };
}

test('bulk: large frames one after the other → one kick, then the device looks every 500 us', () => {
  const { loop, net, transmit } = started();
  assert.ok(transmit(LARGE));
  for (let i = 0; i < 10; i++) {
    assert.ok(!transmit(LARGE), `frame ${i}`);
    loop.advance(LINGER_US);
  }
  assert.equal(net.sent.length, 11);
});

test('bulk: a look in vain → kicks are wanted again, and for the next 20 ms after each frame', () => {
  const { loop, net, transmit, wantsKicks } = started();
  transmit(LARGE);
  assert.ok(!wantsKicks());
  loop.advance(LINGER_US);
  assert.ok(wantsKicks());
  assert.ok(transmit(LARGE));
  assert.ok(wantsKicks(), 'this driver is slower than we look');
  loop.advance(QUIET_US);
  assert.ok(transmit(LARGE));
  assert.ok(!wantsKicks());
  assert.equal(net.sent.length, 3);
});

test('bulk: a look that comes late → kicks are wanted for 20 ms: timers are coarse here', () => {
  const { loop, net, transmit, wantsKicks } = started();
  transmit(LARGE);
  transmit(LARGE);
  loop.advance(4000);
  assert.equal(net.sent.length, 2);
  assert.ok(wantsKicks());
  assert.ok(transmit(LARGE));
  assert.ok(wantsKicks());
  loop.advance(QUIET_US);
  transmit(LARGE);
  assert.ok(!wantsKicks());
});

test('small frames → a kick for each', () => {
  const { transmit, wantsKicks } = started();
  for (let i = 0; i < 5; i++) {
    assert.ok(transmit(SMALL));
    assert.ok(wantsKicks());
  }
});

test('bulk turns into small frames → sent at the next look, then kicks are wanted', () => {
  const { loop, net, transmit, wantsKicks } = started();
  transmit(LARGE);
  assert.ok(!transmit(SMALL));
  loop.advance(LINGER_US);
  assert.equal(net.sent.length, 2);
  assert.ok(wantsKicks());
});

test('bulk: the host takes nothing more → no kicks; it does again → the device sends and goes on looking', () => {
  const { loop, net, transmit, wantsKicks } = started();
  transmit(LARGE);
  transmit(LARGE);
  net.full = true;
  loop.advance(LINGER_US);
  assert.equal(net.sent.length, 1);
  net.full = false;
  net.listener?.sendReady();
  assert.equal(net.sent.length, 2);
  assert.ok(!wantsKicks());
  loop.advance(LINGER_US);
  assert.ok(wantsKicks());
});

for (const [what, end] of [
  ['the driver resets the device', 'reset'],
  ['the driver resets the queue', 'resetQueue'],
] as const) {
  test(`bulk: ${what} → the ring is not looked at any more`, () => {
    const { loop, net, device, transmit } = started();
    transmit(LARGE);
    transmit(LARGE);
    if (end === 'reset') device.reset();
    else device.resetQueue(TX);
    loop.advance(LINGER_US);
    assert.equal(net.sent.length, 1);
  });
}

test('more large frames than a round takes → all are sent by one look', () => {
  const { loop, net, transmit, send } = started();
  transmit(LARGE);
  for (let i = 0; i < 200; i++) send(9000);
  loop.advance(LINGER_US);
  loop.advance(0);
  assert.equal(net.sent.length, 201);
});
