/** Floors of the round-trip benches: two bare processes, with nothing between them but memory or two eventfds. */
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { F_GETFL, F_SETFL } from '#lkvm/abi/linux.js';
import { O_NONBLOCK } from '#lkvm/sys/arch.js';
import { eventfd, eventfdDrain, eventfdSignal } from '#lkvm/sys/eventfd.js';
import { close, fcntl } from '#lkvm/sys/fd.js';
import { PING, PING_BYTES, PONG, pingMemory } from './ping-peer.js';

/** One way to and fro. Blocks until the answer is there. */
export interface PingPong extends Disposable {
  round(): void;
}

function startPeer(words: readonly string[], fds: readonly number[]): ChildProcess {
  const peer = fileURLToPath(new URL('./ping-peer.js', import.meta.url));
  return spawn(process.execPath, [peer, ...words], { stdio: ['ignore', 'ignore', 'inherit', ...fds] });
}

/** Both sides spin on words of shared memory. */
export function memoryPingPong(folder: string): PingPong {
  const path = join(folder, 'ping');
  writeFileSync(path, new Uint8Array(PING_BYTES));
  const words = pingMemory(path);
  const peer = startPeer(['memory', path], []);
  let count = 0;
  return {
    round() {
      count = (count + 1) >>> 0;
      Atomics.store(words, PING, count);
      while (Atomics.load(words, PONG) !== count);
    },
    [Symbol.dispose]: () => void peer.kill('SIGKILL'),
  };
}

/** Both sides block in `read` of an eventfd: two system calls each. */
export function eventfdPingPong(): PingPong {
  const toPeer = blockingEventfd();
  const fromPeer = blockingEventfd();
  const peer = startPeer(['eventfd'], [toPeer, fromPeer]);
  return {
    round() {
      eventfdSignal(toPeer);
      eventfdDrain(fromPeer);
    },
    [Symbol.dispose]: () => {
      peer.kill('SIGKILL');
      close(toPeer);
      close(fromPeer);
    },
  };
}

function blockingEventfd(): number {
  const fd = eventfd();
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL, 0) & ~O_NONBLOCK);
  return fd;
}
