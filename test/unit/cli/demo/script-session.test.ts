// The demo reads a shell's console: outputs and end marks in one stream of bytes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MarkParser, splitCommands } from '#lkvm/cli/demo/script-session.js';

const mark = (command: string, status: number, more = '') =>
  `\x1e${JSON.stringify({ end: 1, command, status })}${more}\n`;

function parse(chunks: readonly Buffer[]): { command: string; status: number; output: string }[] {
  const results: { command: string; status: number; output: string }[] = [];
  const parser = new MarkParser(
    ({ command, status }, output) => void results.push({ command, status, output }),
  );
  for (const chunk of chunks) parser.push(chunk);
  return results;
}

test('marks: two commands in one chunk → two results with their own output, CR LF as LF', () => {
  const stream = `a\r\nb\r\n${mark('ls /', 0)}no such file\r\n${mark('cat x', 1)}`;
  assert.deepEqual(parse([Buffer.from(stream)]), [
    { command: 'ls /', status: 0, output: 'a\nb\n' },
    { command: 'cat x', status: 1, output: 'no such file\n' },
  ]);
});

test('marks: any chunking of the stream → the same results, also inside characters of several bytes', () => {
  const stream = Buffer.from(`grüße\n${mark('cat ü', 0)}x${mark('exit', 0)}`);
  const whole = parse([stream]);
  fc.assert(
    fc.property(fc.array(fc.nat({ max: stream.length }), { maxLength: 8 }), (cuts) => {
      const sorted = [0, ...cuts.sort((a, b) => a - b), stream.length];
      const chunks = sorted.slice(1).map((end, i) => stream.subarray(sorted[i], end));
      assert.deepEqual(parse(chunks), whole);
    }),
  );
});

test('marks: the mark byte in the output comes doubled → one byte of output, also at the border of two chunks', () => {
  const stream = Buffer.from(`a\x1e\x1e{"end":1}\x1e\x1e\n${mark('cat x', 0)}`);
  for (let cut = 0; cut <= stream.length; cut++) {
    const results = parse([stream.subarray(0, cut), stream.subarray(cut)]);
    assert.deepEqual(results, [{ command: 'cat x', status: 0, output: 'a\x1e{"end":1}\x1e\n' }]);
  }
});

test('marks: something that is no mark after the mark byte → an error, not silence', () => {
  assert.throws(() => parse([Buffer.from('\x1e{"end":1}\n')]), /unreadable mark/);
  assert.throws(() => parse([Buffer.from('\x1enonsense\n')]));
});

test('commands: semicolons and line ends separate, blanks are left out', () => {
  assert.deepEqual(splitCommands(' ls /; ;ping 3\n\nexit;'), ['ls /', 'ping 3', 'exit']);
});
