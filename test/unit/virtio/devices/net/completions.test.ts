// Interrupts for transmitted frames: those for small ones wait a moment, in which the driver mostly takes the buffers back by itself.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeLoop } from '../../../../support/hvl-bench.js';
import { frame, netRig } from '../../../../support/net-rig.js';

const TX = 1;
const HEADER = new Uint8Array(10);
const DELAY_US = 2000;
const PROMPT_US = 100_000;
/** An acknowledgement. */
const SMALL = 66;
const ENTRIES = 256;

function started() {
  const loop = new FakeLoop();
  const { rig, net, device } = netRig({ loop, bytes: 8 << 20 });
  rig.start();
  const send = (bytes: number): void => {
    rig.send(TX, Buffer.concat([HEADER, frame(bytes)]));
    rig.kick();
  };
  const interrupts = (): number => rig.interrupts[TX] ?? 0;
  const used = (): number => rig.driver(TX).usedIdx;
  return { loop, net, device, rig, send, interrupts, used };
}

test('small frames → sent and shown as used at once; one interrupt for all of them, 2 ms after the first', () => {
  const { loop, net, send, interrupts, used } = started();
  for (let i = 1; i <= 4; i++) {
    send(SMALL);
    assert.equal(used(), i);
    loop.advance(DELAY_US / 4 - 1);
  }
  assert.equal(net.sent.length, 4);
  assert.equal(interrupts(), 0);
  loop.advance(4);
  assert.equal(interrupts(), 1);
  loop.advance(DELAY_US);
  assert.equal(interrupts(), 1);
});

test('larger frames → an interrupt at once, also for small ones before', () => {
  const { loop, send, interrupts } = started();
  send(SMALL);
  assert.equal(interrupts(), 0);
  send(1514);
  assert.equal(interrupts(), 1);
  loop.advance(DELAY_US);
  assert.equal(interrupts(), 1);
});

test('a quarter of the queue in small frames → an interrupt at once', () => {
  const { send, interrupts } = started();
  for (let i = 1; i < ENTRIES / 4; i++) send(SMALL);
  assert.equal(interrupts(), 0);
  send(SMALL);
  assert.equal(interrupts(), 1);
});

test('nothing is sent while an interrupt waits → the driver may wait for it: none waits for the next 100 ms', () => {
  const { loop, send, interrupts } = started();
  send(SMALL);
  loop.advance(DELAY_US);
  assert.equal(interrupts(), 1);
  send(SMALL);
  assert.equal(interrupts(), 2);
  loop.advance(PROMPT_US - 1);
  send(SMALL);
  assert.equal(interrupts(), 3);
  loop.advance(1);
  send(SMALL);
  assert.equal(interrupts(), 3);
});

test('the host takes nothing more → what was sent is interrupted for at once', () => {
  const { net, rig, send, interrupts } = started();
  send(SMALL);
  net.full = true;
  rig.send(TX, Buffer.concat([HEADER, frame(SMALL)]));
  rig.kick();
  assert.equal(interrupts(), 1);
});

for (const [what, end] of [
  ['the driver resets the device', 'reset'],
  ['the driver resets the queue', 'resetQueue'],
] as const) {
  test(`${what} while an interrupt waits → it does not come any more`, () => {
    const { loop, device, send, interrupts } = started();
    send(SMALL);
    if (end === 'reset') device.reset();
    else device.resetQueue(TX);
    loop.advance(DELAY_US);
    assert.equal(interrupts(), 0);
  });
}
