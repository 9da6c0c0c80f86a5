// Policies are given the time, so these tests make their own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AdaptivePoll, IntervalPoll, type LoadMeter, NoPoll, SpinPoll } from '#lkvm/reactor/poll-policy.js';

const IDLE_MACHINE: LoadMeter = { waitedUs: () => 0 };

/** Idle from `start` on: how long it polls, looking every `every` microseconds. @returns microseconds */
function pollsFor(policy: AdaptivePoll, start: number, every = 1): number {
  if (!policy.begin(start)) return 0;
  let now = start;
  do now += every;
  while (policy.proceed(now) && now < start + 10_000);
  return now - start;
}

test('NoPoll, IntervalPoll, SpinPoll: idle → never, never but a limited sleep, always', () => {
  assert.deepEqual([new NoPoll().begin(), new NoPoll().sleepUs], [false, -1]);
  assert.deepEqual([new IntervalPoll(250).begin(), new IntervalPoll(250).sleepUs], [false, 250]);
  assert.deepEqual([new SpinPoll().begin(), new SpinPoll().proceed()], [true, true]);
});

test('AdaptivePoll: nothing happened yet → sleeps at once', () => {
  assert.equal(new AdaptivePoll(IDLE_MACHINE).begin(1e6), false);
});

test('AdaptivePoll: after work → polls for its budget, then not again until there is work', () => {
  const policy = new AdaptivePoll(IDLE_MACHINE);
  policy.active(1000);
  assert.equal(pollsFor(policy, 1000), policy.budgetUs);
  assert.equal(policy.begin(1000 + policy.budgetUs), false);
  assert.equal(policy.begin(5000), false);
});

test('AdaptivePoll: work comes a little after it gave up, again and again → the budget grows to its limit', () => {
  const policy = new AdaptivePoll(IDLE_MACHINE);
  let now = 1000;
  const budgets = [];
  for (let i = 0; i < 4; i++) {
    policy.active(now);
    policy.begin(now);
    now += policy.budgetUs + 1;
    budgets.push(policy.budgetUs);
  }
  assert.deepEqual(budgets, [25, 50, 100, 200]);
});

test('AdaptivePoll: work comes while it polls → the budget stays', () => {
  const policy = new AdaptivePoll(IDLE_MACHINE);
  policy.active(0);
  const budget = policy.budgetUs;
  for (let now = 0; now < 1000; now += budget - 1) {
    assert.equal(policy.begin(now), true);
    policy.active(now + budget - 1);
    assert.equal(policy.budgetUs, budget);
  }
});

test('AdaptivePoll: work is rare → the budget shrinks to nothing; it comes soon again → the budget grows again', () => {
  const policy = new AdaptivePoll(IDLE_MACHINE);
  for (let now = 0; now < 10e6; now += 1e6) {
    policy.active(now);
    policy.begin(now);
  }
  assert.equal(policy.budgetUs, 0);
  assert.equal(policy.begin(10e6), false);
  const budgets = [];
  for (let now = 11e6; now < 11e6 + 240; now += 60) {
    policy.active(now);
    policy.begin(now);
    budgets.push(policy.budgetUs);
  }
  assert.deepEqual(budgets, [0, 5, 10, 20]);
});

test('AdaptivePoll: the processor was lost while polling → no polling for 20 ms, then again', () => {
  const policy = new AdaptivePoll(IDLE_MACHINE);
  policy.active(0);
  assert.equal(policy.begin(0), true);
  assert.equal(policy.proceed(301), false);
  policy.active(310);
  assert.equal(policy.begin(310), false);
  policy.active(20_300);
  assert.equal(policy.begin(20_300), false);
  policy.active(20_302);
  assert.equal(policy.begin(20_302), true);
});

/** The peer shares our processor: its answer comes some time after we sleep. @returns time polled, and the time at the end */
function sharedProcessor(
  policy: AdaptivePoll,
  start: number,
  requests: number,
  answerUs = 10,
): [number, number] {
  let polled = 0;
  let now = start;
  for (let i = 0; i < requests; i++) {
    policy.active(now);
    const wasted = pollsFor(policy, now);
    polled += wasted;
    now += wasted + answerUs;
  }
  return [polled, now];
}

test('AdaptivePoll: work always comes just after it gave up, also at the full budget → stops polling for longer and longer', () => {
  const [polled, end] = sharedProcessor(new AdaptivePoll(IDLE_MACHINE), 1000, 100_000);
  assert.ok(end > 1e6);
  assert.ok(polled < 3000, `${polled} us of about a second`);
});

test('AdaptivePoll: a slower peer, whose answers come 150 us after each poll → the same', () => {
  const [polled, end] = sharedProcessor(new AdaptivePoll(IDLE_MACHINE), 1000, 10_000, 150);
  assert.ok(end > 1e6);
  assert.ok(polled < 4000, `${polled} us of about 1.5 seconds`);
});

test('AdaptivePoll: polled in vain, then finds work while polling → backs off for 20 ms again, not longer', () => {
  const policy = new AdaptivePoll(IDLE_MACHINE);
  const [, end] = sharedProcessor(policy, 0, 100_000);
  const later = end + 400_000;
  policy.active(later);
  assert.equal(policy.begin(later), true);
  policy.active(later + 5);
  assert.equal(policy.begin(later + 5), true);
  assert.equal(policy.proceed(later + 400), false, 'the processor was lost');
  policy.active(later + 20_300);
  assert.equal(policy.begin(later + 20_300), false);
  policy.active(later + 20_500);
  assert.equal(policy.begin(later + 20_500), true);
});

/** A machine on which this thread waits `share` of the time. */
class LoadedMachine implements LoadMeter {
  share = 0;
  #nowUs = 0;
  #waitedUs = 0;

  to(nowUs: number): void {
    this.#waitedUs += (nowUs - this.#nowUs) * this.share;
    this.#nowUs = nowUs;
  }

  waitedUs(): number {
    return this.#waitedUs;
  }
}

test('AdaptivePoll: a fifth of the time is spent waiting for a processor → no polling until 100 ms after that', () => {
  const machine = new LoadedMachine();
  const policy = new AdaptivePoll(machine);
  const polls = (from: number, to: number): number => {
    let times = 0;
    for (let now = from; now < to; now += 100) {
      machine.to(now);
      policy.active(now);
      if (policy.begin(now)) times++;
      policy.active(now + 1);
    }
    return times;
  };
  assert.equal(polls(0, 100_000), 1000);
  machine.share = 0.2;
  assert.ok(polls(100_000, 200_000) < 100, 'it takes some milliseconds to show');
  assert.equal(polls(200_000, 300_000), 0);
  machine.share = 0;
  assert.equal(polls(300_000, 390_000), 0);
  assert.equal(polls(420_000, 500_000), 800);
});
