/**
 * Every way a driver can break a ring, one by one. A *structural* fault is a negative code, again on every later pop; a
 * *data* fault completes the chain with length 0 and the next chain is served. Nothing outside the memory is touched: it
 * lies between inaccessible pages.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CHAIN_BAD_AVAIL_IDX,
  CHAIN_BAD_INDEX,
  CHAIN_BAD_INDIRECT,
  CHAIN_EMPTY,
  CHAIN_IN_FLIGHT,
  CHAIN_LOOP,
  CHAIN_OK,
  chainFaultText,
} from '#lkvm/virtio/queue/virt-queue.js';
import { type QueuePair, queuePair } from '../support/driver-sim-device.js';

const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;
const SIZE = 8;

interface Case {
  readonly name: string;
  /** Writes the bad ring; head 0 (or what it makes available) is popped first. */
  readonly spoil: (pair: QueuePair, data: number) => void;
  /** Without it, INDIRECT is negotiated. */
  readonly direct?: boolean;
}

/** Fills descriptor 0 and makes it available. */
function one(pair: QueuePair, addr: number | bigint, len: number, flags: number, next = 0): void {
  pair.driver.pokeDescriptor(0, addr, len, flags, next);
  pair.driver.pokeAvailable(0);
}

/** Descriptor 0 points at a table of `bytes` bytes with these entries (addr, len, flags, next). */
function table(
  pair: QueuePair,
  bytes: number,
  entries: readonly (readonly [number, number, number, number])[],
): void {
  const at = pair.memory.alloc(512, 16);
  for (const [i, entry] of entries.entries()) pair.driver.pokeDescriptorAt(at + 16 * i, ...entry);
  one(pair, at, bytes, INDIRECT);
}

const STRUCTURAL: readonly (Case & { readonly code: number })[] = [
  {
    name: 'avail.idx one more than the queue size ahead',
    code: CHAIN_BAD_AVAIL_IDX,
    spoil: (pair) => pair.driver.pokeAvailIdx(SIZE + 1),
  },
  { name: 'avail.idx backwards', code: CHAIN_BAD_AVAIL_IDX, spoil: (pair) => pair.driver.pokeAvailIdx(-1) },
  {
    name: 'avail.idx half a turn ahead',
    code: CHAIN_BAD_AVAIL_IDX,
    spoil: (pair) => pair.driver.pokeAvailIdx(32768),
  },
  {
    name: 'head equal to the queue size',
    code: CHAIN_BAD_INDEX,
    spoil: (pair) => pair.driver.pokeAvailable(SIZE),
  },
  { name: 'head 65535', code: CHAIN_BAD_INDEX, spoil: (pair) => pair.driver.pokeAvailable(65535) },
  {
    name: 'next equal to the queue size',
    code: CHAIN_BAD_INDEX,
    spoil: (pair, data) => one(pair, data, 1, NEXT, SIZE),
  },
  { name: 'next 65535', code: CHAIN_BAD_INDEX, spoil: (pair, data) => one(pair, data, 1, NEXT, 65535) },
  { name: 'next points at itself', code: CHAIN_LOOP, spoil: (pair, data) => one(pair, data, 1, NEXT, 0) },
  {
    name: 'a cycle of two',
    code: CHAIN_LOOP,
    spoil: (pair, data) => {
      pair.driver.pokeDescriptor(1, data, 1, NEXT, 0);
      one(pair, data, 1, NEXT, 1);
    },
  },
  {
    name: 'a bad address, then a cycle: the fault in the data does not hide the one in the structure',
    code: CHAIN_LOOP,
    spoil: (pair) => one(pair, 0, 1, NEXT, 0),
  },
  {
    name: 'INDIRECT not negotiated',
    code: CHAIN_BAD_INDIRECT,
    direct: true,
    spoil: (pair, data) => table(pair, 16, [[data, 1, 0, 0]]),
  },
  {
    name: 'INDIRECT together with NEXT',
    code: CHAIN_BAD_INDIRECT,
    spoil: (pair, data) => one(pair, data, 16, INDIRECT | NEXT, 1),
  },
  {
    name: 'an indirect table of 0 bytes',
    code: CHAIN_BAD_INDIRECT,
    spoil: (pair, data) => one(pair, data, 0, INDIRECT),
  },
  {
    name: 'an indirect table of 15 bytes',
    code: CHAIN_BAD_INDIRECT,
    spoil: (pair, data) => one(pair, data, 15, INDIRECT),
  },
  {
    name: 'an indirect table of 17 bytes',
    code: CHAIN_BAD_INDIRECT,
    spoil: (pair, data) => one(pair, data, 17, INDIRECT),
  },
  {
    name: 'an indirect table inside an indirect table',
    code: CHAIN_BAD_INDIRECT,
    spoil: (pair, data) => table(pair, 16, [[data, 16, INDIRECT, 0]]),
  },
  {
    name: 'next beyond the end of an indirect table, though below the queue size',
    code: CHAIN_BAD_INDEX,
    spoil: (pair, data) => table(pair, 32, [[data, 1, NEXT, 2]]),
  },
  {
    name: 'a cycle in an indirect table',
    code: CHAIN_LOOP,
    spoil: (pair, data) =>
      table(pair, 32, [
        [data, 1, NEXT, 1],
        [data, 1, NEXT, 0],
      ]),
  },
  {
    name: 'an indirect chain of one more than the queue size',
    code: CHAIN_LOOP,
    spoil: (pair, data) => {
      const entries = Array.from(
        { length: SIZE + 1 },
        (_, i) => [data, 1, i === SIZE ? 0 : NEXT, i + 1] as const,
      );
      table(pair, 16 * entries.length, entries);
    },
  },
  {
    name: 'direct and indirect descriptors together one more than the queue size',
    code: CHAIN_LOOP,
    spoil: (pair, data) => {
      const entries = Array.from(
        { length: SIZE },
        (_, i) => [data, 1, i === SIZE - 1 ? 0 : NEXT, i + 1] as const,
      );
      const at = pair.memory.alloc(512, 16);
      for (const [i, entry] of entries.entries()) pair.driver.pokeDescriptorAt(at + 16 * i, ...entry);
      pair.driver.pokeDescriptor(1, at, 16 * SIZE, INDIRECT, 0);
      one(pair, data, 1, NEXT, 1);
    },
  },
];

