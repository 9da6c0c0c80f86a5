// Escape keys: what ends the machine and what goes to the driver.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EscapeFilter, type EscapeMode } from '#lkvm/backends/terminal/escape.js';

/** Runs `pieces` through a filter. @returns what came out, and how often the escape was seen */
function run(mode: EscapeMode, pieces: readonly Uint8Array[], flush = false) {
  let escapes = 0;
  const filter = new EscapeFilter(mode, () => escapes++);
  const out: number[] = [];
  for (const piece of pieces) {
    const to = new Uint8Array(piece.length + 1);
    const n = filter.filter(piece, piece.length, to, 0);
    assert.ok(n <= piece.length + 1);
    out.push(...to.subarray(0, n));
  }
  if (flush) {
    const to = new Uint8Array(1);
    out.push(...to.subarray(0, filter.flush(to, 0)));
  }
  return { escapes, out: Buffer.from(out).toString('latin1') };
}

function keys(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'latin1'));
}

for (const [typed, out, escapes] of [
  ['abc', 'abc', 0],
  ['\x01x', '', 1],
  ['\x02x', '', 1],
  ['ls\x01xmore', 'lsmore', 1],
  ['\x01\x01', '\x01', 0],
  ['\x02\x02', '\x02', 0],
  ['\x01\x01x', '\x01x', 0],
  ['\x01e', '\x01e', 0],
  ['\x01X', '\x01X', 0],
  ['\x01\x02x', '\x01', 1],
  ['\x01', '', 0],
  ['x\x01', 'x', 0],
  ['\x03', '\x03', 0],
] as const) {
  const shown = JSON.stringify(typed);
  test(`escape ctrl-a: ${shown} → ${JSON.stringify(out)} to the driver, ${escapes} escapes`, () => {
    assert.deepEqual(run('ctrl-a', [keys(typed)]), { escapes, out });
  });
}

test('escape ctrl-a: prefix and key in two reads → the same as in one', () => {
  assert.deepEqual(run('ctrl-a', [keys('a\x01'), keys('x'), keys('b')]), { escapes: 1, out: 'ab' });
  assert.deepEqual(run('ctrl-a', [keys('\x01'), keys('e')]), { escapes: 0, out: '\x01e' });
});

test('escape ctrl-a: the input ends after a prefix → the prefix is delivered', () => {
  assert.deepEqual(run('ctrl-a', [keys('a\x01')], true), { escapes: 0, out: 'a\x01' });
  assert.deepEqual(run('ctrl-a', [keys('a')], true), { escapes: 0, out: 'a' });
});

test('escape ctrl-c: Ctrl-C is the escape, Ctrl-A x is not', () => {
  assert.deepEqual(run('ctrl-c', [keys('a\x03b\x01x')]), { escapes: 1, out: 'ab\x01x' });
});

test('escape none: every byte goes to the driver', () => {
  const all = Uint8Array.from({ length: 256 }, (_, i) => i);
  assert.deepEqual(run('none', [all, keys('\x01x\x02x\x03')]), {
    escapes: 0,
    out: `${Buffer.from(all).toString('latin1')}\x01x\x02x\x03`,
  });
});

test('escape: any keys cut anywhere → the same as uncut', () => {
  const key = fc.constantFrom(0x01, 0x02, 0x03, 0x78, 0x61);
  const mode = fc.constantFrom<EscapeMode>('ctrl-a', 'ctrl-c', 'none');
  fc.assert(
    fc.property(mode, fc.array(fc.array(key, { maxLength: 5 }), { maxLength: 6 }), (m, pieces) => {
      const whole = run(m, [Uint8Array.from(pieces.flat())], true);
      const cut = run(
        m,
        pieces.map((p) => Uint8Array.from(p)),
        true,
      );
      assert.deepEqual(cut, whole);
    }),
  );
});
