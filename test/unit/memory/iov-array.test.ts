import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ACCESS_DIRECT, ACCESS_WORD } from '#lkvm/memory/guest-memory.js';
import { IovArray } from '#lkvm/memory/iov-array.js';
import { close, pipe, readv, writev } from '#lkvm/sys/fd.js';
import { viewOf } from '#lkvm/sys/libc.js';
import { mapPrivate } from '#lkvm/sys/map.js';
import { bulkAccesses } from '../../support/bulk-guard.js';
import { TestMemory } from '../../support/driver-sim-memory.js';

const BYTES = 0x4000;
const direct = new TestMemory({ bytes: BYTES, access: ACCESS_DIRECT });
const word = new TestMemory({ bytes: BYTES, access: ACCESS_WORD });

function fillPattern(memory: TestMemory): void {
  for (let i = 0; i < BYTES; i++) memory.u8[i] = (i * 13 + (i >>> 8)) & 0xff;
}

interface Piece {
  readonly offset: number;
  readonly bytes: number;
}

/** Up to 8 pieces at odd places, each in its own 1 KiB so that they never overlap. */
const pieces = fc
  .array(fc.record({ offset: fc.nat(300), bytes: fc.nat(300) }), { maxLength: 8 })
  .map((list) => list.map(({ offset, bytes }, i): Piece => ({ offset: i * 1024 + offset, bytes })));
const span = fc.record({ skip: fc.nat(700), limit: fc.nat(2000) });

function addAll(iov: IovArray, list: readonly Piece[], readable: boolean): void {
  iov.reset();
  for (const piece of list) assert.equal(iov.add(0, piece.offset, piece.bytes, readable), true);
}

/** The pieces' bytes one after the other. */
function joined(memory: TestMemory, list: readonly Piece[]): Uint8Array {
  return Uint8Array.from(list.flatMap((p) => [...memory.u8.slice(p.offset, p.offset + p.bytes)]));
}

/** The bytes the window's iovecs describe, read as the kernel would. */
function windowContents(iov: IovArray): Uint8Array {
  if (iov.windowCount === 0) return new Uint8Array(0);
  const table = new DataView(viewOf(iov.windowAddress, iov.windowCount * 16));
  const bytes: number[] = [];
  for (let i = 0; i < iov.windowCount; i++) {
    const base = Number(table.getBigUint64(16 * i, true));
    const length = Number(table.getBigUint64(16 * i + 8, true));
    bytes.push(...new Uint8Array(viewOf(base, length)));
  }
  return Uint8Array.from(bytes);
}

for (const [kind, memory] of [
  ['direct', direct],
  ['word', word],
] as const) {
  test(`IovArray, ${kind}: readable pieces at odd offsets → gather and window give their bytes, from any position`, () => {
    fillPattern(memory);
    const iov = new IovArray(memory.memory, 8, 4096);
    fc.assert(
      fc.property(pieces, span, (list, { skip, limit }) => {
        addAll(iov, list, true);
        const expected = joined(memory, list);
        assert.equal(iov.bytes, expected.length);
        const part = expected.slice(skip, skip + limit);

        const target = new Uint8Array(limit);
        assert.equal(iov.gather(target, 0, skip, limit), part.length);
        assert.deepEqual(target.slice(0, part.length), part);

        iov.window(skip, limit);
        assert.equal(iov.windowBytes, part.length);
        assert.deepEqual(windowContents(iov), part);
      }),
      { numRuns: 60 },
    );
  });

  test(`IovArray, ${kind}: scatter and commit → the driver sees exactly those bytes, nothing around them changes`, () => {
    const iov = new IovArray(memory.memory, 8, 4096);
    fc.assert(
      fc.property(pieces, span, (list, { skip, limit }) => {
        fillPattern(memory);
        const expected = memory.u8.slice();
        addAll(iov, list, false);
        // Writing starts at the front, as devices do; what is in front of `skip` is written first.
        const total = list.reduce((sum, p) => sum + p.bytes, 0);
        const data = Uint8Array.from({ length: skip + limit }, (_, i) => (i * 5 + 1) & 0xff);
        const front = iov.scatter(data, 0, 0, skip);
        const rest = iov.scatter(data, skip, skip, limit);
        assert.equal(front + rest, Math.min(total, skip + limit));
        iov.commit(front + rest);

        let at = 0;
        for (const piece of list) {
          for (let i = 0; i < piece.bytes && at < front + rest; i++)
            expected[piece.offset + i] = data[at++] as number;
        }
        assert.deepEqual(memory.u8, expected);
      }),
      { numRuns: 60 },
    );
  });

  test(`IovArray, ${kind}: writev of readable pieces, readv into writable ones → the kernel moves them`, () => {
    fillPattern(memory);
    const list = [
      { offset: 3, bytes: 100 },
      { offset: 1025, bytes: 7 },
      { offset: 2050, bytes: 333 },
    ];
    const targets = list.map((p) => ({ ...p, offset: p.offset + 0x2001 }));
    const expected = joined(memory, list);
    const out = new IovArray(memory.memory, 8, 4096);
    const into = new IovArray(memory.memory, 8, 4096);
    addAll(out, list, true);
    addAll(into, targets, false);
    const fds = pipe();
    assert.ok(Array.isArray(fds));

    out.window(0, 440);
    assert.equal(writev(fds[1], out.windowAddress, out.windowCount), 440);
    into.window(0, 4096);
    assert.equal(readv(fds[0], into.windowAddress, into.windowCount), 440);
    into.commit(440);

    assert.deepEqual(joined(memory, targets), expected);
    fds.forEach(close);
  });
}

