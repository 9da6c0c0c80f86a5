import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RateLimit, RateLimitedLog } from '#lkvm/util/rate-limit.js';
import { collectLog } from '../../support/doorbell-rig.js';

const TEN_SECONDS_US = 10_000_000;

test('RateLimit: a burst of 100 → ten pass, the rest are counted; ten seconds later more pass', () => {
  const limit = new RateLimit(10, TEN_SECONDS_US);
  const passed = Array.from({ length: 100 }, (_, i) => limit.allow(i)).filter(Boolean);
  assert.equal(passed.length, 10);
  assert.equal(limit.suppressed, 90);
  assert.ok(!limit.allow(TEN_SECONDS_US - 1));
  assert.ok(limit.allow(TEN_SECONDS_US));
});

test('RateLimitedLog: lines were left out → the next one says how many, once', () => {
  let now = 0;
  const log = collectLog();
  const limited = new RateLimitedLog(log, new RateLimit(1, 1000), () => now);
  for (const text of ['a', 'b', 'c']) limited.warn(text);
  now = 1000;
  limited.info('d');
  now = 2000;
  limited.warn('e');
  assert.deepEqual(log.warnings, ['a', 'e']);
  assert.deepEqual(log.infos, ['d (2 more lines were left out before)']);
});