for (const { name, code, spoil, direct } of STRUCTURAL) {
  test(`pop: ${name} → structural fault, and it stays`, () => {
    const pair = queuePair({ size: SIZE, indirect: direct !== true });
    spoil(pair, pair.memory.alloc(64));
    assert.equal(pair.queue.pop(pair.chain), code);
    assert.equal(pair.queue.pop(pair.chain), code);
    assert.equal(pair.queue.publish(), false);
    assert.equal(pair.driver.usedIdx, 0);
    assert.doesNotMatch(chainFaultText(code), /^fault/);
  });
}

test('pop: a head made available again while it is in flight → structural fault', () => {
  const pair = queuePair({ size: SIZE });
  one(pair, pair.memory.alloc(1), 1, 0);
  pair.driver.pokeAvailable(0);
  assert.equal(pair.queue.pop(pair.chain), CHAIN_OK);
  assert.equal(pair.queue.pop(pair.chain), CHAIN_IN_FLIGHT);
  assert.match(chainFaultText(CHAIN_IN_FLIGHT), /again/);
});

test('pop: more made available than was given back, by small steps → structural fault', () => {
  const pair = queuePair({ size: SIZE });
  const data = pair.memory.alloc(1);
  for (let i = 0; i < SIZE; i++) {
    pair.driver.pokeDescriptor(i, data, 1, 0, 0);
    pair.driver.pokeAvailable(i);
    assert.equal(pair.queue.pop(pair.chain), CHAIN_OK);
  }
  pair.queue.push(3, 0);
  pair.driver.pokeAvailable(3); // not published: the driver cannot know
  assert.equal(pair.queue.pop(pair.chain), CHAIN_BAD_AVAIL_IDX);
  pair.queue.publish();
  assert.equal(pair.queue.pop(pair.chain), CHAIN_OK);
});

