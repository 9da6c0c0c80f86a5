import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { choiceOf, memoryOf, numberOf, sizeOf, splitKind, splitPair } from '#lkvm/cli/values.js';

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

test('memoryOf: a number → MiB; suffixes in either case → powers of 1024; leading zeros are decimal', () => {
  assert.equal(memoryOf('--mem', '512'), 512 << 20);
  assert.equal(memoryOf('--mem', '0512'), 512 << 20);
  assert.equal(memoryOf('--mem', '4194304B'), 4 << 20);
  assert.equal(memoryOf('--mem', '524288k'), 512 << 20);
  assert.equal(memoryOf('--mem', '512M'), 512 << 20);
  assert.equal(memoryOf('--mem', '2g'), 2 * 2 ** 30);
  assert.equal(memoryOf('--mem', '1T'), 2 ** 40);
  assert.equal(memoryOf('--mem', '1P'), 2 ** 50);
});

test('memoryOf: nothing, junk, hexadecimal, fractions, an address → refused with what is allowed', () => {
  for (const text of ['', 'M', '-1', '+1', '1.5G', '0x200', '512 M', '512MB', '512MiB', '1e3', '１']) {
    const message = `--mem "${text}" is not an amount of memory; write 512 (MiB), 512M or 2G`;
    assert.throws(() => memoryOf('--mem', text), { exitCode: 129, message });
  }
  assert.throws(() => memoryOf('--mem', '512M@2G'), { message: /an address behind @ is for ARM guests/ });
});

test('memoryOf: zero → refused; above 2^53 - 1 → refused', () => {
  for (const text of ['0', '00', '0G'])
    assert.throws(() => memoryOf('--mem', text), { message: /needs memory/ });
  for (const text of ['8P', '9999999999', '99999999999999999999B']) {
    assert.throws(() => memoryOf('--mem', text), { exitCode: 129, message: /is too large/ });
  }
});

test('memoryOf: any number with any suffix → exactly that many bytes, or refused', () => {
  const suffixes = fc.constantFrom(...'BKMGTPbkmgtp', '');
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 70n }), suffixes, (number, suffix) => {
      const exponent = BigInt('BKMGTP'.indexOf(suffix === '' ? 'M' : suffix.toUpperCase()));
      const bytes = number * 1024n ** exponent;
      const read = () => memoryOf('--mem', `${number}${suffix}`);
      if (bytes > 0n && bytes < 2n ** 53n) assert.equal(read(), Number(bytes));
      else assert.throws(read, { exitCode: 129 });
    }),
  );
});

test('memoryOf: any text that is not digits and one suffix → refused, nothing else', () => {
  fc.assert(
    fc.property(
      fc.string().filter((text) => !/^[0-9]+[BKMGTP]?$/i.test(text)),
      (text) => {
        assert.throws(() => memoryOf('--mem', text), { name: 'ConfigError', exitCode: 129 });
      },
    ),
  );
});
