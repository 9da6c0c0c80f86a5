/**
 * A driver that writes nonsense into ring memory at any moment, and a device that goes on using the queue. Whatever
 * happens: no exception, no write outside the used ring and the writable buffers of chains in flight, no head twice in
 * flight, never more chains in flight than the queue has entries, and every call returns.
 *
 * A failure prints its seed: LKVM_FUZZ_SEED=N npm test -- test/fuzz/virt-queue.test.ts repeats it. Seeds worth keeping go
 * into corpus/virt-queue.json.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ACCESS_DIRECT, ACCESS_WORD } from '#lkvm/memory/guest-memory.js';
import { IovArray } from '#lkvm/memory/iov-array.js';
import { CHAIN_EMPTY, CHAIN_OK } from '#lkvm/virtio/queue/virt-queue.js';
import { type QueuePair, queuePair } from '../support/driver-sim-device.js';
import { projectRoot } from '../support/project.js';
import { fuzzSeeds, Random } from '../support/random.js';

const STEPS = 250;
const BYTES = 0x4000;
const kept = JSON.parse(
  readFileSync(join(projectRoot, 'test/fuzz/corpus/virt-queue.json'), 'utf8'),
) as number[];
const seeds = fuzzSeeds(kept, 24);

/** Addresses that matter: inside, at the edges, far away. */
function address(random: Random, pair: QueuePair): number | bigint {
  const { gpa, bytes } = pair.memory;
  if (random.chance(0.7)) return gpa + random.below(bytes);
  return random.pick([
    0,
    gpa - 1,
    gpa + bytes - 1,
    gpa + bytes,
    0xffff_ffff_ffff_ffffn,
    2n ** 52n + BigInt(gpa),
  ]);
}

function length(random: Random): number {
  if (random.chance(0.8)) return random.below(300);
  return random.pick([0, 16, 32, 48, 0x4000, 0x4001, 0x7fff_ffff, 0xffff_ffff, 0xffff_fff0]);
}

/** Keeps to the ring's rules most of the time, so that runs go deep; how wild it is differs from run to run. */
class FuzzDriver {
  readonly #pair: QueuePair;
  readonly #random: Random;
  readonly #indirect: boolean;
  readonly #wildness: number;
  readonly #out = new Set<number>();
  #availIdx = 0;
  #usedSeen = 0;

  constructor(pair: QueuePair, random: Random, indirect: boolean) {
    this.#pair = pair;
    this.#random = random;
    this.#indirect = indirect;
    this.#wildness = random.pick([0, 0.01, 0.1, 0.5]);
  }

  act(): void {
    this.#collect();
    if (this.#random.chance(this.#wildness)) this.#wild();
    else this.#tame();
  }

  #collect(): void {
    const { driver } = this.#pair;
    for (; this.#usedSeen !== driver.usedIdx; this.#usedSeen = (this.#usedSeen + 1) & 0xffff) {
      this.#out.delete(driver.usedElement(this.#usedSeen % driver.size).head);
    }
  }

