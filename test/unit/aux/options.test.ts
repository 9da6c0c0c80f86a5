import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AUX_DEFAULTS,
  checkAuxOptions,
  parseAuxNotify,
  parseAuxPoll,
  parseAuxPool,
  parseIp,
} from '#lkvm/aux/options.js';

const base = { ...AUX_DEFAULTS, pool: parseAuxPool('file:/p'), notify: parseAuxNotify('socket:/s') };

test('aux options: every pool and doorbell word → what it says', () => {
  assert.deepEqual(parseAuxPool('file:/dev/shm/a:b'), { kind: 'file', path: '/dev/shm/a:b' });
  assert.deepEqual(parseAuxPool('memfd'), { kind: 'memfd' });
  assert.deepEqual(parseAuxPool('uio:/dev/uio1,map=2'), {
    kind: 'uio',
    path: '/dev/uio1',
    map: 2,
    sysfs: '/sys',
  });
  assert.deepEqual(parseAuxPool('devmem'), { kind: 'devmem', path: '/dev/mem' });
  assert.deepEqual(parseAuxNotify('eventfd:/e'), { kind: 'eventfd', path: '/e' });
  assert.deepEqual(parseAuxNotify('umb:/dev/umb'), { kind: 'umb', path: '/dev/umb' });
  assert.deepEqual(parseAuxNotify('poll'), { kind: 'poll', us: 1000 });
  assert.deepEqual(parseAuxNotify('poll:50'), { kind: 'poll', us: 50 });
  assert.deepEqual(parseAuxPoll('interval=100'), { kind: 'interval', us: 100 });
  assert.deepEqual(parseAuxPoll('spin'), { kind: 'spin' });
});

test('aux options: a word that is not known, or lacks its path → ConfigError with the words that are', () => {
  for (const run of [
    () => parseAuxPool('file:'),
    () => parseAuxPool('file'),
    () => parseAuxPool('memfd:x'),
    () => parseAuxPool('uio:/dev/uio0,slot=1'),
    () => parseAuxPool('ram'),
    () => parseAuxNotify('socket'),
    () => parseAuxNotify('poll:0'),
    () => parseAuxNotify('poll:fast'),
    () => parseAuxNotify('smoke'),
    () => parseAuxPoll('sometimes'),
    () => parseAuxPoll('interval='),
  ]) {
    assert.throws(run, { code: 'CONFIG', exitCode: 129 });
  }
});

test('aux options: words that exclude each other → ConfigError', () => {
  for (const options of [
    { ...base, pool: parseAuxPool('memfd') },
    { ...base, pool: parseAuxPool('devmem') },
    { ...base, notify: parseAuxNotify('poll'), poll: parseAuxPoll('none') },
    { ...base, netTap: 'tap0', script: true },
    { ...base, shmemAddr: 0x1001 },
    { ...base, shmemSize: 0 },
    { ...base, ip: '192.168.33' },
    { ...base, netTap: '' },
    { ...base, netTap: 'sixteen-letters!' },
    { ...base, netTap: 'tap 0' },
  ]) {
    assert.throws(() => checkAuxOptions(options), { code: 'CONFIG', exitCode: 129 });
  }
  assert.equal(checkAuxOptions(base), base);
});

test('aux options: a value that cannot be meant → the option as it was typed, and an example that is', () => {
  const check = (options: object) => () => checkAuxOptions({ ...base, ...options });
  assert.throws(check({ ip: '10.0.0' }), /^ConfigError: --ip "10.0.0" .* write 192.168.33.15$/);
  assert.throws(
    check({ netTap: 'a/b' }),
    /^ConfigError: --net-tap "a\/b": an interface name has 1 ... 15 bytes/,
  );
  assert.equal(checkAuxOptions({ ...base, netTap: '/dev/tap7' }).netTap, '/dev/tap7');
});

test('parseIp: dotted quads → four bytes; anything else → ConfigError', () => {
  assert.deepEqual([...parseIp('ip', '10.0.255.1')], [10, 0, 255, 1]);
  for (const text of ['', '1.2.3', '1.2.3.256', '1.2.3.4.5', 'a.b.c.d', '1.2.3.-4', '0x1.2.3.4']) {
    assert.throws(() => parseIp('ip', text), { code: 'CONFIG' });
  }
});
