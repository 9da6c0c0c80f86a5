/**
 * Random requests on real disks.
 *
 * The first test is an honest driver with up to 8 requests in flight: reads, writes, discards and write-zeroes of random
 * places and lengths, cut into random buffers. What the guest reads, and what the host's file holds in the end, is
 * compared with a model. A discarded range may hold anything afterwards; on files it reads as zeros, which the model says.
 *
 * The second is a hostile one: headers, ranges and chains of any kind, with resets in between, over memory that lies between
 * inaccessible pages. No exception, every call returns, every chain is answered, and a new driver is served.
 *
 * A failure prints its seed: LKVM_FUZZ_SEED=N npm test -- test/fuzz/blk.test.ts repeats it.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import {
  ranges,
  S_IOERR,
  S_OK,
  T_DISCARD,
  T_FLUSH,
  T_GET_ID,
  T_IN,
  T_OUT,
  T_WRITE_ZEROES,
} from '../support/blk-driver.js';
import { type BlockRig, blockRig, type Engine, engineTest } from '../support/block-rig.js';
import { fuzzSeeds, Random } from '../support/random.js';
import { tempDir } from '../support/temp.js';

const SECTORS = 2048;
const IN_FLIGHT = 8;
/** Most sectors of a transfer. */
const LONGEST = 64;

/** A request under way, and what its answer must be. */
interface Expected {
  readonly head: number;
  readonly data: Uint8Array | undefined;
}

interface Range {
  readonly sector: number;
  readonly sectors: number;
}

function randomRange(random: Random): Range {
  const sectors = 1 + random.below(random.chance(0.7) ? 8 : LONGEST);
  const page = random.chance(0.5);
  const sector = random.below(SECTORS - sectors);
  return page ? { sector: sector & ~7, sectors } : { sector, sectors };
}

function overlaps(a: Range, b: Range): boolean {
  return a.sector < b.sector + b.sectors && b.sector < a.sector + a.sectors;
}

function randomCuts(random: Random): number[] {
  const count = random.pick([0, 0, 1, 3, 5]);
  return Array.from({ length: count }, () => random.pick([1, 15, 16, 100, 512, 528, 4096]));
}

/** Gives one request and changes the model as it will change the disk. */
function give(rig: BlockRig, random: Random, model: Uint8Array, { sector, sectors }: Range): Expected {
  const [from, to] = [sector * 512, (sector + sectors) * 512];
  const cuts = randomCuts(random);
  const align = random.pick([1, 4, 512, 4096]);
  switch (random.pick([T_IN, T_IN, T_IN, T_OUT, T_OUT, T_OUT, T_DISCARD, T_WRITE_ZEROES, T_FLUSH])) {
    case T_IN: {
      const head = rig.add(T_IN, { sector, room: to - from, cuts, align });
      return { head, data: model.slice(from, to) };
    }
    case T_OUT: {
      const data = new Uint8Array(to - from).fill(random.below(256));
      random.fill(data.subarray(0, 32));
      model.set(data, from);
      return { head: rig.add(T_OUT, { sector, data, cuts, align }), data: undefined };
    }
    case T_DISCARD:
      model.fill(0, from, to);
      return { head: rig.add(T_DISCARD, { data: ranges([sector, sectors, 0]), cuts }), data: undefined };
    case T_WRITE_ZEROES: {
      model.fill(0, from, to);
      const first = random.below(sectors + 1);
      const unmap = random.below(2);
      const data = ranges([sector, first, unmap], [sector + first, sectors - first, 1 - unmap]);
      return { head: rig.add(T_WRITE_ZEROES, { data, cuts }), data: undefined };
    }
    default:
      return { head: rig.add(T_FLUSH), data: undefined };
  }
}

/** As many requests as there are, none overlapping another in flight: their order is nobody's business. */
async function round(rig: BlockRig, random: Random, model: Uint8Array): Promise<number> {
  const busy: Range[] = [];
  const expected: Expected[] = [];
  for (let i = 1 + random.below(IN_FLIGHT); i > 0; i--) {
    const range = randomRange(random);
    if (busy.some((other) => overlaps(range, other))) continue;
    busy.push(range);
    expected.push(give(rig, random, model, range));
    if (random.chance(0.3)) rig.send();
  }
  rig.send();
  for (const { head, data } of expected) {
    const answer = await rig.answer(head);
    assert.equal(answer.status, S_OK);
    if (data !== undefined)
      assert.ok(Buffer.from(answer.data).equals(data), 'what was read is what was written');
  }
  rig.forget();
  return expected.length;
}