  /** A chain of up to three descriptors with any addresses, lengths and directions, sometimes in an indirect table. */
  #tame(): void {
    const random = this.#random;
    const { driver, memory } = this.#pair;
    const free = Array.from({ length: driver.size }, (_, i) => i).filter((i) => !this.#out.has(i));
    const head = random.pick(free.length > 0 ? free : [-1]);
    if (head < 0) return;
    const count = 1 + random.below(Math.min(3, driver.size));
    const indirect = this.#indirect && random.chance(0.4);
    const table = indirect ? memory.gpa + 16 * random.below(BYTES / 16 - 4) : driver.layout.desc;
    let at = indirect ? 0 : head;
    for (let i = 0; i < count; i++) {
      const next = (at + 1) % driver.size;
      const last = i === count - 1 || next === head;
      const flags = (last ? 0 : 1) | (random.chance(0.5) ? 2 : 0);
      driver.pokeDescriptorAt(table + 16 * at, address(random, this.#pair), length(random), flags, next);
      at = next;
    }
    if (indirect) driver.pokeDescriptor(head, table, 16 * count, 4, 0);
    this.#out.add(head);
    driver.pokeAvail(this.#availIdx % driver.size, head);
    this.#availIdx = (this.#availIdx + 1) & 0xffff;
    driver.pokeAvailIdx(this.#availIdx);
    driver.pokeAvailFlags(random.below(2));
    driver.pokeUsedEvent(random.u32() & 0xffff);
  }

  #wild(): void {
    const random = this.#random;
    const { driver, memory } = this.#pair;
    const { size } = driver;
    switch (random.below(4)) {
      case 0: {
        // Noise over a piece of the rings
        const start =
          driver.layout.desc - memory.gpa + random.below(driver.layout.end - driver.layout.desc - 16);
        random.fill(memory.u8.subarray(start, start + 1 + random.below(16)));
        break;
      }
      case 1:
        driver.pokeAvailIdx(random.u32());
        break;
      case 2:
        driver.pokeAvail(random.below(size), random.chance(0.7) ? random.below(size) : random.u32() & 0xffff);
        break;
      default:
        driver.pokeDescriptor(
          random.below(size),
          address(random, this.#pair),
          length(random),
          random.u32() & (random.chance(0.8) ? 7 : 0xffff),
          random.chance(0.8) ? random.below(size) : random.u32() & 0xffff,
        );
    }
  }
}

/** The device's half, with its own record of what it may touch. */
class FuzzDevice {
  readonly #pair: QueuePair;
  readonly #random: Random;
  readonly #iov: IovArray;
  readonly #scratch = new Uint8Array(512);
  /** Heads in flight, in the order they were popped; those given back are not in it. */
  readonly #held: number[] = [];
  faulted = false;

  constructor(pair: QueuePair, random: Random) {
    this.#pair = pair;
    this.#random = random;
    this.#iov = new IovArray(pair.memory.memory, pair.queue.size, 0x1_0000);
  }

  /** One act. Fills `allowed` (a byte per byte of memory) where it may have written. */
  act(allowed: Uint8Array): void {
    const { queue } = this.#pair;
    switch (this.#random.below(10)) {
      case 0:
      case 4:
      case 5:
        if (this.#held.length > 0) {
          const [head] = this.#held.splice(this.#random.below(this.#held.length), 1);
          queue.push(head as number, this.#random.u32());
        }
        break;
      case 1:
        queue.publish();
        queue.needsInterrupt();
        break;
      case 2:
        queue.disableKicks();
        break;
      case 3:
        queue.enableKicks();
        queue.loadAvailIdx();
        break;
      default:
        this.#pop(allowed);
    }
  }

  #pop(allowed: Uint8Array): void {
    const { queue, chain, memory } = this.#pair;
    const status = queue.pop(chain);
    if (status < 0) this.faulted = true;
    if (status === CHAIN_EMPTY || status < 0) return;
    assert.equal(status, CHAIN_OK);
    assert.ok(!this.#held.includes(chain.head), 'a head twice in flight');
    assert.ok(chain.head < queue.size && chain.count >= 1 && chain.count <= queue.size);
    let readable = 0;
    let writable = 0;
    for (let i = 0; i < chain.count; i++) {
      const at = chain.offset[i] as number;
      const bytes = chain.length[i] as number;
      assert.ok(chain.chunk[i] === 0 && at >= 0 && at + bytes <= memory.bytes, 'range inside the memory');
      if (i < chain.readableCount) readable += bytes;
      else writable += bytes;
    }
    assert.deepEqual([chain.readableBytes, chain.writableBytes], [readable, writable]);
    if (this.#random.chance(0.2)) {
      queue.unpop();
      return;
    }
    this.#held.push(chain.head);
    assert.ok(this.#held.length <= queue.size);
    if (chain.readable(this.#iov)) this.#iov.gather(this.#scratch, 0, 0, this.#scratch.length);
    if (!chain.writable(this.#iov)) return;
    for (let i = chain.readableCount; i < chain.count; i++) {
      const at = chain.offset[i] as number;
      allowed.fill(1, at, at + (chain.length[i] as number));
    }
    this.#iov.commit(this.#iov.scatter(this.#scratch, 0, 0, this.#random.below(this.#scratch.length)));
  }
}

function run(seed: number, access: number, indirect: boolean, eventIdx: boolean): boolean {
  const random = new Random(seed);
  const pair = queuePair({ size: random.pick([1, 2, 4, 8, 16]), bytes: BYTES, access, indirect, eventIdx });
  const driver = new FuzzDriver(pair, random, indirect);
  const device = new FuzzDevice(pair, random);
  const { u8, gpa } = pair.memory;
  const usedFrom = pair.driver.layout.used - gpa;
  for (let step = 0; step < STEPS && !device.faulted; step++) {
    for (let i = random.below(3); i > 0; i--) driver.act();
    const before = u8.slice();
    const allowed = new Uint8Array(BYTES);
    allowed.fill(1, usedFrom, pair.driver.layout.end - gpa);
    device.act(allowed);
    for (let i = 0; i < BYTES; i++) {
      if (u8[i] !== before[i] && allowed[i] !== 1) assert.fail(`step ${step}: byte ${i} was written`);
    }
  }
  return device.faulted;
}

for (const access of [ACCESS_DIRECT, ACCESS_WORD]) {
  for (const indirect of [false, true]) {
    for (const eventIdx of [false, true]) {
      const kind = access === ACCESS_DIRECT ? 'direct' : 'word';
      test(`virtqueue fuzz: ${kind} memory, indirect ${indirect}, EVENT_IDX ${eventIdx} → survives`, () => {
        for (const seed of seeds) {
          // A queue that has faulted is discarded; the next seed starts with a new one.
          try {
            run(seed, access, indirect, eventIdx);
          } catch (error) {
            throw new Error(`failed with LKVM_FUZZ_SEED=${seed}`, { cause: error });
          }
        }
      });
    }
  }
}
