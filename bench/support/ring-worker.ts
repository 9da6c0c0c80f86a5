/** One side of the `ring` bench. Times itself in the middle of its run, when both sides are warm. */
import { getHeapStatistics } from 'node:v8';
import { parentPort, workerData } from 'node:worker_threads';
import { GuestMemory, type RegionRecord } from '#lkvm/memory/guest-memory.js';
import { DescChain } from '#lkvm/virtio/queue/desc-chain.js';
import { activateQueue } from '#lkvm/virtio/queue/queue-config.js';
import { legacyRingLayout } from '#lkvm/virtio/queue/ring-layout.js';
import { CHAIN_OK, VirtQueue } from '#lkvm/virtio/queue/virt-queue.js';

export interface RingJob {
  readonly side: 'driver' | 'queue' | 'bare';
  readonly region: RegionRecord;
  readonly size: number;
  /** Untimed buffers at the start, a multiple of 20. */
  readonly warmUp: number;
  /** Timed buffers, a multiple of `slice`. */
  readonly buffers: number;
  /**
   * Buffers timed together. For speed: so few that they take well below a millisecond, and some slices are undisturbed on
   * a busy machine, too. For the heap: all of them, because taking the time costs a few bytes.
   */
  readonly slice: number;
}

export interface RingReport {
  /** Of the best slice: on a shared machine the others measure somebody else's work, too. */
  readonly nsPerBuffer: number;
  /** Of the whole run. */
  readonly meanNs: number;
  /** Growth of this worker's heap during the last slice, bytes. */
  readonly heapGrowth: number;
  /** So that nothing is optimised away. */
  readonly sum: number;
}

const PAGE = 4096;
const WARM_UP_PARTS = 20;
const BUFFER_BYTES = 64;
/** Published at once, at most: the budget of the net device's sender. */
const BATCH = 128;

const job = workerData as RingJob;
const { region, size, warmUp } = job;
const memory = new GuestMemory([region]);
const { u16, u32 } = memory.chunk;
const layout = legacyRingLayout(region.gpa + PAGE, size, PAGE);

// Element indices of the ring's parts
const desc = (layout.desc - region.gpa) / 4;
const availIdxAt = (layout.avail - region.gpa) / 2 + 1;
const availRing = availIdxAt + 1;
const usedIdxAt = (layout.used - region.gpa) / 2 + 1;
const usedRing = (layout.used - region.gpa) / 4 + 1;
const dataOffset = 0x8_0000;

const nap = new Int32Array(new SharedArrayBuffer(4));

/** Called when there is nothing to do: the other side may need this processor. @returns the next number of idle turns */
function idle(turns: number): number {
  if (turns < 3000) return turns + 1;
  Atomics.wait(nap, 0, 0, 0.05);
  return 0;
}

/**
 * The driver: fills descriptors and the available ring, collects the used ring. Keeps the ring full. It does not write
 * the buffers: moving their cache lines from one processor to the other is the memory's speed, not the ring's.
 */
function drive(total: number): number {
  const mask = size - 1;
  let sent = 0;
  let done = 0;
  let sum = 0;
  let turns = 0;
  while (done < total) {
    const room = Math.min(size - (sent - done), total - sent, BATCH);
    for (let i = 0; i < room; i++, sent++) {
      const slot = sent & mask;
      const offset = dataOffset + slot * BUFFER_BYTES;
      u32[desc + slot * 4] = region.gpa + offset;
      u32[desc + slot * 4 + 1] = 0;
      u32[desc + slot * 4 + 2] = BUFFER_BYTES;
      u32[desc + slot * 4 + 3] = 0;
      u16[availRing + slot] = slot;
    }
    if (room > 0) Atomics.store(u16, availIdxAt, sent & 0xffff);
    const fresh = (Atomics.load(u16, usedIdxAt) - done) & 0xffff;
    turns = fresh === 0 && room === 0 ? idle(turns) : 0;
    for (let i = 0; i < fresh; i++, done++) sum += u32[usedRing + (done & mask) * 2] as number;
  }
  return sum;
}

/** The device side as devices use it. */
function serveQueue(queue: VirtQueue, chain: DescChain, total: number): number {
  let done = 0;
  let sum = 0;
  let turns = 0;
  while (done < total) {
    const before = done;
    for (let left = Math.min(BATCH, total - done); left > 0 && queue.pop(chain) === CHAIN_OK; left--) {
      const { u32: words } = memory.chunks[chain.chunk[0] as number] as { u32: Uint32Array };
      sum += (words[(chain.offset[0] as number) >>> 2] as number) & 0xff;
      queue.push(chain.head, 0);
      done++;
    }
    queue.publish();
    queue.needsInterrupt();
    turns = done === before ? idle(turns) : 0;
  }
  return sum;
}

/** The least that a device could do: every field trusted. */
function serveBare(from: number, total: number): number {
  const mask = size - 1;
  let done = from;
  let sum = 0;
  let turns = 0;
  const end = from + total;
  while (done < end) {
    const fresh = Math.min((Atomics.load(u16, availIdxAt) - done) & 0xffff, BATCH, end - done);
    turns = fresh === 0 ? idle(turns) : 0;
    for (let i = 0; i < fresh; i++, done++) {
      const head = u16[availRing + (done & mask)] as number;
      const address = u32[desc + head * 4] as number;
      const length = u32[desc + head * 4 + 2] as number;
      const flags = u32[desc + head * 4 + 3] as number;
      sum += ((u32[(address - region.gpa) >>> 2] as number) + length + flags) & 0xff;
      u32[usedRing + (done & mask) * 2] = head;
      u32[usedRing + (done & mask) * 2 + 1] = 0;
    }
    if (fresh > 0) Atomics.store(u16, usedIdxAt, done & 0xffff);
  }
  return sum;
}

function timed(serve: (from: number, total: number) => number): RingReport {
  let sum = 0;
  // In several calls: one long call is optimised on its own account, and the next one begins anew.
  for (let part = 0; part < WARM_UP_PARTS; part++) {
    sum += serve((part * warmUp) / WARM_UP_PARTS, warmUp / WARM_UP_PARTS);
  }
  let bestNs = Number.POSITIVE_INFINITY;
  let heap = 0;
  const start = performance.now();
  let sliceStart = start;
  for (let done = 0; done < job.buffers; done += job.slice) {
    heap = getHeapStatistics().used_heap_size;
    sum += serve(warmUp + done, job.slice);
    const now = performance.now();
    bestNs = Math.min(bestNs, ((now - sliceStart) * 1e6) / job.slice);
    sliceStart = now;
  }
  const meanNs = ((sliceStart - start) * 1e6) / job.buffers;
  const heapGrowth = getHeapStatistics().used_heap_size - heap;
  return { nsPerBuffer: bestNs, meanNs, heapGrowth, sum };
}

function queueSide(): RingReport {
  const config = { index: 0, maxSize: size, size, layout };
  const queue = activateQueue(config, memory, { indirect: false, eventIdx: false });
  if (!(queue instanceof VirtQueue)) throw new Error(queue);
  const chain = new DescChain(size);
  return timed((_from, total) => serveQueue(queue, chain, total));
}

function driverSide(): RingReport {
  return { nsPerBuffer: 0, meanNs: 0, heapGrowth: 0, sum: drive(warmUp + job.buffers) };
}

if (job.side === 'driver') parentPort?.postMessage(driverSide());
else if (job.side === 'queue') parentPort?.postMessage(queueSide());
else parentPort?.postMessage(timed(serveBare));
