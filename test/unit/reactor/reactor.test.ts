import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { EPOLLIN, EPOLLOUT } from '#lkvm/abi/linux.js';
import { IntervalPoll, NoPoll, type PollPolicy, SpinPoll } from '#lkvm/reactor/poll-policy.js';
import { type Pollable, Reactor } from '#lkvm/reactor/reactor.js';
import { O_RDONLY } from '#lkvm/sys/arch.js';
import { eventfd, eventfdDrain, eventfdSignal } from '#lkvm/sys/eventfd.js';
import { close, open } from '#lkvm/sys/fd.js';
import { SysError } from '#lkvm/util/errors.js';

/** Runs a test with a reactor that is closed afterwards. */
function withReactor(body: (reactor: Reactor) => void): void {
  const reactor = new Reactor();
  try {
    body(reactor);
  } finally {
    reactor.close();
  }
}

/** An eventfd that is readable already. */
function readable(): number {
  const fd = eventfd();
  eventfdSignal(fd);
  return fd;
}

/** Answers from scripts (the last one for ever) and records the calls. */
class ScriptedPollable implements Pollable {
  readonly calls: string[] = [];
  readonly polls: boolean[];
  readonly arms: boolean[];
  readonly scans: boolean[];
  running = false;
  onPoll: () => void = () => {};

  constructor(script: { polls?: boolean[]; arms?: boolean[]; scans?: boolean[] } = {}) {
    this.polls = script.polls ?? [];
    this.arms = script.arms ?? [];
    this.scans = script.scans ?? [];
  }

  poll(): boolean {
    this.calls.push('poll');
    this.onPoll();
    return this.polls.shift() ?? false;
  }
  arm(): boolean {
    this.calls.push('arm');
    return this.arms.shift() ?? false;
  }
  disarm(): void {
    this.calls.push('disarm');
  }
  flush(): void {
    this.calls.push('flush');
  }
  scan(): boolean {
    this.calls.push('scan');
    return this.scans.shift() ?? false;
  }

  /** The calls since the last time, repeated ones once. */
  takeCalls(): string[] {
    const calls = this.calls.splice(0);
    return calls.filter((call, i) => call !== calls[i - 1]);
  }
}

function polled(reactor: Reactor, pollable: ScriptedPollable, policy: PollPolicy): ScriptedPollable {
  reactor.setPollable(pollable, policy);
  return pollable;
}

test('watch: a readable fd → its handler with the events; again each round while readable; not after close', () => {
  withReactor((reactor) => {
    const fd = readable();
    const events: number[] = [];
    const watch = reactor.watch(fd, EPOLLIN, { onReady: (e) => events.push(e) });
    reactor.round(0);
    reactor.round(0);
    assert.deepEqual(events, [EPOLLIN, EPOLLIN]);
    eventfdDrain(fd);
    reactor.round(0);
    eventfdSignal(fd);
    watch.close();
    watch.close();
    reactor.round(0);
    assert.equal(events.length, 2);
    close(fd);
  });
});

test('setEvents: none, then others → only what is asked for', () => {
  withReactor((reactor) => {
    const fd = readable(); // also always writable
    const events: number[] = [];
    const watch = reactor.watch(fd, EPOLLIN, { onReady: (e) => events.push(e) });
    watch.setEvents(0);
    reactor.round(0);
    watch.setEvents(EPOLLOUT);
    reactor.round(0);
    assert.deepEqual(events, [EPOLLOUT]);
    watch.close();
    watch.setEvents(EPOLLIN);
    close(fd);
  });
});

test('watch: a regular file → SysError EPERM, and the reactor goes on', () => {
  withReactor((reactor) => {
    const file = open(process.execPath, O_RDONLY);
    assert.throws(
      () => reactor.watch(file, EPOLLIN, { onReady: () => {} }),
      (error: SysError) => error instanceof SysError && error.code === 'EPERM',
    );
    const good = readable();
    let calls = 0;
    reactor.watch(good, EPOLLIN, { onReady: () => calls++ });
    reactor.round(0);
    assert.equal(calls, 1);
    [file, good].forEach(close);
  });
});

test('dispatch: a handler closes the other ready fd and watches a third → the third does not get the event of the other', () => {
  withReactor((reactor) => {
    const fds = [readable(), readable()];
    const quiet = eventfd();
    const seen: string[] = [];
    const watches = fds.map((fd, i) =>
      reactor.watch(fd, EPOLLIN, {
        onReady: () => {
          seen.push('ready');
          watches[1 - i]?.close();
          reactor.watch(quiet, EPOLLIN, { onReady: () => seen.push('stale') });
        },
      }),
    );
    reactor.round(0);
    assert.deepEqual(seen, ['ready']);
    [...fds, quiet].forEach(close);
  });
});

test('after: timers due → in the order of their times, once, never early; a cancelled one → not', () => {
  withReactor((reactor) => {
    const fired: string[] = [];
    const timer = (name: string): { onTimer(): void } => ({ onTimer: () => fired.push(name) });
    const start = reactor.nowUs();
    reactor.after(3000, timer('late'));
    reactor.after(1000, timer('early'));
    const never = reactor.after(2000, timer('never'));
    reactor.cancel(never);
    while (fired.length < 2) reactor.round();
    assert.ok(reactor.nowUs() - start >= 3000);
    reactor.round(0);
    assert.deepEqual(fired, ['early', 'late']);
  });
});

test('after: a timer that sets itself again with 0 → once per round, so the loop goes on', () => {
  withReactor((reactor) => {
    let fired = 0;
    const handler = {
      onTimer: (): void => {
        fired++;
        reactor.after(0, handler);
      },
    };
    reactor.after(0, handler);
    for (let round = 1; round <= 5; round++) {
      reactor.round(1000);
      assert.ok(fired <= round);
    }
    assert.ok(fired >= 1);
  });
});

