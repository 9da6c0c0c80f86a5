/** What the two threads of order.test.ts do. Each thread makes its own views of the same mapping. */
import { EPOLLIN } from '#lkvm/abi/linux.js';
import { GuestMemory, type RegionRecord } from '#lkvm/memory/guest-memory.js';
import { Epoll } from '#lkvm/sys/epoll.js';
import { eventfdDrain, eventfdSignal } from '#lkvm/sys/eventfd.js';
import { must } from '#lkvm/sys/libc.js';
import { DescChain } from '#lkvm/virtio/queue/desc-chain.js';
import { activateQueue } from '#lkvm/virtio/queue/queue-config.js';
import { CHAIN_OK, VirtQueue } from '#lkvm/virtio/queue/virt-queue.js';
import { DriverQueue } from '../../../support/driver-sim.js';

// 16-bit words of the litmus area, each in a cache line of its own
const X = 0;
const Y = 64;
const ROUND = [128, 192];
export const LITMUS_ROUNDS = 30_000;

function words(region: RegionRecord): Uint16Array {
  return new GuestMemory([region]).chunk.u16;
}

const nap = new Int32Array(new SharedArrayBuffer(4));

/** Spins until a word has reached a value (modulo 2^16); naps when the other thread seems to have lost its processor. */
function awaitWord(u16: Uint16Array, index: number, value: number): void {
  for (let turn = 1; ((Atomics.load(u16, index) - value) & 0xffff) >= 0x8000; turn++) {
    if (turn % 5000 === 0) Atomics.wait(nap, 0, 0, 0.1);
  }
}

/** Both threads arrive before either goes on; the other may already be one step further. */
function meet(u16: Uint16Array, me: number, round: number): void {
  Atomics.store(u16, ROUND[me] as number, round & 0xffff);
  awaitWord(u16, ROUND[1 - me] as number, round);
}

const spent = new Uint32Array(1);

function pause(turns: number): void {
  for (let i = 0; i < turns; i++) spent[0] = i;
}

/**
 * Store to one word, then load the other thread's. With sequential consistency at least one of the two threads sees the
 * other's store. (With plain accesses instead both missed it in 57 of 60,000 rounds on a 2-core x86-64 machine; with only
 * the load atomic, in 2.) @returns what was loaded, by round
 */
export function runLitmus(region: RegionRecord, me: number): Uint8Array {
  const u16 = words(region);
  const mine = me === 0 ? X : Y;
  const other = me === 0 ? Y : X;
  const seen = new Uint8Array(LITMUS_ROUNDS);
  for (let i = 0; i < LITMUS_ROUNDS; i++) {
    meet(u16, me, 3 * i + 1);
    // The reordering shows only when both threads are within a few nanoseconds of each other: sweep the distance.
    pause(me === 0 ? 20 : i % 40);
    Atomics.store(u16, mine, 1);
    seen[i] = Atomics.load(u16, other);
    meet(u16, me, 3 * i + 2);
    Atomics.store(u16, mine, 0);
    meet(u16, me, 3 * i + 3);
  }
  return seen;
}

/** Thread 0 writes plain data and then an index; thread 1 sees the index and then the data. @returns stale data seen */
export function runMessages(region: RegionRecord, me: number): number {
  const { u16, u32 } = new GuestMemory([region]).chunk;
  const data = 256; // u32 index
  let stale = 0;
  for (let i = 1; i <= LITMUS_ROUNDS; i++) {
    if (me === 0) {
      u32[data + (i & 7) * 32] = i;
      Atomics.store(u16, X, i & 0xffff);
      awaitWord(u16, Y, i);
    } else {
      awaitWord(u16, X, i);
      if (u32[data + (i & 7) * 32] !== i) stale++;
      Atomics.store(u16, Y, i & 0xffff);
    }
  }
  return stale;
}

export interface DriverJob {
  readonly ringAt: number;
  readonly size: number;
  readonly eventIdx: boolean;
  readonly requests: number;
  /** Written when the device wants it. */
  readonly kickFd: number;
  /** Sleeps on it when it waits for completions. */
  readonly interruptFd: number;
}

export interface SideResult {
  readonly done: number;
  readonly sleeps: number;
  readonly signals: number;
}

/** Sleeps until the fd is readable. A lost notification shows as a time-out. */
class Sleeper {
  readonly #epoll = new Epoll();
  readonly #fd: number;
  sleeps = 0;

  constructor(fd: number) {
    this.#fd = fd;
    must(this.#epoll.add(fd, EPOLLIN, 0), 'epoll_ctl');
  }

  sleep(): boolean {
    this.sleeps++;
    const n = this.#epoll.wait(20_000_000);
    eventfdDrain(this.#fd);
    return n === 1;
  }

  close(): void {
    this.#epoll.close();
  }
}

/** Sends requests, at most the ring at a time, and sleeps whenever there is nothing to collect. */
export function runDriver(region: RegionRecord, job: DriverJob): SideResult {
  const memory = new GuestMemory([region]);
  const { size, eventIdx } = job;
  const driver = new DriverQueue({
    memory: memory.chunk.u8,
    base: region.gpa,
    size,
    legacyAt: job.ringAt,
    eventIdx,
  });
  const sleeper = new Sleeper(job.interruptFd);
  let sent = 0;
  let done = 0;
  let signals = 0;
  while (done < job.requests) {
    const batch = Math.min(1 + (sent % size), driver.freeDescriptors, job.requests - sent);
    for (let i = 0; i < batch; i++) driver.addChain([{ addr: region.gpa, len: 64 }]);
    sent += batch;
    if (batch > 0 && driver.publish()) {
      eventfdSignal(job.kickFd);
      signals++;
    }
    driver.disableInterrupts();
    let got = driver.takeAllUsed().length;
    if (got === 0 && !driver.enableInterrupts() && !sleeper.sleep()) break;
    got += driver.takeAllUsed().length;
    done += got;
  }
  sleeper.close();
  return { done, sleeps: sleeper.sleeps, signals };
}

/** Serves the requests, and sleeps whenever there is nothing to do. */
export function runDevice(region: RegionRecord, job: DriverJob): SideResult {
  const memory = new GuestMemory([region]);
  const { size, eventIdx } = job;
  const { desc, avail, used } = new DriverQueue({
    memory: memory.chunk.u8,
    base: region.gpa,
    size,
    legacyAt: job.ringAt,
  }).layout;
  const config = { index: 0, maxSize: size, size, layout: { desc, avail, used } };
  const queue = activateQueue(config, memory, { indirect: false, eventIdx });
  if (!(queue instanceof VirtQueue)) throw new Error(queue);
  const chain = new DescChain(size);
  const sleeper = new Sleeper(job.kickFd);
  let done = 0;
  let signals = 0;
  for (;;) {
    queue.disableKicks();
    while (queue.pop(chain) === CHAIN_OK) {
      queue.push(chain.head, 0);
      done++;
    }
    queue.publish();
    if (queue.needsInterrupt()) {
      eventfdSignal(job.interruptFd);
      signals++;
    }
    if (done >= job.requests) break;
    if (!queue.enableKicks() && !sleeper.sleep()) break;
  }
  sleeper.close();
  return { done, sleeps: sleeper.sleeps, signals };
}
