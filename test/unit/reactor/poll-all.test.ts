import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PollAll } from '#lkvm/reactor/poll-all.js';
import type { Pollable } from '#lkvm/reactor/reactor.js';

/** A source that writes down what it is asked, and always gives the same answer. */
function source(log: string[], name: string, busy: boolean): Pollable {
  const ask = (what: string): boolean => {
    log.push(`${name}.${what}`);
    return busy;
  };
  return {
    poll: () => ask('poll'),
    arm: () => ask('arm'),
    disarm: () => void ask('disarm'),
    flush: () => void ask('flush'),
    scan: () => ask('scan'),
    running: busy,
  };
}

for (const [first, second] of [
  [true, false],
  [false, true],
  [false, false],
] as const) {
  const busy = first || second;
  test(`PollAll: the first has work ${first}, the second ${second} → both are asked, work ${busy}`, () => {
    const log: string[] = [];
    const all = new PollAll([source(log, 'a', first), source(log, 'b', second)]);
    assert.deepEqual([all.poll(), all.arm(), all.scan(), all.running], [busy, busy, busy, busy]);
    all.disarm();
    all.flush();
    const asked = ['poll', 'arm', 'scan', 'disarm', 'flush'].flatMap((what) => [`a.${what}`, `b.${what}`]);
    assert.deepEqual(log, asked);
  });
}
