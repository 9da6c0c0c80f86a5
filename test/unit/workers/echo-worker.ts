// The thread of host.test.ts.
import { type MessagePort, parentPort } from 'node:worker_threads';
import { Reactor } from '#lkvm/reactor/reactor.js';
import { LkvmError } from '#lkvm/util/errors.js';
import { CONTROL_WAKE } from '#lkvm/workers/control-block.js';
import { runThread, type ThreadContext } from '#lkvm/workers/entry.js';

interface Data {
  readonly behaviour: string;
}

type Context = ThreadContext<Data>;

/** Sends every message back. @returns false when it was the last */
function echo(context: Context): boolean {
  for (let message = context.receive(); message !== undefined; message = context.receive()) {
    if (message === 'now') return false;
    const { port } = message as { port?: MessagePort };
    if (port === undefined) context.post(message);
    else port.postMessage('through the port');
  }
  return context.data.behaviour !== 'echo' || !context.stopRequested();
}

function sleepInEpoll(context: Context): void {
  const reactor = new Reactor(context.wakeFd);
  reactor.onWake(() => {
    if (!echo(context)) reactor.stop();
  });
  reactor.run();
  reactor.close();
}

function sleepOnWord(context: Context): void {
  for (;;) {
    const wakeUps = Atomics.load(context.control, CONTROL_WAKE);
    if (!echo(context)) return;
    Atomics.wait(context.control, CONTROL_WAKE, wakeUps);
  }
}

async function work(context: Context): Promise<void> {
  context.post('ready');
  switch (context.data.behaviour) {
    case 'return':
      return;
    case 'throw':
      throw new LkvmError('TEST', 'thrown on purpose', 77);
    case 'exit':
      process.exit(5);
      break;
    case 'throw-later':
      setTimeout(() => {
        throw new Error('thrown from a timer');
      }, 1);
      await new Promise(() => {});
      break;
    default:
      if (context.wakeFd >= 0) sleepInEpoll(context);
      else sleepOnWord(context);
  }
}

if (parentPort !== null) await runThread(work);
