// Calls of vCPUs without any vCPU: workers that do nothing else.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { Reactor } from '#lkvm/reactor/reactor.js';
import { PENDING } from '#lkvm/util/pending.js';
import { requestStop, wakeByWord } from '#lkvm/workers/control-block.js';
import { type CommandChannel, closeChannel, createChannel } from '#lkvm/workers/vcpu/channel.js';
import { CommandServer } from '#lkvm/workers/vcpu/command-server.js';

/** Calls `count` times as vCPU `vcpu`: device vcpu + 10, what i; expects ~i. The exit code is the number of wrong answers. */
const CALLER = `
  import { workerData } from 'node:worker_threads';
  const { CommandClient } = await import(${JSON.stringify(import.meta.resolve('#lkvm/workers/vcpu/command-client.js'))});
  const { channel, vcpu, count } = workerData;
  const client = new CommandClient(channel, new Int32Array(channel.controls[vcpu]));
  let wrong = 0;
  for (let i = 0; i < count; i++) if (client.call(vcpu + 10, i) !== ~i) wrong++;
  process.exit(wrong);
`;

function caller(channel: CommandChannel, vcpu: number, count: number): Promise<unknown[]> {
  const url = new URL(`data:text/javascript,${encodeURIComponent(CALLER)}`);
  return once(new Worker(url, { workerData: { channel, vcpu, count } }), 'exit');
}

function makeChannel(t: TestContext, vcpus: number): CommandChannel {
  const channel = createChannel(vcpus);
  t.after(() => closeChannel(channel));
  return channel;
}

async function until(reactor: Reactor, done: () => boolean): Promise<void> {
  for (const end = Date.now() + 60_000; !done(); await setImmediate()) {
    assert.ok(Date.now() < end, 'calls are missing');
    reactor.round(1000);
  }
}

for (const how of ['at once', 'later, in another order', 'by turns'] as const) {
  test(`CommandServer: three vCPUs, 3000 calls each, answered ${how} → each gets its own answers`, async (t) => {
    const channel = makeChannel(t, 3);
    const reactor = new Reactor();
    t.after(() => reactor.close());
    const each = 3000;
    const next = [0, 0, 0];
    /** Answers due, by device. */
    const due = new Map<number, number>();
    const server = new CommandServer(
      channel,
      {
        onCall: (device, what) => {
          assert.equal(what, next[device - 10]);
          next[device - 10] = what + 1;
          if (how === 'at once' || (how === 'by turns' && what % 2 === 0)) return ~what;
          due.set(device, ~what);
          return PENDING;
        },
      },
      reactor,
    );
    let exited = 0;
    const exits = [0, 1, 2].map(async (vcpu) => {
      const [code] = await caller(channel, vcpu, each);
      exited++;
      return code;
    });
    await until(reactor, () => {
      for (const device of [12, 10, 11]) {
        const answer = due.get(device);
        if (answer === undefined) continue;
        due.delete(device);
        server.answer(device, answer);
      }
      return exited === 3;
    });
    assert.deepEqual(await Promise.all(exits), [0, 0, 0]);
    assert.deepEqual(next, [each, each, each]);
    server.close();
  });
}

test('CommandServer: a call from before it was made → served', async (t) => {
  const channel = makeChannel(t, 1);
  const exit = caller(channel, 0, 1);
  const asked = new Int32Array(channel.controls[0] as SharedArrayBuffer);
  while (!asked.some((word) => word === 10)) await setImmediate();
  const reactor = new Reactor();
  t.after(() => reactor.close());
  const server = new CommandServer(channel, { onCall: (_device, what) => ~what }, reactor);
  let code: unknown;
  void exit.then((values) => {
    code = values[0];
  });
  await until(reactor, () => code !== undefined);
  assert.equal(code, 0);
  server.close();
});

test('CommandClient: nobody answers, then a stop request → it goes on with 0', async (t) => {
  const channel = makeChannel(t, 1);
  const control = new Int32Array(channel.controls[0] as SharedArrayBuffer);
  const exit = caller(channel, 0, 1);
  while (!control.some((word) => word === 10)) await setImmediate();
  requestStop(control);
  wakeByWord(control);
  assert.deepEqual(await exit, [1]);
});