const DATA: readonly Case[] = [
  { name: 'address 0xFFFFFFFFFFFFFFFF', spoil: (pair) => one(pair, 0xffff_ffff_ffff_ffffn, 1, 0) },
  { name: 'address 0', spoil: (pair) => one(pair, 0, 1, 0) },
  {
    name: 'an address whose low half is inside',
    spoil: (pair, data) => one(pair, 2n ** 32n + BigInt(data), 1, 0),
  },
  { name: 'an address of 2^52 and more', spoil: (pair, data) => one(pair, 2n ** 52n + BigInt(data), 1, 0) },
  { name: 'one byte before the memory', spoil: (pair) => one(pair, pair.memory.gpa - 1, 1, 0) },
  {
    name: 'across the end of the memory',
    spoil: (pair) => one(pair, pair.memory.gpa + pair.memory.bytes - 1, 2, 0),
  },
  { name: 'length 0xFFFFFFFF', spoil: (pair, data) => one(pair, data, 0xffff_ffff, 0) },
  {
    name: 'length 0xFFFFFFFF at the highest address',
    spoil: (pair) => one(pair, 0xffff_ffff_ffff_ffffn, 0xffff_ffff, WRITE),
  },
  { name: 'length 0 outside the memory', spoil: (pair) => one(pair, 0, 0, 0) },
  {
    name: 'readable after writable',
    spoil: (pair, data) => {
      pair.driver.pokeDescriptor(1, data, 1, 0, 0);
      one(pair, data, 1, WRITE | NEXT, 1);
    },
  },
  { name: 'an indirect table outside the memory', spoil: (pair) => one(pair, 0, 16, INDIRECT) },
  {
    name: 'an indirect table across the end',
    spoil: (pair) => one(pair, pair.memory.gpa + pair.memory.bytes - 16, 32, INDIRECT),
  },
  {
    name: 'an indirect table at an address that is no multiple of 4',
    spoil: (pair, data) => {
      pair.driver.pokeDescriptorAt(data, data, 1, 0, 0); // what would be read if the address were rounded
      one(pair, data + 2, 16, INDIRECT);
    },
  },
  { name: 'an indirect table of 4 GiB', spoil: (pair, data) => one(pair, data, 0xffff_fff0, INDIRECT) },
];

for (const { name, spoil } of DATA) {
  test(`pop: ${name} → completed with length 0, the next chain is served`, () => {
    const pair = queuePair({ size: SIZE, indirect: true });
    const data = pair.memory.alloc(64, 16);
    spoil(pair, data);
    pair.driver.pokeDescriptor(5, data, 7, 0, 0);
    pair.driver.pokeAvailable(5);
    assert.equal(pair.queue.pop(pair.chain), CHAIN_OK);
    assert.deepEqual([pair.chain.head, pair.chain.readableBytes], [5, 7]);
    assert.equal(pair.queue.dataFaults, 1);
    pair.queue.publish();
    assert.equal(pair.driver.usedIdx, 1);
    assert.deepEqual(pair.driver.usedElement(0), { head: 0, written: 0 });
  });
}

test('pop: more than 2^32 - 1 bytes in all → completed with length 0', () => {
  const bytes = 0x6000_0000;
  const pair = queuePair({ size: SIZE, bytes });
  for (let i = 0; i < 3; i++)
    pair.driver.pokeDescriptor(i, pair.memory.gpa, bytes, i === 0 ? NEXT : NEXT | WRITE, i + 1);
  pair.driver.pokeDescriptor(3, pair.memory.gpa, 1, WRITE, 0);
  pair.driver.pokeAvailable(0);
  assert.equal(pair.queue.pop(pair.chain), CHAIN_EMPTY);
  assert.equal(pair.queue.dataFaults, 1);
});

test('pop: only bad chains, a ring full each time → all refused, nothing lost, for ever', () => {
  const pair = queuePair({ size: SIZE });
  for (let call = 1; call <= 100; call++) {
    for (let i = 0; i < SIZE; i++) {
      pair.driver.pokeDescriptor(i, 0, 1, 0, 0);
      pair.driver.pokeAvailable(i);
    }
    assert.equal(pair.queue.pop(pair.chain), CHAIN_EMPTY);
    assert.equal(pair.queue.dataFaults, call * SIZE);
    pair.queue.publish();
    assert.equal(pair.driver.usedIdx, call * SIZE);
  }
});

test('pop: bad chains refilled while it refuses them → a structural fault, not an endless loop', () => {
  const pair = queuePair({ size: SIZE });
  for (let i = 0; i < SIZE; i++) one(pair, 0, 1, 0);
  assert.equal(pair.queue.pop(pair.chain), CHAIN_EMPTY);
  // As another processor could: more, before anything was given back.
  one(pair, 0, 1, 0);
  assert.equal(pair.queue.pop(pair.chain), CHAIN_BAD_AVAIL_IDX);
});

test('pop: chains given back and then all spoiled by the driver → each answered once, no deep recursion', () => {
  const size = 32768;
  const pair = queuePair({ size, bytes: 0x20_0000 });
  for (let i = 0; i < size; i++) {
    pair.driver.pokeDescriptor(i, pair.memory.gpa, 1, 0, 0);
    pair.driver.pokeAvail(i, i);
  }
  pair.driver.pokeAvailIdx(size);
  for (let i = 0; i < size; i++) assert.equal(pair.queue.pop(pair.chain), CHAIN_OK);
  for (let i = size - 1; i >= 0; i--) pair.queue.unpop(i);
  for (let i = 0; i < size; i++) pair.driver.pokeDescriptor(i, 0, 1, 0, 0);
  assert.equal(pair.queue.pop(pair.chain), CHAIN_EMPTY);
  assert.equal(pair.queue.dataFaults, size);
});
