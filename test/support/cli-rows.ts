/** Tables of wrong command lines. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { lkvm } from './cli.js';

/** Words behind `lkvm` (split at blanks), exit code, and the line without its prefix. */
export type Row = readonly [args: string, code: number, message: RegExp];

/** Each row: that exit code, nothing on stdout, and exactly one line on stderr, with the prefix of that code. */
export async function checkRows(t: TestContext, rows: readonly Row[]): Promise<void> {
  const tests = rows.map(([args, code, message]) =>
    t.test(`lkvm ${args.length > 90 ? `${args.slice(0, 90)}...` : args} → ${code}`, async () => {
      const result = await lkvm(args);
      const prefix = code === 129 ? '  Error: ' : '  Fatal: ';
      assert.equal(result.code, code, result.stderr);
      assert.equal(result.stdout, '');
      assert.match(result.stderr, message);
      assert.ok(result.stderr.startsWith(prefix), result.stderr);
      assert.equal(result.stderr.trimEnd().split('\n').length, 1, result.stderr);
    }),
  );
  await Promise.all(tests);
}
