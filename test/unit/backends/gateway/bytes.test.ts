import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { be16, be32, checksum, parseIp, setBe16, setBe32 } from '#lkvm/backends/gateway/bytes.js';
import { plainChecksum } from '../../../support/frames.js';

test('checksum: the example of RFC 1071 section 3 → 0x220d', () => {
  assert.equal(checksum(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7), 0, 8), 0x220d);
});

test('checksum: 65535 bytes of 0xff → no overflow', () => {
  const data = new Uint8Array(65_535).fill(0xff);
  assert.equal(checksum(data, 0, data.length), plainChecksum(data));
});

test('checksum: any bytes at any offset → the same as the plain formula; with its checksum in place → 0', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 2, maxLength: 200 }), fc.nat(50), (data, offset) => {
      const at = Math.min(offset, data.length - 2);
      const range = data.slice(at);
      range.set([0, 0]);
      const whole = Uint8Array.of(...data.slice(0, at), ...range);
      const sum = checksum(whole, at, range.length);
      assert.equal(sum, plainChecksum(range));
      setBe16(whole, at, sum);
      assert.equal(checksum(whole, at, range.length), 0);
    }),
  );
});

test('big-endian fields: what is written is read', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), (value) => {
      const bytes = new Uint8Array(6);
      setBe32(bytes, 1, value);
      assert.equal(be32(bytes, 1), value);
      assert.equal(be16(bytes, 1), value >>> 16);
    }),
  );
});

for (const [text, value] of [
  ['192.168.33.1', 0xc0a82101],
  ['255.255.255.255', 0xffffffff],
  ['256.1.1.1', -1],
  ['1.2.3', -1],
  ['1.2.3.4.5', -1],
  ['a.b.c.d', -1],
  ['', -1],
  ['1.2.3.-4', -1],
] as const) {
  test(`parseIp: "${text}" → ${value}`, () => assert.equal(parseIp(text), value));
}
