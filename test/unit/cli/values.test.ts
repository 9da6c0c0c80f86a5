import assert from 'node:assert/strict';
import { test } from 'node:test';
import { choiceOf, numberOf, sizeOf, splitKind, splitPair } from '#lkvm/cli/values.js';

test('numberOf: C notation → value', () => {
  assert.equal(numberOf('--n', '4096'), 4096);
  assert.equal(numberOf('--n', '0x1000'), 4096);
  assert.equal(numberOf('--n', '0X1f'), 31);
  assert.equal(numberOf('--n', '010000'), 4096);
  assert.equal(numberOf('--n', '0'), 0);
  assert.equal(numberOf('--n', '9007199254740991'), Number.MAX_SAFE_INTEGER);
});

test('numberOf: trailing junk, signs, blanks, nothing → refused with the word', () => {
  for (const text of ['', ' 1', '1 ', '12zz', '0x', '0xg', '089', '-1', '+1', '1.5', '1e3', '16M']) {
    const message = `--n "${text}" is not a number; write 4096, 0x1000 or (octal) 010000`;
    assert.throws(() => numberOf('--n', text), { exitCode: 129, message });
  }
});

test('numberOf: above 2^53 - 1 → refused', () => {
  assert.throws(() => numberOf('--n', '0x20000000000000'), { exitCode: 129 });
  assert.throws(() => numberOf('--n', '99999999999999999999'), { exitCode: 129 });
});

test('sizeOf: suffixes are powers of 1024, in either case → bytes', () => {
  assert.equal(sizeOf('--s', '16M'), 16 << 20);
  assert.equal(sizeOf('--s', '64k'), 65536);
  assert.equal(sizeOf('--s', '1G'), 2 ** 30);
  assert.equal(sizeOf('--s', '512B'), 512);
  assert.equal(sizeOf('--s', '0x1000'), 4096);
  assert.equal(sizeOf('--s', '0x10B'), 0x10b);
  assert.equal(sizeOf('--s', '4096'), 4096);
});

test('sizeOf: suffix without a number, two suffixes, octal with suffix, too large → refused', () => {
  for (const text of ['M', '16MM', '16MiB', '010M', '', '1X', '8192P']) {
    assert.throws(() => sizeOf('--s', text), { exitCode: 129 }, text);
  }
});

test('choiceOf: word of the list → itself; another → refused, with the list', () => {
  assert.equal(choiceOf('--c', 'a', ['a', 'b']), 'a');
  assert.throws(() => choiceOf('--c', 'x', ['a', 'b']), {
    message: '--c "x" is not known; it is one of a, b',
  });
});

test('splitKind, splitPair: split at the first separator only', () => {
  assert.deepEqual(splitKind('file:/a:b'), { kind: 'file', rest: '/a:b' });
  assert.deepEqual(splitKind('memfd'), { kind: 'memfd', rest: undefined });
  assert.deepEqual(splitPair('a=b=c'), { key: 'a', value: 'b=c' });
  assert.deepEqual(splitPair('a'), { key: 'a', value: undefined });
});
