import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { OptionSpec } from '#lkvm/cli/option-table.js';
import { type ParsedOptions, parseOptions } from '#lkvm/cli/parse-options.js';

const SPECS: readonly OptionSpec[] = [
  { name: 'console', argument: 'KIND', text: '' },
  { name: 'confine', text: '' },
  { name: 'network', short: 'n', argument: 'LIST', optional: 'next', text: '' },
  { name: 'mem', short: 'm', argument: 'SIZE', text: '' },
  { name: 'vxworks', short: 'v', text: '' },
  { name: 'help', short: 'h', text: '' },
  { name: 'no-dtb', text: '' },
  { name: 'static', argument: 'TYPES', optional: 'attached', text: '' },
];

function parse(line: string): ParsedOptions {
  return parseOptions(SPECS, line === '' ? [] : line.split(' '));
}

function refused(line: string): string {
  try {
    parse(line);
  } catch (error) {
    assert.equal((error as { exitCode: number }).exitCode, 129);
    return (error as Error).message;
  }
  return 'accepted';
}

test('parseOptions: long option with = or the next word → its value', () => {
  assert.equal(parse('--console virtio').value('console'), 'virtio');
  assert.equal(parse('--console=virtio').value('console'), 'virtio');
  assert.equal(parse('--console=a=b').value('console'), 'a=b');
  assert.equal(parse('--console=').value('console'), '');
  assert.equal(parse('--console --confine').value('console'), '--confine');
});

test('parseOptions: unambiguous prefix → the option', () => {
  assert.equal(parse('--cons=x').value('console'), 'x');
  assert.equal(parse('--vx').has('vxworks'), true);
});

test('parseOptions: ambiguous prefix → refused, naming the candidates', () => {
  assert.equal(refused('--con x'), '--con could be --console or --confine; write more of it');
  assert.match(refused('--n'), /--network or --no-dtb/);
});

test('parseOptions: --no-NAME → what was said before is taken back', () => {
  assert.equal(parse('--confine --no-confine').flag('confine'), false);
  assert.equal(parse('--no-confine').flag('confine'), false);
  assert.equal(parse('').flag('confine'), undefined);
  assert.equal(parse('--no-confine --confine').flag('confine'), true);
  assert.deepEqual(parse('-n a -n b --no-network -n c').values('network'), ['c']);
  assert.equal(parse('--console x --no-cons').has('console'), false);
});

test('parseOptions: an option whose own name begins with "no-" → exact match wins, and it can be negated too', () => {
  assert.equal(parse('--no-dtb').flag('no-dtb'), true);
  assert.equal(parse('--no-dtb --no-no-dtb').flag('no-dtb'), false);
  assert.equal(parse('--no-d').flag('no-dtb'), true);
});

test('parseOptions: short options → value attached or next, flags in clusters', () => {
  assert.equal(parse('-m512').value('mem'), '512');
  assert.equal(parse('-m 512').value('mem'), '512');
  const cluster = parse('-vh');
  assert.deepEqual([cluster.has('vxworks'), cluster.has('help')], [true, true]);
  assert.equal(parse('-vm512').value('mem'), '512');
});

test('parseOptions: optional value → a following word unless it begins with a dash', () => {
  assert.equal(parse('-n').value('network'), '');
  assert.equal(parse('--network --confine').value('network'), '');
  assert.equal(parse('-n mode=tap').value('network'), 'mode=tap');
  assert.equal(parse('-nmode=tap').value('network'), 'mode=tap');
  assert.deepEqual(parse('--static rng').words, ['rng']);
  assert.equal(parse('--static=rng').value('static'), 'rng');
});

test('parseOptions: repeated → all values in order, the last one counts', () => {
  const parsed = parse('-n a --network=b -nc');
  assert.deepEqual(parsed.values('network'), ['a', 'b', 'c']);
  assert.equal(parsed.value('network'), 'c');
});

test('parseOptions: words and -- → returned in order', () => {
  assert.deepEqual(parse('one --confine two -- --console -h').words, ['one', 'two', '--console', '-h']);
  assert.deepEqual(parse('-').words, ['-']);
});

test('parseOptions: what cannot be understood → one line', () => {
  assert.equal(refused('--consle x'), 'unknown option --consle; did you mean --console?');
  assert.equal(refused('--frobnicate'), 'unknown option --frobnicate');
  assert.equal(refused('--=x'), 'unknown option --');
  assert.equal(refused('-x'), 'unknown option -x');
  assert.equal(refused('-vx'), 'unknown option -x');
  assert.equal(refused('--console'), '--console needs a value: --console KIND');
  assert.equal(refused('-m'), '-m needs a value: -m SIZE');
  assert.equal(refused('--confine=yes'), '--confine takes no value, but got "yes"');
  assert.equal(refused('--no-console=yes'), '--no-console takes no value, but got "yes"');
  assert.equal(refused('-network'), 'did you mean --network (with two dashes)? Got -network');
});

test('parseOptions: any words → parsed or ConfigError, never anything else', () => {
  const piece = fc.constantFrom(
    '--',
    '-',
    'no-',
    'console',
    'confine',
    'n',
    'm',
    'v',
    '=',
    'x',
    'static',
    '0',
  );
  const word = fc.array(piece, { maxLength: 5 }).map((pieces) => pieces.join(''));
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (words) => {
      try {
        parseOptions(SPECS, words);
      } catch (error) {
        assert.equal((error as { code: string }).code, 'CONFIG');
      }
    }),
  );
});