test('wake: from another thread while asleep → onWake runs, stop ends run()', async () => {
  const reactor = new Reactor();
  const source = `
    const { workerData } = require('node:worker_threads');
    import(workerData.module).then((m) => m.eventfdSignal(workerData.fd));`;
  const module = import.meta.resolve('#lkvm/sys/eventfd.js');
  const worker = new Worker(source, { eval: true, workerData: { fd: reactor.wakeFd, module } });
  const exited = new Promise((resolve) => worker.once('exit', resolve));
  // The worker starts although this thread is blocked from here on: it needs nothing more of us.
  await new Promise((resolve) => worker.once('online', resolve));
  let woken = 0;
  reactor.onWake(() => {
    woken++;
    reactor.stop();
  });
  reactor.run();
  assert.equal(woken, 1);
  reactor.close();
  await exited;
});

test('wake: several times before the loop looks → onWake once, then quiet', () => {
  withReactor((reactor) => {
    let woken = 0;
    reactor.onWake(() => woken++);
    reactor.wake();
    reactor.wake();
    for (let i = 0; i < 3; i++) reactor.round(0);
    assert.equal(woken, 1);
  });
});

test('close: a wake-up fd made elsewhere → stays open', () => {
  const fd = eventfd();
  new Reactor(fd).close();
  assert.equal(eventfdSignal(fd), 8);
  close(fd);
});

test('round, none: nothing to do → look, ask for doorbells, sleep; the round ends with flush', () => {
  withReactor((reactor) => {
    const pollable = polled(reactor, new ScriptedPollable(), new NoPoll());
    reactor.round(1000);
    assert.deepEqual(pollable.takeCalls(), ['poll', 'arm', 'flush']);
  });
});

test('round: work found → signalled before anything else, no sleep although nothing else happens', () => {
  withReactor((reactor) => {
    const pollable = polled(reactor, new ScriptedPollable({ polls: [true] }), new NoPoll());
    reactor.round(); // would sleep for ever
    assert.deepEqual(pollable.takeCalls(), ['poll', 'flush']);
  });
});

test('round: work arrives between looking and arming → no sleep', () => {
  withReactor((reactor) => {
    const pollable = polled(reactor, new ScriptedPollable({ arms: [true] }), new NoPoll());
    reactor.round(); // would sleep for ever
    assert.deepEqual(pollable.takeCalls(), ['poll', 'arm', 'flush']);
  });
});

test('round: always work → fds and timers are served all the same', () => {
  withReactor((reactor) => {
    const pollable = new ScriptedPollable();
    pollable.onPoll = () => pollable.polls.push(true);
    polled(reactor, pollable, new SpinPoll());
    const fd = readable();
    let served = 0;
    let fired = 0;
    reactor.watch(fd, EPOLLIN, { onReady: () => served++ });
    reactor.after(0, { onTimer: () => fired++ });
    reactor.round();
    reactor.round();
    assert.ok(served >= 1 && fired === 1);
    close(fd);
  });
});

test('round, none, a device runs: the doorbell is lost → scan finds the work within about 100 ms, no event needed', () => {
  withReactor((reactor) => {
    const pollable = polled(reactor, new ScriptedPollable({ scans: [true] }), new NoPoll());
    pollable.running = true;
    reactor.round(); // would sleep for ever without the scan
    assert.deepEqual(pollable.takeCalls(), ['poll', 'arm', 'scan', 'flush']);
  });
});

test('round, none, no device runs: a timer ends the sleep → no scan', () => {
  withReactor((reactor) => {
    const pollable = polled(reactor, new ScriptedPollable(), new NoPoll());
    reactor.after(1000, { onTimer: () => {} });
    reactor.round();
    reactor.round(1000);
    assert.ok(!pollable.calls.includes('scan'));
  });
});

test('round, interval: no event → looks again after the interval, and that is not counted as a lost doorbell', () => {
  withReactor((reactor) => {
    const pollable = polled(
      reactor,
      new ScriptedPollable({ polls: [false, false, true] }),
      new IntervalPoll(500),
    );
    pollable.running = true;
    for (let i = 0; i < 3; i++) reactor.round();
    assert.deepEqual(pollable.takeCalls(), ['poll', 'arm', 'flush', 'poll', 'arm', 'flush', 'poll', 'flush']);
  });
});

test('round, spin: idle → doorbells off, keeps looking until work comes, never asks for doorbells', () => {
  withReactor((reactor) => {
    const polls = Array.from({ length: 500 }, () => false);
    const pollable = polled(reactor, new ScriptedPollable({ polls: [...polls, true] }), new SpinPoll());
    reactor.round();
    assert.deepEqual(pollable.takeCalls(), ['poll', 'disarm', 'poll', 'flush']);
  });
});

test('round, spin: an fd becomes readable, a timer is due, stop is asked for → each ends the spinning', () => {
  withReactor((reactor) => {
    const pollable = polled(reactor, new ScriptedPollable(), new SpinPoll());
    const fd = eventfd();
    const seen: string[] = [];
    reactor.watch(fd, EPOLLIN, {
      onReady: () => {
        seen.push('fd');
        eventfdDrain(fd);
      },
    });
    let looks = 0;
    pollable.onPoll = () => {
      if (++looks === 100) eventfdSignal(fd);
    };
    reactor.round();
    assert.deepEqual(seen, ['fd']);

    reactor.after(500, { onTimer: () => seen.push('timer') });
    while (seen.length < 2) reactor.round();
    assert.deepEqual(seen, ['fd', 'timer']);

    pollable.onPoll = () => {
      if (++looks > 1000) reactor.stop();
    };
    reactor.run();
    close(fd);
  });
});
