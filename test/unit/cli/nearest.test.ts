import assert from 'node:assert/strict';
import { test } from 'node:test';
import { editDistance, nearest } from '#lkvm/cli/nearest.js';

test('editDistance: known pairs → Levenshtein distance', () => {
  assert.equal(editDistance('kitten', 'sitting'), 3);
  assert.equal(editDistance('', 'abc'), 3);
  assert.equal(editDistance('same', 'same'), 0);
});

test('nearest: a slip of the finger → the name; another word, or nothing short enough → undefined', () => {
  const names = ['run', 'pmm', 'layout', 'inspect'];
  assert.equal(nearest(names, 'layuot'), 'layout');
  assert.equal(nearest(names, 'rum'), 'run');
  assert.equal(nearest(names, 'stop'), undefined);
  assert.equal(nearest(names, ''), undefined);
});
