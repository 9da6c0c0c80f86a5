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

/** To a process and back. */
export interface PingPong extends Disposable {
  readonly peer: PingPeer;
  /** One way to and fro. Blocks until the answer is there. */
  round(): void;
}

/** The process at the other end. */
class PingPeer {
  readonly #process: ChildProcess;

  /** @param words arguments of `ping-peer` @param fds it gets from 3 on */
  constructor(words: readonly string[], fds: readonly number[]) {
    const peer = fileURLToPath(new URL('./ping-peer.js', import.meta.url));
    this.#process = spawn(process.execPath, [peer, ...words], {
      stdio: ['ignore', 'ignore', 'inherit', ...fds],
    });
  }

  /** Stops it in its tracks. */
  pause(): void {
    this.#process.kill('SIGSTOP');
  }

  /** Lets it go on. */
  resume(): void {
    this.#process.kill('SIGCONT');
  }

  end(): void {
    this.#process.kill('SIGKILL');
  }
}

/** Both sides spin on words of shared memory. @param folder for that memory; in memory */
export function memoryPingPong(folder: string): PingPong {
  const path = join(folder, 'ping');
  writeFileSync(path, new Uint8Array(PING_BYTES));
  const words = pingMemory(path);
  const peer = new PingPeer(['memory', path], []);
  let count = 0;
  return {
    peer,
    round() {
      count = (count + 1) >>> 0;
      Atomics.store(words, PING, count);
      while (Atomics.load(words, PONG) !== count);
    },
    [Symbol.dispose]: () => peer.end(),
  };
}

/** Both sides block in `read` of an eventfd: two system calls each. */
export function eventfdPingPong(): PingPong {
  const toPeer = blockingEventfd();
  const fromPeer = blockingEventfd();
  const peer = new PingPeer(['eventfd'], [toPeer, fromPeer]);
  return {
    peer,
    round() {
      eventfdSignal(toPeer);
      eventfdDrain(fromPeer);
    },
    [Symbol.dispose]: () => {
      peer.end();
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
