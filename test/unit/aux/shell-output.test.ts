import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ShellOutput } from '#lkvm/aux/shell-output.js';
import { MarkParser } from '#lkvm/cli/demo/script-session.js';

function collect(script: boolean): { output: ShellOutput; written: () => Buffer } {
  const parts: Uint8Array[] = [];
  const console = { write: (bytes: Uint8Array) => parts.push(Uint8Array.from(bytes)) };
  return { output: new ShellOutput(console, script), written: () => Buffer.concat(parts) };
}

test('ShellOutput: for a person → CR before each LF, no marks', () => {
  const { output, written } = collect(false);
  output.text('a\nb\n');
  output.mark({ status: 0 });
  assert.equal(written().toString(), 'a\r\nb\r\n');
});

test('ShellOutput: for a program, any output → the reader of marks gets it back, and cannot be fooled', () => {
  const text = fc.string({ unit: fc.constantFrom('a', '\x1e', '{', '"', '\n', '}') });
  fc.assert(
    fc.property(fc.array(text, { minLength: 1, maxLength: 5 }), (outputs) => {
      const { output, written } = collect(true);
      for (const [i, each] of outputs.entries()) {
        output.text(each);
        output.mark({ end: 1, command: `command ${i}`, status: i });
      }
      const seen: string[] = [];
      new MarkParser((mark, got) => void seen.push(`${mark.status}:${got}`)).push(written());
      assert.deepEqual(
        seen,
        outputs.map((each, i) => `${i}:${each}`),
      );
    }),
  );
});
