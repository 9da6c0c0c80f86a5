import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createLines, LINES, SharedLines } from '#lkvm/platform/shared-lines.js';

test('SharedLines: two sources on a line, in two threads’ objects → up while either pulls', () => {
  const shared = createLines();
  const changes: string[] = [];
  const port = (gsi: number, level: boolean): void => {
    changes.push(`${gsi}${level ? '+' : '-'}`);
  };
  const one = new SharedLines(shared, port);
  const other = new SharedLines(shared, port);
  one.setLevel(10, 0, true);
  other.setLevel(10, 31, true);
  one.setLevel(10, 0, false);
  one.setLevel(10, 0, false);
  assert.equal(one.sources(10), -0x8000_0000);
  other.setLevel(10, 31, false);
  assert.deepEqual(changes, ['10+', '10-']);
});

test('SharedLines: any levels of any sources → the port hears of each line’s changes, alternating, and of nothing else', () => {
  const change = fc.record({ gsi: fc.nat(LINES - 1), source: fc.nat(31), level: fc.boolean() });
  fc.assert(
    fc.property(fc.array(change), (changes) => {
      const levels = new Map<number, boolean>();
      const sources = new Map<number, Set<number>>();
      const lines = new SharedLines(createLines(), (gsi, level) => {
        assert.notEqual(levels.get(gsi) ?? false, level);
        levels.set(gsi, level);
      });
      for (const { gsi, source, level } of changes) {
        const on = sources.get(gsi) ?? new Set();
        sources.set(gsi, on);
        if (level) on.add(source);
        else on.delete(source);
        lines.setLevel(gsi, source, level);
        assert.equal(levels.get(gsi) ?? false, on.size > 0);
      }
    }),
  );
});
