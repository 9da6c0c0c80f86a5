// Several vCPUs at one serial port, and the host at its other end, each in a thread of its own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { PlatformThreads } from '../../support/platform-threads.js';
import { patternAt } from '../../support/platform-worker.js';

const SEND = 100_000;

for (const blind of [false, true]) {
  const how = blind ? 'without looking at LSR' : 'as LSR allows';
  test(`Serial8250: two threads send ${SEND} bytes each ${how} → every byte arrives, none is lost`, async (t) => {
    const job = { send: SEND, blind, receive: 0 };
    const threads = new PlatformThreads(t, [
      { ...job, value: 1 },
      { ...job, value: 2 },
    ]);
    const port = threads.serial;
    await threads.go();
    const counts = [0, 0, 0];
    const to = new Uint8Array(0x4000);
    let total = 0;
    while (total < 2 * SEND) {
      const n = port.output.take(to, 0, to.length);
      port.outputTaken();
      for (const byte of to.subarray(0, n)) counts[byte] = (counts[byte] ?? 0) + 1;
      total += n;
      if (n === 0) await turn();
    }
    await Promise.all(threads.results);
    assert.deepEqual(counts, [0, SEND, SEND]);
    assert.equal(port.lost, 0);
    assert.equal(port.output.used(), 0);
    assert.equal(threads.noChanges, 0);
  });
}

test('Serial8250: two threads read while the host types and both send → each byte is read by one of them', async (t) => {
  const total = 60_000;
  const threads = new PlatformThreads(t, [
    { send: SEND, value: 1, blind: false, receive: total },
    { send: SEND, value: 2, blind: false, receive: total },
  ]);
  const port = threads.serial;
  await threads.go();
  const from = new Uint8Array(0x1000);
  const to = new Uint8Array(0x4000);
  const expected = new Float64Array(256);
  let typed = 0;
  let sent = 0;
  while (threads.got < total || sent < 2 * SEND) {
    const n = Math.min(port.inputRoom(), from.length, total - typed);
    for (let i = 0; i < n; i++) from[i] = patternAt(typed + i);
    assert.equal(port.receive(from, n), n);
    for (const byte of from.subarray(0, n)) expected[byte] = (expected[byte] ?? 0) + 1;
    typed += n;
    sent += port.output.take(to, 0, to.length);
    port.outputTaken();
    await turn();
  }
  const [one, two] = await Promise.all(threads.results);
  const sums = expected.map((_, i) => (one?.counts[i] ?? 0) + (two?.counts[i] ?? 0));
  assert.deepEqual(sums, expected);
  assert.equal(threads.noChanges, 0);
});
