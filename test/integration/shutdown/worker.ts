// The worker of the shutdown tests: blocked in the reactor's epoll, or in something that no stop request ends.
import { parentPort } from 'node:worker_threads';
import { Reactor } from '#lkvm/reactor/reactor.js';
import { read } from '#lkvm/sys/fd.js';
import { runThread, type ThreadContext } from '#lkvm/workers/entry.js';

export interface WorkerSpec {
  /** obedient: stops when asked; deaf: never; blocked: in a read that nothing but data ends */
  readonly behaviour: 'obedient' | 'deaf' | 'blocked';
  /** A pipe in which nothing ever arrives, for `blocked`. */
  readonly pipe: number;
}

function work(context: ThreadContext<WorkerSpec>): void {
  const reactor = new Reactor(context.wakeFd);
  reactor.onWake(() => {
    if (context.data.behaviour === 'deaf') return;
    if (context.stopRequested()) reactor.stop();
    for (let message = context.receive(); message !== undefined; message = context.receive()) {
      if (message === 'throw') throw new Error('thrown in the worker');
    }
  });
  context.post('ready');
  if (context.data.behaviour === 'blocked') read(context.data.pipe, new Uint8Array(1));
  reactor.run();
  reactor.close();
}

if (parentPort !== null) await runThread(work);
