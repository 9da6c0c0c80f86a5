import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LineEditor, splitWords } from '#lkvm/aux/line-editor.js';

/** Feeds text; "|" stands for the end of each line, "^C" for an interrupt. */
function edit(...chunks: readonly string[]): { lines: string[]; echo: string } {
  const editor = new LineEditor();
  const lines: string[] = [];
  for (const chunk of chunks) {
    const bytes = Buffer.from(chunk);
    for (let at = 0; at < bytes.length; at = editor.consumed) {
      const event = editor.feed(bytes, at, bytes.length);
      if (event === 'line') lines.push(editor.line);
      if (event === 'interrupt') lines.push('^C');
    }
  }
  return { lines, echo: Buffer.from(editor.echo).toString() };
}

test('LineEditor: CR, LF or CR LF → one end of line each', () => {
  assert.deepEqual(edit('a\rb\nc\r\nd\r', '\ne\n').lines, ['a', 'b', 'c', 'd', 'e']);
  assert.deepEqual(edit('\n\n').lines, ['', '']);
});

test('LineEditor: backspace and delete → take back one character, also of several bytes, and stop at the start', () => {
  assert.deepEqual(edit('lz\x7fs\n').lines, ['ls']);
  assert.deepEqual(edit('aü€\x08\x08b\n').lines, ['ab']);
  assert.deepEqual(edit('\x7f\x7fa\n').lines, ['a']);
  assert.equal(edit('a\x7f').echo, 'a\b \b');
  assert.equal(edit('\x7f').echo, '');
});

test('LineEditor: Ctrl-C → drops the line; Ctrl-U → empties it; Ctrl-D → nothing', () => {
  assert.deepEqual(edit('abc\x03def\n').lines, ['^C', 'def']);
  assert.deepEqual(edit('abc\x15def\n').lines, ['def']);
  assert.deepEqual(edit('ab\x04c\n').lines, ['abc']);
});

test('LineEditor: arrow and function keys, in one piece or in several → leave no trace', () => {
  assert.deepEqual(edit('a\x1b[Ab\x1bOPc\x1b[15~d\n').lines, ['abcd']);
  assert.deepEqual(edit('a\x1b', '[', 'C', 'b\n').lines, ['ab']);
  assert.deepEqual(edit('a\x1b\n', 'b\n').lines, ['a', 'b'], 'Enter ends an unfinished sequence');
});

test('LineEditor: a line without end → kept up to a limit', () => {
  const [line] = edit('x'.repeat(100_000), '\n').lines;
  assert.equal(line?.length, 4096);
});

test('LineEditor: any bytes → no exception, every byte taken', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const editor = new LineEditor();
      let at = 0;
      while (at < bytes.length) {
        editor.feed(bytes, at, bytes.length);
        assert.ok(editor.consumed > at);
        at = editor.consumed;
      }
    }),
  );
});

test('splitWords: blanks, quotes, backslashes → words as a shell would', () => {
  assert.deepEqual(splitWords('  write  /a b\tc '), ['write', '/a', 'b', 'c']);
  assert.deepEqual(splitWords(`write "a b" 'c "d"' e\\ f ""`), ['write', 'a b', 'c "d"', 'e f', '']);
  assert.deepEqual(splitWords(`'it\\'s`), [`it\\s`]);
  assert.deepEqual(splitWords(''), []);
  assert.deepEqual(splitWords('a\\'), ['a\\']);
});
