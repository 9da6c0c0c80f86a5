// The worker of the shutdown tests: blocked in the reactor's epoll, or in something that no stop request ends.
import { parentPort } from 'node:worker_threads';
import { Reactor } from '#lkvm/reactor/reactor.js';
import { read } from '#lkvm/sys/fd.js';
import type { BlockingLane } from '#lkvm/util/ports.js';
import { runThread, type ThreadContext } from '#lkvm/workers/entry.js';
import { IoClient } from '#lkvm/workers/io/client.js';
import type { IoInit } from '#lkvm/workers/io/ring.js';

export interface WorkerSpec {
  /**
   * obedient: stops when asked; deaf: never; blocked: in a read that nothing but data ends; syncing: stops when asked,
   * with fsync calls in flight all the time
   */
  readonly behaviour: 'obedient' | 'deaf' | 'blocked' | 'syncing';
  /** A pipe in which nothing ever arrives, for `blocked`. */
  readonly pipe: number;
  /** A file to sync, for `syncing`. */
  readonly file: number;
  readonly io: IoInit;
}

/** Gives the next fsync as soon as one is done. */
class Syncer {
  readonly lane: BlockingLane;
  readonly #file: number;
  #onFirst: (() => void) | undefined;

  constructor(io: IoClient, file: number, onFirst: () => void) {
    this.lane = io.lane(this);
    this.#file = file;
    this.#onFirst = onFirst;
    for (let token = 0; token < 100; token++) this.lane.fsync(file, token);
  }

  onDone(token: number): void {
    this.#onFirst?.();
    this.#onFirst = undefined;
    this.lane.fsync(this.#file, token);
  }
}

function work(context: ThreadContext<WorkerSpec>): void {
  const { behaviour, pipe, file, io } = context.data;
  const reactor = new Reactor(context.wakeFd);
  const client = new IoClient(io, reactor);
  reactor.onWake(() => {
    if (behaviour === 'deaf') return;
    if (context.stopRequested()) reactor.stop();
    for (let message = context.receive(); message !== undefined; message = context.receive()) {
      if (message === 'throw') throw new Error('thrown in the worker');
    }
  });
  if (behaviour === 'syncing') new Syncer(client, file, () => context.post('ready'));
  else context.post('ready');
  if (behaviour === 'blocked') read(pipe, new Uint8Array(1));
  reactor.run();
  client.close();
  reactor.close();
}

if (parentPort !== null) await runThread(work);
