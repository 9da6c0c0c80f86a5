// The child process of the shutdown tests: node program.js ENDING [BEHAVIOUR [FILE]]. Raw terminal (if there is one), one
// worker, "ready" on stdout, then the ending.
import { openSync } from 'node:fs';
import { pipe } from '#lkvm/sys/fd.js';
import { must } from '#lkvm/sys/libc.js';
import { isTerminal, RawMode } from '#lkvm/sys/tty.js';
import { shutdownGuard } from '#lkvm/workers/guard.js';
import { type ThreadOwner, WorkerThread } from '#lkvm/workers/host.js';
import { IoService } from '#lkvm/workers/io/service.js';
import { onTerminationSignal } from '#lkvm/workers/signals.js';
import { startVcpu } from './vcpu.js';
import type { WorkerSpec } from './worker.js';

const [ending = '', behaviour = 'obedient', file] = process.argv.slice(2);

if (isTerminal(0)) {
  const mode = RawMode.save(0);
  if (typeof mode === 'number') throw new Error(`RawMode.save: ${mode}`);
  must(mode.enter(true), 'tcsetattr');
  shutdownGuard.onExit(() => mode.restore());
}

const ends = pipe();
if (typeof ends === 'number') throw new Error(`pipe: ${ends}`);
const io = new IoService(shutdownGuard, (error) => console.error(error.message));
const data: WorkerSpec = {
  behaviour: behaviour as WorkerSpec['behaviour'],
  pipe: ends[0],
  file: file === undefined ? -1 : openSync(file, 'w'),
  io: io.init,
};
const owner: ThreadOwner = {
  onMessage: () => {
    console.log('ready');
    end();
  },
  onEnd: ({ error }) => {
    void io.stop();
    if (error === undefined) return;
    console.error(error.message);
    process.exitCode = error.exitCode;
  },
};
const thread = behaviour.startsWith('vcpu-')
  ? startVcpu(behaviour, owner)
  : new WorkerThread({
      name: 'test',
      entry: new URL('./worker.js', import.meta.url),
      data,
      wake: 'fd',
      owner,
      guard: shutdownGuard,
    });

if (ending === 'signal') onTerminationSignal(() => thread.requestStop());
// Before the worker runs: it must not go to sleep after the exit hook has looked at it.
if (ending === 'exit-at-once') process.exit(4);

function end(): void {
  switch (ending) {
    case 'exit':
      process.exit(3);
      break;
    case 'throw':
      throw new Error('thrown in main');
    case 'reject':
      void Promise.reject(new Error('rejected in main'));
      break;
    case 'worker-throw':
      thread.post('throw');
      break;
    case 'loop-end':
      thread.unref();
      break;
    case 'stop':
      void thread.stop().then(() => console.log('stopped'));
      break;
    case 'stuck':
      void thread.stop(50).catch((error: { code: string }) => {
        console.log(error.code);
        process.exit(1);
      });
      break;
  }
}