test('IovArray, word: everything → no bulk method touches the shared memory, no iovec points at it', () => {
  fillPattern(word);
  const iov = new IovArray(word.memory, 8, 4096);
  const list = [
    { offset: 1, bytes: 700 },
    { offset: 1027, bytes: 200 },
  ];
  const buffers = word.memory.chunks.map((chunk) => chunk.u8.buffer);
  const scratch = new Uint8Array(2000);
  const found = bulkAccesses(buffers, () => {
    addAll(iov, list, true);
    iov.gather(scratch, 0, 0, 900);
    addAll(iov, list, false);
    iov.scatter(scratch, 0, 0, 900);
    iov.commit(900);
  });
  assert.deepEqual(found, []);
  iov.window(0, 900);
  const table = new DataView(viewOf(iov.windowAddress, 32));
  for (let i = 0; i < iov.windowCount; i++) {
    const base = Number(table.getBigUint64(16 * i, true));
    assert.ok(base >= word.hva + BYTES || base + 900 <= word.hva, 'staging is not in the pool');
  }
});

test('bulkAccesses: the same in a direct pool → the guard does see set (it works)', () => {
  const iov = new IovArray(direct.memory, 8, 4096);
  const buffers = direct.memory.chunks.map((chunk) => chunk.u8.buffer);
  const found = bulkAccesses(buffers, () => {
    addAll(iov, [{ offset: 1, bytes: 700 }], true);
    iov.gather(new Uint8Array(2000), 0, 0, 700);
  });
  assert.deepEqual(found, ['set']);
});

test('IovArray, word: a readable buffer that changes after add → the copy taken by add is used', () => {
  const iov = new IovArray(word.memory, 8, 4096);
  word.u8.fill(1, 0, 64);
  addAll(iov, [{ offset: 0, bytes: 64 }], true);
  word.u8.fill(2, 0, 64);
  const target = new Uint8Array(64);
  iov.gather(target, 0, 0, 64);
  assert.deepEqual(target, new Uint8Array(64).fill(1));
});

test('IovArray, word: writable buffers not committed → the driver sees nothing', () => {
  const iov = new IovArray(word.memory, 8, 4096);
  word.u8.fill(9, 0, 64);
  addAll(iov, [{ offset: 0, bytes: 64 }], false);
  iov.scatter(new Uint8Array(64), 0, 0, 64);
  assert.equal(word.u8[10], 9);
  iov.commit(11);
  assert.deepEqual([word.u8[10], word.u8[11]], [0, 9]);
});

test('add: more entries than the capacity → refused, the list stays as it was', () => {
  const iov = new IovArray(direct.memory, 2, 0);
  assert.equal(iov.add(0, 0, 1, true), true);
  assert.equal(iov.add(0, 0, 0, true), true); // adds nothing
  assert.equal(iov.hasRoom(1, 100), true);
  assert.equal(iov.add(0, 8, 1, true), true);
  assert.equal(iov.hasRoom(1, 100), false);
  assert.equal(iov.add(0, 16, 1, true), false);
  assert.deepEqual([iov.count, iov.bytes], [2, 2]);
});

test('add: more bytes than the staging memory, odd offsets → refused in a word pool exactly above the limit', () => {
  const iov = new IovArray(word.memory, 8, 100);
  assert.equal(iov.add(0, 1, 33, true), true);
  assert.equal(iov.add(0, 1026, 33, true), true);
  assert.equal(iov.hasRoom(1, 34), true);
  assert.equal(iov.hasRoom(1, 35), false);
  assert.equal(iov.add(0, 2051, 35, true), false);
  assert.equal(iov.add(0, 2051, 34, true), true);
  assert.equal(iov.bytes, 100);
});

test('window: a list of 1100 entries → 1022 iovecs, less than asked, and the rest behind them', () => {
  const iov = new IovArray(direct.memory, 1100, 0);
  for (let i = 0; i < 1100; i++) iov.add(0, 2 * i, 1, true);
  iov.window(0, 1100);
  assert.deepEqual([iov.windowCount, iov.windowBytes], [1022, 1022]);
  iov.window(1022, 78);
  assert.deepEqual([iov.windowCount, iov.windowBytes], [78, 78]);
  const fds = pipe();
  assert.ok(Array.isArray(fds));
  iov.window(0, 1100);
  iov.prefix(direct.hva, 4);
  iov.suffix(direct.hva, 4);
  assert.equal(writev(fds[1], iov.windowAddress, iov.windowCount), 1030);
  fds.forEach(close);
});

test('prefix, suffix: private bytes around the window → in that order', () => {
  const iov = new IovArray(direct.memory, 4, 0);
  direct.u8.set(Buffer.from('middle'), 100);
  addAll(iov, [{ offset: 100, bytes: 6 }], true);
  const own = mapPrivate(4096);
  Buffer.from(viewOf(own.address, 8)).write('<<  >>  ', 'latin1');
  iov.window(0, 6);
  iov.suffix(own.address + 4, 2);
  iov.prefix(own.address, 2);
  assert.equal(Buffer.from(windowContents(iov)).toString(), '<<middle>>');
  assert.equal(iov.windowBytes, 10);
});