async function honest(t: TestContext, engine: Engine, direct: boolean, requests: number): Promise<void> {
  const [seed = 0] = fuzzSeeds([], 1);
  const random = new Random(seed);
  const path = join(tempDir(t), 'disk.img');
  const model = new Uint8Array(SECTORS * 512);
  random.fill(model);
  writeFileSync(path, model);
  const rig = await blockRig(t, { path, engine, direct, size: 128 });
  try {
    for (let done = 0; done < requests; ) done += await round(rig, random, model);
    assert.ok(readFileSync(path).equals(model), 'the file holds what was written');
  } catch (error) {
    throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
  }
}

engineTest('blk: 10,000 random requests, page cache → guest and file agree with the model', (t, engine) =>
  honest(t, engine, false, 10_000),
);

engineTest('blk: 3,000 random requests, direct I/O → guest and file agree with the model', (t, engine) =>
  honest(t, engine, true, 3000),
);

// The hostile driver

const HOSTILE_STEPS = 400;
const HOSTILE_SIZE = 16;

/** Writes a header of any kind into `at`, mostly one that means something. */
function wildHeader(random: Random, at: Uint8Array): void {
  random.fill(at.subarray(0, 16));
  if (random.chance(0.1)) return;
  const view = new DataView(at.buffer, at.byteOffset, 16);
  view.setUint32(
    0,
    random.pick([T_IN, T_OUT, T_FLUSH, T_GET_ID, T_DISCARD, T_WRITE_ZEROES, 2, 14, 99]),
    true,
  );
  if (random.chance(0.8)) view.setBigUint64(8, BigInt(random.below(SECTORS + 2)), true);
}

/** One chain of any kind; now and then nonsense in the ring itself. */
function wildChain(rig: BlockRig, random: Random): void {
  const { driver } = rig;
  const { gpa, bytes, u8 } = rig.rig.memory;
  if (random.chance(0.02)) {
    const at = random.below(bytes - 64);
    random.fill(u8.subarray(at, at + random.below(64)));
    return;
  }
  const count = 1 + random.below(5);
  const slots = Array.from({ length: count }, () => random.below(HOSTILE_SIZE));
  const readable = random.below(count + 1);
  for (const [i, slot] of slots.entries()) {
    const addr = random.chance(0.97) ? gpa + random.below(bytes) : random.pick([0, gpa - 1, gpa + bytes - 8]);
    const len = random.pick([0, 1, 15, 16, 17, 512, 513, 528, 4096, random.below(0x1_0000)]);
    if (i === 0 && addr >= gpa && addr + 16 <= gpa + bytes) wildHeader(random, u8.subarray(addr - gpa));
    const flags = (i < readable ? 0 : 2) | (i === count - 1 ? 0 : 1);
    driver.pokeDescriptor(slot, addr, len, flags, slots[i + 1] ?? 0);
  }
  driver.pokeAvailable(slots[0] as number);
}

async function hostile(t: TestContext, engine: Engine): Promise<void> {
  const path = join(tempDir(t), 'disk.img');
  writeFileSync(path, new Uint8Array(SECTORS * 512));
  const rig = await blockRig(t, { path, engine, size: HOSTILE_SIZE, bytes: 0x10_0000, direct: true });
  const { rig: base } = rig;
  for (const seed of fuzzSeeds([], 10)) {
    const random = new Random(seed);
    try {
      for (let i = 0; i < HOSTILE_STEPS; i++) {
        wildChain(rig, random);
        if (random.chance(0.5)) for (let n = 0; n < 20 && base.pass(); n++);
        if (random.chance(0.3)) rig.reactor.round(0);
        if (base.faults.length === 0 && random.chance(0.95)) continue;
        base.faults.length = 0;
        await rig.quiesce();
        rig.restart();
      }
      await rig.quiesce();
      const before = base.memory.u8.slice();
      for (let n = 0; n < 5; n++) rig.reactor.round(0);
      assert.ok(Buffer.from(before).equals(base.memory.u8), 'quiesced: nothing changes any more');
      rig.restart();
      assert.equal((await rig.request(T_IN, { sector: SECTORS - 1, room: 512 })).status, S_OK);
      assert.equal((await rig.request(T_IN, { sector: SECTORS, room: 512 })).status, S_IOERR);
    } catch (error) {
      throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
    }
  }
}

engineTest('blk: a hostile driver on a real disk → no exception, a new driver is served', hostile);
